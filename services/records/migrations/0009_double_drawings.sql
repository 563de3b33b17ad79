-- migrate:up
CREATE TABLE records.double_drawings (
    settlement_id text PRIMARY KEY,
    person_ref    text        NOT NULL,
    keeps         text        NOT NULL,
    state         text        NOT NULL CHECK (state IN ('proposed', 'settled', 'dropped')),
    facts         text        NOT NULL,
    maker         text        NOT NULL,
    checker       text,
    made_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at    timestamptz,
    CONSTRAINT double_drawings_by_two CHECK (state <> 'settled' OR checker <> maker)
);
COMMENT ON TABLE records.double_drawings IS 'Pensions drawn here beside another place''s, which the person keeps: how what was drawn twice is settled';
COMMENT ON COLUMN records.double_drawings.keeps IS 'The province whose pension is kept';
COMMENT ON COLUMN records.double_drawings.facts IS 'What is known of both pensions, sealed with the person''s key';
CREATE UNIQUE INDEX double_drawings_open ON records.double_drawings (person_ref) WHERE state = 'proposed';

GRANT SELECT, INSERT, UPDATE ON records.double_drawings TO {origin_role};
