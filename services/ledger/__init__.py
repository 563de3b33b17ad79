"""A province's own books: a fold of its events."""
