-- migrate:up
CREATE TABLE origin_agency.cases (
    case_id       text PRIMARY KEY,
    state         text        NOT NULL,
    destination   text        NOT NULL,
    known_as      text        NOT NULL,
    person_ref    text,
    received_on   date        NOT NULL,
    due_on        date        NOT NULL,
    remind_on     date        NOT NULL,
    reminded      boolean     NOT NULL,
    breached      boolean     NOT NULL,
    remittance_id text,
    body          text        NOT NULL,
    letter        text        NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN origin_agency.cases.letter IS 'The contact letter, AES-256-GCM under the person''s key';
CREATE INDEX cases_by_state ON origin_agency.cases (state, due_on);
CREATE INDEX cases_by_remittance ON origin_agency.cases (remittance_id) WHERE remittance_id IS NOT NULL;
CREATE INDEX cases_by_person ON origin_agency.cases (person_ref);

CREATE TABLE origin_agency.remittances (
    remittance_id  text PRIMARY KEY,
    destination    text        NOT NULL,
    payee          text        NOT NULL,
    total_fen      bigint      NOT NULL,
    lines          text        NOT NULL,
    maker          text        NOT NULL,
    checker        text        NOT NULL,
    state          text        NOT NULL CHECK (state IN ('ordered', 'accepted')),
    bank_reference text,
    ordered_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX remittances_ordered ON origin_agency.remittances (ordered_at) WHERE state = 'ordered';

CREATE TABLE origin_agency.bank_cursor (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    after    bigint NOT NULL DEFAULT 0
);
INSERT INTO origin_agency.bank_cursor DEFAULT VALUES;

CREATE TABLE origin_agency.vouchers (
    voucher_no text PRIMARY KEY,
    check_code text        NOT NULL,
    person_ref text        NOT NULL,
    issued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    body       text        NOT NULL
);
CREATE SEQUENCE origin_agency.voucher_numbers;

CREATE TABLE origin_agency.idempotency_keys (
    key     text NOT NULL,
    sub     text NOT NULL,
    digest  text NOT NULL,
    answer  text NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (key, sub)
);

GRANT SELECT, INSERT ON origin_agency.idempotency_keys TO {origin_role};
GRANT SELECT, INSERT, UPDATE ON origin_agency.cases, origin_agency.remittances TO {origin_role};
GRANT SELECT, UPDATE ON origin_agency.bank_cursor TO {origin_role};
GRANT SELECT, INSERT ON origin_agency.vouchers TO {origin_role};
GRANT USAGE ON SEQUENCE origin_agency.voucher_numbers TO {origin_role};
