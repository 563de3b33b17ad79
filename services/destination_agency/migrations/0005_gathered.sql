-- migrate:up
ALTER TABLE destination_agency.gatherings
    ADD COLUMN claimed_on     date,
    ADD COLUMN category       text CHECK (category IN ('male', 'female_55', 'female_50')),
    ADD COLUMN months         integer CHECK (months >= 0),
    ADD COLUMN minimum_months integer CHECK (minimum_months >= 0),
    ADD COLUMN found_place    text;
UPDATE destination_agency.gatherings SET claimed_on = opened_at::date;
ALTER TABLE destination_agency.gatherings
    ALTER COLUMN claimed_on SET NOT NULL,
    DROP CONSTRAINT gatherings_state_check,
    ADD CONSTRAINT gatherings_state_check CHECK (state IN ('open', 'completed', 'place_differs'));
COMMENT ON COLUMN destination_agency.gatherings.category IS 'Whose statutory age counts, where the person said it';
COMMENT ON COLUMN destination_agency.gatherings.months IS 'Months of all places when the last case had ended; empty before';
COMMENT ON COLUMN destination_agency.gatherings.minimum_months IS 'Months that a pension takes; empty where no rule says it';
COMMENT ON COLUMN destination_agency.gatherings.found_place IS 'Which province pays by the rows that came, where it is another; empty where they name none';
