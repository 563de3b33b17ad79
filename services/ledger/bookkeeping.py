"""How each event is booked. The only place where money changes account.

The agencies call `book` when they raise an event; an auditor calls it on the exported log.
"""

from contracts.base import Fact, Items
from contracts.events import (
    AccountOpened,
    AccountSettled,
    Completed,
    ContributionCorrected,
    ContributionRecorded,
    Corrected,
    DoubleDrawingSettled,
    DuplicatesCleared,
    FundsReceived,
    FundsRemitted,
    FundsReturned,
    FundsSentBack,
    InformationFormIssued,
    InformationFormRevoked,
    InterestCredited,
    Recalled,
)
from services.ledger.chart import (
    BANK,
    INTEREST_PAID,
    POOLED_FUND,
    REFUNDS_PAYABLE,
    individual,
    suspense,
    transfers_payable,
)
from services.ledger.journal import Entry, Posting

BOOKED: tuple[type[Fact], ...] = (
    AccountOpened,
    ContributionRecorded,
    InterestCredited,
    InformationFormIssued,
    FundsRemitted,
    FundsReturned,
    FundsReceived,
    FundsSentBack,
    Completed,
    Corrected,
    Recalled,
    InformationFormRevoked,
    DuplicatesCleared,
    AccountSettled,
    DoubleDrawingSettled,
    ContributionCorrected,
)


def book(event_id: str, fact: Fact) -> Entry | None:
    """Decide the entry for one fact in the books of the province that says it; None where no money moves."""
    postings = tuple(posting for posting in _postings(fact) if posting is not None)
    return Entry(event_id, postings) if postings else None


def _postings(fact: Fact) -> tuple[Posting | None, ...]:
    match fact:
        case AccountOpened():
            return (_move(BANK, individual(fact.person_ref), fact.opening_fen),)
        case ContributionRecorded():
            return (
                _move(BANK, individual(fact.person_ref), fact.account_fen),
                _move(BANK, POOLED_FUND, fact.pool_fen),
            )
        case InterestCredited():
            return (_move(INTEREST_PAID, individual(fact.person_ref), fact.interest_fen),)
        case InformationFormIssued():
            before = fact.supersedes or _NOTHING
            payable = transfers_payable(fact.destination)
            return (
                _move(individual(fact.person_ref), payable, fact.items.account_fen - before.account_fen),
                _move(POOLED_FUND, payable, fact.items.pool_fen - before.pool_fen),
            )
        case FundsRemitted():
            return (_move(transfers_payable(fact.destination), BANK, fact.amount_fen),)
        case FundsReturned():
            return (_move(BANK, transfers_payable(fact.destination), fact.amount_fen),)
        case FundsReceived():
            return (_move(BANK, suspense(fact.origin), fact.amount_fen),)
        case FundsSentBack():
            return (_move(suspense(fact.origin), BANK, fact.amount_fen),)
        case Completed():
            held = suspense(fact.origin)
            return (
                _move(held, individual(fact.person_ref), fact.items.account_fen),
                _move(held, POOLED_FUND, fact.items.pool_fen),
            )
        case Corrected():
            held, before = suspense(fact.origin), fact.supersedes
            return (
                _move(held, individual(fact.person_ref), fact.items.account_fen - before.account_fen),
                _move(held, POOLED_FUND, fact.items.pool_fen - before.pool_fen),
            )
        case Recalled():
            held = suspense(fact.origin)
            return (
                _move(individual(fact.person_ref), held, fact.items.account_fen),
                _move(POOLED_FUND, held, fact.items.pool_fen),
            )
        case InformationFormRevoked():
            payable = transfers_payable(fact.destination)
            return (
                _move(payable, individual(fact.person_ref), fact.items.account_fen),
                _move(payable, POOLED_FUND, fact.items.pool_fen),
            )
        case DuplicatesCleared():
            refund = fact.refund_principal_fen + fact.refund_interest_fen
            return (_move(individual(fact.person_ref), REFUNDS_PAYABLE, refund),)
        case AccountSettled():
            return (_move(individual(fact.person_ref), REFUNDS_PAYABLE, fact.amount_fen),)
        case DoubleDrawingSettled():
            # The pooled fund paid what was drawn twice, so it gets back what the account pays of it.
            own = individual(fact.person_ref)
            return (_move(own, POOLED_FUND, fact.set_off_fen), _move(own, REFUNDS_PAYABLE, fact.paid_out_fen))
        case ContributionCorrected():
            own = individual(fact.person_ref)
            return (
                _move(BANK, own, fact.account_difference_fen),
                _move(INTEREST_PAID, own, fact.interest_difference_fen),
                _move(BANK, POOLED_FUND, fact.pool_difference_fen),
            )
        case _:
            return ()


def _move(debit: str, credit: str, amount_fen: int) -> Posting | None:
    """A posting; a negative amount (a smaller form replaces a larger one) goes the other way."""
    if amount_fen == 0:
        return None
    return Posting(debit, credit, amount_fen) if amount_fen > 0 else Posting(credit, debit, -amount_fen)


_NOTHING = Items(before_1998_fen=0, until_last_year_fen=0, this_year_fen=0, account_fen=0, pool_fen=0, total_fen=0)
