-- migrate:up
CREATE SCHEMA bank;

CREATE TABLE bank.orders (
    order_id   text PRIMARY KEY,
    kind       text        NOT NULL CHECK (kind IN ('remittance', 'return')),
    digest     text        NOT NULL,
    reference  text        NOT NULL,
    payer      text        NOT NULL,
    payee      text        NOT NULL,
    total_fen  bigint      NOT NULL,
    taken_at   timestamptz NOT NULL
);

CREATE TABLE bank.order_lines (
    order_id   text   NOT NULL REFERENCES bank.orders,
    case_id    text   NOT NULL,
    amount_fen bigint NOT NULL,
    PRIMARY KEY (order_id, case_id)
);
CREATE INDEX order_lines_by_case ON bank.order_lines (case_id);

CREATE TABLE bank.payments (
    payment_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    remittance_id text        NOT NULL,
    case_id       text        NOT NULL,
    payer         text        NOT NULL,
    payee         text        NOT NULL,
    amount_fen    bigint      NOT NULL,
    kind          text        NOT NULL CHECK (kind IN ('payment', 'returned')),
    reason        text        NOT NULL DEFAULT '',
    available_at  timestamptz,
    UNIQUE (remittance_id, case_id, kind, payment_id)
);
COMMENT ON TABLE bank.payments IS 'What is to be booked and when; available_at is null for what the bank has lost';
CREATE INDEX payments_open ON bank.payments (available_at);

CREATE TABLE bank.lines (
    line_no       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id    bigint NOT NULL UNIQUE REFERENCES bank.payments,
    line_id       text   NOT NULL UNIQUE,
    kind          text   NOT NULL,
    remittance_id text   NOT NULL,
    case_id       text   NOT NULL,
    payer         text   NOT NULL,
    payee         text   NOT NULL,
    amount_fen    bigint NOT NULL,
    booked_on     date   NOT NULL,
    reason        text   NOT NULL
);
CREATE INDEX lines_of_payee ON bank.lines (payee, kind, line_no);
CREATE INDEX lines_of_payer ON bank.lines (payer, kind, line_no);

CREATE TABLE bank.faults (
    fault_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id    text NOT NULL,
    kind       text NOT NULL,
    days       int  NOT NULL,
    amount_fen bigint NOT NULL,
    used       boolean NOT NULL DEFAULT false
);
CREATE INDEX faults_unused ON bank.faults (case_id) WHERE NOT used;

GRANT USAGE ON SCHEMA bank TO {bank_role};
GRANT SELECT, INSERT ON bank.orders, bank.order_lines, bank.lines TO {bank_role};
GRANT SELECT, INSERT, UPDATE ON bank.payments, bank.faults TO {bank_role};
