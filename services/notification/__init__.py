"""Tells the insured person of every public status change, once, after it is durable, and keeps the evidence."""
