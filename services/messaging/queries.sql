-- append --
INSERT INTO {schema}.outbox (event_id, topic, key, role, type, subject, payload)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
RETURNING seq;

-- append_pending --
INSERT INTO {schema}.pending (seq)
SELECT seq
  FROM {before};

-- unnumbered --
SELECT seq, topic, key, role, type, payload
  FROM {schema}.outbox
 WHERE seq = ANY (ARRAY(SELECT seq
                          FROM {schema}.pending
                         ORDER BY seq
                         LIMIT $1))
 ORDER BY seq;

-- head --
SELECT last, digest
  FROM {schema}.checkpoints
 ORDER BY last DESC
 LIMIT 1;

-- not_pending --
DELETE FROM {schema}.pending
 WHERE seq = ANY ($1::bigint[]);

-- number --
INSERT INTO {schema}.numbered (seq, number, proof, checkpoint)
SELECT given.seq, given.number, given.proof, $4
  FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS given (seq, number, proof);

-- add_checkpoint --
INSERT INTO {schema}.checkpoints (first, last, checkpoint, signature, digest)
VALUES ($1, $2, $3, $4, $5);

-- unsent --
SELECT n.number, o.topic, o.key, o.role, o.type, o.payload, n.proof, c.checkpoint, c.signature, c.last
  FROM {schema}.numbered AS n
  JOIN {schema}.outbox AS o USING (seq)
  JOIN {schema}.checkpoints AS c ON c.last = n.checkpoint
 WHERE n.number > $1
 ORDER BY n.number
 LIMIT $2;

-- sent_through --
SELECT sent_through
  FROM {schema}.relay;

-- mark_sent --
UPDATE {schema}.relay
   SET sent_through = $1
 WHERE sent_through < $1;

-- any_unnumbered --
SELECT EXISTS (SELECT
                 FROM {schema}.pending);

-- unpublished --
SELECT (SELECT count(*)
          FROM {schema}.pending)
     + (SELECT count(*)
          FROM {schema}.numbered
         WHERE number > (SELECT sent_through
                           FROM {schema}.relay));

-- accept --
WITH fresh AS (
    INSERT INTO {schema}.inbox (consumer, event_id, digest)
    SELECT $1, given.event_id, given.digest
      FROM unnest($2::text[], $3::bytea[]) AS given (event_id, digest)
        ON CONFLICT DO NOTHING
    RETURNING event_id
)
SELECT fresh.event_id,
       -- LIMIT keeps the question a look into the index for each case: EXISTS would read everything that waits.
       (SELECT true
          FROM {schema}.quarantine AS q
         WHERE q.state IN ('waiting', 'parked', 'behind')
           AND q.case_key = given.case_key
         LIMIT 1) IS NOT NULL AS waits
  FROM fresh
  JOIN unnest($2::text[], $4::text[]) AS given (event_id, case_key) USING (event_id);

-- known_digests --
SELECT event_id, digest
  FROM {schema}.inbox
 WHERE consumer = $1
   AND event_id = ANY ($2::text[]);

-- hold_cases --
SELECT held.case_key, bool_or(held.state = 'parked') AS parked
  FROM (SELECT case_key, state
          FROM {schema}.quarantine
         WHERE case_key = ANY ($1::text[])
           AND state IN ('waiting', 'parked', 'behind')
         ORDER BY case_key, topic, partition, "offset"
           FOR UPDATE) AS held
 GROUP BY held.case_key;

-- take_over --
INSERT INTO {schema}.inbox (consumer, event_id, digest)
VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING
RETURNING event_id;

-- park --
INSERT INTO {schema}.quarantine
       (quarantine_id, topic, partition, "offset", case_key, event_id, reason, detail, value, headers, attempts, state,
        record_key, accepted, told, next_try_at)
SELECT quarantine_id, topic, partition, "offset", case_key, event_id, reason, detail, value, headers, attempts, state,
       record_key, accepted, told, clock_timestamp() + pause_s * interval '1 second'
  FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[],
              $10::jsonb[], $11::int[], $12::text[], $13::text[], $14::boolean[], $15::boolean[], $16::float8[])
       AS given (quarantine_id, topic, partition, "offset", case_key, event_id, reason, detail, value, headers, attempts, state,
                 record_key, accepted, told, pause_s)
    ON CONFLICT (topic, partition, "offset") DO NOTHING
RETURNING quarantine_id;

-- list_quarantine --
SELECT q.quarantine_id, q.topic, q.partition, q."offset", q.case_key, q.event_id, q.reason, q.detail, q.attempts, q.state,
       q.parked_at, q.next_try_at, q.closed_at, length(q.value) AS bytes, q.headers ->> 'ce_type' AS type_hex,
       extract(epoch FROM clock_timestamp() - q.parked_at)::float8 AS age_s,
       d.decision_id AS proposal, d.verb AS proposed_verb, d.maker AS proposed_by
  FROM {schema}.quarantine AS q
  LEFT JOIN {schema}.quarantine_decisions AS d ON d.quarantine_id = q.quarantine_id AND d.state = 'proposed'
 WHERE ($1::text[] IS NULL OR q.state = ANY ($1))
   AND ($2::text[] IS NULL OR q.reason = ANY ($2))
   AND ($3::text IS NULL OR q.case_key = $3)
   AND q.parked_at <= clock_timestamp() - $4::float8 * interval '1 second'
 ORDER BY q.parked_at, q.topic, q.partition, q."offset"
 LIMIT $5;

