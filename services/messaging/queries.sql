-- append --
INSERT INTO {schema}.outbox (event_id, topic, key, role, type, subject, payload)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[]);

-- unnumbered --
SELECT seq, topic, key, role, type, payload
  FROM {schema}.outbox
 WHERE number IS NULL
 ORDER BY seq
 LIMIT $1;

-- head --
SELECT last, digest
  FROM {schema}.checkpoints
 ORDER BY last DESC
 LIMIT 1;

-- number --
UPDATE {schema}.outbox AS o
   SET number = given.number, proof = given.proof, checkpoint = $4
  FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS given (seq, number, proof)
 WHERE o.seq = given.seq;

-- add_checkpoint --
INSERT INTO {schema}.checkpoints (first, last, checkpoint, signature, digest)
VALUES ($1, $2, $3, $4, $5);

-- unsent --
SELECT o.number, o.topic, o.key, o.role, o.type, o.payload, o.proof, c.checkpoint, c.signature, c.last
  FROM {schema}.outbox AS o
  JOIN {schema}.checkpoints AS c ON c.last = o.checkpoint
 WHERE o.number > $1
 ORDER BY o.number
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
                 FROM {schema}.outbox
                WHERE number IS NULL);

-- unpublished --
SELECT count(*)
  FROM {schema}.outbox
 WHERE number IS NULL OR number > (SELECT sent_through FROM {schema}.relay);

-- accept --
WITH fresh AS (
    INSERT INTO {schema}.inbox (consumer, event_id, digest)
    SELECT $1, given.event_id, given.digest
      FROM unnest($2::text[], $3::bytea[]) AS given (event_id, digest)
        ON CONFLICT DO NOTHING
    RETURNING event_id
)
SELECT fresh.event_id,
       EXISTS (SELECT
                 FROM {schema}.quarantine AS q
                WHERE q.state = 'parked'
                  AND q.case_key = given.case_key) AS waits
  FROM fresh
  JOIN unnest($2::text[], $4::text[]) AS given (event_id, case_key) USING (event_id);

-- known_digests --
SELECT event_id, digest
  FROM {schema}.inbox
 WHERE consumer = $1
   AND event_id = ANY ($2::text[]);

-- park --
INSERT INTO {schema}.quarantine
       (quarantine_id, topic, partition, "offset", case_key, event_id, reason, detail, value, headers, attempts)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bytea[],
              $10::jsonb[], $11::int[])
    ON CONFLICT (topic, partition, "offset") DO NOTHING
RETURNING quarantine_id;

-- list_quarantine --
SELECT quarantine_id, topic, partition, "offset", case_key, event_id, reason, detail, attempts, state, parked_at
  FROM {schema}.quarantine
 WHERE state = $1
 ORDER BY parked_at
 LIMIT $2;
