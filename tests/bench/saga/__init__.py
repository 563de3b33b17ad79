"""A bare saga as a baseline: an orchestrator and a ledger that move money between accounts, and nothing else.

Six records and five handler transactions a transfer, on the same Kafka and PostgreSQL, with the same durability and batch size.
No law, no signatures, no sealing, no persons, no notices, no journal that is kept.
"""
