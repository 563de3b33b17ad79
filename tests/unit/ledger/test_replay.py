"""The replay: the same books from the log alone, and the first thing that does not agree, by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import Fact
from contracts.events import BalanceStated, ContributionRecorded, FundsReceived
from services.ledger.chart import BANK, individual, suspense
from services.ledger.journal import Head
from services.ledger.replay import fold_all, trial_balance
from tests.builders import PERSON, a
from tests.unit.ledger.facts import BOOKED_FACTS, live

RUNS = st.lists(BOOKED_FACTS, min_size=1, max_size=12)
MINE = individual(PERSON)


def contributions(*account_fen: int) -> tuple[list[tuple[str, Fact]], dict[str, Head]]:
    return live([a(ContributionRecorded, person_ref=PERSON, account_fen=fen, pool_fen=0) for fen in account_fen])


def kinds(said: list[tuple[str, Fact]]) -> set[str]:
    return {problem.kind for problem in fold_all(said).problems()}


@given(RUNS)
def test_the_replay_says_what_the_live_books_say(facts: list[Fact]) -> None:
    said, heads = live(facts)

    replay = fold_all(said)

    assert replay.balances() == heads
    assert replay.compare(heads) == []
    assert replay.problems() == []
    assert trial_balance(replay.balances()) == 0


@given(RUNS, st.randoms(use_true_random=False))
def test_the_order_in_which_an_auditor_reads_changes_nothing(facts: list[Fact], chance: object) -> None:
    said, heads = live(facts)
    shuffled = list(said)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    replay = fold_all(shuffled)

    assert replay.balances() == heads
    assert replay.problems() == []


@given(RUNS, st.data())
def test_any_booked_event_that_is_lost_is_missed(facts: list[Fact], data: st.DataObject) -> None:
    said, heads = live(facts)
    booked = [at for at, (_, fact) in enumerate(said) if getattr(fact, "account_sequences", None)]
    if not booked:
        return
    lost = data.draw(st.sampled_from(booked))

    replay = fold_all(said[:lost] + said[lost + 1 :])

    assert replay.compare(heads) != []


def test_a_lost_event_is_a_gap_in_each_of_its_accounts() -> None:
    said, _ = contributions(100, 200, 300)
    without_the_second = [(event_id, fact) for event_id, fact in said if event_id != "event-1"]

    problems = fold_all(without_the_second).problems()

    gaps = [(problem.account, problem.sequence) for problem in problems if problem.kind == "SEQUENCE_GAP"]
    assert gaps == [(BANK, 2), (MINE, 2)]


def test_an_event_that_was_recorded_twice_is_named_with_the_first() -> None:
    said, heads = contributions(100, 200)
    again = said[0][1]

    replay = fold_all([*said, ("event-again", again)])

    twice = [problem for problem in replay.problems() if problem.kind == "SEQUENCE_TWICE"]
    assert {(problem.account, problem.sequence, problem.event_id) for problem in twice} == {
        (BANK, 1, "event-again"),
        (MINE, 1, "event-again"),
    }
    assert "event-0" in str(twice[0])
    assert heads == replay.balances()


def test_an_altered_amount_differs_from_the_next_statement() -> None:
    said, heads = contributions(100, 200)
    altered = [
        (event_id, fact.model_copy(update={"account_fen": 101}) if event_id == "event-0" else fact) for event_id, fact in said
    ]

    replay = fold_all(altered)

    found = [problem for problem in replay.problems() if problem.kind == "STATEMENT_DIFFERS"]
    assert [(problem.account, problem.sequence, problem.expected, problem.found) for problem in found] == [
        (MINE, 1, "101", "100"),
        (MINE, 2, "301", "300"),
    ]
    assert {problem.account for problem in replay.compare(heads)} == {BANK, MINE}


def test_a_statement_about_an_entry_that_nobody_told_differs() -> None:
    said, _ = contributions(100)
    beyond = a(BalanceStated, account=MINE, sequence=9, balance_fen=100)

    assert kinds([*said, ("event-x", beyond)]) == {"STATEMENT_DIFFERS"}


def test_a_statement_before_anything_was_booked_is_of_nothing() -> None:
    assert kinds([("event-x", a(BalanceStated, account=MINE, sequence=0, balance_fen=0))]) == set()
    assert kinds([("event-x", a(BalanceStated, account=MINE, sequence=0, balance_fen=1))]) == {"STATEMENT_DIFFERS"}


def test_a_booked_event_without_its_numbers_is_found() -> None:
    fact = a(FundsReceived, origin="44", amount_fen=100)

    problems = fold_all([("event-0", fact)]).problems()

    assert problems[0].kind == "SEQUENCE_MISSING"
    assert problems[0].account == f"{BANK},{suspense('44')}"


@pytest.mark.parametrize(
    "live_heads",
    [
        pytest.param({BANK: Head(1, 100)}, id="an account is missing in the books"),
        pytest.param({BANK: Head(1, 100), MINE: Head(1, 101)}, id="a balance differs"),
        pytest.param({BANK: Head(1, 100), MINE: Head(2, 100)}, id="a number differs"),
        pytest.param({BANK: Head(1, 100), MINE: Head(1, 100), "individual:x": Head(1, 1)}, id="the books have one more"),
    ],
)
def test_books_that_differ_from_the_log_are_named_by_account(live_heads: dict[str, Head]) -> None:
    said, _ = contributions(100)

    (difference,) = fold_all(said).compare(live_heads)

    assert difference.kind == "LEDGER_DIFFERS"
    assert difference.account.startswith("individual:")


def test_a_divergence_reads_like_a_sentence_for_an_auditor() -> None:
    said, _ = contributions(100)

    (difference,) = fold_all(said).compare({BANK: Head(1, 100), MINE: Head(1, 99)})

    assert str(difference).startswith(
        f"LEDGER_DIFFERS: account {MINE} at 1: expected Head(sequence=1, balance_fen=100), found Head"
    )


def test_events_that_move_no_money_are_counted_and_change_nothing() -> None:
    said, heads = contributions(100)

    replay = fold_all(said)

    assert (replay.facts, replay.entries) == (len(said), 1)
    assert replay.balances() == heads
