-- migrate:up
CREATE TABLE records.rule_imports (
    number          int PRIMARY KEY,
    import_id       text        NOT NULL UNIQUE,
    table_name      text        NOT NULL,
    form            text        NOT NULL CHECK (form IN ('toml', 'csv')),
    content         text        NOT NULL,
    source          text        NOT NULL,
    digest          text        NOT NULL UNIQUE,
    effective_from  date        NOT NULL,
    rows            int         NOT NULL,
    replaces        boolean     NOT NULL,
    reason          text        NOT NULL,
    rule_set_before text        NOT NULL,
    rule_set_after  text        NOT NULL,
    actor           text        NOT NULL,
    imported_at     timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE records.rule_imports IS 'Rows of the dated tables that came in while services run, in order; services lay them over the tables they are shipped with';

GRANT SELECT, INSERT ON records.rule_imports TO {origin_role};
GRANT SELECT ON records.rule_imports TO {destination_role};