-- case_of_quarantined --
SELECT case_key
  FROM {schema}.quarantine
 WHERE quarantine_id = $1;

-- hold_case --
SELECT quarantine_id
  FROM {schema}.quarantine
 WHERE case_key = $1
   AND state IN ('waiting', 'parked', 'behind')
 ORDER BY case_key, topic, partition, "offset"
   FOR UPDATE;

-- open_of_case --
SELECT quarantine_id, state
  FROM {schema}.quarantine
 WHERE case_key = $1
   AND state IN ('waiting', 'parked', 'behind')
 ORDER BY topic, partition, "offset";

-- quarantined --
SELECT *, next_try_at > clock_timestamp() AS too_early
  FROM {schema}.quarantine
 WHERE quarantine_id = $1;

-- release --
UPDATE {schema}.quarantine
   SET state = $2, closed_at = clock_timestamp(), next_try_at = NULL, attempts = $3
 WHERE quarantine_id = $1
   AND state IN ('waiting', 'parked', 'behind');

-- keep_waiting --
UPDATE {schema}.quarantine
   SET state = $2, reason = $3, detail = $4, attempts = $5, case_key = $6, told = told OR $7,
       next_try_at = clock_timestamp() + $8::float8 * interval '1 second'
 WHERE quarantine_id = $1;

-- accept_quarantined --
UPDATE {schema}.quarantine
   SET accepted = true
 WHERE quarantine_id = $1;

-- tell_behind --
UPDATE {schema}.quarantine
   SET told = true
 WHERE case_key = $1
   AND state = 'behind'
   AND NOT told
RETURNING quarantine_id, topic, partition, "offset", reason, value;

-- due_quarantined --
SELECT first.quarantine_id, first.state,
       CASE WHEN first.state = 'behind' THEN 0
            ELSE greatest(0, extract(epoch FROM first.next_try_at - clock_timestamp()))::float8 END AS in_s
  FROM (SELECT DISTINCT ON (case_key) quarantine_id, state, next_try_at
          FROM {schema}.quarantine
         WHERE state IN ('waiting', 'parked', 'behind')
         ORDER BY case_key, topic, partition, "offset") AS first
 WHERE first.state <> 'parked'
 ORDER BY in_s
 LIMIT $1;

-- decide --
INSERT INTO {schema}.quarantine_decisions
       (decision_id, quarantine_id, verb, state, maker, reason, amendment, amended_digest, content_digest, code, remedy,
        outcome, rejection_id, decided_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, CASE WHEN $4 = 'proposed' THEN NULL ELSE clock_timestamp() END);

-- hold_decision --
SELECT *
  FROM {schema}.quarantine_decisions
 WHERE decision_id = $1
   FOR UPDATE;

-- finish_decision --
UPDATE {schema}.quarantine_decisions
   SET state = $2, checker = $3, approval = $4, outcome = $5, rejection_id = $6, decided_at = clock_timestamp()
 WHERE decision_id = $1;

-- lapse_proposals --
UPDATE {schema}.quarantine_decisions
   SET state = 'lapsed', decided_at = clock_timestamp()
 WHERE quarantine_id = $1
   AND state = 'proposed';

-- decisions_of --
SELECT *
  FROM {schema}.quarantine_decisions
 WHERE quarantine_id = $1
 ORDER BY made_at, decision_id;

-- was_sent --
SELECT o.event_id, o.payload
  FROM {schema}.numbered AS n
  JOIN {schema}.outbox AS o USING (seq)
 WHERE n.number = $1
   AND o.topic = $2;

-- keep_rejections --
INSERT INTO {schema}.rejections (rejection_id, case_id, rejected_by, document_type, number, digest, code, remedy, received_at)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[],
              $9::timestamptz[])
    ON CONFLICT DO NOTHING;

-- list_rejections --
SELECT rejection_id, case_id, rejected_by, document_type, number, digest, code, remedy, received_at
  FROM {schema}.rejections
 ORDER BY received_at DESC, rejection_id
 LIMIT $1;

-- figures --
-- For operators. Reads what is open by indexes alone, however long the journal is.
SELECT 'jiexu_outbox_unpublished_rows' AS figure, ARRAY[]::text[] AS labels,
       ((SELECT count(*) FROM {schema}.pending)
        + greatest(0, coalesce((SELECT number FROM {schema}.numbered ORDER BY number DESC LIMIT 1), 0)
                      - (SELECT sent_through FROM {schema}.relay)))::float8 AS value
UNION ALL
SELECT 'jiexu_outbox_oldest_seconds', ARRAY[]::text[],
       coalesce(extract(epoch FROM clock_timestamp()
           - least((SELECT created_at FROM {schema}.outbox WHERE seq = (SELECT min(seq) FROM {schema}.pending)),
                   (SELECT o.created_at
                      FROM {schema}.numbered AS n
                      JOIN {schema}.outbox AS o USING (seq)
                     WHERE n.number = (SELECT sent_through + 1 FROM {schema}.relay)))), 0)::float8
UNION ALL
SELECT 'jiexu_quarantine_rows', ARRAY[state, reason], count(*)::float8
  FROM {schema}.quarantine
 WHERE state IN ('waiting', 'parked', 'behind')
 GROUP BY state, reason
UNION ALL
SELECT 'jiexu_quarantine_oldest_seconds', ARRAY[state], extract(epoch FROM clock_timestamp() - min(parked_at))::float8
  FROM {schema}.quarantine
 WHERE state IN ('waiting', 'parked', 'behind')
 GROUP BY state;
