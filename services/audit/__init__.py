"""The auditor's work: export a province's log, verify it, fold it again, and compare provinces with each other."""
