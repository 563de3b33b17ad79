-- migrate:up
-- One set of these tables a service, in the service's own schema.
CREATE SCHEMA IF NOT EXISTS {schema};
GRANT USAGE ON SCHEMA {schema} TO {role};

CREATE TABLE {schema}.outbox (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id   text        NOT NULL UNIQUE,
    topic      text        NOT NULL,
    key        text        NOT NULL,
    role       text,
    type       text        NOT NULL,
    subject    text        NOT NULL,
    payload    bytea       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    number     bigint UNIQUE,
    proof      bytea,
    checkpoint bigint
);
COMMENT ON TABLE {schema}.outbox IS 'The service''s journal: the exact published bytes, kept and marked, never deleted';
COMMENT ON COLUMN {schema}.outbox.number IS 'Place in the service''s log, given once by the relay';
COMMENT ON COLUMN {schema}.outbox.checkpoint IS 'Last number of the signed batch that holds the row';
CREATE INDEX outbox_unnumbered ON {schema}.outbox (seq) WHERE number IS NULL;
CREATE INDEX outbox_subject ON {schema}.outbox (subject);

CREATE FUNCTION {schema}.outbox_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.number IS NOT NULL THEN
        RAISE EXCEPTION 'row % of the journal is numbered and cannot change', OLD.seq;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER outbox_is_kept BEFORE UPDATE ON {schema}.outbox FOR EACH ROW EXECUTE FUNCTION {schema}.outbox_is_kept();

CREATE TABLE {schema}.checkpoints (
    last       bigint PRIMARY KEY,
    first      bigint NOT NULL UNIQUE,
    checkpoint text   NOT NULL,
    signature  text   NOT NULL,
    digest     text   NOT NULL UNIQUE
);

CREATE TABLE {schema}.relay (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    sent_through bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE {schema}.relay IS 'Up to which number Kafka has acknowledged; everything above is sent again, byte for byte';
INSERT INTO {schema}.relay DEFAULT VALUES;

CREATE TABLE {schema}.inbox (
    consumer    text        NOT NULL,
    event_id    text        NOT NULL,
    digest      bytea       NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);

CREATE TABLE {schema}.quarantine (
    quarantine_id text PRIMARY KEY,
    topic         text        NOT NULL,
    partition     int         NOT NULL,
    "offset"      bigint      NOT NULL,
    case_key      text        NOT NULL,
    event_id      text,
    reason        text        NOT NULL,
    detail        text        NOT NULL,
    value         bytea       NOT NULL,
    headers       jsonb       NOT NULL,
    attempts      int         NOT NULL DEFAULT 0,
    state         text        NOT NULL DEFAULT 'parked' CHECK (state IN ('parked', 'retried', 'skipped', 'rejected')),
    parked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (topic, partition, "offset")
);
CREATE INDEX quarantine_parked ON {schema}.quarantine (case_key) WHERE state = 'parked';

-- The journal is only ever added to; a relay may mark its rows, once.
GRANT SELECT, INSERT ON {schema}.outbox TO {role};
GRANT UPDATE (number, proof, checkpoint) ON {schema}.outbox TO {role};
GRANT SELECT, INSERT ON {schema}.checkpoints TO {role};
GRANT SELECT ON {schema}.relay TO {role};
GRANT UPDATE (sent_through) ON {schema}.relay TO {role};
GRANT SELECT, INSERT ON {schema}.inbox TO {role};
GRANT SELECT, INSERT ON {schema}.quarantine TO {role};
GRANT UPDATE (state, attempts) ON {schema}.quarantine TO {role};
