-- by_hash --
SELECT person_ref, id_hash, state, scheme, account_kind, has_paid, first_insured_on, stopped_on, drawing_since,
       interest_through, died_on, held_since, left_with, personal, segments, left_segments, version
  FROM records.persons
 WHERE id_hash = ANY ($1::bytea[]);

-- by_hash_locked --
SELECT person_ref, id_hash, state, scheme, account_kind, has_paid, first_insured_on, stopped_on, drawing_since,
       interest_through, died_on, held_since, left_with, personal, segments, left_segments, version
  FROM records.persons
 WHERE id_hash = ANY ($1::bytea[])
 ORDER BY person_ref
   FOR UPDATE;

-- by_ref --
SELECT person_ref, id_hash, state, scheme, account_kind, has_paid, first_insured_on, stopped_on, drawing_since,
       interest_through, died_on, held_since, left_with, personal, segments, left_segments, version
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
       interest_through = given.interest_through, died_on = given.died_on, left_with = given.left_with,
       personal = given.personal, segments = given.segments, left_segments = given.left_segments,
       version = p.version + 1, changed_at = clock_timestamp()
  FROM unnest($1::text[], $2::text[], $3::boolean[], $4::date[], $5::date[], $6::int[], $7::date[], $8::text[], $9::text[],
              $10::text[], $11::text[])
       AS given (person_ref, state, has_paid, stopped_on, drawing_since, interest_through, died_on, left_with, personal,
                 segments, left_segments)
 WHERE p.person_ref = given.person_ref;

-- close_persons --
-- What was counted here until now is kept aside, and no longer counted.
UPDATE records.persons AS p
   SET state = given.state, has_paid = false, left_with = given.left_with, left_segments = p.segments,
       segments = given.segments, version = p.version + 1, changed_at = clock_timestamp()
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS given (person_ref, state, left_with, segments)
 WHERE p.person_ref = given.person_ref;

-- due_accounts --
-- In the order of the references, so that a run has one mark and two writers lock persons in one order.
SELECT person_ref, interest_through, segments, left_with IS NOT NULL AS divided
  FROM records.persons
 WHERE person_ref > $2
   AND interest_through < $1
   AND state IN ('active', 'stopped')
 ORDER BY person_ref
 LIMIT $3
   FOR UPDATE;

-- credit_persons --
UPDATE records.persons
   SET interest_through = $2, version = version + 1, changed_at = clock_timestamp()
 WHERE person_ref = ANY ($1::text[])
   AND interest_through < $2;

-- add_year_end --
INSERT INTO records.year_ends (run_id, year, state, maker)
VALUES ($1, $2, 'proposed', $3)
    ON CONFLICT (year) WHERE state IN ('proposed', 'running', 'stopped') DO NOTHING
RETURNING *;

-- hold_year_end --
SELECT *
  FROM records.year_ends
 WHERE run_id = $1
   FOR UPDATE;

-- begin_year_end --
UPDATE records.year_ends AS y
   SET state = 'running', checker = $2, reason = '', began_at = coalesce(y.began_at, clock_timestamp()),
       due = CASE WHEN y.after <> '' THEN y.due
                  ELSE (SELECT count(*)
                          FROM records.persons AS p
                         WHERE p.interest_through < y.year
                           AND p.state IN ('active', 'stopped')) END
 WHERE y.run_id = $1
RETURNING *;

-- running_year_end --
-- A replica that finds the run in another's hand has nothing to do.
SELECT run_id, year, after
  FROM records.year_ends
 WHERE state = 'running'
 ORDER BY year
 LIMIT 1
   FOR UPDATE SKIP LOCKED;

-- advance_year_end --
UPDATE records.year_ends
   SET after = $2, looked_at = looked_at + $3, credited = credited + $4, interest_fen = interest_fen + $5
 WHERE run_id = $1;

-- stop_year_end --
UPDATE records.year_ends
   SET state = 'stopped', reason = $2
 WHERE run_id = $1;

-- end_year_end --
UPDATE records.year_ends
   SET state = $2, reason = $3, ended_at = clock_timestamp()
 WHERE run_id = $1
RETURNING *;

-- year_ends --
SELECT *
  FROM records.year_ends
 WHERE $1::text IS NULL OR run_id = $1
 ORDER BY proposed_at DESC, run_id DESC;

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

-- rule_imports --
SELECT number, import_id, table_name, form, content, source, digest, effective_from, rows, replaces, reason,
       rule_set_before, rule_set_after, actor, imported_at
  FROM records.rule_imports
 WHERE number > $1
 ORDER BY number;

-- rule_import_by_digest --
SELECT number, import_id, table_name, form, content, source, digest, effective_from, rows, replaces, reason,
       rule_set_before, rule_set_after, actor, imported_at
  FROM records.rule_imports
 WHERE digest = $1;

