"""The contact letter at the origin: received, corrected, returned, withdrawn, reminded of. Pure."""

from dataclasses import replace
from datetime import date

from contracts.documents import (
    ContactLetter,
    LetterReturn,
    LetterReturnDocument,
    Query,
    Reminder,
    Withdrawal,
    WithdrawalAnswer,
    WithdrawalAnswerDocument,
)
from contracts.events import (
    AccountSealed,
    ContactLetterReceived,
    ContactLetterReturned,
    DeadlineEscalated,
    WithdrawalAnswered,
)
from contracts.statuses import Leg
from services.origin_agency.case import (
    AMENDABLE,
    OPEN_LEG,
    RECALLING,
    UNDECIDED,
    Case,
    NotNow,
    Outcome,
    Proposal,
    Refused,
    SamePerson,
    State,
    clock_begins,
)
from services.records.decisions import Due, Letter, Told
from services.rules.loader import RefusalText

# A later version of the letter is looked for in these states; in the others nothing waits for one.
CORRECTABLE = UNDECIDED | AMENDABLE | OPEN_LEG | RECALLING | {State.RETURNED}


def open_case(case_id: str, destination: str, letter: ContactLetter, person_ref: str | None, *, on: date, due: Due) -> Outcome:
    """The contact letter arrived; the 15 working days of the origin's leg begin (Art. 8(3))."""
    case = Case(case_id, destination, letter, State.LETTER_HELD, on, due, person_ref)
    return Outcome(case, (_received(case, on),))


def _received(case: Case, on: date) -> ContactLetterReceived:
    return ContactLetterReceived(
        case_id=case.case_id,
        person_ref=case.known_as,
        destination=case.destination,
        letter_no=case.letter.letter_no,
        letter_version=case.letter.letter_version,
        received_on=on,
        due_on=case.due.due_on,
    )


def correct_letter(case: Case, letter: ContactLetter, person_ref: str | None, *, on: date, due: Due) -> Outcome:
    """A later version of the letter: what was returned goes on, what is to be paid has another account.

    A version that is not above the one held came late or twice: it is kept as a receipt and ignored.

    Args:
        person_ref: whom the corrected letter is about, None where the province does not know the person.
        due: the origin's leg counted from today; it begins again where the letter was returned (Art. 8(3)).

    Raises:
        NotNow: when nothing of the case can be corrected any more.
        Refused: when it is another letter, or names another person after the form was made.
    """
    if letter.letter_version <= case.letter.letter_version:
        return Outcome(case)
    if case.state not in CORRECTABLE:
        raise NotNow("a corrected letter", case.state)
    if letter.letter_no != case.letter.letter_no:
        raise Refused("LETTER_NUMBER_UNKNOWN", "the letter has another number than the one that it corrects")
    if case.state is State.RETURNED or case.state in UNDECIDED:
        changed = replace(case, letter=letter, state=State.LETTER_HELD, person_ref=person_ref, proposal=None)
        if case.state is State.RETURNED:
            changed = clock_begins(replace(changed, received_on=on), due)
        return Outcome(changed, (_received(changed, on),))
    if letter.person != case.letter.person:
        raise Refused("PERSON_DIFFERS", "the form is issued and the letter names another person")
    changed = replace(case, letter=letter, sent_back=False)
    return Outcome(changed, (_received(changed, on),))


def propose(case: Case, proposal: Proposal) -> Outcome:
    """A maker proposes the form or a return.

    Raises:
        NotNow: when the letter is not waiting for that.
    """
    if case.state not in UNDECIDED:
        raise NotNow("a proposal", case.state)
    return Outcome(replace(case, state=State.HANDLING_PROPOSED, proposal=proposal))


def checked(case: Case, checker: str, step: str) -> Proposal:
    """The proposal that a second person looks at.

    Raises:
        NotNow, SamePerson: by name.
    """
    if case.state is not State.HANDLING_PROPOSED or case.proposal is None:
        raise NotNow(step, case.state)
    if case.proposal.maker == checker:
        raise SamePerson(checker)
    return case.proposal


def send_back(case: Case, checker: str, text: RefusalText, *, curable_until: date | None = None) -> Outcome:
    """A checker approves the return of the letter with its code (退回联系函).

    Args:
        curable_until: the last day on which a corrected letter goes on with this case; None where the return is final.

    Raises:
        NotNow, SamePerson: by name.
    """
    proposal = checked(case, checker, "approving a return")
    assert proposal.outcome == "return", proposal
    body = LetterReturn(
        letter_no=case.letter.letter_no,
        code=proposal.code,
        legal_basis=text.legal_basis,
        note=proposal.note,
        curable_until=curable_until,
        right_division=proposal.right_division,
    )
    fact = ContactLetterReturned(
        case_id=case.case_id,
        person_ref=case.known_as,
        destination=case.destination,
        code=proposal.code,
        legal_basis=text.legal_basis,
        curable_until=curable_until,
        right_division=proposal.right_division,
        maker=proposal.maker,
        checker=checker,
    )
    letter = Letter(LetterReturnDocument, body, case.case_id, case.known_as, case.destination)
    told: tuple[Told, ...] = (fact, letter)
    if proposal.code == "TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW" and case.person_ref is not None:
        # Whoever moves on while holding a temporary account leaves it sealed; the paying place gathers it (domain § 1.5).
        told = (*told, AccountSealed(person_ref=case.person_ref, reason="the person moved on; the paying place gathers it"))
    return Outcome(replace(case, state=State.RETURNED), told)


def withdraw(case: Case, wish: Withdrawal) -> Outcome:
    """The person withdrew: confirmed while nothing is approved, declined afterwards (domain § 1.6.12)."""
    confirmed = case.state in UNDECIDED
    fact = WithdrawalAnswered(case_id=case.case_id, person_ref=case.known_as, destination=case.destination, confirmed=confirmed)
    too_late = "the letter was sent back" if case.state is State.RETURNED else "the information form is approved"
    body = WithdrawalAnswer(letter_no=wish.letter_no, confirmed=confirmed, reason="" if confirmed else too_late)
    answer = Letter(WithdrawalAnswerDocument, body, case.case_id, case.known_as, case.destination)
    return Outcome(replace(case, state=State.CANCELLED) if confirmed else case, (fact, answer))


def hear(case: Case, body: Reminder | Query, *, sender: str) -> Outcome:
    """A reminder or a query of the destination: the work list shows it; the supervisors of this side hear of an escalation."""
    if not isinstance(body, Reminder):
        return Outcome(case)
    changed = replace(case, reminded=True)
    if not body.escalated or case.escalated:
        return Outcome(changed)
    fact = DeadlineEscalated(
        case_id=case.case_id,
        person_ref=case.known_as,
        leg=Leg.ORIGIN,
        holder=case.letter_province,
        due_on=body.due_on,
        actor=sender,
    )
    return Outcome(replace(changed, escalate_on=None, escalated=True), (fact,))
