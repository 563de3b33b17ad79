"""The OpenAPI documents: current, with tokens, and with problems where FastAPI has errors of its own."""

from pathlib import Path

import pytest

from services.cli.openapi import SERVICES, documents, main

DOCUMENTS = documents()
EACH = pytest.mark.parametrize("service", sorted(DOCUMENTS))


def test_what_is_committed_is_what_the_services_offer() -> None:
    assert main(["--check"]) == 0


def test_every_service_with_an_entry_has_a_document() -> None:
    assert set(DOCUMENTS) == set(SERVICES)


@EACH
def test_every_route_wants_a_token_and_answers_with_problems(service: str) -> None:
    document = DOCUMENTS[service]

    assert document["security"] == [{"token": []}]
    for path in document["paths"].values():
        for operation in path.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert "422" not in operation["responses"]


@EACH
def test_what_only_a_scenario_may_do_is_not_offered(service: str) -> None:
    assert not [path for path in DOCUMENTS[service]["paths"] if path.startswith("/scenario")]


@EACH
def test_every_route_says_what_it_is_for(service: str) -> None:
    for path, operations in DOCUMENTS[service]["paths"].items():
        for verb, operation in operations.items():
            assert operation.get("description"), (path, verb)


def test_a_stale_document_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], home=tmp_path) == 1
    assert "openapi/bank.json: not current" in capsys.readouterr().err
    assert main([], home=tmp_path) == 0
    assert main(["--check"], home=tmp_path) == 0
