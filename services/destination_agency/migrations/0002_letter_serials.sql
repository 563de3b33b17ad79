-- migrate:up
-- Where a province approves automatically, a letter leaves in the transaction in which its case is saved, and needs the number before.
GRANT USAGE ON SEQUENCE destination_agency.cases_serial_seq TO {destination_role};
