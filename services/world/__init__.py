"""Worlds made from a seed: people, what they paid, who applies where, and how each case is meant to end."""
