-- keep_contacts --
INSERT INTO notification.contacts (contact_id, person_ref, language, personal)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
    ON CONFLICT (contact_id) DO NOTHING;

-- keep_deaths --
INSERT INTO notification.deceased (person_ref, event_id)
SELECT *
  FROM unnest($1::text[], $2::text[])
    ON CONFLICT (person_ref) DO NOTHING;

-- queue --
-- A notice that need not wait for an earlier one of its case is at once in the hand of the mailer of this process.
-- LIMIT keeps the question a look into the index for each case: NOT EXISTS would read everything that is queued.
WITH given AS MATERIALIZED (
    SELECT given.*, (SELECT true
                       FROM notification.notices AS earlier
                      WHERE earlier.case_id = given.case_id
                        AND earlier.state = 'queued'
                      LIMIT 1) IS NULL AS free
      FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[], $10::text[], $11::text[],
                  $12::timestamptz[], $13::text[])
           WITH ORDINALITY AS given (notice_id, event_id, case_id, person_ref, contact_id, template, template_version, said,
                                     message_id, occurred_at, channel, place)
), added AS (
    INSERT INTO notification.notices (notice_id, event_id, channel, case_id, person_ref, contact_id, template, template_version,
                                      said, message_id, occurred_at, claimed_by, not_before)
    SELECT g.notice_id, g.event_id, g.channel, g.case_id, g.person_ref, g.contact_id, g.template, g.template_version, g.said,
           g.message_id, g.occurred_at, CASE WHEN g.free THEN $1 END,
           CASE WHEN g.free THEN now() + make_interval(secs => $2) ELSE now() END
      FROM given AS g
     ORDER BY g.place
        ON CONFLICT DO NOTHING
    RETURNING *
)
SELECT c.seq, c.notice_id, c.event_id, c.case_id, c.person_ref, c.template, c.template_version, c.said, c.message_id,
       c.occurred_at, c.attempts, 0::float8 AS age_s, k.person_ref AS contact_ref, k.language, k.personal,
       d.person_ref IS NOT NULL AS deceased
  FROM added AS c
  LEFT JOIN notification.contacts AS k USING (contact_id)
  LEFT JOIN notification.deceased AS d ON d.person_ref = c.person_ref
 WHERE c.claimed_by = $1
 ORDER BY c.seq;

-- claim --
WITH chosen AS (
    SELECT n.notice_id
      FROM notification.notices AS n
     WHERE n.state = 'queued'
       AND n.not_before <= now()
       AND NOT EXISTS (SELECT
                         FROM notification.notices AS earlier
                        WHERE earlier.case_id = n.case_id
                          AND earlier.seq < n.seq
                          AND earlier.state = 'queued'
                          AND earlier.not_before > now())
     ORDER BY n.seq
     LIMIT $3
       FOR UPDATE SKIP LOCKED
), claimed AS (
    UPDATE notification.notices AS n
       SET claimed_by = $1, not_before = now() + make_interval(secs => $2)
      FROM chosen
     WHERE n.notice_id = chosen.notice_id
    RETURNING n.*
)
SELECT c.seq, c.notice_id, c.event_id, c.case_id, c.person_ref, c.template, c.template_version, c.said, c.message_id,
       c.occurred_at, c.attempts, extract(epoch FROM now() - c.queued_at)::float8 AS age_s, k.person_ref AS contact_ref,
       k.language, k.personal, d.person_ref IS NOT NULL AS deceased
  FROM claimed AS c
  LEFT JOIN notification.contacts AS k USING (contact_id)
  LEFT JOIN notification.deceased AS d ON d.person_ref = c.person_ref
 ORDER BY c.seq;

-- record --
-- What is told is told of those alone that were still in this mailer's hand.
WITH recorded AS (
UPDATE notification.notices AS n
   SET state = given.state, attempts = n.attempts + given.tried, not_before = now() + make_interval(secs => given.delay_s),
       claimed_by = NULL, evidence = coalesce(given.evidence, n.evidence), reason = given.reason,
       ended_at = CASE WHEN given.state = 'queued' THEN NULL ELSE $8::timestamptz END
  FROM unnest($2::text[], $3::text[], $4::int[], $5::float8[], $6::text[], $7::text[])
       AS given (notice_id, state, tried, delay_s, evidence, reason)
 WHERE n.notice_id = given.notice_id
   AND n.state = 'queued'
   AND n.claimed_by = $1
RETURNING n.notice_id
), told AS (
INSERT INTO notification.outbox (event_id, topic, key, role, type, subject, payload)
SELECT t.event_id, t.topic, t.key, NULL, t.type, t.subject, t.payload
  FROM unnest($9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bytea[])
       WITH ORDINALITY AS t (notice_id, event_id, topic, key, type, subject, payload, place)
  JOIN recorded USING (notice_id)
 ORDER BY t.place
RETURNING seq
), waiting AS (
INSERT INTO notification.pending (seq)
SELECT seq
  FROM told
)
SELECT notice_id
  FROM recorded;

-- release --
UPDATE notification.notices
   SET claimed_by = NULL, not_before = now()
 WHERE state = 'queued'
   AND claimed_by = $1;

-- of_case --
SELECT notice_id, event_id, channel, template, template_version, message_id, state, attempts, occurred_at, queued_at, ended_at,
       evidence, reason
  FROM notification.notices
 WHERE case_id = $1
 ORDER BY seq;

-- figures --
-- For operators; appended to the statement of the messages. Reads what is queued by its index.
SELECT 'jiexu_notices_queued' AS figure, ARRAY[]::text[] AS labels, count(*)::float8 AS value
  FROM notification.notices
 WHERE state = 'queued'
UNION ALL
SELECT 'jiexu_notices_oldest_seconds', ARRAY[]::text[],
       coalesce(extract(epoch FROM clock_timestamp() - (SELECT queued_at
                                                          FROM notification.notices
                                                         WHERE state = 'queued'
                                                         ORDER BY seq
                                                         LIMIT 1)), 0)::float8;
