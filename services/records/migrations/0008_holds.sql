-- migrate:up
ALTER TABLE records.persons ADD COLUMN held_since date;
COMMENT ON COLUMN records.persons.held_since IS 'Since when a court or an audit holds the account; empty where none does';

CREATE TABLE records.holds (
    hold_id         text PRIMARY KEY,
    person_ref      text        NOT NULL,
    state           text        NOT NULL CHECK (state IN ('proposed', 'held', 'release_proposed', 'released')),
    ordered_by      text        NOT NULL CHECK (ordered_by IN ('court', 'audit')),
    reason          text        NOT NULL,
    maker           text        NOT NULL,
    checker         text,
    held_since      date,
    release_reason  text,
    release_maker   text,
    release_checker text,
    released_on     date,
    made_at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT holds_by_two CHECK (checker <> maker),
    CONSTRAINT holds_released_by_two CHECK (release_checker <> release_maker)
);
COMMENT ON COLUMN records.holds.reason IS 'Which order, in words; never a person''s data';
CREATE UNIQUE INDEX holds_open ON records.holds (person_ref) WHERE state <> 'released';

GRANT SELECT, INSERT, UPDATE ON records.holds TO {origin_role};
