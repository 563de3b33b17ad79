"""The services of a province, and what they share."""
