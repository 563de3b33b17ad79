"""How each event is booked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Fact
from contracts.events import (
    AccountOpened,
    Applied,
    Completed,
    ContributionRecorded,
    FundsReceived,
    FundsRemitted,
    FundsReturned,
    FundsSentBack,
    InformationFormIssued,
    InterestCredited,
)
from services.ledger.bookkeeping import BOOKED, book
from services.ledger.chart import BANK, INTEREST_PAID, POOLED_FUND, individual, suspense, transfers_payable
from services.ledger.journal import Entry, Posting, sequence
from services.ledger.replay import trial_balance
from tests.builders import PERSON, a, items
from tests.unit.ledger.facts import BOOKED_FACTS

MINE = individual(PERSON)
OWED = transfers_payable("33")
HELD = suspense("44")


def test_an_approved_form_turns_the_persons_account_and_the_funds_part_into_a_debt_to_the_destination() -> None:
    fact = a(InformationFormIssued, person_ref=PERSON, destination="33", items=items(300, 700))

    assert book("e", fact) == Entry("e", (Posting(MINE, OWED, 300), Posting(POOLED_FUND, OWED, 700)))


@pytest.mark.parametrize(
    ("now", "postings"),
    [
        pytest.param((400, 900), (Posting(MINE, OWED, 100), Posting(POOLED_FUND, OWED, 200)), id="both grow"),
        pytest.param((200, 500), (Posting(OWED, MINE, 100), Posting(OWED, POOLED_FUND, 200)), id="both shrink"),
        pytest.param((400, 500), (Posting(MINE, OWED, 100), Posting(OWED, POOLED_FUND, 200)), id="one grows, one shrinks"),
        pytest.param((300, 900), (Posting(POOLED_FUND, OWED, 200),), id="only the fund's part changes"),
    ],
)
def test_version_two_of_a_form_books_the_difference_either_way(now: tuple[int, int], postings: tuple[Posting, ...]) -> None:
    fact = a(
        InformationFormIssued, person_ref=PERSON, destination="33", form_version=2, items=items(*now), supersedes=items(300, 700)
    )

    assert book("e", fact) == Entry("e", postings)


def test_a_new_version_with_the_same_amounts_books_nothing() -> None:
    fact = a(InformationFormIssued, destination="33", form_version=2, items=items(300, 700), supersedes=items(300, 700))

    assert book("e", fact) is None


@given(*[st.integers(0, 10**12)] * 4)
def test_two_versions_after_each_other_leave_the_books_of_the_second_alone(
    own: int, pool: int, new_own: int, new_pool: int
) -> None:
    first = a(InformationFormIssued, person_ref=PERSON, destination="33", items=items(own, pool))
    second = a(
        InformationFormIssued,
        person_ref=PERSON,
        destination="33",
        items=items(new_own, new_pool),
        supersedes=items(own, pool),
    )
    alone = a(InformationFormIssued, person_ref=PERSON, destination="33", items=items(new_own, new_pool))

    def balances(*facts: Fact) -> dict[str, int]:
        entries = [entry for entry in (book("e", fact) for fact in facts) if entry]
        return {account: head.balance_fen for account, head in sequence(entries, {})[1].items() if head.balance_fen}

    assert balances(first, second) == balances(alone)


def test_paying_the_destination_settles_the_debt_from_the_bank() -> None:
    assert book("e", a(FundsRemitted, destination="33", amount_fen=1000)) == Entry("e", (Posting(OWED, BANK, 1000),))


def test_money_that_the_bank_gave_back_is_owed_again() -> None:
    assert book("e", a(FundsReturned, destination="33", amount_fen=1000)) == Entry("e", (Posting(BANK, OWED, 1000),))


def test_money_that_came_waits_in_suspense_until_it_meets_its_form() -> None:
    assert book("e", a(FundsReceived, origin="44", amount_fen=1000)) == Entry("e", (Posting(BANK, HELD, 1000),))


def test_money_paid_twice_is_held_too_until_it_is_sent_back() -> None:
    twice = book("e", a(FundsReceived, origin="44", amount_fen=1000, duplicate=True))
    back = book("f", a(FundsSentBack, origin="44", amount_fen=1000))

    assert twice == Entry("e", (Posting(BANK, HELD, 1000),))
    assert back == Entry("f", (Posting(HELD, BANK, 1000),))


def test_a_completed_transfer_stands_on_the_persons_account_and_in_the_fund() -> None:
    fact = a(Completed, person_ref=PERSON, origin="44", items=items(300, 700))

    assert book("e", fact) == Entry("e", (Posting(HELD, MINE, 300), Posting(HELD, POOLED_FUND, 700)))


def test_contributions_are_split_between_account_and_fund() -> None:
    fact = a(ContributionRecorded, person_ref=PERSON, account_fen=8, pool_fen=16)

    assert book("e", fact) == Entry("e", (Posting(BANK, MINE, 8), Posting(BANK, POOLED_FUND, 16)))


def test_an_account_opens_with_what_it_brought_along() -> None:
    assert book("e", a(AccountOpened, person_ref=PERSON, opening_fen=5)) == Entry("e", (Posting(BANK, MINE, 5),))
    assert book("e", a(AccountOpened, person_ref=PERSON, opening_fen=0)) is None


def test_interest_is_an_expense_that_the_person_gets() -> None:
    assert book("e", a(InterestCredited, person_ref=PERSON, interest_fen=5)) == Entry("e", (Posting(INTEREST_PAID, MINE, 5),))


def test_an_event_that_moves_no_money_has_no_entry() -> None:
    assert book("e", a(Applied)) is None


@given(BOOKED_FACTS)
def test_booking_is_a_function_of_the_fact_alone(fact: Fact) -> None:
    assert book("e", fact) == book("e", fact)


@given(st.lists(BOOKED_FACTS, max_size=12))
def test_any_run_of_events_leaves_the_trial_balance_zero(facts: list[Fact]) -> None:
    entries = [entry for entry in (book("e", fact) for fact in facts) if entry]

    _, heads = sequence(entries, {})

    assert trial_balance(heads) == 0


@given(BOOKED_FACTS)
def test_what_is_drawn_is_what_is_declared_to_be_booked(fact: Fact) -> None:
    assert type(fact) in BOOKED


def test_an_origin_that_paid_its_form_has_no_debt_and_no_account_left() -> None:
    told: list[Fact] = [
        a(ContributionRecorded, person_ref=PERSON, account_fen=300, pool_fen=700),
        a(InformationFormIssued, person_ref=PERSON, destination="33", items=items(300, 700)),
        a(FundsRemitted, destination="33", amount_fen=1000),
    ]

    _, heads = sequence([entry for entry in (book("e", fact) for fact in told) if entry], {})

    assert {account: head.balance_fen for account, head in heads.items()} == {BANK: 0, MINE: 0, POOLED_FUND: 0, OWED: 0}
