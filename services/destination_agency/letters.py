"""What becomes of a contact letter that comes back: cured by a corrected version, sent to the right agency, or closed. Pure."""

from dataclasses import dataclass, replace
from datetime import date

from contracts.documents import ContactLetter, ContactLetterDocument, LetterReturn, PersonIdentity
from contracts.events import ContactLetterSent, TransferClosed, TransferReaddressed, TransferReturned
from contracts.statuses import Status
from services.destination_agency import meeting
from services.destination_agency.case import (
    SENT_BACK,
    Case,
    NotNow,
    Outcome,
    Proposal,
    Refused,
    State,
    approved,
    new_leg,
    shown,
)
from services.records.decisions import Due, Letter, Told

RETURNABLE = frozenset({State.LETTER_SENT, State.WITHDRAWING})
# While the origin works on the letter, or has paid by it, only the payee account may still be put right.
PAYEE_ALONE = frozenset({State.FORM_HELD, State.DISCREPANCY, State.CORRECTION_HELD})
CORRECTABLE = SENT_BACK | PAYEE_ALONE


@dataclass(frozen=True, slots=True)
class Change:
    """What a corrected letter says otherwise; what is left out stays. The payee account is always the directory's of the day.

    `division` is the agency that holds the relationship, `there` the person as that agency knows it, `reason` the sentence in
    the letter, which never holds a person's data.
    """

    reason: str
    division: str = ""
    there: PersonIdentity | None = None


def returned(case: Case, body: LetterReturn, *, today: date) -> Outcome:
    """The origin sent the letter back: for good, or until a date by which a corrected letter goes on with this case.

    The person is told why and what helps.
    """
    if case.state not in RETURNABLE:
        raise NotNow("a return", case.state)
    until = body.curable_until
    changed = replace(case, **shown(case, Status.RETURNED, today), state=State.RETURNED, code=body.code)
    if until is not None:
        # Nobody has to be reminded: the clock's only word is that the day is over.
        changed = replace(changed, **{**new_leg(Due(until, until)), "reminded": True}, state=State.RETURNED_CURABLE)
    fact = TransferReturned(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        origin=case.origin,
        code=body.code,
        legal_basis=body.legal_basis,
        curable_until=until,
        right_division=body.right_division,
    )
    return Outcome(changed, (fact,))


def propose_letter(case: Case, maker: str, change: Change) -> Outcome:
    """A maker proposes a corrected version of the letter.

    Raises:
        NotNow: when the letter is not back and nothing was paid by it.
        Refused: FINAL_RETURN, LETTER_UNDER_WAY, SAME_PROVINCE, MONEY_HERE.
    """
    if case.state not in CORRECTABLE:
        raise NotNow("a correction of the letter", case.state)
    _refuse_change(case, change)
    proposal = Proposal("letter", maker, change.reason, division=change.division)
    return Outcome(replace(case, proposal=proposal, proposed_there=change.there))


def _refuse_change(case: Case, change: Change) -> None:
    names = (change.division and change.division != case.origin_division) or (change.there and change.there != case.known_there)
    if case.state in PAYEE_ALONE:
        if names:
            raise Refused(
                "LETTER_UNDER_WAY",
                "The origin works by this letter; only the payee account can be put right now.",
                remedy="Ask the origin, or wait for its return of the letter.",
            )
        return
    if case.state is State.RETURNED and not names:
        raise Refused(
            "FINAL_RETURN",
            f"The letter was returned for good ({case.code}); the same agency and person need not be asked again.",
            legal_basis="国办发〔2009〕66号 第八条第(三)项",
            remedy="Name the agency that holds the relationship, or the person as it knows it; or close the case.",
        )
    if change.division and change.division[:2] == case.province:
        raise Refused(
            "SAME_PROVINCE",
            f"{change.division} lies in this province; moves inside it need no transfer.",
            legal_basis="国办发〔2009〕66号 第一条、第五条",
            remedy="Close the case.",
        )
    if change.division and change.division[:2] != case.origin and case.received_fen:
        raise Refused(
            "MONEY_HERE",
            f"{case.received_fen} fen of province {case.origin} are here for this case.",
            remedy="Close the case and give the money back, then apply anew.",
        )


