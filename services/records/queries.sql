-- by_hash --
SELECT person_ref, id_hash, state, scheme, account_kind, has_paid, first_insured_on, stopped_on, drawing_since,
       interest_through, personal, segments, version
  FROM records.persons
 WHERE id_hash = ANY ($1::bytea[]);

-- by_hash_locked --
SELECT person_ref, id_hash, state, scheme, account_kind, has_paid, first_insured_on, stopped_on, drawing_since,
       interest_through, personal, segments, version
  FROM records.persons
 WHERE id_hash = ANY ($1::bytea[])
 ORDER BY person_ref
   FOR UPDATE;

-- by_ref --
SELECT person_ref, id_hash, state, scheme, account_kind, has_paid, first_insured_on, stopped_on, drawing_since,
       interest_through, personal, segments, version
  FROM records.persons
 WHERE person_ref = ANY ($1::text[])
 ORDER BY person_ref
   FOR UPDATE;

-- add_persons --
INSERT INTO records.persons (person_ref, id_hash, state, scheme, account_kind, has_paid, first_insured_on, stopped_on,
                             drawing_since, interest_through, personal, segments)
SELECT *
  FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::date[], $8::date[], $9::date[],
              $10::int[], $11::text[], $12::text[]);

-- change_persons --
UPDATE records.persons AS p
   SET state = given.state, has_paid = given.has_paid, stopped_on = given.stopped_on, drawing_since = given.drawing_since,
       interest_through = given.interest_through, personal = given.personal, segments = given.segments,
       version = p.version + 1, changed_at = clock_timestamp()
  FROM unnest($1::text[], $2::text[], $3::boolean[], $4::date[], $5::date[], $6::int[], $7::text[], $8::text[])
       AS given (person_ref, state, has_paid, stopped_on, drawing_since, interest_through, personal, segments)
 WHERE p.person_ref = given.person_ref;

-- close_persons --
UPDATE records.persons AS p
   SET state = 'moved', has_paid = false, segments = given.segments, version = p.version + 1, changed_at = clock_timestamp()
  FROM unnest($1::text[], $2::text[]) AS given (person_ref, segments)
 WHERE p.person_ref = given.person_ref;

-- due_interest --
SELECT person_ref
  FROM records.persons
 WHERE interest_through = $1 - 1
   AND state <> 'moved'
   AND person_ref > $3
 ORDER BY person_ref
 LIMIT $2;

-- add_import --
INSERT INTO records.imports (import_id, digest, actor, state, persons, rows, refused_rows, errors)
VALUES ($1, $2, $3, 'running', $4, $5, $6, $7::jsonb);

-- advance_import --
UPDATE records.imports
   SET persons_done = $2, state = $3
 WHERE import_id = $1;

-- import_state --
SELECT import_id, digest, actor, state, persons, persons_done, rows, refused_rows, errors, started_at
  FROM records.imports
 WHERE import_id = $1;

-- import_by_digest --
SELECT import_id, persons_done, state
  FROM records.imports
 WHERE digest = $1;

-- person_keys --
SELECT person_ref, key
  FROM keys.person_keys
 WHERE person_ref = ANY ($1::text[])
   AND key IS NOT NULL;

-- add_keys --
INSERT INTO keys.person_keys (person_ref, key)
SELECT *
  FROM unnest($1::text[], $2::bytea[])
    ON CONFLICT (person_ref) DO NOTHING
RETURNING person_ref;
