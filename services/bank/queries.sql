-- take_order --
INSERT INTO bank.orders (order_id, kind, digest, reference, payer, payee, total_fen, taken_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (order_id) DO NOTHING
RETURNING order_id;

-- order --
SELECT digest, reference
  FROM bank.orders
 WHERE order_id = $1;

-- order_parties --
SELECT payer, payee
  FROM bank.orders
 WHERE order_id = $1
   AND kind = 'remittance';

-- use_faults --
UPDATE bank.faults
   SET used = true
 WHERE fault_id IN (SELECT min(fault_id)
                      FROM bank.faults
                     WHERE NOT used
                       AND case_id = ANY ($1::text[])
                     GROUP BY case_id)
RETURNING case_id, kind, days, amount_fen;

-- add_payments --
INSERT INTO bank.payments (remittance_id, case_id, payer, payee, amount_fen, kind, reason, available_at)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[]);

-- wait_for_due --
-- Lines are numbered by one transaction at a time: behind a number that was seen, no smaller one comes to light.
SELECT true
  FROM pg_advisory_xact_lock(hashtext('bank.lines'))
 WHERE EXISTS (SELECT
                 FROM bank.payments
                WHERE available_at <= $1
                  AND NOT booked);

-- book_lines --
WITH due AS (
    UPDATE bank.payments
       SET booked = true
     WHERE available_at <= $1
       AND NOT booked
    RETURNING payment_id, kind, remittance_id, case_id, payer, payee, amount_fen, reason
)
INSERT INTO bank.lines (payment_id, line_id, kind, remittance_id, case_id, payer, payee, amount_fen, booked_on, reason)
SELECT payment_id, 'L' || payment_id, kind, remittance_id, case_id, payer, payee, amount_fen, $2, reason
  FROM due
 ORDER BY payment_id
RETURNING kind, payer, payee;

-- paid_in --
SELECT line_no, line_id, kind, remittance_id, case_id, payer, payee, amount_fen, booked_on, reason
  FROM bank.lines
 WHERE kind = 'payment'
   AND payee = $1
   AND line_no > $2
 ORDER BY line_no
 LIMIT 500;

-- returned_to --
SELECT line_no, line_id, kind, remittance_id, case_id, payer, payee, amount_fen, booked_on, reason
  FROM bank.lines
 WHERE kind = 'returned'
   AND payer = $1
   AND line_no > $2
 ORDER BY line_no
 LIMIT 500;

-- next_paid_in --
SELECT min(available_at)
  FROM bank.payments
 WHERE NOT booked
   AND kind = 'payment'
   AND payee = $1;

-- next_returned_to --
SELECT min(available_at)
  FROM bank.payments
 WHERE NOT booked
   AND kind = 'returned'
   AND payer = $1;

-- add_faults --
INSERT INTO bank.faults (case_id, kind, days, amount_fen)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[]);

-- alone_with_case --
-- What is missing is found once, however many ask for it at the same time.
SELECT pg_advisory_xact_lock(hashtext('bank.investigations'), hashtext($1));

-- open_payments --
SELECT payment_id
  FROM bank.payments AS p
 WHERE p.case_id = $1
   AND p.available_at IS NULL
   FOR UPDATE;

-- find_payments --
UPDATE bank.payments
   SET available_at = $2
 WHERE payment_id = ANY ($1::bigint[]);

-- shortfall --
SELECT o.order_id, o.payer, o.payee,
       (SELECT coalesce(sum(line.amount_fen), 0) FROM bank.order_lines AS line WHERE line.order_id = o.order_id
           AND line.case_id = $1) AS ordered_fen,
       (SELECT coalesce(sum(p.amount_fen), 0) FROM bank.payments AS p WHERE p.remittance_id = o.order_id
           AND p.case_id = $1 AND p.reason <> $2) AS planned_fen
  FROM bank.orders AS o
 WHERE o.kind = 'remittance'
   AND EXISTS (SELECT FROM bank.order_lines AS line WHERE line.order_id = o.order_id AND line.case_id = $1);

-- add_order_lines --
INSERT INTO bank.order_lines (order_id, case_id, amount_fen)
SELECT $1, given.case_id, given.amount_fen
  FROM unnest($2::text[], $3::bigint[]) AS given (case_id, amount_fen);

-- given_back --
-- Of one case, from payer to payee: what was ordered, what was planned to be paid, what the payee gave back, and what of it went on.
SELECT (SELECT coalesce(sum(line.amount_fen), 0)
          FROM bank.order_lines AS line JOIN bank.orders AS o USING (order_id)
         WHERE line.case_id = $1 AND o.kind = 'remittance' AND o.payer = $2 AND o.payee = $3) AS ordered_fen,
       (SELECT coalesce(sum(p.amount_fen), 0)
          FROM bank.payments AS p
         WHERE p.case_id = $1 AND p.kind = 'payment' AND p.payer = $2 AND p.payee = $3) AS planned_fen,
       (SELECT coalesce(sum(line.amount_fen), 0)
          FROM bank.order_lines AS line JOIN bank.orders AS o USING (order_id)
         WHERE line.case_id = $1 AND o.kind = 'return' AND o.payer = $3 AND o.payee = $2) AS given_back_fen,
       (SELECT coalesce(sum(p.amount_fen), 0)
          FROM bank.payments AS p
         WHERE p.case_id = $1 AND p.kind = 'returned' AND p.payer = $2 AND p.payee = $3 AND p.reason = $4) AS passed_on_fen;

-- holdings --
WITH taken AS (
    SELECT payer, payee, sum(total_fen) AS fen FROM bank.orders WHERE kind = 'remittance' GROUP BY payer, payee
), delivered AS (
    SELECT payer, payee, sum(amount_fen) AS fen FROM bank.lines WHERE kind = 'payment' GROUP BY payer, payee
), returned AS (
    SELECT payer, payee, sum(amount_fen) AS fen FROM bank.lines WHERE kind = 'returned' GROUP BY payer, payee
), given_back AS (
    SELECT payee AS payer, payer AS payee, sum(total_fen) AS fen FROM bank.orders WHERE kind = 'return' GROUP BY payer, payee
)
SELECT payer, payee, taken.fen::bigint AS taken_fen, coalesce(delivered.fen, 0)::bigint AS delivered_fen,
       coalesce(returned.fen, 0)::bigint AS returned_fen, coalesce(given_back.fen, 0)::bigint AS given_back_fen
  FROM taken
  LEFT JOIN delivered USING (payer, payee)
  LEFT JOIN returned USING (payer, payee)
  LEFT JOIN given_back USING (payer, payee)
 ORDER BY payer, payee;

-- figures --
-- For operators: what is under way, and what the bank has lost. What was booked is not read.
SELECT seen.figure, seen.labels, seen.value
  FROM (SELECT CASE WHEN available_at IS NULL THEN 'lost' ELSE 'under_way' END AS what, count(*) AS count, sum(amount_fen) AS fen
          FROM bank.payments
         WHERE NOT booked
           AND (available_at IS NULL OR available_at > $1::timestamptz)
         GROUP BY what) AS payments
 CROSS JOIN LATERAL (VALUES ('jiexu_bank_payments', ARRAY[payments.what], payments.count::float8),
                            ('jiexu_bank_payments_fen', ARRAY[payments.what], payments.fen::float8))
                 AS seen (figure, labels, value);
