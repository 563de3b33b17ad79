"""The page of all verbs: as the agencies have them, with every verb, every state and the counts."""

import re
from pathlib import Path

import pytest

from services.cli.openapi import documents
from services.cli.verbs import AGENCIES, Agency, main, page, sentence

OFFERED = documents()
# Routes that change no case: files, rules, year ends, papers, the quarantine, a proposal that is taken back; and cashing out,
# which is refused whatever the case.
OTHERS = (
    *("/records/imports", "/rules", "/year-ends", "/papers", "/employers", "/quarantine", "/records/lookups", "/surrenders"),
    "/records/corrections/{correction_id}/withdrawals",
)


def test_what_is_committed_is_what_the_agencies_can_do() -> None:
    assert main(["--check"]) == 0


@pytest.mark.parametrize("agency", AGENCIES, ids=lambda agency: agency.title)
def test_every_verb_stands_on_the_page_with_its_words_and_every_state_in_the_matrix(agency: Agency) -> None:
    text = page()

    for verb in agency.verbs:
        [line] = [line for line in text.splitlines() if line.startswith(f"| `{verb.name}` | {sentence(verb.does)}")]
        assert f"`{verb.command}`" in line
        assert verb.basis in line
        assert all(f"`{fact.type_name}`" in line for fact in verb.facts)
        assert all(role in line for role in (*verb.roles, *verb.checked_by))
    for state in agency.states:
        assert f"| {state} |" in text


def _routes(agency: Agency) -> set[tuple[str, str]]:
    """Method and path of every command of an agency's verbs."""
    named = (found for verb in agency.verbs for found in re.findall(r"(GET|POST|PUT|DELETE) (/[^\s,;]+)", verb.command))
    return {(method.lower(), path) for method, path in named}


@pytest.mark.parametrize("agency", AGENCIES, ids=lambda agency: agency.title)
def test_every_command_on_the_page_is_a_route_that_the_agency_has(agency: Agency) -> None:
    paths = OFFERED[agency.service]["paths"]

    assert {route for route in _routes(agency) if route[0] not in paths.get(route[1], {})} == set()


@pytest.mark.parametrize("agency", AGENCIES, ids=lambda agency: agency.title)
def test_every_route_that_changes_a_case_is_the_command_of_a_verb(agency: Agency) -> None:
    offered = {
        (method, path)
        for path, operations in OFFERED[agency.service]["paths"].items()
        for method in operations
        if method != "get" and not path.startswith(OTHERS)
    }

    assert offered - _routes(agency) == set()


def test_the_counts_on_the_page_are_those_of_the_lists() -> None:
    pairs = sum(len(each.states) for each in AGENCIES for verb in each.verbs if verb.states)
    works = sum(1 for each in AGENCIES for verb in each.verbs for state in each.states if state in verb.states)

    [total] = [line for line in page().splitlines() if line.startswith("| Together |")]

    assert total.split(" | ")[3:] == [str(pairs), str(works), f"{pairs - works} |"]


def test_a_stale_page_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], home=tmp_path) == 1
    assert "verbs.md: not current" in capsys.readouterr().err
    assert main([], home=tmp_path) == 0
    assert main(["--check"], home=tmp_path) == 0
