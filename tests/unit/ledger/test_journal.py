"""Postings and entries: nothing unbalanced can be written, and every account counts its own entries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.chart import BANK, INTEREST_PAID, POOLED_FUND, individual, suspense
from services.ledger.journal import Entry, Head, Posting, sequence
from services.ledger.replay import trial_balance
from tests.builders import PERSON

ACCOUNTS = [BANK, POOLED_FUND, INTEREST_PAID, individual(PERSON), suspense("44")]
POSTINGS = st.tuples(st.permutations(ACCOUNTS), st.integers(1, 10**13)).map(
    lambda drawn: Posting(drawn[0][0], drawn[0][1], drawn[1])
)
ENTRIES = st.lists(POSTINGS, min_size=1, max_size=3).map(lambda postings: Entry("event", tuple(postings)))


@pytest.mark.parametrize("amount_fen", [0, -1])
def test_a_posting_of_nothing_cannot_be_written(amount_fen: int) -> None:
    with pytest.raises(AssertionError):
        Posting(BANK, POOLED_FUND, amount_fen)


def test_a_posting_from_an_account_to_itself_cannot_be_written() -> None:
    with pytest.raises(AssertionError):
        Posting(BANK, BANK, 1)


def test_both_accounts_of_a_receipt_grow() -> None:
    entry = Entry("event", (Posting(BANK, suspense("44"), 300),))

    assert entry.changes() == {BANK: 300, suspense("44"): 300}


def test_paying_what_is_held_lets_both_accounts_shrink() -> None:
    entry = Entry("event", (Posting(suspense("44"), BANK, 300),))

    assert entry.changes() == {suspense("44"): -300, BANK: -300}


def test_moving_from_one_holder_to_another_keeps_the_sum() -> None:
    entry = Entry("event", (Posting(suspense("44"), individual(PERSON), 300), Posting(suspense("44"), POOLED_FUND, 700)))

    assert entry.changes() == {suspense("44"): -1000, individual(PERSON): 300, POOLED_FUND: 700}
    assert entry.accounts == (individual(PERSON), POOLED_FUND, suspense("44"))


def test_an_entry_takes_one_number_in_each_account_however_often_it_touches_it() -> None:
    entry = Entry("event", (Posting(BANK, individual(PERSON), 1), Posting(BANK, POOLED_FUND, 2)))

    numbers, moved = sequence([entry, entry], {BANK: Head(7, 100)})

    assert [own[BANK] for own in numbers] == [8, 9]
    assert moved[BANK] == Head(9, 106)
    assert moved[POOLED_FUND] == Head(2, 4)


@given(st.lists(ENTRIES, max_size=8))
def test_the_trial_balance_of_any_entries_is_zero(entries: list[Entry]) -> None:
    _, moved = sequence(entries, {})

    assert trial_balance(moved) == 0


@given(st.lists(ENTRIES, max_size=8))
def test_the_numbers_of_an_account_have_neither_gap_nor_repeat(entries: list[Entry]) -> None:
    numbers, moved = sequence(entries, {})

    for account, head in moved.items():
        assert [own[account] for own in numbers if account in own] == list(range(1, head.sequence + 1))


@given(st.lists(ENTRIES, max_size=4), st.lists(ENTRIES, max_size=4))
def test_two_batches_give_the_same_books_as_one(first: list[Entry], second: list[Entry]) -> None:
    before, heads = sequence(first, {})
    after, moved = sequence(second, heads)

    numbers, together = sequence(first + second, {})

    assert before + after == numbers
    assert heads | moved == together


def test_no_entry_leaves_everything_where_it_was() -> None:
    assert sequence([], {BANK: Head(1, 1)}) == ([], {})
