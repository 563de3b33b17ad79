"""The death of the person at every point of a case: who hears of it, what goes on, and who settles."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from contracts.documents import DeathReport, DeathReportToDestinationDocument
from contracts.events import AccountClosed, AccountSettled, DeathReported
from services.ledger.bookkeeping import book
from services.ledger.chart import REFUNDS_PAYABLE, individual
from services.origin_agency.case import UNDECIDED, Case, NotNow, Outcome, Refused, SamePerson, State
from services.origin_agency.deaths import SETTLEABLE, death_heard, propose_settlement, report_death, settle_account
from tests.builders import PERSON
from tests.unit.origin_agency.builders import LETTER_NO, MONDAY, a_case, body, fact, kinds
from tests.unit.origin_agency.test_forms import STAYS
from tests.unit.rules.builders import tables, with_death

SUNDAY = date(2024, 5, 5)
SENDER = "33/destination-agency"
BODY = DeathReport(letter_no=LETTER_NO, died_on=SUNDAY, reported_on=MONDAY)


def reported(case: Case) -> Outcome:
    return report_death(case, "maker-1", died_on=SUNDAY, reported_on=MONDAY, reported_by="family", tables=tables())


@pytest.mark.parametrize("state", sorted(State))
def test_a_death_is_noted_in_every_state_and_the_destination_is_told(state: State) -> None:
    outcome = reported(a_case(state))

    assert kinds(outcome) == [DeathReported, DeathReportToDestinationDocument]
    told = fact(outcome)
    assert (told.died_on, told.reported_on, told.reported_by, told.actor) == (SUNDAY, MONDAY, "family", "maker-1")
    assert body(outcome) == BODY
    assert outcome.case.died_on == SUNDAY
    # What was proposed of a letter is void; anything else goes on where it stands.
    assert outcome.case.state is (State.LETTER_HELD if state in UNDECIDED else state)
    assert (outcome.case.proposal is None) is (state in UNDECIDED or a_case(state).proposal is None)


def test_a_death_that_is_known_is_not_reported_again() -> None:
    dead = reported(a_case()).case

    with pytest.raises(Refused, match="DEATH_KNOWN"):
        reported(dead)
    assert death_heard(dead, BODY, sender=SENDER, today=MONDAY, tables=tables()) == Outcome(dead)


def test_nobody_dies_after_the_report() -> None:
    with pytest.raises(Refused, match="DEATH_IN_THE_FUTURE"):
        report_death(a_case(), "maker-1", died_on=date(2024, 5, 7), reported_on=MONDAY, reported_by="clerk", tables=tables())


def test_a_death_that_the_destination_reports_is_noted_and_not_told_back() -> None:
    outcome = death_heard(a_case(State.HANDLING_PROPOSED), BODY, sender=SENDER, today=MONDAY, tables=tables())

    assert kinds(outcome) == [DeathReported]
    assert (fact(outcome).reported_by, fact(outcome).actor) == ("other_agency", SENDER)
    assert (outcome.case.state, outcome.case.died_on) == (State.LETTER_HELD, SUNDAY)


def test_what_is_left_in_the_account_is_owed_to_the_heirs_when_two_persons_say_so() -> None:
    returned = a_case(State.RETURNED, died_on=SUNDAY)

    proposed = propose_settlement(returned, "maker-1", today=MONDAY, tables=tables())
    outcome = settle_account(proposed.case, "checker-1", amount_fen=300, legal_basis="社会保险法 第十四条")

    assert kinds(outcome) == [AccountSettled, AccountClosed]
    settled = fact(outcome)
    assert (settled.reason, settled.amount_fen, settled.legal_basis) == ("death", 300, "社会保险法 第十四条")
    assert (settled.maker, settled.checker) == ("maker-1", "checker-1")
    entry = book("e1", settled)
    assert entry is not None
    assert entry.changes() == {individual(PERSON): -300, REFUNDS_PAYABLE: 300}
    with pytest.raises(SamePerson):
        settle_account(proposed.case, "maker-1", amount_fen=300, legal_basis="x")


@pytest.mark.parametrize("state", sorted(set(State) - SETTLEABLE))
def test_while_the_transfer_goes_on_nothing_is_settled_here(state: State) -> None:
    with pytest.raises(NotNow, match="settling the account"):
        propose_settlement(a_case(state, died_on=SUNDAY), "maker-1", today=MONDAY, tables=tables())


def test_only_the_account_of_somebody_who_has_died_and_is_known_is_settled() -> None:
    with pytest.raises(Refused, match="NO_DEATH_REPORTED"):
        propose_settlement(a_case(State.RETURNED), "maker-1", today=MONDAY, tables=tables())
    with pytest.raises(Refused, match="NO_RELATIONSHIP"):
        propose_settlement(
            replace(a_case(State.RETURNED, died_on=SUNDAY), person_ref=None), "maker-1", today=MONDAY, tables=tables()
        )


def test_what_could_not_move_is_settled_here_and_what_has_moved_there() -> None:
    moved = a_case(State.SETTLED, died_on=SUNDAY)

    with pytest.raises(Refused, match="SETTLED_BY_DESTINATION"):
        propose_settlement(moved, "maker-1", today=MONDAY, tables=tables())
    proposed = propose_settlement(replace(moved, not_movable=STAYS), "maker-1", today=MONDAY, tables=tables()).case
    outcome = settle_account(proposed, "checker-1", amount_fen=500, legal_basis="社会保险法 第十四条")

    assert (kinds(outcome), outcome.case.state) == ([AccountSettled, AccountClosed], State.SETTLED)


def test_what_a_death_does_to_a_letter_is_a_row_of_the_table(tmp_path: Path) -> None:
    otherwise = with_death(tmp_path, "before_debit", "action", "cancel_and_settle", "finish_and_settle")
    proposed = a_case(State.HANDLING_PROPOSED)

    outcome = report_death(proposed, "maker-1", died_on=SUNDAY, reported_on=MONDAY, reported_by="clerk", tables=otherwise)
    heard = death_heard(proposed, BODY, sender=SENDER, today=MONDAY, tables=otherwise)

    for case in (outcome.case, heard.case):
        assert (case.state, case.proposal, case.died_on) == (State.HANDLING_PROPOSED, proposed.proposal, SUNDAY)


def test_who_settles_what_is_here_is_a_row_of_the_table(tmp_path: Path) -> None:
    otherwise = with_death(tmp_path, "no_transfer", "settler", "holder", "destination")

    with pytest.raises(Refused, match="SETTLED_BY_DESTINATION"):
        propose_settlement(a_case(State.RETURNED, died_on=SUNDAY), "maker-1", today=MONDAY, tables=otherwise)


def test_a_report_says_until_when_the_family_had_to_make_it() -> None:
    assert fact(reported(a_case())).report_due_on == date(2024, 5, 30)  # twenty working days; 11 May was worked
