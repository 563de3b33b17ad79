-- migrate:up
-- A row of the outbox is written once and never again: its number, proof and checkpoint stand in a table of their own, and what
-- the relay has not seen is named in a third. To mark the row itself wrote it a second time, payload and all.
CREATE TABLE {schema}.numbered (
    number     bigint PRIMARY KEY,
    seq        bigint NOT NULL UNIQUE,
    proof      bytea  NOT NULL,
    checkpoint bigint NOT NULL
);
COMMENT ON TABLE {schema}.numbered IS 'Place of an outbox row in the service''s log, given once by the relay, with the evidence';
COMMENT ON COLUMN {schema}.numbered.proof IS 'Inclusion path in the batch (RFC 6962)';
COMMENT ON COLUMN {schema}.numbered.checkpoint IS 'Last number of the signed batch that holds the row';

CREATE TABLE {schema}.pending (
    seq bigint PRIMARY KEY
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE {schema}.pending IS 'Outbox rows that wait for their number';

INSERT INTO {schema}.numbered (number, seq, proof, checkpoint)
SELECT number, seq, proof, checkpoint
  FROM {schema}.outbox
 WHERE number IS NOT NULL;

INSERT INTO {schema}.pending (seq)
SELECT seq
  FROM {schema}.outbox
 WHERE number IS NULL;

ALTER TABLE {schema}.outbox DROP COLUMN number, DROP COLUMN proof, DROP COLUMN checkpoint;

CREATE OR REPLACE FUNCTION {schema}.outbox_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'row % of the journal is kept as it is', OLD.seq;
END $$;
CREATE TRIGGER numbered_is_kept BEFORE UPDATE ON {schema}.numbered FOR EACH ROW EXECUTE FUNCTION {schema}.outbox_is_kept();

CREATE VIEW {schema}.log AS
SELECT o.seq, n.number, o.event_id, o.topic, o.key, o.role, o.type, o.subject, o.payload, o.created_at, n.proof, n.checkpoint
  FROM {schema}.outbox AS o
  LEFT JOIN {schema}.numbered AS n USING (seq);
COMMENT ON VIEW {schema}.log IS 'The service''s log for people who look: what has no number is not published yet';

GRANT SELECT, INSERT ON {schema}.numbered TO {role};
GRANT SELECT, INSERT, DELETE ON {schema}.pending TO {role};
GRANT SELECT ON {schema}.log TO {role};
