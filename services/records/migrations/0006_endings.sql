-- migrate:up
CREATE TABLE records.endings (
    ending_id    text PRIMARY KEY,
    person_ref   text        NOT NULL,
    ground       text        NOT NULL CHECK (ground IN ('nationality_lost', 'too_few_years')),
    state        text        NOT NULL CHECK (state IN ('applied', 'notified', 'confirmed', 'proposed', 'paid', 'withdrawn')),
    applied_on   date        NOT NULL,
    notified_on  date,
    confirmed_on date,
    months       int,
    category     text,
    maker        text,
    checker      text,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE records.endings IS 'Written wishes to end a relationship and be paid the account: application, notice, confirmation, pay-out, in that order';
COMMENT ON COLUMN records.endings.months IS 'Months of all places, where somebody has too few years';
CREATE UNIQUE INDEX endings_open ON records.endings (person_ref) WHERE state IN ('applied', 'notified', 'confirmed', 'proposed');

GRANT SELECT, INSERT, UPDATE ON records.endings TO {origin_role};
