"""The death of the person at every point of a case: it ends, the origin is told, or the account is settled here."""

from datetime import date
from pathlib import Path

import pytest

from contracts.documents import DeathReport
from contracts.events import AccountClosed, AccountSettled, Cancelled, DeathReported
from services.destination_agency.case import AFTER_LETTER, ENDED, UNDECIDED, Case, Outcome, Refused, SamePerson, State
from services.destination_agency.completion import complete, propose_completion
from services.destination_agency.deaths import death_heard, propose_settlement, report_death, settle
from tests.unit.destination_agency.builders import (
    BOOKED,
    LETTER_NO,
    PERSON,
    TABLES,
    booking,
    completed,
    died,
    fact_of,
    in_state,
    lettered,
    letters_of,
    names,
    shown,
)
from tests.unit.rules.builders import with_death

ON = date(2024, 5, 1)
REPORT = DeathReport(letter_no=LETTER_NO, died_on=ON, reported_on=BOOKED)


def reported(case: Case, on: date = ON) -> Outcome:
    return report_death(case, "maker-33", died_on=on, reported_on=BOOKED, reported_by="family", today=BOOKED, tables=TABLES)


@pytest.mark.parametrize("state", sorted(UNDECIDED | {State.RETURNED_CURABLE}))
def test_where_the_origin_has_nothing_of_it_a_death_ends_the_case(state: State) -> None:
    outcome = reported(in_state(state))

    fact = fact_of(outcome, DeathReported)
    assert names(outcome) == ["death.reported", "transfer.cancelled"]
    assert (fact.died_on, fact.reported_on, fact.reported_by, fact.actor) == (ON, BOOKED, "family", "maker-33")
    assert fact_of(outcome, Cancelled).reason == "the person has died"
    assert (outcome.case.state, shown(outcome)) == (State.CANCELLED, ["CANCELLED"])


@pytest.mark.parametrize("state", sorted(AFTER_LETTER - ENDED - {State.RETURNED_CURABLE, State.DUPLICATE_CLEARING}))
def test_after_the_letter_the_origin_is_told_also_after_the_completion_and_the_case_goes_on(state: State) -> None:
    outcome = reported(in_state(state))

    [letter] = letters_of(outcome)
    assert names(outcome) == ["death.reported", "document.death_report_to_origin"]
    assert (letter.addressee, letter.body) == ("44", REPORT)
    assert (outcome.case.state, outcome.case.died_on) == (state, ON)


def test_a_death_is_reported_once_and_not_before_it_happened() -> None:
    with pytest.raises(Refused, match="DEATH_KNOWN"):
        reported(died(completed()))
    with pytest.raises(Refused, match="DEATH_IN_THE_FUTURE"):
        reported(lettered(), date(2024, 5, 11))


def test_what_the_origin_reports_is_noted_once() -> None:
    outcome = death_heard(lettered(), REPORT, sender="44/origin-agency", today=BOOKED, tables=TABLES)

    again = death_heard(outcome.case, REPORT, sender="44/origin-agency", today=BOOKED, tables=TABLES)

    fact = fact_of(outcome, DeathReported)
    assert (fact.reported_by, fact.actor, fact.died_on) == ("other_agency", "44/origin-agency", ON)
    assert (outcome.case.state, letters_of(outcome)) == (State.LETTER_SENT, [])
    assert again.told == ()


def test_nobody_cures_the_letter_of_somebody_who_has_died() -> None:
    outcome = death_heard(in_state(State.RETURNED_CURABLE), REPORT, sender="44/origin-agency", today=BOOKED, tables=TABLES)

    assert names(outcome) == ["death.reported", "transfer.cancelled"]
    assert outcome.case.state is State.CANCELLED


def test_what_the_origin_has_booked_is_finished_and_then_settled_by_two_persons() -> None:
    case = propose_completion(died(booking()), "maker-33").case
    done = complete(case, "checker-33", today=BOOKED).case

    proposal = propose_settlement(done, "maker-33", today=BOOKED, tables=TABLES).case
    outcome = settle(proposal, "checker-33", amount_fen=1_247_986, legal_basis="社会保险法 第十四条")

    settled, closed = fact_of(outcome, AccountSettled), fact_of(outcome, AccountClosed)
    assert (settled.person_ref, settled.reason, settled.amount_fen) == (PERSON, "death", 1_247_986)
    assert (settled.maker, settled.checker, settled.legal_basis) == ("maker-33", "checker-33", "社会保险法 第十四条")
    assert closed.person_ref == PERSON
    assert outcome.case.state is State.SETTLED
    with pytest.raises(SamePerson):
        settle(proposal, "maker-33", amount_fen=1, legal_basis="社会保险法 第十四条")


def test_nobody_s_account_is_settled_who_has_not_died() -> None:
    with pytest.raises(Refused, match="NO_DEATH_REPORTED"):
        propose_settlement(completed(), "maker-33", today=BOOKED, tables=TABLES)


def test_what_a_death_does_before_the_letter_is_a_row_of_the_table(tmp_path: Path) -> None:
    otherwise = with_death(tmp_path, "before_debit", "action", "cancel_and_settle", "finish_and_settle")

    outcome = report_death(
        in_state(State.REVIEWING),
        "maker-33",
        died_on=ON,
        reported_on=BOOKED,
        reported_by="family",
        today=BOOKED,
        tables=otherwise,
    )

    assert names(outcome) == ["death.reported"]
    assert (outcome.case.state, outcome.case.died_on) == (State.REVIEWING, ON)


def test_who_settles_what_is_booked_is_a_row_of_the_table(tmp_path: Path) -> None:
    otherwise = with_death(tmp_path, "credited", "settler", "destination", "origin")

    with pytest.raises(Refused, match="SETTLED_BY_ORIGIN"):
        propose_settlement(died(completed()), "maker-33", today=BOOKED, tables=otherwise)
