-- migrate:up
CREATE TABLE records.employers (
    employer_ref text PRIMARY KEY,
    code_hash    bytea       NOT NULL UNIQUE,
    made_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON COLUMN records.employers.code_hash IS 'HMAC-SHA256 of the credit code under the province''s key: a sole trader is a person, too';

-- The content is one value, out of line: a list does not read it, and sealed as a whole no part of it can be left out or exchanged.
CREATE TABLE records.papers (
    paper_id            text PRIMARY KEY,
    subject_kind        text        NOT NULL CHECK (subject_kind IN ('person', 'employer', 'case')),
    subject             text        NOT NULL,
    sealed_for          text        NOT NULL,
    kind                text        NOT NULL,
    media_type          text        NOT NULL,
    bytes               int         NOT NULL CHECK (bytes > 0),
    digest              text        NOT NULL,
    retention           text        NOT NULL,
    kept_on             date        NOT NULL,
    kept_until          date,
    actor               text        NOT NULL,
    kept_at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    nonce               bytea       NOT NULL,
    content             bytea,
    destruction_maker   text,
    destruction_reason  text,
    destruction_checker text,
    destroyed_on        date,
    CONSTRAINT papers_content_or_destroyed CHECK ((content IS NULL) = (destroyed_on IS NOT NULL)),
    CONSTRAINT papers_kept_their_time CHECK (destroyed_on IS NULL OR coalesce(destroyed_on > kept_until, false)),
    CONSTRAINT papers_destroyed_by_two
        CHECK (destroyed_on IS NULL OR coalesce(destruction_checker <> destruction_maker, false))
);
ALTER TABLE records.papers ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON COLUMN records.papers.sealed_for IS 'Whose key: the person''s, the employer''s, or the case''s where the province does not know its person';
COMMENT ON COLUMN records.papers.digest IS 'SHA-256 of the scan, as on the journal';
COMMENT ON COLUMN records.papers.kept_until IS 'Last day on which it must be here; empty: for ever';
COMMENT ON COLUMN records.papers.content IS 'The scan, AES-256-GCM under the key of sealed_for';
CREATE UNIQUE INDEX papers_once ON records.papers (subject_kind, subject, digest) WHERE destroyed_on IS NULL;
CREATE INDEX papers_by_subject ON records.papers (subject_kind, subject, kept_at);

-- Nobody may delete a paper, nor say afterwards that its time was shorter.
GRANT SELECT, INSERT ON records.papers, records.employers TO {origin_role}, {destination_role};
GRANT UPDATE (content, destruction_maker, destruction_reason, destruction_checker, destroyed_on)
   ON records.papers TO {origin_role}, {destination_role};
