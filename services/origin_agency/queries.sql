-- load --
SELECT case_id, state, destination, known_as, person_ref, received_on, due_on, remind_on, reminded, breached, escalate_on,
       remittance_id, body, letter
  FROM origin_agency.cases
 WHERE case_id = ANY ($1::text[])
 ORDER BY case_id
   FOR UPDATE;

-- save --
INSERT INTO origin_agency.cases AS c (case_id, state, destination, known_as, person_ref, received_on, due_on, remind_on, reminded,
                                      breached, escalate_on, remittance_id, body, letter)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::date[], $8::date[], $9::boolean[],
              $10::boolean[], $11::date[], $12::text[], $13::text[], $14::text[])
    ON CONFLICT (case_id) DO UPDATE
   SET state = excluded.state, known_as = excluded.known_as, person_ref = excluded.person_ref,
       received_on = excluded.received_on, due_on = excluded.due_on, remind_on = excluded.remind_on,
       reminded = excluded.reminded, breached = excluded.breached, escalate_on = excluded.escalate_on,
       remittance_id = excluded.remittance_id, body = excluded.body, letter = excluded.letter, changed_at = clock_timestamp();

-- look --
SELECT case_id, state, destination, known_as, person_ref, received_on, due_on, remind_on, reminded, breached, escalate_on,
       remittance_id, body, letter
  FROM origin_agency.cases
 WHERE case_id = $1;

-- form_day --
SELECT (body::json ->> 'transfer_on')::date
  FROM origin_agency.cases
 WHERE case_id = $1;

-- whose_case --
SELECT known_as
  FROM origin_agency.cases
 WHERE case_id = $1;

-- list_cases --
SELECT case_id, state, destination, received_on, due_on, (body::json ->> 'target_on')::date AS service_target_on, reminded,
       breached, body::json ->> 'interim' AS interim, body::json ->> 'served_first' IS NOT NULL AS served_first,
       coalesce((body::json ->> 'escalated')::boolean, false) AS escalated,
       (body::json ->> 'notice_until')::date AS notice_due_on, changed_at
  FROM origin_agency.cases
 WHERE ($1::text[] IS NULL OR state = ANY ($1))
   AND (NOT $2::boolean OR breached)
   AND (NOT $4::boolean OR json_array_length(body::json -> 'interim') > 0)
   AND (NOT $5::boolean OR (body::json ->> 'escalated')::boolean)
 ORDER BY body::json ->> 'served_first' IS NULL, due_on, case_id
 LIMIT $3;

-- due --
-- While a court or an audit holds the account the clock of its letter stands.
SELECT case_id
  FROM origin_agency.cases AS c
 WHERE state = ANY ($1::text[])
   AND ((NOT breached AND due_on < $2) OR (NOT reminded AND remind_on <= $2) OR escalate_on <= $2)
   AND NOT EXISTS (SELECT
                     FROM records.persons AS p
                    WHERE p.person_ref = c.person_ref
                      AND p.held_since IS NOT NULL)
 ORDER BY case_id
 LIMIT $3;

-- cases_of --
SELECT case_id
  FROM origin_agency.cases
 WHERE person_ref = ANY ($1::text[])
   AND state = ANY ($2::text[])
 ORDER BY case_id;

-- held_since --
SELECT held_since
  FROM records.persons
 WHERE person_ref = $1;

-- leaving --
SELECT DISTINCT person_ref
  FROM origin_agency.cases
 WHERE person_ref = ANY ($1::text[])
   AND state = ANY ($2::text[]);

-- provisional --
SELECT case_id
  FROM origin_agency.cases
 WHERE state = ANY ($1::text[])
   AND (body::json ->> 'provisional')::boolean
 ORDER BY case_id
 LIMIT 500;

-- add_remittances --
INSERT INTO origin_agency.remittances (remittance_id, destination, payee, total_fen, lines, maker, checker, state)
SELECT given.*, 'ordered'
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[]) AS given;

-- ordered --
SELECT remittance_id, destination, payee, total_fen, lines, maker, checker
  FROM origin_agency.remittances
 WHERE state = 'ordered'
 ORDER BY ordered_at
 LIMIT 20;

-- accept_remittances --
UPDATE origin_agency.remittances AS r
   SET state = 'accepted', bank_reference = taken.reference
  FROM unnest($1::text[], $2::text[]) AS taken (remittance_id, reference)
 WHERE r.remittance_id = taken.remittance_id
   AND r.state = 'ordered';

-- cursor --
SELECT after
  FROM origin_agency.bank_cursor;

-- lock_cursor --
SELECT after
  FROM origin_agency.bank_cursor
   FOR UPDATE;

-- move_cursor --
UPDATE origin_agency.bank_cursor
   SET after = greatest(after, $1);

-- voucher_number --
SELECT nextval('origin_agency.voucher_numbers');

-- add_voucher --
INSERT INTO origin_agency.vouchers (voucher_no, check_code, person_ref, body)
VALUES ($1, $2, $3, $4);

-- voucher --
SELECT voucher_no, check_code, person_ref, issued_at, body
  FROM origin_agency.vouchers
 WHERE voucher_no = $1;

-- figures --
-- For operators; appended to the statement of the messages. Open cases are found by their state, whatever has ended is not read.
SELECT seen.figure, seen.labels, seen.value
  FROM (SELECT state, count(*) AS count, min(received_on) AS since,
               count(*) FILTER (WHERE due_on < $3::date AND state = ANY ($2::text[])) AS late,
               sum(CASE WHEN state = 'REMITTED' THEN (body::json ->> 'remitted_fen')::bigint END) AS remitted_fen
          FROM origin_agency.cases
         WHERE state = ANY ($1::text[])
         GROUP BY state) AS open
 CROSS JOIN LATERAL (VALUES ('case_count', ARRAY[open.state], open.count::float8),
                            ('case_late', ARRAY[open.state], open.late::float8),
                            ('case_since', ARRAY[open.state], (open.since - date '1970-01-01')::float8),
                            ('jiexu_transit_fen', ARRAY['remitted'],
                             CASE WHEN open.state = 'REMITTED' THEN open.remitted_fen::float8 END),
                            ('jiexu_transit_payments', ARRAY['remitted'],
                             CASE WHEN open.state = 'REMITTED' THEN open.count::float8 END)) AS seen (figure, labels, value)
 WHERE seen.value IS NOT NULL
UNION ALL
SELECT seen.figure, ARRAY['ordered'], seen.value
  FROM (SELECT count(*) AS count, coalesce(sum(total_fen), 0) AS fen
          FROM origin_agency.remittances
         WHERE state = 'ordered') AS ordered
 CROSS JOIN LATERAL (VALUES ('jiexu_transit_fen', ordered.fen::float8),
                            ('jiexu_transit_payments', ordered.count::float8)) AS seen (figure, value)
UNION ALL
SELECT 'jiexu_transfers_payable_fen', ARRAY[split_part(account, ':', 2)], balance_fen::float8
  FROM ledger.accounts
 WHERE account = ANY ($4::text[]);
