-- migrate:up
CREATE TABLE destination_agency.cases (
    case_id    text PRIMARY KEY,
    serial     bigint GENERATED ALWAYS AS IDENTITY,
    person_ref text        NOT NULL,
    state      text        NOT NULL,
    status     text        NOT NULL,
    origin     text        NOT NULL,
    since      date        NOT NULL,
    due_on     date        NOT NULL,
    remind_on  date        NOT NULL,
    reminded   boolean     NOT NULL,
    breached   boolean     NOT NULL,
    open       boolean     NOT NULL,
    surplus    boolean     NOT NULL,
    open_key   bytea       NOT NULL,
    applicant  text        NOT NULL,
    body       text        NOT NULL,
    personal   text        NOT NULL,
    form       text,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN destination_agency.cases.serial IS 'Makes the number of the contact letter; it grows and has gaps';
COMMENT ON COLUMN destination_agency.cases.open_key IS 'HMAC of identity number and origin: one open transfer of a relationship at a time';
COMMENT ON COLUMN destination_agency.cases.personal IS 'Identity and contacts, AES-256-GCM under the person''s key';
COMMENT ON COLUMN destination_agency.cases.form IS 'The information form, AES-256-GCM under the person''s key';
CREATE UNIQUE INDEX cases_open ON destination_agency.cases (open_key) WHERE open;
CREATE INDEX cases_by_state ON destination_agency.cases (state, due_on);
CREATE INDEX cases_by_person ON destination_agency.cases (person_ref);
CREATE INDEX cases_with_surplus ON destination_agency.cases (case_id) WHERE surplus;

CREATE TABLE destination_agency.bank_cursor (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    after    bigint NOT NULL DEFAULT 0
);
INSERT INTO destination_agency.bank_cursor DEFAULT VALUES;

CREATE TABLE destination_agency.returns (
    return_id     text PRIMARY KEY,
    case_id       text        NOT NULL,
    remittance_id text        NOT NULL,
    amount_fen    bigint      NOT NULL,
    maker         text        NOT NULL,
    checker       text        NOT NULL,
    state         text        NOT NULL CHECK (state IN ('ordered', 'accepted')),
    ordered_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX returns_ordered ON destination_agency.returns (ordered_at) WHERE state = 'ordered';

CREATE TABLE destination_agency.batches (
    batch_id    text PRIMARY KEY,
    sub         text        NOT NULL,
    applied_by  text        NOT NULL,
    total       int         NOT NULL,
    handled     int         NOT NULL DEFAULT 0,
    refused     int         NOT NULL DEFAULT 0,
    rows        text        NOT NULL,
    taken_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN destination_agency.batches.rows IS 'The submission, AES-256-GCM under the submission''s own key';
CREATE INDEX batches_open ON destination_agency.batches (taken_at) WHERE handled < total;

CREATE TABLE destination_agency.batch_rows (
    batch_id text NOT NULL REFERENCES destination_agency.batches,
    row_no   int  NOT NULL,
    case_id  text,
    result   text NOT NULL,
    code     text,
    detail   text,
    PRIMARY KEY (batch_id, row_no)
);

CREATE TABLE destination_agency.idempotency_keys (
    key     text NOT NULL,
    sub     text NOT NULL,
    digest  text NOT NULL,
    answer  text NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (key, sub)
);

GRANT SELECT, INSERT ON destination_agency.idempotency_keys, destination_agency.batch_rows
   TO {destination_role};
GRANT SELECT, INSERT, UPDATE ON destination_agency.cases, destination_agency.batches, destination_agency.returns
   TO {destination_role};
GRANT SELECT, UPDATE ON destination_agency.bank_cursor TO {destination_role};
