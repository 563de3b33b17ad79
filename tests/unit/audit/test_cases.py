"""What must have happened before what in a case."""

import pytest

from contracts.registry import EVENTS
from services.audit.cases import EXCLUDED_BY, ONCE, PREDECESSORS, has, step


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
        *ONCE,
        *(each for names in (*PREDECESSORS.values(), *EXCLUDED_BY.values()) for each in names),
    }

    assert named <= EVENTS


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
    ],
)
def test_an_event_out_of_its_order_is_told_with_what_it_lacks(story: str, problem: str) -> None:
    assert problems(*story.split())[-1] == problem


def test_what_was_seen_is_remembered() -> None:
    seen, _ = step(0, "funds.received")

    assert has(seen, "funds.received")
    assert not has(seen, "transfer.applied")
