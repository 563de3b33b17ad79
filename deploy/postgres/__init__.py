"""PostgreSQL as the services find it: databases, their owners and who may connect."""