-- add_rule_import --
INSERT INTO records.rule_imports (number, import_id, table_name, form, content, source, digest, effective_from, rows, replaces,
                                  reason, rule_set_before, rule_set_after, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (number) DO NOTHING
RETURNING number;

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

-- employer_by_code --
SELECT employer_ref
  FROM records.employers
 WHERE code_hash = $1;

-- add_employer --
INSERT INTO records.employers (employer_ref, code_hash)
VALUES ($1, $2)
    ON CONFLICT (code_hash) DO NOTHING;

-- employer_known --
SELECT employer_ref
  FROM records.employers
 WHERE employer_ref = $1;

-- person_known --
SELECT person_ref
  FROM records.persons
 WHERE person_ref = $1;

-- add_paper --
INSERT INTO records.papers (paper_id, subject_kind, subject, sealed_for, kind, media_type, bytes, digest, retention, kept_on,
                            kept_until, actor, nonce, content)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (subject_kind, subject, digest) WHERE destroyed_on IS NULL DO NOTHING
RETURNING paper_id, subject_kind, subject, sealed_for, kind, media_type, bytes, digest, retention, kept_on, kept_until, actor,
          kept_at, destruction_maker, destruction_reason, destruction_checker, destroyed_on;

-- paper_by_digest --
SELECT paper_id, subject_kind, subject, sealed_for, kind, media_type, bytes, digest, retention, kept_on, kept_until, actor,
       kept_at, destruction_maker, destruction_reason, destruction_checker, destroyed_on
  FROM records.papers
 WHERE subject_kind = $1
   AND subject = $2
   AND digest = $3
   AND destroyed_on IS NULL;

-- papers_of --
SELECT paper_id, subject_kind, subject, sealed_for, kind, media_type, bytes, digest, retention, kept_on, kept_until, actor,
       kept_at, destruction_maker, destruction_reason, destruction_checker, destroyed_on
  FROM records.papers
 WHERE subject_kind = $1
   AND subject = $2
 ORDER BY kept_at, paper_id
 LIMIT $3;

-- kinds_filed --
SELECT subject, kind
  FROM records.papers
 WHERE subject_kind IN ('person', 'case')
   AND subject = ANY($1::text[])
   AND destroyed_on IS NULL;

-- paper --
SELECT paper_id, subject_kind, subject, sealed_for, kind, media_type, bytes, digest, retention, kept_on, kept_until, actor,
       kept_at, destruction_maker, destruction_reason, destruction_checker, destroyed_on
  FROM records.papers
 WHERE paper_id = $1;

-- hold_paper --
SELECT paper_id, subject_kind, subject, sealed_for, kind, media_type, bytes, digest, retention, kept_on, kept_until, actor,
       kept_at, destruction_maker, destruction_reason, destruction_checker, destroyed_on
  FROM records.papers
 WHERE paper_id = $1
   FOR UPDATE;

-- paper_content --
SELECT nonce, content
  FROM records.papers
 WHERE paper_id = $1;

-- propose_destruction --
UPDATE records.papers
   SET destruction_maker = $2, destruction_reason = $3
 WHERE paper_id = $1
RETURNING paper_id, subject_kind, subject, sealed_for, kind, media_type, bytes, digest, retention, kept_on, kept_until, actor,
          kept_at, destruction_maker, destruction_reason, destruction_checker, destroyed_on;

-- destroy_paper --
UPDATE records.papers
   SET content = NULL, destruction_checker = $2, destroyed_on = $3
 WHERE paper_id = $1
RETURNING paper_id, subject_kind, subject, sealed_for, kind, media_type, bytes, digest, retention, kept_on, kept_until, actor,
          kept_at, destruction_maker, destruction_reason, destruction_checker, destroyed_on;

-- add_correction --
INSERT INTO records.corrections (correction_id, person_ref, year, state, maker, reason, rows)
VALUES ($1, $2, $3, 'proposed', $4, $5, $6)
    ON CONFLICT (person_ref, year) WHERE state = 'proposed' DO NOTHING
RETURNING correction_id;

-- hold_corrections --
SELECT correction_id, person_ref, year, state, maker, reason, rows
  FROM records.corrections
 WHERE correction_id = ANY ($1::text[])
 ORDER BY correction_id
   FOR UPDATE;

-- decide_corrections --
UPDATE records.corrections
   SET state = $2, checker = $3, decided_at = clock_timestamp()
 WHERE correction_id = ANY ($1::text[]);

-- corrections --
SELECT correction_id, person_ref, year, state, maker, checker, reason, made_at, decided_at
  FROM records.corrections
 WHERE NOT $1::boolean
    OR state = 'proposed'
 ORDER BY made_at, correction_id
 LIMIT 1000;

-- add_ending --
INSERT INTO records.endings (ending_id, person_ref, ground, state, applied_on, months, category)
VALUES ($1, $2, $3, 'applied', $4, $5, $6)
    ON CONFLICT (person_ref) WHERE state IN ('applied', 'notified', 'confirmed', 'proposed') DO NOTHING
RETURNING ending_id;

-- hold_endings --
SELECT ending_id, person_ref, ground, state, applied_on, notified_on, confirmed_on, months, category, maker, checker, made_at,
       changed_at
  FROM records.endings
 WHERE ending_id = ANY ($1::text[])
 ORDER BY ending_id
   FOR UPDATE;

-- change_endings --
UPDATE records.endings AS e
   SET state = given.state, notified_on = given.notified_on, confirmed_on = given.confirmed_on, maker = given.maker,
       checker = given.checker, changed_at = clock_timestamp()
  FROM unnest($1::text[], $2::text[], $3::date[], $4::date[], $5::text[], $6::text[])
       AS given (ending_id, state, notified_on, confirmed_on, maker, checker)
 WHERE e.ending_id = given.ending_id;

-- endings --
SELECT ending_id, person_ref, ground, state, applied_on, notified_on, confirmed_on, months, category, maker, checker, made_at,
       changed_at
  FROM records.endings
 WHERE ($1::text IS NULL OR ending_id = $1)
   AND (NOT $2::boolean OR state IN ('applied', 'notified', 'confirmed', 'proposed'))
 ORDER BY made_at, ending_id
 LIMIT 1000;

-- propose_settlements --
-- Of somebody who is settled already nothing is proposed again; what came in later is settled anew.
INSERT INTO records.settlements AS s (person_ref, state, maker)
SELECT given.person_ref, 'proposed', $2
  FROM unnest($1::text[]) AS given (person_ref)
    ON CONFLICT (person_ref) DO UPDATE
   SET state = 'proposed', maker = excluded.maker, checker = NULL, settled_at = NULL, proposed_at = clock_timestamp();

-- hold_settlements --
SELECT person_ref, state, maker
  FROM records.settlements
 WHERE person_ref = ANY ($1::text[])
   AND state = 'proposed'
 ORDER BY person_ref
   FOR UPDATE;

-- end_settlements --
UPDATE records.settlements
   SET state = 'settled', checker = $2, settled_at = clock_timestamp()
 WHERE person_ref = ANY ($1::text[]);

-- settlements --
SELECT person_ref, state, maker, checker, proposed_at, settled_at
  FROM records.settlements
 WHERE NOT $1::boolean
    OR state = 'proposed'
 ORDER BY proposed_at, person_ref
 LIMIT 1000;

-- add_hold --
INSERT INTO records.holds (hold_id, person_ref, state, ordered_by, reason, maker)
VALUES ($1, $2, 'proposed', $3, $4, $5)
    ON CONFLICT (person_ref) WHERE state <> 'released' DO NOTHING
RETURNING hold_id;

-- hold_holds --
SELECT hold_id, person_ref, state, ordered_by, reason, maker, checker, held_since, release_reason, release_maker, release_checker,
       released_on
  FROM records.holds
 WHERE hold_id = ANY ($1::text[])
 ORDER BY hold_id
   FOR UPDATE;

-- change_holds --
UPDATE records.holds AS h
   SET state = given.state, checker = given.checker, held_since = given.held_since, release_reason = given.release_reason,
       release_maker = given.release_maker, release_checker = given.release_checker, released_on = given.released_on
  FROM unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::text[], $6::text[], $7::text[], $8::date[])
       AS given (hold_id, state, checker, held_since, release_reason, release_maker, release_checker, released_on)
 WHERE h.hold_id = given.hold_id;

