"""Any run of booked facts of one province, numbered as the agencies number them."""

from collections.abc import Sequence

from hypothesis import strategies as st

from contracts.base import Fact
from contracts.events import (
    AccountOpened,
    AccountSettled,
    BalanceStated,
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
from services.ledger.bookkeeping import book
from services.ledger.chart import INDIVIDUAL_PREFIX
from services.ledger.journal import Head, sequence
from tests.builders import a, items

PERSONS = [f"018f4c1e-aaaa-7000-8000-00000000000{n}" for n in "abc"]
_FEN = st.integers(0, 10**9)
_SIGNED = st.integers(-(10**9), 10**9)
_PERSON = st.sampled_from(PERSONS)
_PROVINCE = st.sampled_from(["44", "41", "33"])


@st.composite
def _forms(draw: st.DrawFn) -> Fact:
    before = items(draw(_FEN), draw(_FEN)) if draw(st.booleans()) else None
    now = items(draw(_FEN), draw(_FEN))
    return a(InformationFormIssued, person_ref=draw(_PERSON), destination=draw(_PROVINCE), items=now, supersedes=before)


_FORM = st.builds(items, _FEN, _FEN)

BOOKED_FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(lambda who, fen: a(AccountOpened, person_ref=who, opening_fen=fen), _PERSON, _FEN),
    st.builds(
        lambda who, own, pool: a(ContributionRecorded, person_ref=who, account_fen=own, pool_fen=pool), _PERSON, _FEN, _FEN
    ),
    st.builds(lambda who, fen: a(InterestCredited, person_ref=who, interest_fen=fen), _PERSON, _FEN),
    _forms(),
    st.builds(lambda where, fen: a(FundsRemitted, destination=where, amount_fen=fen), _PROVINCE, _FEN),
    st.builds(lambda where, fen: a(FundsReturned, destination=where, amount_fen=fen), _PROVINCE, _FEN),
    st.builds(lambda where, fen: a(FundsReceived, origin=where, amount_fen=fen), _PROVINCE, _FEN),
    st.builds(lambda where, fen: a(FundsSentBack, origin=where, amount_fen=fen), _PROVINCE, _FEN),
    st.builds(
        lambda who, where, form: a(Completed, person_ref=who, origin=where, items=form),
        _PERSON,
        _PROVINCE,
        _FORM,
    ),
    st.builds(
        lambda who, where, form, before: a(Corrected, person_ref=who, origin=where, items=form, supersedes=before),
        _PERSON,
        _PROVINCE,
        _FORM,
        _FORM,
    ),
    st.builds(lambda who, where, form: a(Recalled, person_ref=who, origin=where, items=form), _PERSON, _PROVINCE, _FORM),
    st.builds(
        lambda who, where, form: a(InformationFormRevoked, person_ref=who, destination=where, items=form),
        _PERSON,
        _PROVINCE,
        _FORM,
    ),
    st.builds(
        lambda who, principal, interest: a(
            DuplicatesCleared, person_ref=who, refund_principal_fen=principal, refund_interest_fen=interest
        ),
        _PERSON,
        _FEN,
        _FEN,
    ),
    st.builds(lambda who, fen: a(AccountSettled, person_ref=who, amount_fen=fen), _PERSON, _FEN),
    st.builds(
        lambda who, off, out: a(DoubleDrawingSettled, person_ref=who, overpaid_fen=off, set_off_fen=off, paid_out_fen=out),
        _PERSON,
        _FEN,
        _FEN,
    ),
    st.builds(
        lambda who, own, interest, pool: a(
            ContributionCorrected,
            person_ref=who,
            account_difference_fen=own,
            interest_difference_fen=interest,
            pool_difference_fen=pool,
        ),
        _PERSON,
        _SIGNED,
        _SIGNED,
        _SIGNED,
    ),
)


def live(facts: Sequence[Fact]) -> tuple[list[tuple[str, Fact]], dict[str, Head]]:
    """What a province says of these facts, with statements of balance between them, and where its books stand."""
    said: list[tuple[str, Fact]] = []
    heads: dict[str, Head] = {}
    for at, fact in enumerate(facts):
        event_id = f"event-{at}"
        entry = book(event_id, fact)
        if entry is None:
            said.append((event_id, fact))
            continue
        (numbers,), moved = sequence([entry], heads)
        heads |= moved
        said.append((event_id, fact.model_copy(update={"account_sequences": numbers})))
        for account in sorted(moved):
            if account.startswith(INDIVIDUAL_PREFIX):
                head = moved[account]
                statement = a(BalanceStated, account=account, sequence=head.sequence, balance_fen=head.balance_fen)
                said.append((f"{event_id}-{account}", statement))
    return said, heads
