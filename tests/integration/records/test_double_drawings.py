"""Somebody drew two pensions and keeps another place's: the account here pays what was drawn twice, by two persons and once."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from contracts.events import AccountClosed, DoubleDrawingSettled
from services.ledger.chart import POOLED_FUND, REFUNDS_PAYABLE, individual
from services.ledger.replay import trial_balance
from services.records.commands import ListResult
from services.records.decisions import Refused
from services.records.double_drawings import DoubleDrawings, Facts, decide
from services.records.model import Record
from services.runtime.database import Transaction
from tests.agencies import InProcess, known_in, tables
from tests.unit.records.test_model import a_record
from tests.unit.rules.builders import a_row, own

# Example 3 in Guangdong: 12,479.86 in the account. He has drawn there since April 2024, and in Zhejiang, which he keeps.
HE = known_in("44")
HE = replace(HE, person=replace(HE.person, drawing_since=date(2024, 4, 1)))
TODAY = date(2024, 5, 6)
BALANCE_FEN = 1_247_986


def facts(**changed: Any) -> Facts:
    """Two pensions; 8,000.00 was drawn twice, of which 1,000.00 is paid back."""
    usual: dict[str, Any] = {
        "keeps": "33",
        "kept_monthly_fen": 300_000,
        "monthly_fen": 400_000,
        "paid_twice_fen": 800_000,
        "repaid_fen": 100_000,
    }
    return Facts(**{**usual, **changed})


def desk(at: InProcess, *busy: str) -> DoubleDrawings:
    async def transferring(_: Transaction, persons: Sequence[str]) -> set[str]:
        return {*busy} & {*persons}

    return DoubleDrawings(at.database, at.agency, at.ring, transferring)


async def his(at: InProcess) -> Record:
    await at.importing(HE)
    return await at.record(HE.person.id_number)


def codes(result: ListResult) -> list[tuple[str, str | None]]:
    return [(row.result, row.code) for row in result.rows]


def drawing(**fields: Any) -> Record:
    known: dict[str, Any] = {"drawing_since": date(2024, 4, 1), **fields}
    return replace(a_record(own(a_row("2023-01", "2023-12"))), **known)


@pytest.mark.parametrize(
    ("record", "changed", "code"),
    [
        (drawing(drawing_since=None), {}, "NOT_DRAWING"),
        (drawing(drawing_since=date(2024, 5, 7)), {}, "NOT_DRAWING"),
        (drawing(state="moved"), {}, "ALREADY_TRANSFERRED_OUT"),
        (drawing(state="settled"), {}, "NO_RELATIONSHIP"),
        (drawing(died_on=TODAY), {}, "PERSON_DECEASED"),
        (drawing(held_since=TODAY), {}, "JUDICIAL_OR_AUDIT_HOLD"),
        (drawing(interest_through=2022), {}, "INTEREST_PENDING"),
        (drawing(), {"keeps": "44"}, "KEPT_HERE"),
        (drawing(), {"keeps": "81"}, "UNKNOWN_PROVINCE"),
        (drawing(), {"repaid_fen": 800_001}, "REPAID_TOO_MUCH"),
        (drawing(), {"paid_twice_fen": 2_000_000, "agreed_monthly_fen": 300_001}, "DEDUCTION_TOO_LARGE"),
    ],
)
def test_what_cannot_be_settled_is_refused_by_name(record: Record, changed: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        decide(record, facts(**changed), account_fen=BALANCE_FEN, province="44", on=TODAY, tables=tables())

    assert refused.value.code == code


def test_before_its_rule_nobody_settles_by_it() -> None:
    old = drawing(drawing_since=date(2015, 1, 1), interest_through=2015)

    with pytest.raises(Refused, match="DRAWING_INVALID"):
        decide(old, facts(), account_fen=0, province="44", on=date(2016, 11, 27), tables=tables())


async def test_the_account_pays_what_was_drawn_twice_and_the_rest_is_the_person_s(at: InProcess) -> None:
    """8,000.00 drawn twice, 1,000.00 paid back: 7,000.00 from the account, of which 12,479.86 - 7,000.00 = 5,479.86 is left."""
    record = await his(at)
    before = await at.heads()

    settlement_id, found = await desk(at).propose(record.person_ref, facts(), "maker-1")
    alone = await desk(at).approve([settlement_id], "maker-1")
    kept = await at.heads()
    approved = await desk(at).approve([settlement_id], "checker-1")
    again = await desk(at).approve([settlement_id, "018f4c1e-0000-7000-8000-00000000ffff"], "checker-2")

    assert (found.set_off_fen, found.paid_out_fen, found.deductions) == (700_000, 547_986, None)
    assert (codes(alone), codes(approved)) == ([("refused", "SAME_PERSON")], [("done", "SETTLED")])
    assert codes(again) == [("refused", "NOT_NOW"), ("refused", "NO_SUCH_SETTLEMENT")]
    account, heads = individual(record.person_ref), await at.heads()
    assert (kept[account].balance_fen, heads[account].balance_fen) == (BALANCE_FEN, 0)
    assert heads[POOLED_FUND].balance_fen - before[POOLED_FUND].balance_fen == 700_000
    assert heads[REFUNDS_PAYABLE].balance_fen == 547_986
    assert trial_balance(heads) == 0
    assert (await at.replayed()).compare(heads) == []
    [fact], [closed] = await at.facts(DoubleDrawingSettled), await at.facts(AccountClosed)
    assert (fact.keeps, fact.overpaid_fen, fact.repaid_fen, fact.set_off_fen, fact.paid_out_fen) == (
        "33",
        800_000,
        100_000,
        700_000,
        547_986,
    )
    assert (fact.maker, fact.checker, fact.rule_set) == ("maker-1", "checker-1", tables().version)
    assert fact.reasons == ("DOUBLE_KEEP_ONE", "DOUBLE_REPAID", "DOUBLE_SET_OFF", "DOUBLE_ACCOUNT_REFUND")
    after = await at.record(HE.person.id_number)
    assert (closed.person_ref, after.state, after.segments) == (record.person_ref, "settled", ())


async def test_what_the_account_does_not_cover_comes_from_the_kept_pension_month_by_month(at: InProcess) -> None:
    """20,000.00 less 12,479.86 leaves 7,520.14: by agreement 1,000.00 a month, seven times and 520.14 in the eighth."""
    record = await his(at)
    wish = facts(paid_twice_fen=2_000_000, repaid_fen=0, agreed_monthly_fen=100_000)

    settlement_id, _ = await desk(at).propose(record.person_ref, wish, "maker-1")
    await desk(at).approve([settlement_id], "checker-1")

    [fact] = await at.facts(DoubleDrawingSettled)
    assert (fact.set_off_fen, fact.paid_out_fen) == (BALANCE_FEN, 0)
    assert (fact.deduction_months, fact.deduction_monthly_fen, fact.deduction_last_fen) == (8, 100_000, 52_014)
    assert fact.repaid_fen + fact.set_off_fen + 7 * fact.deduction_monthly_fen + fact.deduction_last_fen == fact.overpaid_fen
    assert fact.reasons[-1] == "DOUBLE_MONTHLY"


async def test_one_settlement_of_a_person_waits_at_a_time_and_can_be_taken_back(at: InProcess) -> None:
    record = await his(at)
    first, _ = await desk(at).propose(record.person_ref, facts(), "maker-1")

    with pytest.raises(Refused, match="SETTLEMENT_OPEN"):
        await desk(at).propose(record.person_ref, facts(repaid_fen=0), "maker-2")
    await desk(at).drop(first, "maker-1")
    late = await desk(at).approve([first], "checker-1")
    second, found = await desk(at).propose(record.person_ref, facts(repaid_fen=0), "maker-2")

    with pytest.raises(Refused, match="NOT_NOW"):
        await desk(at).drop(first, "maker-1")
    assert codes(late) == [("refused", "NOT_NOW")]
    assert found.set_off_fen == 800_000
    assert [(each.settlement_id, each.state) for each in await desk(at).list()] == [(second, "proposed")]
    assert [each.state for each in await desk(at).list(waiting=False)] == ["dropped", "proposed"]


async def test_while_a_transfer_of_the_person_goes_on_nothing_is_settled(at: InProcess) -> None:
    record = await his(at)
    busy = desk(at, record.person_ref)

    with pytest.raises(Refused, match="TRANSFER_OPEN"):
        await busy.propose(record.person_ref, facts(), "maker-1")
    settlement_id, _ = await desk(at).propose(record.person_ref, facts(), "maker-1")
    approved = await busy.approve([settlement_id], "checker-1")

    assert codes(approved) == [("refused", "TRANSFER_OPEN")]
    assert (await at.heads())[individual(record.person_ref)].balance_fen == BALANCE_FEN
    assert await at.facts(DoubleDrawingSettled) == []


async def test_nobody_s_settlement_is_proposed_whom_the_province_does_not_know(at: InProcess) -> None:
    with pytest.raises(Refused, match="NO_RELATIONSHIP"):
        await desk(at).propose("018f4c1e-0000-7000-8000-00000000ffff", facts(), "maker-1")


async def test_the_amounts_of_a_proposal_stay_under_the_person_s_key(at: InProcess) -> None:
    record = await his(at)

    await desk(at).propose(record.person_ref, facts(monthly_fen=412_345_678), "maker-1")

    assert await at.places_of("412345678") == {}
    [row] = await at.rows("SELECT facts FROM records.double_drawings")
    assert set(json.loads(row["facts"])) == {"nonce", "ciphertext"}
