"""The facts: frozen, strict, without a float, and with a sequence number wherever money moves."""

import json
import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from contracts import events
from contracts.base import Fact
from contracts.envelope import Envelope, type_of
from contracts.events import CaseFact, QuarantineReason
from contracts.generate import schemas
from contracts.registry import EVENTS, FACTS
from services.ledger.bookkeeping import BOOKED, book
from tests.builders import CASE, a, items

SCHEMAS = schemas()
ALL = pytest.mark.parametrize("fact", FACTS.values(), ids=list(FACTS))

MONEY: dict[str, dict[str, Any]] = {
    "account.opened": {"opening_fen": 1},
    "contribution.recorded": {"account_fen": 1, "pool_fen": 2},
    "interest.credited": {"interest_fen": 1},
    "information_form.issued": {"items": items()},
    "funds.remitted": {"amount_fen": 1},
    "funds.returned": {"amount_fen": 1},
    "funds.received": {"amount_fen": 1},
    "funds.sent_back": {"amount_fen": 1},
    "transfer.completed": {"items": items()},
    "transfer.corrected": {"items": items(), "supersedes": items(100, 700)},
    "transfer.recalled": {"items": items()},
    "information_form.revoked": {"items": items()},
    "duplicates.cleared": {"refund_principal_fen": 2, "refund_interest_fen": 1},
    "account.settled": {"amount_fen": 1},
    "double_drawing.settled": {"set_off_fen": 1, "paid_out_fen": 2},
    "contribution.corrected": {"account_difference_fen": -1, "interest_difference_fen": 1, "pool_difference_fen": 2},
}


def walk(node: Any) -> list[dict[str, Any]]:
    """Every schema node below a node."""
    if isinstance(node, dict):
        return [node, *(found for child in node.values() for found in walk(child))]
    if isinstance(node, list):
        return [found for child in node for found in walk(child)]
    return []


@pytest.mark.parametrize("name", SCHEMAS)
def test_no_contract_has_a_floating_point_number_anywhere(name: str) -> None:
    kinds = {kind for node in walk(SCHEMAS[name]) for kind in [node.get("type")] if isinstance(kind, str)}

    assert "number" not in kinds, name


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_field_that_holds_money_says_so_in_its_name_and_is_an_integer(name: str) -> None:
    for node in walk(SCHEMAS[name]):
        for field, schema in node.get("properties", {}).items():
            assert not re.search(r"amount$|money|yuan|balance$", field), (name, field)
            if field.endswith("_fen"):
                assert schema["type"] == "integer", (name, field)


@ALL
def test_every_fact_is_frozen_and_strict_and_may_grow(fact: type[Fact]) -> None:
    for model in (fact, *_below(fact)):
        assert model.model_config.get("frozen"), model
        assert model.model_config.get("strict"), model
        assert model.model_config.get("extra") == "ignore", model


def _below(model: type[BaseModel]) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    for field in model.model_fields.values():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= {kind, *_below(kind)}
    return found


@ALL
def test_a_fact_cannot_be_changed_after_it_was_said(fact: type[Fact]) -> None:
    said = a(fact)
    name = next(iter(fact.model_fields))

    with pytest.raises(ValidationError, match="frozen"):
        setattr(said, name, getattr(said, name))


@ALL
def test_a_types_name_is_lower_case_words_and_makes_a_cloudevents_type(fact: type[Fact]) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", fact.type_name)
    assert re.fullmatch(str(Envelope.model_fields["type"].metadata[0].pattern), type_of(fact))


@pytest.mark.parametrize("fact", BOOKED, ids=lambda fact: fact.type_name)
def test_every_fact_that_moves_money_carries_the_sequence_of_each_account_it_touches(fact: type[Fact]) -> None:
    assert "account_sequences" in fact.model_fields


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_the_facts_that_are_declared_to_move_money_do_and_no_other(name: str) -> None:
    entry = book("event", a(FACTS[name], **MONEY.get(name, {})))

    assert (entry is not None) is (FACTS[name] in BOOKED)
    assert ("account_sequences" in FACTS[name].model_fields) is (FACTS[name] in BOOKED)


def test_the_facts_that_move_money_are_these() -> None:
    assert {fact.type_name for fact in BOOKED} == set(MONEY)


def test_a_fact_about_a_case_names_it_and_the_person_only_by_pseudonym() -> None:
    for name in EVENTS:
        fact = FACTS[name]
        if issubclass(fact, CaseFact):
            assert {"case_id", "person_ref"} <= set(fact.model_fields), name


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_no_fact_on_a_journal_has_a_field_in_clear_for_who_a_person_is(name: str) -> None:
    named = {field for node in walk(FACTS[name].model_json_schema()) for field in node.get("properties", {})}

    assert not named & {"name", "id_number", "phone", "email", "address", "birth_on", "person"}, name


def test_a_case_id_has_the_length_of_a_uuid() -> None:
    for bad in (CASE[:-1], CASE + "0", ""):
        with pytest.raises(ValidationError):
            a(events.FundsReceived, case_id=bad)


def test_quarantine_reasons_are_stable_words() -> None:
    assert json.dumps([str(reason) for reason in QuarantineReason]) == json.dumps(
        [
            "malformed",
            "unknown_type",
            "unknown_version",
            "invalid",
            "unsigned",
            "bad_proof",
            "bad_signature",
            "unknown_sender",
            "wrong_sender",
            "wrong_addressee",
            "unopenable",
            "unexpected",
            "handler_failed",
            "behind_parked",
            "id_reused",
            "no_role",
            "wrong_key",
        ]
    )
