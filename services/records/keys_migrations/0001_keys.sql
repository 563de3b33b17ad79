-- migrate:up
CREATE SCHEMA keys;

CREATE TABLE keys.person_keys (
    person_ref   text PRIMARY KEY,
    key          bytea,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroyed_at timestamptz
);
COMMENT ON TABLE keys.person_keys IS 'In a database of its own, so that its backups can be kept shorter than the books''';

GRANT USAGE ON SCHEMA keys TO {origin_role}, {destination_role}, {notification_role};
GRANT SELECT, INSERT ON keys.person_keys TO {origin_role}, {destination_role};
GRANT SELECT ON keys.person_keys TO {notification_role};
