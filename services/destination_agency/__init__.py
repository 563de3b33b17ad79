"""The agency that takes an account on: applications, admission, contact letter, matching, completion."""
