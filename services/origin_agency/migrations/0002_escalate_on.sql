-- migrate:up
ALTER TABLE origin_agency.cases ADD COLUMN escalate_on date;
COMMENT ON COLUMN origin_agency.cases.escalate_on IS 'When the supervisors of both agencies are told of a breached leg; empty again when they know';
