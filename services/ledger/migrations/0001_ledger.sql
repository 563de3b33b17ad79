-- migrate:up
CREATE SCHEMA ledger;

CREATE TABLE ledger.accounts (
    account     text PRIMARY KEY,
    sequence    bigint NOT NULL DEFAULT 0,
    balance_fen bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE ledger.accounts IS 'Where each account stands: a cache of the postings, checked by every replay';

CREATE TABLE ledger.postings (
    event_id        text        NOT NULL,
    line            smallint    NOT NULL,
    debit           text        NOT NULL,
    debit_sequence  bigint      NOT NULL,
    credit          text        NOT NULL,
    credit_sequence bigint      NOT NULL,
    amount_fen      bigint      NOT NULL CHECK (amount_fen > 0),
    recorded_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (event_id, line)
);
COMMENT ON TABLE ledger.postings IS 'Only ever added to: no role may update or delete a row';
CREATE INDEX postings_debit ON ledger.postings (debit, debit_sequence);
CREATE INDEX postings_credit ON ledger.postings (credit, credit_sequence);

GRANT USAGE ON SCHEMA ledger TO {origin_role}, {destination_role};
GRANT SELECT, INSERT ON ledger.postings TO {origin_role}, {destination_role};
GRANT SELECT, INSERT ON ledger.accounts TO {origin_role}, {destination_role};
GRANT UPDATE (account, sequence, balance_fen) ON ledger.accounts TO {origin_role}, {destination_role};
