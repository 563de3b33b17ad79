"""Stories of cases as YAML files, run against running services over HTTP: our tests, and a partner's conformance kit."""
