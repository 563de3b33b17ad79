-- load --
SELECT case_id, serial, person_ref, state, status, origin, since, due_on, remind_on, reminded, breached, open_key, applicant,
       body, personal, form
  FROM destination_agency.cases
 WHERE case_id = ANY ($1::text[])
 ORDER BY case_id
   FOR UPDATE;

-- look --
SELECT case_id, serial, person_ref, state, status, origin, since, due_on, remind_on, reminded, breached, open_key, applicant,
       body, personal, form
  FROM destination_agency.cases
 WHERE case_id = $1;

-- save --
INSERT INTO destination_agency.cases AS c (case_id, person_ref, state, status, origin, since, due_on, remind_on, reminded, breached,
                                           open, surplus, open_key, applicant, body, personal, form, serial)
       OVERRIDING SYSTEM VALUE
SELECT given.case_id, given.person_ref, given.state, given.status, given.origin, given.since, given.due_on, given.remind_on,
       given.reminded, given.breached, given.open, given.surplus, given.open_key, given.applicant, given.body, given.personal,
       given.form, coalesce(given.serial, nextval('destination_agency.cases_serial_seq'))
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::date[], $8::date[], $9::boolean[],
              $10::boolean[], $11::boolean[], $12::boolean[], $13::bytea[], $14::text[], $15::text[], $16::text[], $17::text[],
              $18::bigint[])
       AS given (case_id, person_ref, state, status, origin, since, due_on, remind_on, reminded, breached, open, surplus, open_key,
                 applicant, body, personal, form, serial)
    ON CONFLICT (case_id) DO UPDATE
   SET state = excluded.state, status = excluded.status, since = excluded.since, due_on = excluded.due_on,
       remind_on = excluded.remind_on, reminded = excluded.reminded, breached = excluded.breached, open = excluded.open,
       surplus = excluded.surplus, origin = excluded.origin, open_key = excluded.open_key, body = excluded.body,
       personal = excluded.personal, form = excluded.form, changed_at = clock_timestamp();

-- serials --
SELECT nextval('destination_agency.cases_serial_seq') AS serial
  FROM generate_series(1, $1::int);

-- open_cases --
SELECT case_id, open_key, applicant
  FROM destination_agency.cases
 WHERE open
   AND open_key = ANY ($1::bytea[]);

-- busy_persons --
-- Whoever has a transfer that has not ended, or one that is looked at again.
SELECT DISTINCT person_ref
  FROM destination_agency.cases
 WHERE open
   AND person_ref = ANY ($1::text[]);

-- list_cases --
SELECT case_id, state, status, body::json ->> 'code' AS code, origin, since, due_on, reminded, breached, surplus,
       (body::json ->> 'target_on')::date AS service_target_on, (body::json ->> 'paused_on')::date AS paused_on,
       body::json ->> 'rate_pending' IS NOT NULL AS rate_pending, coalesce((body::json ->> 'unanswered')::int, 0) AS unanswered,
       body::json ->> 'served_first' IS NOT NULL AS served_first,
       coalesce((body::json ->> 'escalated')::boolean, false) AS escalated, changed_at
  FROM destination_agency.cases
 WHERE ($1::text[] IS NULL OR state = ANY ($1))
   AND (NOT $2::boolean OR breached)
   AND (NOT $3::boolean OR surplus)
   AND (NOT $5::boolean OR body::json ->> 'unanswered' IS NOT NULL)
   AND (NOT $6::boolean OR (body::json ->> 'escalated')::boolean)
 ORDER BY body::json ->> 'served_first' IS NULL, due_on, case_id
 LIMIT $4;

-- due --
SELECT case_id
  FROM destination_agency.cases
 WHERE open
   AND ((NOT breached AND due_on < $1) OR (NOT reminded AND remind_on <= $1))
 ORDER BY case_id
 LIMIT $2;

-- provisional --
SELECT case_id
  FROM destination_agency.cases
 WHERE open
   AND (body::json ->> 'provisional')::boolean
 ORDER BY case_id
 LIMIT 500;

-- cursor --
SELECT after
  FROM destination_agency.bank_cursor;

-- lock_cursor --
SELECT after
  FROM destination_agency.bank_cursor
   FOR UPDATE;

-- move_cursor --
UPDATE destination_agency.bank_cursor
   SET after = greatest(after, $1);

-- add_return --
INSERT INTO destination_agency.returns (return_id, case_id, remittance_id, amount_fen, maker, checker, state)
VALUES ($1, $2, $3, $4, $5, $6, 'ordered');

-- ordered_returns --
SELECT return_id, case_id, remittance_id, amount_fen, maker, checker
  FROM destination_agency.returns
 WHERE state = 'ordered'
 ORDER BY ordered_at
 LIMIT 50;

-- accept_return --
UPDATE destination_agency.returns
   SET state = 'accepted'
 WHERE return_id = $1
   AND state = 'ordered'
RETURNING return_id;

-- open_return --
SELECT EXISTS (SELECT FROM destination_agency.returns WHERE case_id = $1 AND state = 'ordered');

