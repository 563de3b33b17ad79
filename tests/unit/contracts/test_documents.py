"""The official documents: routing in clear, the body sealed, and each addressed to one role."""

import pytest
from pydantic import ValidationError

from contracts import documents, topics
from contracts.base import SealedForProvince
from contracts.documents import Answer, Body, ContactLetter, DeathReport, Document, InformationForm, Question, Rejection
from contracts.registry import DOCUMENTS, FACTS
from tests.builders import a

KINDS = [fact for name, fact in FACTS.items() if name in DOCUMENTS and issubclass(fact, Document)]
EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type_name)


@EACH
def test_every_document_has_a_body_and_a_role(kind: type[Document]) -> None:
    assert issubclass(kind.body_type, Body)
    assert kind.to_role in topics.ROLES


@EACH
def test_a_document_shows_only_its_routing(kind: type[Document]) -> None:
    assert set(kind.model_fields) == {"case_id", "sender", "addressee", "document_version", "sealed"}
    assert kind.model_fields["sealed"].annotation is SealedForProvince


@EACH
def test_every_body_names_its_letter_and_a_rejection_the_document_that_it_is_about(kind: type[Document]) -> None:
    named = {"document_type", "number", "digest"} if kind.body_type is Rejection else {"letter_no"}

    assert named <= kind.body_type.model_fields.keys()


def test_each_body_belongs_to_one_kind_of_document_and_what_either_agency_says_to_one_a_role() -> None:
    bodies = [kind.body_type for kind in KINDS]
    either = {Rejection, Question, Answer, DeathReport}

    assert {body for body in bodies if bodies.count(body) > 1} == either
    for body in either:
        assert sorted(kind.to_role for kind in KINDS if kind.body_type is body) == sorted(topics.ROLES)
    assert set(bodies) == set(Body.__subclasses__())


def test_what_one_agency_sends_the_other_hears() -> None:
    assert {kind.to_role for kind in KINDS} == {"origin-agency", "destination-agency"}
    assert documents.ContactLetterDocument.to_role == "origin-agency"
    assert documents.InformationFormDocument.to_role == "destination-agency"


@pytest.mark.parametrize("number", ["LXH-33010-20240506-000001", "LXH-330100-240506-000001", "330100-20240506-000001", ""])
def test_a_letters_number_names_division_day_and_place_in_the_day(number: str) -> None:
    with pytest.raises(ValidationError):
        a(ContactLetter, letter_no=number)


@pytest.mark.parametrize("version", [0, -1])
def test_versions_of_a_document_begin_with_one(version: int) -> None:
    for model, field in ((ContactLetter, "letter_version"), (InformationForm, "form_version"), (KINDS[0], "document_version")):
        with pytest.raises(ValidationError):
            a(model, **{field: version})


def test_a_form_without_anything_else_still_needs_items_months_and_segments() -> None:
    needed = {name for name, field in InformationForm.model_fields.items() if field.is_required()}

    assert {"items", "months", "deemed_months", "segments", "person", "transfer_on", "rule_set"} <= needed


def test_a_question_and_its_answer_are_held_together_by_an_id_and_say_something() -> None:
    for body in (Question, Answer):
        with pytest.raises(ValidationError):
            a(body, question_id="1")
        with pytest.raises(ValidationError):
            a(body, text="?")


def test_what_an_agency_does_not_say_of_a_return_stays_open() -> None:
    body = documents.LetterReturn.model_validate_json(
        '{"letter_no": "LXH-330100-20240506-000001", "code": "NO_RELATIONSHIP", "legal_basis": "x"}'
    )

    assert (body.curable_until, body.right_division) == (None, None)
