-- migrate:up
ALTER TABLE records.persons
    ADD COLUMN died_on       date,
    ADD COLUMN left_with     text,
    ADD COLUMN left_segments text,
    DROP CONSTRAINT persons_state_check,
    ADD CONSTRAINT persons_state_check CHECK (state IN ('active', 'stopped', 'moved', 'settled'));
COMMENT ON COLUMN records.persons.left_segments IS 'Year rows that are not counted here any more, AES-256-GCM under the person''s key: they are what a later version of their form is made from';
COMMENT ON COLUMN records.persons.left_with IS 'The transfer with which they left; empty where the account was paid out';

CREATE TABLE records.corrections (
    correction_id text PRIMARY KEY,
    person_ref    text        NOT NULL,
    year          int         NOT NULL,
    state         text        NOT NULL CHECK (state IN ('proposed', 'approved', 'dropped')),
    maker         text        NOT NULL,
    checker       text,
    reason        text        NOT NULL,
    rows          text        NOT NULL,
    made_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at    timestamptz
);
COMMENT ON COLUMN records.corrections.rows IS 'The year as it is to be, AES-256-GCM under the person''s key';
CREATE INDEX corrections_open ON records.corrections (made_at) WHERE state = 'proposed';
CREATE UNIQUE INDEX corrections_once ON records.corrections (person_ref, year) WHERE state = 'proposed';

GRANT SELECT, INSERT, UPDATE ON records.corrections TO {origin_role};
