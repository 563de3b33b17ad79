-- load --
SELECT case_id, state, destination, known_as, person_ref, received_on, due_on, remind_on, reminded, breached, remittance_id, body,
       letter
  FROM origin_agency.cases
 WHERE case_id = ANY ($1::text[])
 ORDER BY case_id
   FOR UPDATE;

-- save --
INSERT INTO origin_agency.cases AS c (case_id, state, destination, known_as, person_ref, received_on, due_on, remind_on, reminded,
                                      breached, remittance_id, body, letter)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::date[], $8::date[], $9::boolean[],
              $10::boolean[], $11::text[], $12::text[], $13::text[])
    ON CONFLICT (case_id) DO UPDATE
   SET state = excluded.state, known_as = excluded.known_as, person_ref = excluded.person_ref, due_on = excluded.due_on,
       remind_on = excluded.remind_on, reminded = excluded.reminded, breached = excluded.breached,
       remittance_id = excluded.remittance_id, body = excluded.body, letter = excluded.letter, changed_at = clock_timestamp();

-- look --
SELECT case_id, state, destination, known_as, person_ref, received_on, due_on, remind_on, reminded, breached, remittance_id, body,
       letter
  FROM origin_agency.cases
 WHERE case_id = $1;

-- list_cases --
SELECT case_id, state, destination, received_on, due_on, reminded, breached, changed_at
  FROM origin_agency.cases
 WHERE ($1::text[] IS NULL OR state = ANY ($1))
   AND (NOT $2::boolean OR breached)
 ORDER BY due_on, case_id
 LIMIT $3;

-- due --
SELECT case_id
  FROM origin_agency.cases
 WHERE state = ANY ($1::text[])
   AND ((NOT breached AND due_on < $2) OR (NOT reminded AND remind_on <= $2))
 ORDER BY case_id
 LIMIT $3;

-- provisional --
SELECT case_id
  FROM origin_agency.cases
 WHERE state = ANY ($1::text[])
   AND (body::json ->> 'provisional')::boolean
 ORDER BY case_id
 LIMIT 500;

-- add_remittance --
INSERT INTO origin_agency.remittances (remittance_id, destination, payee, total_fen, lines, maker, checker, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'ordered');

-- ordered --
SELECT remittance_id, destination, payee, total_fen, lines, maker, checker
  FROM origin_agency.remittances
 WHERE state = 'ordered'
 ORDER BY ordered_at
 LIMIT 20;

-- accept_remittance --
UPDATE origin_agency.remittances
   SET state = 'accepted', bank_reference = $2
 WHERE remittance_id = $1
   AND state = 'ordered';

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
