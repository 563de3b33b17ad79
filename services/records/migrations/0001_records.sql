-- migrate:up
CREATE SCHEMA records;

CREATE TABLE records.persons (
    person_ref       text PRIMARY KEY,
    id_hash          bytea       NOT NULL UNIQUE,
    state            text        NOT NULL CHECK (state IN ('active', 'stopped', 'moved')),
    scheme           text        NOT NULL,
    account_kind     text        NOT NULL CHECK (account_kind IN ('normal', 'temporary')),
    has_paid         boolean     NOT NULL,
    first_insured_on date,
    stopped_on       date,
    drawing_since    date,
    interest_through int         NOT NULL,
    personal         text        NOT NULL,
    segments         text        NOT NULL,
    version          int         NOT NULL DEFAULT 1,
    changed_at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN records.persons.id_hash IS 'HMAC-SHA256 of the identity number under the province''s key: finds a person, tells nobody who it is';
COMMENT ON COLUMN records.persons.personal IS 'Identity and contacts, AES-256-GCM under the person''s key';
COMMENT ON COLUMN records.persons.segments IS 'Year rows, AES-256-GCM under the person''s key';
COMMENT ON COLUMN records.persons.interest_through IS 'Last year whose interest is in the books';

CREATE TABLE records.imports (
    import_id    text PRIMARY KEY,
    digest       text        NOT NULL UNIQUE,
    actor        text        NOT NULL,
    state        text        NOT NULL CHECK (state IN ('running', 'done')),
    persons      int         NOT NULL,
    persons_done int         NOT NULL DEFAULT 0,
    rows         int         NOT NULL,
    refused_rows int         NOT NULL,
    errors       jsonb       NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

GRANT USAGE ON SCHEMA records TO {origin_role}, {destination_role};
GRANT SELECT, INSERT, UPDATE ON records.persons TO {origin_role}, {destination_role};
GRANT SELECT, INSERT, UPDATE ON records.imports TO {origin_role};
