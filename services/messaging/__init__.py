"""Outbox, relay, inbox, quarantine, signed batches and sealing: how facts leave and arrive, once, with evidence."""
