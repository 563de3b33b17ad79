-- migrate:up
CREATE TABLE records.year_ends (
    run_id       text PRIMARY KEY,
    year         int         NOT NULL,
    state        text        NOT NULL CHECK (state IN ('proposed', 'running', 'stopped', 'done', 'dropped')),
    maker        text        NOT NULL,
    checker      text,
    after        text        NOT NULL DEFAULT '',
    due          int         NOT NULL DEFAULT 0,
    looked_at    int         NOT NULL DEFAULT 0,
    credited     int         NOT NULL DEFAULT 0,
    interest_fen bigint      NOT NULL DEFAULT 0,
    reason       text        NOT NULL DEFAULT '',
    proposed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    began_at     timestamptz,
    ended_at     timestamptz
);
COMMENT ON COLUMN records.year_ends.after IS 'High-water mark: everybody up to this reference is done';
COMMENT ON COLUMN records.year_ends.reason IS 'Why it stands still, where it does';
CREATE UNIQUE INDEX year_ends_open ON records.year_ends (year) WHERE state IN ('proposed', 'running', 'stopped');

GRANT SELECT, INSERT, UPDATE ON records.year_ends TO {origin_role};