-- note_holds --
UPDATE records.persons AS p
   SET held_since = given.held_since, version = p.version + 1, changed_at = clock_timestamp()
  FROM unnest($1::text[], $2::date[]) AS given (person_ref, held_since)
 WHERE p.person_ref = given.person_ref;

-- holds --
SELECT hold_id, person_ref, state, ordered_by, reason, maker, checker, held_since, release_reason, release_maker, release_checker,
       released_on
  FROM records.holds
 WHERE NOT $1::boolean
    OR state <> 'released'
 ORDER BY made_at, hold_id
 LIMIT 1000;

-- add_double_drawing --
INSERT INTO records.double_drawings (settlement_id, person_ref, keeps, state, maker, facts)
VALUES ($1, $2, $3, 'proposed', $4, $5)
    ON CONFLICT (person_ref) WHERE state = 'proposed' DO NOTHING
RETURNING settlement_id;

-- hold_double_drawings --
SELECT settlement_id, person_ref, keeps, state, facts, maker, checker
  FROM records.double_drawings
 WHERE settlement_id = ANY ($1::text[])
 ORDER BY settlement_id
   FOR UPDATE;

-- decide_double_drawings --
UPDATE records.double_drawings
   SET state = $2, checker = $3, decided_at = clock_timestamp()
 WHERE settlement_id = ANY ($1::text[]);

-- double_drawings --
SELECT settlement_id, person_ref, keeps, state, maker, checker, made_at, decided_at
  FROM records.double_drawings
 WHERE NOT $1::boolean
    OR state = 'proposed'
 ORDER BY made_at, settlement_id
 LIMIT 1000;
