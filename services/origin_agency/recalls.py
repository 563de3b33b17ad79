"""A completed transfer taken back by the origin (退回): asked by two persons, agreed by the destination, undone. Pure."""

from dataclasses import replace

from contracts.documents import RecallAnswer, RecallRequest, RecallRequestDocument
from contracts.events import (
    AccountReopened,
    InformationFormRevoked,
    RecallAnswered,
    RecallRequested,
    RelationshipReopened,
)
from services.origin_agency.case import Case, NotNow, Outcome, Refused, State, Wish, refuse_after_death, wished
from services.records.decisions import Letter, Told

RECALLABLE = frozenset({State.SETTLED})


def propose_recall(case: Case, maker: str, *, code: str, reason: str) -> Outcome:
    """A maker proposes to ask a completed transfer back: it was of another person, or should never have been.

    Raises:
        NotNow: when it is not completed.
        Refused: when the destination settles with the heirs, or the form stands on a rate that is not its year's own.
    """
    if case.state not in RECALLABLE or case.paying:
        raise NotNow("a recall", case.state)
    _refuse_now(case)
    return Outcome(replace(case, wish=Wish("recall", maker, reason, code)))


def _refuse_now(case: Case) -> None:
    refuse_after_death(case, "A recall")
    if case.interim:
        # What came back would hold interest that no year's end may book for good.
        raise Refused(
            "RATE_PENDING",
            f"The form stands on an interim rate of {case.interim[0].year}.",
            legal_basis="社会保险法 第十四条",
            remedy="Amend the form when the rate is published; then ask the transfer back.",
        )


def ask_back(case: Case, checker: str) -> Outcome:
    """A checker approves: the destination is asked to give the transfer back.

    Raises:
        NotNow, SamePerson: by name.
    """
    wish = wished(case, checker, "recall", RECALLABLE, "approving a recall")
    _refuse_now(case)
    fact = RecallRequested(
        case_id=case.case_id,
        person_ref=case.known_as,
        destination=case.destination,
        code=wish.code,
        reason=wish.reason,
        maker=wish.maker,
        checker=checker,
    )
    body = RecallRequest(letter_no=case.letter.letter_no, code=wish.code, reason=wish.reason)
    letter = Letter(RecallRequestDocument, body, case.case_id, case.known_as, case.destination)
    return Outcome(replace(case, state=State.RECALL_ASKED, wish=None, recall_reason=wish.reason), (fact, letter))


def recall_answered(case: Case, answer: RecallAnswer) -> Outcome:
    """The destination keeps the transfer, or has given it up and sends the money back.

    Raises:
        NotNow: when nothing was asked.
    """
    if case.state is not State.RECALL_ASKED:
        raise NotNow("the answer to a recall", case.state)
    fact = RecallAnswered(
        case_id=case.case_id,
        person_ref=case.known_as,
        destination=case.destination,
        agreed=answer.agreed,
        reason=answer.reason,
    )
    if not answer.agreed:
        return Outcome(replace(case, state=State.SETTLED), (fact,))
    return revoke(replace(case, state=State.RECALL_AGREED), (fact,))


def revoke(case: Case, told: tuple[Told, ...]) -> Outcome:
    """Take the form back once the destination agreed and all its money is here: the relationship goes on."""
    if case.state is not State.RECALL_AGREED or case.remitted_fen > 0:
        return Outcome(case, told)
    assert case.person_ref is not None, case.case_id
    assert case.items is not None, case.case_id
    revoked = InformationFormRevoked(
        case_id=case.case_id,
        person_ref=case.person_ref,
        destination=case.destination,
        form_version=case.form_version,
        items=case.items,
        reason=case.recall_reason,
    )
    again: tuple[Told, ...] = ()
    if case.leaves_whole:  # where something stayed, the relationship never ended
        again = (
            RelationshipReopened(
                case_id=case.case_id, person_ref=case.person_ref, destination=case.destination, reason=case.recall_reason
            ),
            AccountReopened(person_ref=case.person_ref, reason="the transfer was taken back"),
        )
    return Outcome(replace(case, state=State.RECALLED, items=None, closed=False), (*told, revoked, *again))
