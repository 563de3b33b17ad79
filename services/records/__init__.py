"""A province's contribution records, and what both agencies share."""
