"""The death of the person at any point of a case, from the origin's side (domain § 1.6.11). Pure.

Nothing is approved: the letter goes back and this agency settles. The form is out: the transfer is finished and the destination
settles, but for what stays here. Money never stays between the two ledgers. Which of it holds on a day, the dated rows say.
"""

from dataclasses import replace
from datetime import date
from typing import Literal

from contracts.documents import DeathReport, DeathReportToDestinationDocument
from contracts.events import AccountClosed, AccountSettled, DeathReported
from services.origin_agency.case import UNDECIDED, Case, NotNow, Outcome, Refused, State, Wish, wished
from services.records.decisions import Letter, Told
from services.rules.endings import after_death
from services.rules.exception_tables import DeathAction, LedgerPosition, Settler
from services.rules.loader import Tables

_NO_TRANSFER = frozenset({State.RETURNED, State.CANCELLED, State.RECALLED})
# Where a relationship that is still here belongs to no transfer any more, so that its account can be paid out. Of a transfer that
# is settled it is the part that could not move.
SETTLEABLE = _NO_TRANSFER | {State.SETTLED}

Source = Literal["family", "clerk", "registry"]


def position_of(case: Case) -> LedgerPosition:
    """Where the money of the case stands, as the rules on deaths ask it."""
    if case.state in UNDECIDED:
        return LedgerPosition.BEFORE_DEBIT
    if case.state in _NO_TRANSFER:
        return LedgerPosition.NO_TRANSFER
    return LedgerPosition.CREDITED if case.state is State.SETTLED else LedgerPosition.DEBITED


def report_death(case: Case, actor: str, *, died_on: date, reported_on: date, reported_by: Source, tables: Tables) -> Outcome:
    """Somebody reports the death here; the destination is told. What a maker proposed of a letter is void.

    Raises:
        Refused: when the death is known, or lies after its report.
    """
    if case.died_on is not None:
        raise Refused("DEATH_KNOWN", f"The death on {case.died_on} was reported before.")
    if died_on > reported_on:
        raise Refused("DEATH_IN_THE_FUTURE", f"{died_on} lies after {reported_on}.", remedy="Check the day.")
    body = DeathReport(letter_no=case.letter.letter_no, died_on=died_on, reported_on=reported_on)
    letter = Letter(DeathReportToDestinationDocument, body, case.case_id, case.known_as, case.destination)
    rule = after_death(position_of(case), died_on=died_on, reported_on=reported_on, tables=tables)
    fact = DeathReported(
        case_id=case.case_id,
        person_ref=case.known_as,
        died_on=died_on,
        reported_on=reported_on,
        reported_by=reported_by,
        report_due_on=rule.report_due.on if rule.report_due else None,
        actor=actor,
    )
    return Outcome(_died(case, died_on, rule.action), (fact, letter))


def death_heard(case: Case, body: DeathReport, *, sender: str, today: date, tables: Tables) -> Outcome:
    """The destination reports the death; where it is known already, both have heard of it."""
    if case.died_on is not None:
        return Outcome(case)
    fact = DeathReported(
        case_id=case.case_id,
        person_ref=case.known_as,
        died_on=body.died_on,
        reported_on=body.reported_on,
        reported_by="other_agency",
        actor=sender,
    )
    return Outcome(_died(case, body.died_on, tables.exceptions.death(position_of(case), today).action), (fact,))


def _died(case: Case, on: date, action: DeathAction) -> Case:
    if case.state in UNDECIDED and action is DeathAction.CANCEL_AND_SETTLE:
        return replace(case, state=State.LETTER_HELD, proposal=None, died_on=on)
    return replace(case, died_on=on)


def propose_settlement(case: Case, maker: str, *, today: date, tables: Tables) -> Outcome:
    """A maker proposes to settle the account of somebody who has died, for the heirs (社会保险法 Art. 14).

    Raises:
        NotNow: while the transfer goes on.
        Refused: when no death was reported, the province does not know the person, or the destination settles.
    """
    if case.state not in SETTLEABLE:
        raise NotNow("settling the account", case.state)
    if case.died_on is None:
        raise Refused("NO_DEATH_REPORTED", "Nobody has reported a death in this case.", remedy="Report it first.")
    if case.person_ref is None:
        raise Refused("NO_RELATIONSHIP", "This agency has no relationship on record for the person.")
    # What could not move belongs to no transfer.
    position = LedgerPosition.CREDITED if case.state is State.SETTLED and case.leaves_whole else LedgerPosition.NO_TRANSFER
    rule = after_death(position, died_on=case.died_on, reported_on=max(today, case.died_on), tables=tables)
    if rule.settler is Settler.DESTINATION:
        raise Refused(
            "SETTLED_BY_DESTINATION",
            rule.reason.text_en,
            legal_basis=rule.reason.legal_basis,
            remedy="The destination settles with the heirs.",
        )
    return Outcome(replace(case, wish=Wish("settlement", maker)))


def settle_account(case: Case, checker: str, *, amount_fen: int, legal_basis: str) -> Outcome:
    """A checker approves: the account's balance is owed to the heirs, and the account is closed.

    Args:
        amount_fen: what the books hold on the account.

    Raises:
        NotNow, SamePerson: by name.
    """
    wish = wished(case, checker, "settlement", SETTLEABLE, "approving a settlement")
    assert case.person_ref is not None, case.case_id
    settled = AccountSettled(
        person_ref=case.person_ref,
        reason="death",
        amount_fen=amount_fen,
        legal_basis=legal_basis,
        maker=wish.maker,
        checker=checker,
    )
    closed = AccountClosed(person_ref=case.person_ref, reason="the person has died and the account was settled")
    told: tuple[Told, ...] = (settled, closed)
    return Outcome(replace(case, wish=None), told)
