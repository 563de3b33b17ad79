"""The money of a case at the origin: ordered by two persons, paid, given back by the bank, settled by the destination. Pure."""

from dataclasses import replace

from contracts.documents import CompletionNotice, PaymentReturned, PaymentReturnedDocument
from contracts.events import FundsRemitted, FundsReturned, TransferSettled
from services.origin_agency.case import (
    RECALLING,
    TO_BE_PAID,
    Case,
    NotNow,
    Outcome,
    Refused,
    State,
    clock_begins,
)
from services.origin_agency.forms import closing
from services.origin_agency.recalls import revoke
from services.records.decisions import Due, Letter, Told

# Where the bank may have taken an order that is not booked yet; a completion can overtake the booking.
ORDERED = frozenset({State.REMITTANCE_ORDERED, State.SETTLED})
# Where the destination can have booked: the money has left, or its booking here was overtaken. Where a difference is still to
# be paid, what the bank paid twice can have stood for it.
_UNPAID = TO_BE_PAID | {State.REMITTANCE_PROPOSED}
BOOKABLE = ORDERED | {State.REMITTED} | _UNPAID


def propose_remittance(case: Case) -> Outcome:
    """The fund desk proposes to pay what the form says and was not paid yet.

    Raises:
        NotNow: when nothing waits to be paid.
        Refused: when the bank gave the money back because of the account, and no corrected letter names another; or when the
            destination gave it back, and nobody has decided anew.
    """
    if case.state not in TO_BE_PAID or case.to_remit_fen <= 0:
        raise NotNow("a remittance", case.state)
    if case.account_wanted and case.letter.letter_version <= case.paid_version:
        raise Refused(
            "CORRECTED_LETTER_NEEDED",
            f"The bank gave the money back because of the account in version {case.paid_version} of the letter.",
            legal_basis="国办发〔2009〕66号 第八条第(三)项",
            remedy="Wait for the destination's corrected letter, which names another account.",
        )
    if case.sent_back:
        raise Refused(
            "SENT_BACK_BY_PAYEE",
            "The destination gave back what the form says.",
            remedy="Ask the destination why; a corrected letter or a later version of the form goes on.",
        )
    return Outcome(replace(case, state=State.REMITTANCE_PROPOSED))


def order_remittance(case: Case, remittance_id: str) -> Outcome:
    """A second person approved the remittance; the bank is asked to pay to the account of the letter that is held now.

    Raises:
        NotNow: when none is proposed.
    """
    if case.state is not State.REMITTANCE_PROPOSED:
        raise NotNow("approving a remittance", case.state)
    changed = replace(
        case,
        state=State.REMITTANCE_ORDERED,
        remittance_id=remittance_id,
        ordered_fen=case.to_remit_fen,
        paid_version=case.letter.letter_version,
        account_wanted=False,
    )
    return Outcome(changed)


def remitted(case: Case, *, bank_reference: str, amount_fen: int, maker: str, checker: str) -> Outcome:
    """The bank took the order: the money left, and the local relationship ends (Art. 8(3)).

    The completion may have come first, where the bank's answer was lost: then the case stays settled.

    Raises:
        NotNow: when the bank has no order of the case in hand.
    """
    if case.state not in ORDERED or not case.paying:
        raise NotNow("a payment", case.state)
    assert amount_fen == case.ordered_fen, (amount_fen, case)
    assert case.person_ref is not None
    assert case.remittance_id is not None
    fact = FundsRemitted(
        case_id=case.case_id,
        person_ref=case.person_ref,
        destination=case.destination,
        remittance_id=case.remittance_id,
        bank_reference=bank_reference,
        amount_fen=amount_fen,
        form_version=case.form_version,
        maker=maker,
        checker=checker,
    )
    changed = replace(case, remitted_fen=case.remitted_fen + amount_fen, ordered_fen=0, closed=True)
    if case.state is State.SETTLED:
        return Outcome(changed, (fact, *closing(case)))
    # What was paid before may have come back while this order was under way.
    changed = replace(changed, state=State.PAYMENT_RETURNED if changed.to_remit_fen > 0 else State.REMITTED)
    if changed.state is State.REMITTED and case.booked_there == case.form_version:
        return Outcome(replace(changed, state=State.SETTLED), (fact, *closing(case), _settled(case)))
    return Outcome(changed, (fact, *closing(case)))


def returned_by_bank(
    case: Case,
    *,
    remittance_id: str,
    line_id: str,
    amount_fen: int,
    reason: str,
    account_wanted: bool,
    sent_back: bool,
    due: Due,
) -> Outcome:
    """Money of the case came back.

    What the bank could not pay is owed again, and the destination is told; what the destination sent back was too much, or
    belongs to a transfer that is taken back.

    Args:
        account_wanted: whether the bank's reason is the account, so that a corrected letter must name another.
        sent_back: whether the destination gave it back, rather than the bank.
        due: the origin's leg counted from today, for what is to be paid again.
    """
    assert case.person_ref is not None, case.case_id
    fact = FundsReturned(
        case_id=case.case_id,
        person_ref=case.person_ref,
        destination=case.destination,
        remittance_id=remittance_id,
        line_id=line_id,
        amount_fen=amount_fen,
        reason=reason,
    )
    changed = replace(case, remitted_fen=case.remitted_fen - amount_fen)
    if case.state in RECALLING:
        return revoke(changed, (fact,))
    if case.items is None or changed.to_remit_fen <= 0:
        return Outcome(changed, (fact,))  # it was more than the form says by now
    told: tuple[Told, ...] = (fact,)
    if not sent_back:
        body = PaymentReturned(letter_no=case.letter.letter_no, remittance_id=remittance_id, amount_fen=amount_fen, reason=reason)
        told = (fact, Letter(PaymentReturnedDocument, body, case.case_id, case.person_ref, case.destination))
    changed = replace(changed, account_wanted=account_wanted or case.account_wanted, sent_back=sent_back or case.sent_back)
    if case.state is State.REMITTANCE_ORDERED:
        return Outcome(changed, told)  # the bank has another order of the case in hand
    return Outcome(clock_begins(replace(changed, state=State.PAYMENT_RETURNED), due), told)


def settle(case: Case, notice: CompletionNotice) -> Outcome:
    """The destination booked; the case ends here. A notice of an older form than the one that is out is only kept.

    Where something is still to be paid, because the destination booked with money that the bank had paid twice, the case ends
    with that payment; the destination sends what is too much back.

    Raises:
        NotNow: when there is nothing that it could have booked.
    """
    assert notice.letter_no == case.letter.letter_no, (notice.letter_no, case.letter.letter_no)
    if notice.form_version < case.form_version:
        return Outcome(case)
    if case.state not in BOOKABLE:
        raise NotNow("a completion", case.state)
    if case.state is State.SETTLED:
        return Outcome(case)
    if case.state in _UNPAID:
        if not case.paid_version:
            raise NotNow("a completion", case.state)
        return Outcome(replace(case, booked_there=notice.form_version))
    return Outcome(replace(case, state=State.SETTLED), (_settled(case),))


def _settled(case: Case) -> TransferSettled:
    return TransferSettled(case_id=case.case_id, person_ref=case.known_as, destination=case.destination)
