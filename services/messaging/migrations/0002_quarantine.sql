-- migrate:up
-- Quarantine to the end: what waits to be tried again, what waits behind it, and what operators decided.
ALTER TABLE {schema}.quarantine DROP CONSTRAINT quarantine_state_check;
ALTER TABLE {schema}.quarantine
    ADD COLUMN record_key  text,
    ADD COLUMN accepted    boolean NOT NULL DEFAULT false,
    ADD COLUMN told        boolean NOT NULL DEFAULT true,
    ADD COLUMN next_try_at timestamptz,
    ADD COLUMN closed_at   timestamptz;
COMMENT ON COLUMN {schema}.quarantine.value IS 'The exact bytes as they came; no role of a service may change them';
COMMENT ON COLUMN {schema}.quarantine.case_key IS 'The case that waits with it; nobody''s where nothing proves the record''s key';
COMMENT ON COLUMN {schema}.quarantine.record_key IS 'The key as it came';
COMMENT ON COLUMN {schema}.quarantine.accepted IS 'The inbox holds its id, taken for this row and no other';
COMMENT ON COLUMN {schema}.quarantine.told IS 'The journal says that it is parked';
COMMENT ON COLUMN {schema}.quarantine.next_try_at IS 'Wall-clock time of its next try, while it waits for one';

UPDATE {schema}.quarantine
   SET state = 'behind', accepted = true
 WHERE state = 'parked' AND reason = 'behind_parked';
ALTER TABLE {schema}.quarantine
    ADD CONSTRAINT quarantine_state_check
        CHECK (state IN ('waiting', 'parked', 'behind', 'retried', 'amended', 'skipped', 'rejected')),
    ADD CONSTRAINT quarantine_waits CHECK ((state = 'waiting') = (next_try_at IS NOT NULL));

DROP INDEX {schema}.quarantine_parked;
CREATE INDEX quarantine_open ON {schema}.quarantine (case_key, topic, partition, "offset")
 WHERE state IN ('waiting', 'parked', 'behind');

CREATE TABLE {schema}.quarantine_decisions (
    decision_id    text PRIMARY KEY,
    quarantine_id  text        NOT NULL REFERENCES {schema}.quarantine,
    verb           text        NOT NULL CHECK (verb IN ('retry', 'amend', 'skip', 'reject')),
    state          text        NOT NULL CHECK (state IN ('proposed', 'done', 'failed', 'withdrawn', 'lapsed')),
    maker          text        NOT NULL,
    reason         text        NOT NULL,
    checker        text,
    approval       text,
    amendment      bytea,
    amended_digest text,
    content_digest text,
    code           text,
    remedy         text,
    outcome        text,
    rejection_id   text,
    made_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at     timestamptz,
    CHECK ((verb = 'amend') = (amendment IS NOT NULL)),
    CHECK (checker IS DISTINCT FROM maker)
);
COMMENT ON TABLE {schema}.quarantine_decisions IS 'Every decision about a record in quarantine, and every proposal of one';
COMMENT ON COLUMN {schema}.quarantine_decisions.amendment IS
    'The record in whose place it is handled; a document''s body is sealed to the own province';
COMMENT ON COLUMN {schema}.quarantine_decisions.content_digest IS
    'By which a checker who has the amended text can see that it is the same; on no journal';
CREATE INDEX quarantine_decisions_of ON {schema}.quarantine_decisions (quarantine_id, made_at);
CREATE UNIQUE INDEX quarantine_one_proposal ON {schema}.quarantine_decisions (quarantine_id) WHERE state = 'proposed';

CREATE TABLE {schema}.rejections (
    rejection_id text PRIMARY KEY,
    case_id      text        NOT NULL,
    rejected_by  text        NOT NULL,
    document_type text       NOT NULL,
    number       bigint      NOT NULL,
    digest       text        NOT NULL,
    code         text        NOT NULL,
    remedy       text        NOT NULL,
    received_at  timestamptz NOT NULL
);
COMMENT ON TABLE {schema}.rejections IS 'Documents of this service that their addressees rejected';
CREATE INDEX rejections_received ON {schema}.rejections (received_at);

GRANT UPDATE (state, attempts, case_key, reason, detail, accepted, told, next_try_at, closed_at) ON {schema}.quarantine TO {role};
GRANT SELECT, INSERT ON {schema}.quarantine_decisions TO {role};
GRANT UPDATE (state, checker, approval, outcome, rejection_id, decided_at) ON {schema}.quarantine_decisions TO {role};
GRANT SELECT, INSERT ON {schema}.rejections TO {role};
