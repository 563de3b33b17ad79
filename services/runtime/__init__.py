"""How any service runs: settings, logs, database, broker, HTTP, identity, clock, migrations. Knows nothing of insurance."""
