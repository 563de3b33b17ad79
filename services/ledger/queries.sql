-- lock_accounts --
-- New accounts are made and old ones locked in one statement, in name order, so that two writers cannot deadlock.
INSERT INTO ledger.accounts AS a (account)
SELECT account
  FROM unnest($1::text[]) AS account
 ORDER BY account
    ON CONFLICT (account) DO UPDATE SET account = excluded.account
RETURNING a.account, a.sequence, a.balance_fen;

-- add_postings --
INSERT INTO ledger.postings (event_id, line, debit, debit_sequence, credit, credit_sequence, amount_fen)
SELECT *
  FROM unnest($1::text[], $2::smallint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[]);

-- move_accounts --
UPDATE ledger.accounts AS a
   SET sequence = moved.sequence, balance_fen = moved.balance_fen
  FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS moved (account, sequence, balance_fen)
 WHERE a.account = moved.account;

-- heads --
SELECT account, sequence, balance_fen
  FROM ledger.accounts
 WHERE account = ANY ($1::text[]);

-- all_heads --
SELECT account, sequence, balance_fen
  FROM ledger.accounts
 WHERE sequence > 0
 ORDER BY account;

-- entries --
-- An account stands on one side of a posting alone, so each of the two indexes is asked once.
SELECT event_id, line, debit, debit_sequence, credit, credit_sequence, amount_fen
  FROM ((SELECT debit_sequence AS place, p.*
           FROM ledger.postings AS p
          WHERE debit = $1
            AND debit_sequence > $2
          ORDER BY debit_sequence
          LIMIT $3)
        UNION ALL
        (SELECT credit_sequence, p.*
           FROM ledger.postings AS p
          WHERE credit = $1
            AND credit_sequence > $2
          ORDER BY credit_sequence
          LIMIT $3)) AS found
 ORDER BY place, line
 LIMIT $3;
