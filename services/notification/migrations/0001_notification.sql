-- migrate:up
CREATE TABLE notification.contacts (
    contact_id text PRIMARY KEY,
    person_ref text NOT NULL,
    language   text NOT NULL CHECK (language IN ('zh-CN', 'en')),
    personal   text NOT NULL
);
COMMENT ON TABLE notification.contacts IS 'Where notices go: one row a case, or a voucher''s event';
COMMENT ON COLUMN notification.contacts.personal IS 'Identity and contacts, AES-256-GCM under the person''s key, as the fact carried them';

CREATE TABLE notification.notices (
    notice_id        text PRIMARY KEY,
    seq              bigint GENERATED ALWAYS AS IDENTITY,
    event_id         text        NOT NULL,
    channel          text        NOT NULL,
    case_id          text        NOT NULL,
    person_ref       text        NOT NULL,
    contact_id       text        NOT NULL,
    template         text        NOT NULL,
    template_version int         NOT NULL,
    said             text        NOT NULL,
    message_id       text        NOT NULL UNIQUE,
    occurred_at      timestamptz NOT NULL,
    queued_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    state            text        NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'delivered', 'failed')),
    attempts         int         NOT NULL DEFAULT 0,
    not_before       timestamptz NOT NULL DEFAULT clock_timestamp(),
    claimed_by       text,
    evidence         text,
    reason           text,
    ended_at         timestamptz,
    CHECK ((state = 'queued') = (ended_at IS NULL)),
    CHECK ((state = 'failed') = (reason IS NOT NULL))
);
COMMENT ON TABLE notification.notices IS 'One row a public status change and channel; what it says is never changed, how far it came is';
COMMENT ON COLUMN notification.notices.said IS 'What the letter is written from: nothing personal, no amounts';
COMMENT ON COLUMN notification.notices.not_before IS 'Nobody takes the notice before: the end of a claim, or of the back-off after a temporary failure';
COMMENT ON COLUMN notification.notices.evidence IS 'What the mail server answered, addresses taken out';
CREATE UNIQUE INDEX notices_once ON notification.notices (event_id, channel);
CREATE INDEX notices_of_case ON notification.notices (case_id, seq);
CREATE INDEX notices_queued ON notification.notices (seq) WHERE state = 'queued';
CREATE INDEX notices_queued_of_case ON notification.notices (case_id, seq) WHERE state = 'queued';

GRANT SELECT, INSERT ON notification.contacts, notification.notices TO {notification_role};
GRANT UPDATE (state, attempts, not_before, claimed_by, evidence, reason, ended_at) ON notification.notices
   TO {notification_role};
