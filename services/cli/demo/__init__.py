"""`jiexu demo`: from nothing to transfers between provinces, and the proof that every balance can be rebuilt."""
