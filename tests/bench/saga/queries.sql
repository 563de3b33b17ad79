-- bus --
CREATE TABLE inbox (
    event_id text PRIMARY KEY
);
CREATE TABLE outbox (
    seq      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic    text  NOT NULL,
    key      text  NOT NULL,
    type     text  NOT NULL,
    payload  bytea NOT NULL
);
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- transfers --
CREATE TABLE transfers (
    transfer_id text   PRIMARY KEY,
    payer       int    NOT NULL,
    payee       int    NOT NULL,
    amount_fen  bigint NOT NULL,
    state       text   NOT NULL
);

-- ledger --
CREATE TABLE accounts (
    account     int    PRIMARY KEY,
    opening_fen bigint NOT NULL,
    balance_fen bigint NOT NULL
);
CREATE TABLE lines (
    line_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id text   NOT NULL,
    account     int    NOT NULL REFERENCES accounts,
    amount_fen  bigint NOT NULL
);

-- accept --
INSERT INTO inbox (event_id)
SELECT unnest($1::text[])
    ON CONFLICT DO NOTHING
RETURNING event_id;

-- tell --
INSERT INTO outbox (topic, key, type, payload)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]);

-- waiting --
SELECT seq, topic, key, type, payload
  FROM outbox
 ORDER BY seq
 LIMIT $1
   FOR UPDATE SKIP LOCKED;

-- sent --
DELETE FROM outbox
 WHERE seq = ANY ($1::bigint[]);

-- begin --
INSERT INTO transfers (transfer_id, payer, payee, amount_fen, state)
SELECT *, 'DEBITING'
  FROM unnest($1::text[], $2::int[], $3::int[], $4::bigint[]);

-- lock_transfers --
SELECT transfer_id, state
  FROM transfers
 WHERE transfer_id = ANY ($1::text[])
 ORDER BY transfer_id
   FOR UPDATE;

-- move --
UPDATE transfers AS t
   SET state = given.state
  FROM unnest($1::text[], $2::text[]) AS given (transfer_id, state)
 WHERE t.transfer_id = given.transfer_id;

-- lock_accounts --
SELECT account, balance_fen
  FROM accounts
 WHERE account = ANY ($1::int[])
 ORDER BY account
   FOR UPDATE;

-- balances --
UPDATE accounts AS a
   SET balance_fen = given.balance_fen
  FROM unnest($1::int[], $2::bigint[]) AS given (account, balance_fen)
 WHERE a.account = given.account;

-- book --
INSERT INTO lines (transfer_id, account, amount_fen)
SELECT *
  FROM unnest($1::text[], $2::int[], $3::bigint[]);
