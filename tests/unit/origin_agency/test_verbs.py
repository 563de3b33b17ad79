"""Every state meets every verb: it works, or it is refused by name. And the table of verbs says what the steps do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.base import Fact
from contracts.documents import Answer, DeathReport, Question, RecallAnswer, Reminder, Withdrawal
from contracts.events import CaseFact
from services.notification.notices import BY_THE_ORIGIN
from services.origin_agency.api import add_routes
from services.origin_agency.app import HEARS
from services.origin_agency.case import Case, NotNow, Outcome, State, Wish
from services.origin_agency.case import Question as Asked
from services.origin_agency.verbs import NO_CASE, VERBS
from services.records import corrections_api, double_drawings_api, endings_api, persons_api
from services.records.decisions import Letter
from services.records.verbs import Verb
from services.runtime.http import make_api
from tests.builders import PERSON, a
from tests.unit.origin_agency.builders import (
    CONTACT,
    DUE_ON,
    FORM,
    LATER,
    LETTER_NO,
    MONDAY,
    RETURN,
    SEALED,
    a_case,
    a_completion,
    a_form,
    a_letter,
)
from tests.unit.origin_agency.test_forms import STAYS
from tests.unit.rules.builders import tables

ID = "018f4c1e-0000-7000-8000-0000000000aa"
SENDER = "33/destination-agency"
ASKED = Asked(ID, False, "other", PERSON, SEALED, MONDAY)
ANSWER = Answer(letter_no=LETTER_NO, question_id=ID, text="It was paid.")

# How each row's step is taken with a case of any state: everything but the case is there, and all that a rule asks for, too.
ACTS: dict[str, Callable[[Any, Case], Outcome]] = {
    "receive corrected letter": lambda act, c: act(c, a_letter(letter_version=2), PERSON, on=MONDAY, due=LATER),
    "propose handling": lambda act, c: act(c, FORM),
    "approve form": lambda act, c: act(replace(c, proposal=FORM), "checker-1", a_form()),
    "approve return": lambda act, c: act(
        replace(c, proposal=RETURN), "checker-1", tables().refusal(RETURN.code, date(2024, 3, 1))
    ),
    "propose notice of what stays": lambda act, c: act(c, "maker-1", ()),
    "approve notice of what stays": lambda act, c: act(wishing(c, "notice"), "checker-1", STAYS, told_by=DUE_ON, contact=CONTACT),
    "notify arrears": lambda act, c: act(c, "maker-1", months=2, pay_until=DUE_ON, contact=CONTACT),
    "hear withdrawal": lambda act, c: act(c, a(Withdrawal, letter_no=LETTER_NO)),
    "hear reminder": lambda act, c: act(c, a(Reminder, escalated=True), sender=SENDER),
    "propose remittance": lambda act, c: act(owing(c)),
    "approve remittance": lambda act, c: act(c, "R2"),
    "book payment": lambda act, c: act(
        replace(owing(c), ordered_fen=1000, remittance_id="R2"),
        bank_reference="B1",
        amount_fen=1000,
        maker="fund-1",
        checker="checker-1",
    ),
    "book returned money": lambda act, c: act(
        c,
        remittance_id="R1",
        line_id="L1",
        amount_fen=1000,
        reason="payee account refused",
        account_wanted=True,
        sent_back=False,
        due=LATER,
    ),
    "hear completion": lambda act, c: act(replace(c, form_version=1, paid_version=1), a_completion()),
    "propose amendment": lambda act, c: act(c, "maker-1", "why"),
    "approve amendment": lambda act, c: act(wishing(c, "amendment"), "checker-1", a_form(form_version=2), due=LATER),
    "propose recall": lambda act, c: act(c, "maker-1", code="X", reason="why"),
    "approve recall": lambda act, c: act(wishing(c, "recall"), "checker-1"),
    "hear recall answer": lambda act, c: act(c, RecallAnswer(letter_no=LETTER_NO, agreed=True)),
    "ask": lambda act, c: act(c, "maker-1", a(Question, question_id=ID), SEALED, today=MONDAY),
    "hear question": lambda act, c: act(c, a(Question, question_id=ID), SEALED, today=MONDAY),
    "answer": lambda act, c: act(replace(c, questions=(ASKED,)), "maker-1", ANSWER, SEALED, today=MONDAY),
    "hear answer": lambda act, c: act(replace(c, questions=(replace(ASKED, ours=True),)), ANSWER, SEALED, today=MONDAY),
    "report death": lambda act, c: act(c, "maker-1", died_on=MONDAY, reported_on=MONDAY, reported_by="clerk", tables=tables()),
    "hear death": lambda act, c: act(
        c, DeathReport(letter_no=LETTER_NO, died_on=MONDAY, reported_on=MONDAY), sender=SENDER, today=MONDAY, tables=tables()
    ),
    "propose settlement": lambda act, c: act(
        replace(c, died_on=MONDAY, not_movable=STAYS), "maker-1", today=MONDAY, tables=tables()
    ),
    "approve settlement": lambda act, c: act(
        wishing(c, "settlement"), "checker-1", amount_fen=1, legal_basis="社会保险法 第十四条"
    ),
    "escalate": lambda act, c: act(replace(c, breached=True), "maker-1"),
    "look at clock": lambda act, c: act(c, today=LATER.due_on, escalate_on=LATER.due_on),
    "count due date again": lambda act, c: act(c, LATER, rule_set="new"),
}
OF_CASES = [verb for verb in VERBS if verb.states != NO_CASE]


def owing(case: Case) -> Case:
    """The case with a form of which nothing is paid."""
    return replace(case, items=a_case(State.FORM_ISSUED).items, remitted_fen=0)


def wishing(case: Case, kind: Any) -> Case:
    return replace(case, wish=Wish(kind, "maker-1", "it was wrong", "X"))


def refused_by(verb: Verb, state: State) -> NotNow | None:
    try:
        outcome = ACTS[verb.name](verb.act, a_case(state))
    except NotNow as refusal:
        return refusal
    assert isinstance(outcome, Outcome)
    return None


@pytest.mark.parametrize("state", sorted(State))
@pytest.mark.parametrize("verb", OF_CASES, ids=lambda verb: verb.name.replace(" ", "-"))
def test_a_verb_works_in_its_own_states_and_is_refused_by_name_in_every_other(verb: Verb, state: State) -> None:
    refusal = refused_by(verb, state)

    if state in verb.states:
        assert refusal is None
    else:
        assert refusal is not None
        assert refusal.state is state
        assert refusal.step in str(refusal)


def test_every_state_meets_every_verb_and_so_many_pairs_are_refused() -> None:
    pairs = [(verb, state) for verb in OF_CASES for state in State]

    refused = [pair for pair in pairs if refused_by(*pair) is not None]

    assert (len(OF_CASES), len(State), len(pairs), len(refused)) == (30, 13, 390, 208)


@pytest.mark.parametrize("verb", OF_CASES, ids=lambda verb: verb.name.replace(" ", "-"))
def test_a_verb_says_the_facts_and_sends_the_document_that_its_row_names_and_no_other(verb: Verb) -> None:
    told = [each for state in verb.states for each in ACTS[verb.name](verb.act, a_case(State(state))).told]

    assert {type(each) for each in told if isinstance(each, Fact)} <= set(verb.facts)
    assert {each.kind for each in told if isinstance(each, Letter)} <= ({verb.document} if verb.document else set())
    assert verb.document is None or any(isinstance(each, Letter) for each in told)


@pytest.mark.parametrize("verb", OF_CASES, ids=lambda verb: verb.name.replace(" ", "-"))
def test_the_person_is_told_of_a_verb_whose_row_says_so_by_a_letter_of_its_own_or_by_the_destination(verb: Verb) -> None:
    itself = any(issubclass(fact, BY_THE_ORIGIN) for fact in verb.facts)

    assert itself is (verb.person != "" and "by the destination" not in verb.person)
    told = [each for state in verb.states for each in ACTS[verb.name](verb.act, a_case(State(state))).told]
    assert not any(each.public for each in told if isinstance(each, CaseFact))


def test_every_verb_has_a_name_of_its_own_and_every_step_of_the_test_is_a_verb() -> None:
    names = [verb.name for verb in VERBS]

    assert len(names) == len(set(names))
    assert {verb.name for verb in OF_CASES} == set(ACTS)
    assert all(verb.does and verb.other_side and verb.basis and verb.command for verb in VERBS)


def test_whatever_needs_two_persons_has_two_roles_and_what_a_document_starts_has_none() -> None:
    for verb in VERBS:
        if verb.command.startswith("POST") and verb.name != "check voucher":
            assert verb.roles, verb.name
        elif not verb.command.startswith("POST"):
            assert verb.roles == (), verb.name
        if verb.name.startswith("propose"):
            assert verb.checked_by, verb.name


def test_every_command_of_the_table_is_a_route_and_every_document_is_heard() -> None:
    nothing: Any = None

    async def ready() -> dict[str, str | None]:
        return {}

    api = make_api("origin", verifier=None, ready=ready)
    add_routes(api, nothing, "44", nothing)
    corrections_api.add_routes(api, nothing, "44")
    endings_api.add_routes(api, nothing, "44", nothing)
    double_drawings_api.add_routes(api, nothing, "44")
    persons_api.add_routes(api, nothing, nothing, "44")
    routes = {f"{method} {route.path}" for route in api.routes for method in getattr(route, "methods", ())}  # type: ignore[attr-defined]
    heard = {kind.type_name for kind in HEARS}

    commands = [part.strip() for verb in VERBS for part in verb.command.split(",")]
    documents = {part for part in commands if part.startswith("document.")}
    assert {part for part in commands if part.startswith("POST")} <= routes
    assert documents == heard - {"document.rejection_to_origin"}
