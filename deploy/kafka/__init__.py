"""Kafka as the parties find it: principals, topics and who may do what on them."""