-- add_batch --
INSERT INTO destination_agency.batches (batch_id, sub, applied_by, total, rows, relocation)
VALUES ($1, $2, $3, $4, $5, $6);

-- open_batches --
SELECT batch_id
  FROM destination_agency.batches
 WHERE handled < total
 ORDER BY taken_at;

-- submission --
SELECT rows
  FROM destination_agency.batches
 WHERE batch_id = $1;

-- take_batch --
SELECT batch_id, sub, applied_by, total, handled, refused
  FROM destination_agency.batches
 WHERE batch_id = $1
   FOR UPDATE;

-- advance_batch --
UPDATE destination_agency.batches
   SET handled = $2, refused = refused + $3
 WHERE batch_id = $1;

-- add_batch_rows --
INSERT INTO destination_agency.batch_rows (batch_id, row_no, case_id, result, code, detail)
SELECT $1, given.row_no, given.case_id, given.result, given.code, given.detail
  FROM unnest($2::int[], $3::text[], $4::text[], $5::text[], $6::text[]) AS given (row_no, case_id, result, code, detail);

-- batch_state --
SELECT batch_id, sub, total, handled, refused, taken_at, relocation
  FROM destination_agency.batches
 WHERE batch_id = $1;

-- batch_rows --
SELECT row_no, case_id, result, code, detail
  FROM destination_agency.batch_rows
 WHERE batch_id = $1
   AND ($2::text IS NULL OR result = $2)
   AND row_no > $3
 ORDER BY row_no
 LIMIT $4;

-- add_gathering --
INSERT INTO destination_agency.gatherings (gathering_id, person_ref, rule, cases, state, claimed_on, category)
VALUES ($1, $2, $3, $4, 'open', $5, $6);

-- ended_gatherings --
SELECT g.gathering_id
  FROM destination_agency.gatherings AS g
 WHERE g.state = 'open'
   AND NOT EXISTS (SELECT
                     FROM destination_agency.cases AS c
                    WHERE c.case_id = ANY (g.cases)
                      AND c.state <> ALL ($1::text[]))
 ORDER BY g.gathering_id
 LIMIT 1;

-- lock_ended_gatherings --
-- A replica that comes second waits, and finds them completed.
SELECT g.gathering_id, g.person_ref, g.cases, g.claimed_on, g.category
  FROM destination_agency.gatherings AS g
 WHERE g.state = 'open'
   AND NOT EXISTS (SELECT
                     FROM destination_agency.cases AS c
                    WHERE c.case_id = ANY (g.cases)
                      AND c.state <> ALL ($1::text[]))
 ORDER BY g.gathering_id
 LIMIT 50
   FOR UPDATE OF g;

-- complete_gatherings --
UPDATE destination_agency.gatherings AS g
   SET state = given.state, months = given.months, minimum_months = given.minimum_months, found_place = given.found_place
  FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::text[])
       AS given (gathering_id, state, months, minimum_months, found_place)
 WHERE g.gathering_id = given.gathering_id
   AND g.state = 'open';

-- gathering --
SELECT person_ref, rule, cases, state, claimed_on, months, minimum_months, found_place
  FROM destination_agency.gatherings
 WHERE gathering_id = $1;

-- list_gatherings --
SELECT gathering_id, state, rule, claimed_on, months, minimum_months, found_place
  FROM destination_agency.gatherings
 WHERE $1::text IS NULL OR state = $1
 ORDER BY claimed_on, gathering_id
 LIMIT $2;

-- states --
SELECT case_id, origin, state
  FROM destination_agency.cases
 WHERE case_id = ANY ($1::text[])
 ORDER BY case_id;

-- figures --
-- For operators; appended to the statement of the messages. Open cases are found by the index of what is open.
SELECT seen.figure, seen.labels, seen.value
  FROM (SELECT state, count(*) AS count, min(since) AS since, count(*) FILTER (WHERE due_on < $1::date) AS late
          FROM destination_agency.cases
         WHERE open
         GROUP BY state) AS open
 CROSS JOIN LATERAL (VALUES ('case_count', ARRAY[open.state], open.count::float8),
                            ('case_late', ARRAY[open.state], open.late::float8),
                            ('case_since', ARRAY[open.state], (open.since - date '1970-01-01')::float8))
                 AS seen (figure, labels, value)
UNION ALL
SELECT 'jiexu_suspense_fen', ARRAY[split_part(account, ':', 2)], balance_fen::float8
  FROM ledger.accounts
 WHERE account = ANY ($2::text[])
UNION ALL
SELECT seen.figure, ARRAY[]::text[], seen.value
  FROM (SELECT count(*) AS count, coalesce(sum(amount_fen), 0) AS fen
          FROM destination_agency.returns
         WHERE state = 'ordered') AS ordered
 CROSS JOIN LATERAL (VALUES ('jiexu_giving_back_fen', ordered.fen::float8),
                            ('jiexu_giving_back_orders', ordered.count::float8)) AS seen (figure, value)
UNION ALL
SELECT 'jiexu_cases_with_surplus', ARRAY[]::text[], count(*)::float8
  FROM destination_agency.cases
 WHERE surplus;
