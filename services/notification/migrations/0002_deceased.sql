-- migrate:up
CREATE TABLE notification.deceased (
    person_ref text PRIMARY KEY,
    event_id   text        NOT NULL,
    kept_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE notification.deceased IS 'Persons whose death was reported: nobody is written to about their own death';
COMMENT ON COLUMN notification.deceased.event_id IS 'The event that reported it';

GRANT SELECT, INSERT ON notification.deceased TO {notification_role};
