"""The death of the person at any point of a case, from the destination's side (domain § 1.6.11). Pure.

Before the letter the case ends and whoever holds the account settles it. After it the origin decides: what it has not booked
goes back to it, what it has is finished and settled here. Money never stays between the two ledgers.
"""

from dataclasses import replace
from datetime import date
from typing import Literal

from contracts.documents import DeathReport, DeathReportToOriginDocument
from contracts.events import AccountClosed, AccountSettled, DeathReported
from services.destination_agency.application import cancelled
from services.destination_agency.case import (
    AFTER_LETTER,
    ENDED,
    UNDECIDED,
    Case,
    NotNow,
    Outcome,
    Proposal,
    Refused,
    State,
    approved,
)
from services.records.decisions import Letter, Told
from services.rules.endings import after_death
from services.rules.exception_tables import DeathAction, LedgerPosition, Settler
from services.rules.loader import Tables

Source = Literal["family", "clerk", "registry"]

SETTLES = frozenset({State.COMPLETED})
# The origin has nothing of the case, or nothing any more: a death ends it here.
_ENDS = UNDECIDED | {State.RETURNED_CURABLE}
REPORTABLE = (frozenset(State) - ENDED) | SETTLES


def position_of(case: Case) -> LedgerPosition:
    """Where the money of the case stands, as the rules on deaths ask it; what the origin has decided the form alone tells."""
    if case.booked is not None:
        return LedgerPosition.CREDITED
    return LedgerPosition.BEFORE_DEBIT if case.form is None else LedgerPosition.DEBITED


def report_death(
    case: Case, actor: str, *, died_on: date, reported_on: date, reported_by: Source, today: date, tables: Tables
) -> Outcome:
    """Somebody reports the death here; the origin is told, also after the completion: it may want to correct or recall.

    Raises:
        NotNow: when the case has ended without a transfer.
        Refused: DEATH_KNOWN, or DEATH_IN_THE_FUTURE where it lies after its report.
    """
    if case.state not in REPORTABLE:
        raise NotNow("reporting a death", case.state)
    if case.died_on is not None:
        raise Refused("DEATH_KNOWN", f"The death on {case.died_on} was reported before.")
    if died_on > reported_on:
        raise Refused("DEATH_IN_THE_FUTURE", f"{died_on} lies after {reported_on}.", remedy="Check the day.")
    rule = after_death(position_of(case), died_on=died_on, reported_on=reported_on, tables=tables)
    fact = DeathReported(
        case_id=case.case_id,
        person_ref=case.person_ref,
        died_on=died_on,
        reported_on=reported_on,
        reported_by=reported_by,
        report_due_on=rule.report_due.on if rule.report_due else None,
        actor=actor,
    )
    changed = replace(case, died_on=died_on)
    if case.letter_no is None and rule.action is not DeathAction.CANCEL_AND_SETTLE:
        return Outcome(changed, (fact,))  # no other agency knows of the case yet
    if case.state in _ENDS and rule.action is DeathAction.CANCEL_AND_SETTLE:
        ended = cancelled(changed, "the person has died", today)
        return Outcome(ended.case, (fact, *ended.told))
    assert case.letter_no is not None, case.case_id
    body = DeathReport(letter_no=case.letter_no, died_on=died_on, reported_on=reported_on)
    return Outcome(changed, (fact, Letter(DeathReportToOriginDocument, body, case.case_id, case.person_ref, case.origin)))


def death_heard(case: Case, body: DeathReport, *, sender: str, today: date, tables: Tables) -> Outcome:
    """The origin reports the death; where it is known already, both have heard of it.

    Raises:
        NotNow: before the letter.
    """
    if case.state not in AFTER_LETTER:
        raise NotNow("a death report of the origin", case.state)
    if case.died_on is not None:
        return Outcome(case)
    fact = DeathReported(
        case_id=case.case_id,
        person_ref=case.person_ref,
        died_on=body.died_on,
        reported_on=body.reported_on,
        reported_by="other_agency",
        actor=sender,
    )
    changed = replace(case, died_on=body.died_on)
    action = tables.exceptions.death(position_of(case), today).action
    if case.state is State.RETURNED_CURABLE and action is DeathAction.CANCEL_AND_SETTLE:
        ended = cancelled(changed, "the person has died", today)
        return Outcome(ended.case, (fact, *ended.told))
    return Outcome(changed, (fact,))


def propose_settlement(case: Case, maker: str, *, today: date, tables: Tables) -> Outcome:
    """A maker proposes to settle the account of somebody who has died, for the heirs (社会保险法 Art. 14).

    Raises:
        NotNow: while the transfer goes on.
        Refused: NO_DEATH_REPORTED; SETTLED_BY_ORIGIN where the rule of the day says so.
    """
    if case.state not in SETTLES:
        raise NotNow("settling the account", case.state)
    if case.died_on is None:
        raise Refused("NO_DEATH_REPORTED", "Nobody has reported a death in this case.", remedy="Report it first.")
    rule = after_death(LedgerPosition.CREDITED, died_on=case.died_on, reported_on=max(today, case.died_on), tables=tables)
    if rule.settler is Settler.ORIGIN:
        raise Refused(
            "SETTLED_BY_ORIGIN",
            rule.reason.text_en,
            legal_basis=rule.reason.legal_basis,
            remedy="The origin settles with the heirs.",
        )
    return Outcome(replace(case, proposal=Proposal("settlement", maker)))


def settle(case: Case, checker: str, *, amount_fen: int, legal_basis: str) -> Outcome:
    """A checker approves: the account's balance is owed to the heirs, and the account is closed.

    Args:
        amount_fen: what the books hold on the account.

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = approved(case, checker, SETTLES, "settlement", "approving a settlement")
    settled = AccountSettled(
        person_ref=case.person_ref,
        reason="death",
        amount_fen=amount_fen,
        legal_basis=legal_basis,
        maker=proposal.maker,
        checker=checker,
    )
    closed = AccountClosed(person_ref=case.person_ref, reason="the person has died and the account was settled")
    told: tuple[Told, ...] = (settled, closed)
    return Outcome(replace(case, state=State.SETTLED, proposal=None), told)
