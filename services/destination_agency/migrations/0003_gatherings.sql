-- migrate:up
CREATE TABLE destination_agency.gatherings (
    gathering_id text PRIMARY KEY,
    person_ref   text        NOT NULL,
    rule         text        NOT NULL,
    cases        text[]      NOT NULL,
    state        text        NOT NULL CHECK (state IN ('open', 'completed')),
    opened_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE destination_agency.gatherings IS 'What the paying place gathers at retirement: one case a place';
CREATE INDEX gatherings_open ON destination_agency.gatherings (opened_at) WHERE state = 'open';

GRANT SELECT, INSERT, UPDATE ON destination_agency.gatherings TO {destination_role};
