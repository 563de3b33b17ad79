-- migrate:up
CREATE TABLE records.settlements (
    person_ref  text PRIMARY KEY,
    state       text        NOT NULL CHECK (state IN ('proposed', 'settled')),
    maker       text        NOT NULL,
    checker     text,
    proposed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    settled_at  timestamptz,
    CONSTRAINT settlements_by_two CHECK (state = 'proposed' OR coalesce(checker <> maker, false))
);
COMMENT ON TABLE records.settlements IS 'Accounts of the dead that are settled with the heirs, where no transfer goes on';

GRANT SELECT, INSERT, UPDATE ON records.settlements TO {origin_role};
