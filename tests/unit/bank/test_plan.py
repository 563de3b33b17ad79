"""What the bank makes of an order: every fault by itself, and no fen that appears from nowhere."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.banking import Fault, RemittanceLine
from services.bank.plan import Payment, passes_on, payments
from services.runtime.clock import SHANGHAI
from tests.builders import CASE, OTHER_CASE, a

NOON = datetime(2024, 5, 6, 12, 0, tzinfo=SHANGHAI)
DELAY = timedelta(minutes=30)
DUE = NOON + DELAY


def a_line(case_id: str = CASE, amount_fen: int = 1000) -> RemittanceLine:
    return a(RemittanceLine, case_id=case_id, amount_fen=amount_fen)


def a_fault(kind: str, **fields: int) -> dict[str, Fault]:
    return {CASE: a(Fault, case_id=CASE, kind=kind, **fields)}


def planned(faults: dict[str, Fault], *lines: RemittanceLine) -> list[Payment]:
    return payments(lines or (a_line(),), faults, now=NOON, delay=DELAY)


def test_without_a_fault_each_line_is_paid_after_the_delay() -> None:
    found = planned({}, a_line(CASE, 1000), a_line(OTHER_CASE, 2000))

    assert found == [Payment(CASE, 1000, "payment", DUE), Payment(OTHER_CASE, 2000, "payment", DUE)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (a_fault("delay", days=3), [Payment(CASE, 1000, "payment", DUE + timedelta(days=3))]),
        (a_fault("lose"), [Payment(CASE, 1000, "payment", None)]),
        (a_fault("duplicate"), [Payment(CASE, 1000, "payment", DUE)] * 2),
        (a_fault("return"), [Payment(CASE, 1000, "returned", DUE, "payee account refused")]),
        (a_fault("short", amount_fen=180), [Payment(CASE, 820, "payment", DUE)]),
        (a_fault("short", amount_fen=1000), []),
        (a_fault("short", amount_fen=5000), []),
    ],
    ids=["delay", "lose", "duplicate", "return", "short", "all left out", "more than all left out"],
)
def test_each_fault_does_its_own_wrong(fault: dict[str, Fault], expected: list[Payment]) -> None:
    assert planned(fault) == expected


def test_a_fault_spares_the_other_cases_of_the_same_order() -> None:
    found = planned(a_fault("lose"), a_line(CASE), a_line(OTHER_CASE, 2000))

    assert [(item.case_id, item.available_at) for item in found] == [(CASE, None), (OTHER_CASE, DUE)]


@given(
    amounts=st.lists(st.integers(1, 10**12), min_size=1, max_size=8),
    kinds=st.lists(st.sampled_from(["none", "delay", "lose", "return", "short"]), min_size=8, max_size=8),
    left_out=st.integers(0, 10**12),
)
def test_what_is_planned_and_what_is_left_out_is_what_was_ordered(amounts: list[int], kinds: list[str], left_out: int) -> None:
    lines = [a_line(f"{at:036d}", amount) for at, amount in enumerate(amounts)]
    faults = {
        line.case_id: a(Fault, case_id=line.case_id, kind=kind, amount_fen=left_out)
        for line, kind in zip(lines, kinds, strict=False)
        if kind != "none"
    }

    found = payments(lines, faults, now=NOON, delay=DELAY)

    short = sum(
        min(left_out, line.amount_fen) for line in lines if line.case_id in faults and faults[line.case_id].kind == "short"
    )
    assert sum(item.amount_fen for item in found) + short == sum(amounts)
    assert all(item.amount_fen > 0 for item in found)


@given(amount=st.integers(1, 10**12))
def test_a_duplicate_is_the_only_fault_that_pays_more_and_it_pays_twice(amount: int) -> None:
    found = planned(a_fault("duplicate"), a_line(CASE, amount))

    assert sum(item.amount_fen for item in found) == 2 * amount


@pytest.mark.parametrize(
    ("amount_fen", "ordered_fen", "planned_fen", "given_back_fen", "passed_on_fen", "expected_fen"),
    [
        (1000, 1000, 2000, 0, 0, 0),  # paid twice: the bank's own money
        (300, 1000, 1000, 0, 0, 300),  # a smaller form replaced the one that was paid
        (2000, 1000, 2000, 0, 0, 1000),  # all of what came twice
        (1600, 1000, 2000, 400, 0, 1000),  # the rest of it
        (400, 1000, 2000, 1000, 0, 400),  # the bank has its own already
        (820, 1000, 820, 0, 0, 820),  # what came short
    ],
)
def test_what_is_given_back_goes_on_to_the_payer_but_for_what_the_bank_paid_twice(
    amount_fen: int, ordered_fen: int, planned_fen: int, given_back_fen: int, passed_on_fen: int, expected_fen: int
) -> None:
    found = passes_on(
        amount_fen,
        ordered_fen=ordered_fen,
        planned_fen=planned_fen,
        given_back_fen=given_back_fen,
        passed_on_fen=passed_on_fen,
    )

    assert found == expected_fen