def correct_letter(case: Case, checker: str, letter: ContactLetter, *, today: date, due: Due, open_key: bytes) -> Outcome:
    """A checker approves: the letter leaves under its number with the next version, to the right agency where it is another one.

    Args:
        letter: as `Proposal` says, with the next version.
        due: the origin's leg, counted from today, where it begins anew; the last leg where form and money meet by it.
        open_key: under which one open transfer of this relationship is found.

    Raises:
        NotNow, SamePerson: by name.
        Refused: when what was proposed does not hold any more.
    """
    proposal = approved(case, checker, CORRECTABLE, "letter", "approving a correction of the letter")
    _refuse_change(case, Change(proposal.reason, proposal.division, case.proposed_there))
    assert letter.letter_version == case.letter_version + 1, (letter.letter_version, case.letter_version)
    origin = letter.origin_division[:2]
    changed = replace(
        case, letter_version=letter.letter_version, there=case.proposed_there or case.there, proposal=None, proposed_there=None
    )
    document = Letter(ContactLetterDocument, letter, case.case_id, case.person_ref, origin, version=letter.letter_version)
    if case.state in PAYEE_ALONE:
        sent = _sent(changed, letter, case.due, proposal.maker, checker)
        outcome = Outcome(changed, (sent,))
        if case.discrepancy == meeting.PAYMENT_RETURNED:
            outcome = meeting.meet(changed, (sent,), None, today=today, due=due)
        return Outcome(outcome.case, (*outcome.told, document))
    changed = replace(
        changed,
        **shown(changed, Status.LETTER_SENT, today),
        **new_leg(due),
        state=State.LETTER_SENT,
        origin=origin,
        origin_division=letter.origin_division,
        open_key=open_key,
        code=None,
        former=case.former if origin == case.origin else (*case.former, case.origin),
    )
    told: tuple[Told, ...] = (_sent(changed, letter, due, proposal.maker, checker, shows=True), document)
    if origin != case.origin:
        told = (
            TransferReaddressed(
                case_id=case.case_id,
                person_ref=case.person_ref,
                origin=origin,
                origin_division=letter.origin_division,
                was_origin=case.origin,
                maker=proposal.maker,
                checker=checker,
            ),
            *told,
        )
    return Outcome(changed, told)


def _sent(case: Case, letter: ContactLetter, due: Due, maker: str, checker: str, *, shows: bool = False) -> ContactLetterSent:
    return ContactLetterSent(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=case.public() if shows else None,
        origin=letter.origin_division[:2],
        letter_no=letter.letter_no,
        letter_version=letter.letter_version,
        due_on=due.due_on,
        correction=letter.correction,
        maker=maker,
        checker=checker,
    )


def close(case: Case, actor: str, reason: str, *, today: date) -> Outcome:
    """A returned case is closed for good: nobody names another agency, or the day until which it could be cured is over.

    Raises:
        NotNow: when the letter is not back.
        Refused: STILL_CURABLE until that day.
    """
    if case.state not in SENT_BACK:
        raise NotNow("closing", case.state)
    if case.state is State.RETURNED_CURABLE and today <= case.due.due_on:
        raise Refused(
            "STILL_CURABLE",
            f"A corrected letter can go on with this case until {case.due.due_on}.",
            remedy="Correct the letter; after that day the case closes by itself.",
        )
    changed = replace(case, **shown(case, Status.CANCELLED, today), state=State.CLOSED, proposal=None, proposed_there=None)
    fact = TransferClosed(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=changed.public(),
        reason=reason,
        actor=actor,
        lapsed=case.state is State.RETURNED_CURABLE,
    )
    return Outcome(changed, (fact,))
