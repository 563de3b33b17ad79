"""How each event is booked."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Fact
from contracts.events import (
    AccountOpened,
    AccountSettled,
    Applied,
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
from services.ledger.bookkeeping import BOOKED, book
from services.ledger.chart import BANK, INTEREST_PAID, POOLED_FUND, REFUNDS_PAYABLE, individual, suspense, transfers_payable
from services.ledger.journal import Entry, Head, Posting, sequence
from services.ledger.replay import fold_all, trial_balance
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


@pytest.mark.parametrize(
    ("now", "postings"),
    [
        pytest.param((400, 900), (Posting(HELD, MINE, 100), Posting(HELD, POOLED_FUND, 200)), id="both grow"),
        pytest.param((200, 500), (Posting(MINE, HELD, 100), Posting(POOLED_FUND, HELD, 200)), id="both shrink"),
        pytest.param((400, 500), (Posting(HELD, MINE, 100), Posting(POOLED_FUND, HELD, 200)), id="one grows, one shrinks"),
        pytest.param((300, 600), (Posting(POOLED_FUND, HELD, 100),), id="only the fund's part changes"),
    ],
)
def test_a_correction_books_the_difference_to_what_was_booked_either_way(
    now: tuple[int, int], postings: tuple[Posting, ...]
) -> None:
    fact = a(Corrected, person_ref=PERSON, origin="44", items=items(*now), supersedes=items(300, 700))

    assert book("e", fact) == Entry("e", postings)


def test_a_correction_that_changes_no_amount_books_nothing() -> None:
    assert book("e", a(Corrected, origin="44", items=items(300, 700), supersedes=items(300, 700))) is None


def test_a_difference_that_goes_both_ways_and_cancels_on_one_account_still_takes_its_number_there() -> None:
    entry = book("e", a(Corrected, person_ref=PERSON, origin="44", items=items(400, 600), supersedes=items(300, 700)))
    assert entry is not None

    (numbers,), heads = sequence([entry], {HELD: Head(4, 1000)})

    assert numbers == {MINE: 1, POOLED_FUND: 1, HELD: 5}
    assert heads[HELD] == Head(5, 1000)


def test_a_recalled_transfer_stands_in_suspense_of_its_origin_until_it_is_sent_back() -> None:
    recalled = book("e", a(Recalled, person_ref=PERSON, origin="44", items=items(300, 700)))
    back = book("f", a(FundsSentBack, origin="44", amount_fen=1000))

    assert recalled == Entry("e", (Posting(MINE, HELD, 300), Posting(POOLED_FUND, HELD, 700)))
    assert back == Entry("f", (Posting(HELD, BANK, 1000),))


def test_a_form_that_is_taken_back_gives_person_and_fund_what_was_owed() -> None:
    fact = a(InformationFormRevoked, person_ref=PERSON, destination="33", items=items(300, 700))

    assert book("e", fact) == Entry("e", (Posting(OWED, MINE, 300), Posting(OWED, POOLED_FUND, 700)))


def test_the_accounts_part_of_cleared_months_is_owed_to_the_person_with_its_interest_and_the_funds_part_stays() -> None:
    fact = a(DuplicatesCleared, person_ref=PERSON, refund_principal_fen=120_000, refund_interest_fen=794)

    assert book("e", fact) == Entry("e", (Posting(MINE, REFUNDS_PAYABLE, 120_794),))


def test_months_without_money_are_cleared_without_an_entry() -> None:
    assert book("e", a(DuplicatesCleared, refund_principal_fen=0, refund_interest_fen=0)) is None


def test_an_account_is_settled_by_owing_its_balance_to_the_person_or_the_heirs() -> None:
    assert book("e", a(AccountSettled, person_ref=PERSON, amount_fen=5)) == Entry("e", (Posting(MINE, REFUNDS_PAYABLE, 5),))


def test_a_cleared_account_pays_the_pool_what_was_drawn_twice_and_owes_the_person_the_rest() -> None:
    drawn = a(DoubleDrawingSettled, person_ref=PERSON, overpaid_fen=9, repaid_fen=2, set_off_fen=7, paid_out_fen=4)
    owing = a(DoubleDrawingSettled, person_ref=PERSON, overpaid_fen=9, set_off_fen=7, deduction_months=1, deduction_last_fen=2)

    assert book("e", drawn) == Entry("e", (Posting(MINE, POOLED_FUND, 7), Posting(MINE, REFUNDS_PAYABLE, 4)))
    assert book("e", owing) == Entry("e", (Posting(MINE, POOLED_FUND, 7),))


@pytest.mark.parametrize(
    ("differences", "postings"),
    [
        pytest.param(
            (8, 2, 16), (Posting(BANK, MINE, 8), Posting(INTEREST_PAID, MINE, 2), Posting(BANK, POOLED_FUND, 16)), id="up"
        ),
        pytest.param(
            (-8, -2, -16), (Posting(MINE, BANK, 8), Posting(MINE, INTEREST_PAID, 2), Posting(POOLED_FUND, BANK, 16)), id="down"
        ),
        pytest.param((8, -8, 0), (Posting(BANK, MINE, 8), Posting(MINE, INTEREST_PAID, 8)), id="each its own way"),
    ],
)
def test_a_wrong_year_is_corrected_by_its_difference_in_principal_interest_and_fund(
    differences: tuple[int, int, int], postings: tuple[Posting, ...]
) -> None:
    own, interest, pool = differences
    fact = a(
        ContributionCorrected,
        person_ref=PERSON,
        account_difference_fen=own,
        interest_difference_fen=interest,
        pool_difference_fen=pool,
    )

    assert book("e", fact) == Entry("e", postings)


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


_PARTS = st.integers(0, 10**9)
_BOTH_PARTS = st.tuples(_PARTS, _PARTS)


class Provinces:
    """The books of an origin (44) and a destination (33), and the bank between them: every fact is booked where it is said."""

    def __init__(self) -> None:
        self.said: dict[str, list[tuple[str, Fact]]] = {"44": [], "33": []}
        self.heads: dict[str, dict[str, Head]] = {"44": {}, "33": {}}
        self.under_way_fen = 0
        self.paid_in_fen = 0

    def say(self, province: str, fact: Fact) -> None:
        event_id = f"{province}-{len(self.said[province])}"
        entry = book(event_id, fact)
        if entry is not None:
            (numbers,), moved = sequence([entry], self.heads[province])
            self.heads[province] |= moved
            fact = fact.model_copy(update={"account_sequences": numbers})
        self.said[province].append((event_id, fact))
        if isinstance(fact, ContributionRecorded):
            self.paid_in_fen += fact.account_fen + fact.pool_fen
        elif isinstance(fact, ContributionCorrected):
            self.paid_in_fen += fact.account_difference_fen + fact.pool_difference_fen

    def pay(self, fen: int) -> None:
        """The origin pays and the destination finds the money."""
        if fen:
            self.say("44", a(FundsRemitted, destination="33", amount_fen=fen))
            self.under_way_fen += fen
            self.check()
            self.say("33", a(FundsReceived, origin="44", amount_fen=fen))
            self.under_way_fen -= fen

    def give_back(self, fen: int) -> None:
        """The destination gives money back and the origin finds it."""
        if fen:
            self.say("33", a(FundsSentBack, origin="44", amount_fen=fen))
            self.under_way_fen += fen
            self.check()
            self.say("44", a(FundsReturned, destination="33", amount_fen=fen))
            self.under_way_fen -= fen

    def of(self, province: str, account: str) -> int:
        return self.heads[province].get(account, Head()).balance_fen

    def check(self) -> None:
        """What must be true at every moment: no money from nowhere, balanced books, and the replay says the same."""
        assert self.of("44", BANK) + self.of("33", BANK) + self.under_way_fen == self.paid_in_fen
        for province, said in self.said.items():
            assert trial_balance(self.heads[province]) == 0
            replay = fold_all(said)
            assert (replay.problems(), replay.compare(self.heads[province])) == ([], [])


@given(
    was=_BOTH_PARTS,
    interest_fen=_PARTS,
    now=_BOTH_PARTS,
    new_interest_fen=_PARTS,
    correct_it=st.booleans(),
    recall_it=st.booleans(),
)
def test_money_is_conserved_across_a_transfer_its_correction_and_its_recall(
    was: tuple[int, int],
    interest_fen: int,
    now: tuple[int, int],
    new_interest_fen: int,
    correct_it: bool,
    recall_it: bool,
) -> None:
    there = Provinces()
    first, second = items(was[0] + interest_fen, was[1]), items(now[0] + new_interest_fen, now[1])
    there.say("44", a(ContributionRecorded, person_ref=PERSON, account_fen=was[0], pool_fen=was[1]))
    there.say("44", a(InterestCredited, person_ref=PERSON, interest_fen=interest_fen))
    there.say("44", a(InformationFormIssued, person_ref=PERSON, destination="33", items=first))
    there.pay(first.total_fen)
    there.say("33", a(Completed, person_ref=PERSON, origin="44", items=first))
    there.check()
    stands = first

    if correct_it:
        difference = a(
            ContributionCorrected,
            person_ref=PERSON,
            account_difference_fen=now[0] - was[0],
            interest_difference_fen=new_interest_fen - interest_fen,
            pool_difference_fen=now[1] - was[1],
        )
        there.say("44", difference)
        there.say("44", a(InformationFormIssued, person_ref=PERSON, destination="33", items=second, supersedes=first))
        there.pay(max(0, second.total_fen - first.total_fen))
        there.say("33", a(Corrected, person_ref=PERSON, origin="44", items=second, supersedes=first))
        there.give_back(max(0, first.total_fen - second.total_fen))
        stands = second
    there.check()
    assert (there.of("44", MINE), there.of("44", POOLED_FUND), there.of("44", OWED)) == (0, 0, 0)
    assert (there.of("33", MINE), there.of("33", POOLED_FUND)) == (stands.account_fen, stands.pool_fen)
    assert there.of("33", HELD) == 0

    if recall_it:
        there.say("33", a(Recalled, person_ref=PERSON, origin="44", items=stands))
        there.check()
        assert there.of("33", HELD) == stands.total_fen
        there.give_back(stands.total_fen)
        there.say("44", a(InformationFormRevoked, person_ref=PERSON, destination="33", items=stands))
        there.check()
        assert (there.of("33", MINE), there.of("33", POOLED_FUND), there.of("33", HELD), there.of("33", BANK)) == (0, 0, 0, 0)
        assert (there.of("44", MINE), there.of("44", POOLED_FUND)) == (stands.account_fen, stands.pool_fen)
        assert there.of("44", OWED) == 0


@given(st.lists(_BOTH_PARTS, min_size=2, max_size=5))
def test_a_chain_of_corrections_leaves_what_the_last_one_says(versions: list[tuple[int, int]]) -> None:
    there = Provinces()
    forms = [items(*version) for version in versions]
    there.say("44", a(ContributionRecorded, person_ref=PERSON, account_fen=versions[0][0], pool_fen=versions[0][1]))
    there.say("44", a(InformationFormIssued, person_ref=PERSON, destination="33", items=forms[0]))
    there.pay(forms[0].total_fen)
    there.say("33", a(Completed, person_ref=PERSON, origin="44", items=forms[0]))

    for before, after in pairwise(forms):
        own, pool = after.account_fen - before.account_fen, after.pool_fen - before.pool_fen
        there.say("44", a(ContributionCorrected, person_ref=PERSON, account_difference_fen=own, pool_difference_fen=pool))
        there.say("44", a(InformationFormIssued, person_ref=PERSON, destination="33", items=after, supersedes=before))
        there.pay(max(0, after.total_fen - before.total_fen))
        there.say("33", a(Corrected, person_ref=PERSON, origin="44", items=after, supersedes=before))
        there.give_back(max(0, before.total_fen - after.total_fen))
        there.check()

    assert (there.of("33", MINE), there.of("33", POOLED_FUND)) == versions[-1]
    assert (there.of("33", HELD), there.of("44", OWED), there.of("44", MINE)) == (0, 0, 0)
