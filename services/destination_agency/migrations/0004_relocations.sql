-- migrate:up
ALTER TABLE destination_agency.batches ADD COLUMN relocation jsonb;
COMMENT ON COLUMN destination_agency.batches.relocation IS 'By which rules the people of an enterprise that relocates move; empty for any other submission';
