-- outboxes --
-- Schemas that hold a log which this role may read.
SELECT n.nspname AS schema
  FROM pg_class AS c
  JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relname = 'outbox'
   AND c.relkind = 'r'
   AND has_schema_privilege(n.oid, 'USAGE')
   AND has_table_privilege(c.oid, 'SELECT')
   AND EXISTS (SELECT 1 FROM pg_class AS k WHERE k.relnamespace = n.oid AND k.relname = 'checkpoints' AND k.relkind = 'r')
 ORDER BY n.nspname;

-- numbered --
SELECT n.number, o.topic, o.key, o.role, o.payload, n.proof
  FROM {schema}.numbered AS n
  JOIN {schema}.outbox AS o USING (seq)
 ORDER BY n.number;

-- signed --
SELECT checkpoint, signature
  FROM {schema}.checkpoints
 ORDER BY last;
