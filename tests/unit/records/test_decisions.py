"""What a decision is made with and what comes of it stands apart from all machinery, so that the rules stay pure."""

import ast
import inspect

import pytest

from contracts.documents import LetterReturn, LetterReturnDocument
from services.records import decisions
from services.records.decisions import Letter
from tests.builders import CASE, PERSON, a


def test_decisions_know_the_contracts_and_nothing_of_ours() -> None:
    tree = ast.parse(inspect.getsource(decisions))

    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    assert named == {"dataclasses", "datetime", "enum", "contracts.base", "contracts.documents"}


def test_a_letter_is_a_first_version_and_cannot_be_changed_after_it_was_decided() -> None:
    letter = Letter(LetterReturnDocument, a(LetterReturn), CASE, PERSON, "33")

    with pytest.raises(AttributeError):
        letter.addressee = "41"  # type: ignore[misc]

    assert (letter.version, letter.addressee) == (1, "33")
