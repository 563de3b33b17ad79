"""Every verb of a case is told whole: words, basis, roles, facts; and no fact of a case is left that nobody can raise."""

import re

import pytest

from contracts.asyncapi_document import SAYS
from contracts.documents import Document
from contracts.events import CaseFact
from contracts.registry import DOCUMENTS, EVENTS, FACTS
from services.destination_agency import case as destination_case
from services.destination_agency.verbs import VERBS as DESTINATION
from services.origin_agency import case as origin_case
from services.origin_agency.verbs import VERBS as ORIGIN
from services.records.verbs import Verb
from services.runtime.identity import Role

STATES = {"destination-agency": destination_case.State, "origin-agency": origin_case.State}
ALL = [(service, verb) for service, verbs in (("destination-agency", DESTINATION), ("origin-agency", ORIGIN)) for verb in verbs]
EACH = pytest.mark.parametrize(("service", "verb"), ALL, ids=[f"{service} {verb.name}" for service, verb in ALL])

# What no verb of a case raises: what every document leaves on the journal, and what notification says.
ANYBODY = {"check voucher"}  # who holds one may ask without logging in
NO_VERBS = {"document.sent", "document.received", "document.rejected", "notice.delivered", "notice.failed"}


@EACH
def test_a_verb_has_words_for_everybody_and_a_basis(service: str, verb: Verb) -> None:
    assert re.fullmatch(r"[a-z]+([ -][a-z]+)*", verb.name)
    assert len(verb.does.split()) > 3
    assert verb.other_side
    assert verb.basis
    assert verb.basis == "design" or re.search(r"[\u4e00-\u9fff]|Art\.|\bS-[A-Z0-9]+|domain §", verb.basis), verb.basis
    assert "\n" not in verb.does + verb.other_side + verb.person + verb.basis


@EACH
def test_a_verb_is_begun_by_roles_that_exist_or_by_nobody_and_then_nobody_checks(service: str, verb: Verb) -> None:
    assert all(isinstance(role, Role) for role in (*verb.roles, *verb.checked_by))
    assert Role.INSURED not in verb.checked_by
    if not verb.roles:
        assert not verb.checked_by
    if re.match(r"(GET|POST|PUT|DELETE) /", verb.command) and verb.name not in ANYBODY:
        assert verb.roles, "somebody sends the command"


@EACH
def test_a_verb_works_from_states_of_its_own_agency(service: str, verb: Verb) -> None:
    assert set(verb.states) <= set(STATES[service])


@EACH
def test_a_verb_says_what_its_service_may_say_and_sends_what_the_other_role_hears(service: str, verb: Verb) -> None:
    assert set(verb.facts) <= set(SAYS[service])
    if verb.document is not None:
        assert issubclass(verb.document, Document)
        assert verb.document.to_role != service


def test_each_name_stands_once_in_an_agency() -> None:
    for service in STATES:
        names = [verb.name for its, verb in ALL if its == service]
        assert sorted(names) == sorted(set(names))


def test_every_fact_of_a_case_is_raised_by_some_verb_but_for_those_that_are_named() -> None:
    raised = {fact.type_name for _, verb in ALL for fact in verb.facts}
    of_cases = {name for name in EVENTS if issubclass(FACTS[name], CaseFact)}

    assert of_cases - raised == NO_VERBS


def test_every_document_but_a_rejection_is_sent_by_some_verb() -> None:
    sent = {verb.document.type_name for _, verb in ALL if verb.document is not None}

    assert {name for name in DOCUMENTS - sent if "rejection" not in name} == set()


def test_whatever_binds_the_ledger_needs_a_second_person() -> None:
    for _, verb in ALL:
        for fact in verb.facts:
            field = fact.model_fields.get("checker")
            if field is not None and field.is_required() and verb.roles:
                # Either the row names both persons, or it is the second one's own step.
                assert verb.checked_by or set(verb.roles) == {Role.CHECKER}, (verb.name, fact.type_name)


def test_what_the_law_does_not_allow_is_no_verb() -> None:
    for _, verb in ALL:
        assert not re.search(r"\bfees?\b|\bdelete\b|\bcash\b", verb.name), verb.name
        if "surrender" in verb.name:
            assert (verb.facts, verb.document) == ((), None), "cashing out does nothing, for it is refused always"
