"""What a decision is made with and what comes of it stands apart from all machinery, so that the rules stay pure."""

import ast
import inspect
from datetime import date

import pytest

from contracts.documents import LetterReturn, LetterReturnDocument
from services.records import decisions
from services.records.decisions import Due, Letter, Refused, refuse_escalation
from tests.builders import CASE, PERSON, a


def test_decisions_know_the_contracts_and_what_a_pause_is_and_nothing_else_of_ours() -> None:
    tree = ast.parse(inspect.getsource(decisions))

    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert named == {"dataclasses", "datetime", "enum", "contracts.base", "contracts.documents", "services.rules.deadlines"}


def test_a_letter_is_a_first_version_and_cannot_be_changed_after_it_was_decided() -> None:
    letter = Letter(LetterReturnDocument, a(LetterReturn), CASE, PERSON, "33")

    with pytest.raises(AttributeError):
        letter.addressee = "41"  # type: ignore[misc]

    assert (letter.version, letter.addressee) == (1, "33")


@pytest.mark.parametrize(
    ("breached", "escalated", "code"),
    [
        (False, False, "NOT_OVERDUE"),
        (False, True, "NOT_OVERDUE"),
        (True, True, "ALREADY_ESCALATED"),
    ],
)
def test_supervisors_are_told_of_what_is_overdue_and_only_once(breached: bool, escalated: bool, code: str) -> None:
    due = Due(date(2024, 5, 27), date(2024, 5, 20))

    refuse_escalation(due, breached=True, escalated=False)
    with pytest.raises(Refused) as refused:
        refuse_escalation(due, breached=breached, escalated=escalated)

    assert refused.value.code == code
