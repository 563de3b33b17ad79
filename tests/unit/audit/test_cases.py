"""What must have happened before what in a case."""

import pytest

from contracts.events import CaseFact
from contracts.registry import EVENTS, FACTS
from services.audit.cases import EXCLUDED_BY, FREE, ONCE, PREDECESSORS, TAKES_BACK, has, step


def problems(*names: str) -> list[str | None]:
    seen, found = 0, []
    for name in names:
        seen, problem = step(seen, name)
        found.append(problem)
    return found


def test_every_event_in_the_tables_exists() -> None:
    named = {
        *PREDECESSORS,
        *EXCLUDED_BY,
        *TAKES_BACK,
        *ONCE,
        *FREE,
        *(each for table in (PREDECESSORS, EXCLUDED_BY, TAKES_BACK) for names in table.values() for each in names),
    }

    assert named <= EVENTS


def test_every_fact_of_a_case_has_its_predecessors_or_is_named_as_free_and_none_is_both() -> None:
    of_cases = {name for name in EVENTS if issubclass(FACTS[name], CaseFact)}

    assert of_cases - set(PREDECESSORS) - FREE == set()
    assert FREE & set(PREDECESSORS) == set()


def test_only_what_excludes_something_can_be_taken_back() -> None:
    barring = {name for names in EXCLUDED_BY.values() for name in names}

    assert {name for names in TAKES_BACK.values() for name in names} <= barring


@pytest.mark.parametrize(
    "story",
    [
        "transfer.applied transfer.accepted contact_letter.sent information_form.received funds.received transfer.completed",
        "transfer.applied transfer.accepted contact_letter.sent funds.received information_form.received transfer.completed",
        "transfer.applied transfer.refused",
        "transfer.applied transfer.cancelled",
        "contact_letter.received information_form.issued funds.remitted relationship.closed transfer.settled",
        "contact_letter.received information_form.issued funds.remitted funds.returned funds.remitted",
        "contact_letter.received contact_letter.returned",
        "contact_letter.received contact_letter.returned contact_letter.received information_form.issued",
        "contact_letter.received contact_letter.returned contact_letter.received contact_letter.returned",
        "transfer.applied material.requested material.supplied transfer.accepted contact_letter.sent",
        "transfer.applied transfer.accepted contact_letter.sent transfer.returned contact_letter.sent information_form.received",
        "transfer.applied transfer.accepted contact_letter.sent transfer.returned transfer.readdressed contact_letter.sent",
        "transfer.applied transfer.accepted contact_letter.sent transfer.returned transfer.closed",
        "transfer.applied transfer.accepted contact_letter.sent information_form.received discrepancy.raised question.asked"
        " answer.received discrepancy.agreed discrepancy.resolved transfer.completed",
        "transfer.applied transfer.accepted contact_letter.sent information_form.received transfer.completed"
        " information_form.received transfer.corrected duplicates.found duplicates.cleared",
        "transfer.applied transfer.accepted contact_letter.sent information_form.received transfer.completed recall.received"
        " recall.declined recall.received transfer.recalled",
        "contact_letter.received contributions.not_movable arrears.notified information_form.issued information_form.issued",
        "contact_letter.received information_form.issued relationship.closed recall.requested recall.answered"
        " information_form.revoked relationship.reopened",
        "question.received question.answered death.reported deadline.escalated",
        "funds.received discrepancy.raised",
        "notice.delivered deadline.breached document.sent",
    ],
)
def test_a_legal_story_has_no_problem(story: str) -> None:
    assert not any(problems(*story.split()))


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        ("transfer.accepted", "before it: transfer.applied"),
        ("transfer.applied contact_letter.sent", "before it: transfer.accepted"),
        ("contact_letter.received funds.remitted", "before it: information_form.issued"),
        ("transfer.applied transfer.applied", "once at most"),
        ("contact_letter.received contact_letter.returned information_form.issued", "never after: contact_letter.returned"),
        (
            "contact_letter.received contact_letter.returned contact_letter.received contact_letter.returned"
            " information_form.issued",
            "never after: contact_letter.returned",
        ),
        (
            "contact_letter.received information_form.issued information_form.revoked funds.remitted",
            "never after: information_form.revoked",
        ),
        ("transfer.applied material.supplied", "before it: material.requested"),
        ("question.answered", "before it: question.received"),
        ("answer.received", "before it: question.asked"),
        ("discrepancy.raised discrepancy.agreed", "before it: answer.received"),
        ("transfer.corrected", "before it: information_form.received, transfer.completed"),
        ("recall.received", "before it: transfer.completed"),
        ("transfer.recalled", "before it: recall.received, transfer.completed"),
        ("information_form.revoked", "before it: information_form.issued"),
        ("relationship.reopened", "before it: information_form.revoked, relationship.closed"),
        ("duplicates.cleared", "before it: duplicates.found"),
        ("transfer.applied transfer.closed", "before it: transfer.returned"),
        ("transfer.applied transfer.readdressed", "before it: transfer.returned"),
    ],
)
def test_an_event_out_of_its_order_is_told_with_what_it_lacks(story: str, problem: str) -> None:
    assert problems(*story.split())[-1] == problem


def test_a_transfer_is_given_up_once() -> None:
    story = "transfer.applied transfer.accepted contact_letter.sent information_form.received transfer.completed recall.received"

    assert problems(*story.split(), "transfer.recalled", "transfer.recalled")[-2:] == [None, "once at most"]
    assert problems(*story.split(), "transfer.recalled", "transfer.corrected")[-1] == "never after: transfer.recalled"


def test_what_was_seen_is_remembered() -> None:
    seen, _ = step(0, "funds.received")

    assert has(seen, "funds.received")
    assert not has(seen, "transfer.applied")
