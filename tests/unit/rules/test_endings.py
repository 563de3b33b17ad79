"""How a relationship ends and how it does not: domain § 1.6.9 to § 1.6.12 and § 1.6.18."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.rules.endings import (
    BreakInvalid,
    DeathInvalid,
    Ending,
    EndingFacts,
    EndingStep,
    Ground,
    NothingToWithdraw,
    StepsOutOfOrder,
    Way,
    YearsMissing,
    after_death,
    decide_ending,
    keep_through_break,
    ways_of_too_few_years,
    withdraw,
)
from services.rules.exception_tables import DeathAction, LedgerPosition, Settler
from services.rules.months import Month
from services.rules.table_rows import RuleNotInForce
from tests.unit.rules.builders import tables

ON = date(2024, 5, 20)
APPLIED, NOTIFIED, CONFIRMED = date(2024, 5, 6), date(2024, 5, 8), date(2024, 5, 15)
MAY_END = [Ground.NATIONALITY_LOST, Ground.HK_MO_TW_LEFT, Ground.FOREIGNER_LEFT, Ground.TOO_FEW_YEARS]


def ending(ground: Ground, **facts: Any) -> Ending:
    usual: dict[str, Any] = {"on": ON, "reached_age": True, "months": 179, "minimum_months": 180}
    return decide_ending(EndingFacts(ground, **{**usual, **facts}), tables())


def codes(found: Ending) -> list[str]:
    return [reason.code for reason in found.reasons]


@pytest.mark.parametrize(
    ("ground", "code"),
    [(Ground.WISH, "SURRENDER_NOT_ALLOWED"), (Ground.INACTIVITY, "CLOSING_FOR_INACTIVITY_NOT_ALLOWED")],
)
def test_there_is_no_surrender_and_no_closing_for_inactivity_whatever_was_written(ground: Ground, code: str) -> None:
    for steps in ({}, {"applied_on": APPLIED, "notified_on": NOTIFIED, "confirmed_on": CONFIRMED}):
        found = ending(ground, **steps)
        assert (found.step, found.pays_out, codes(found)) == (EndingStep.REFUSED, False, [code])
        assert found.reasons[0].remedy_zh


def test_who_settles_abroad_and_keeps_the_nationality_keeps_the_account() -> None:
    kept = ending(Ground.SETTLED_ABROAD)
    refused = ending(Ground.SETTLED_ABROAD, applied_on=APPLIED, notified_on=NOTIFIED, confirmed_on=CONFIRMED)

    assert (kept.step, codes(kept)) == (EndingStep.KEEP, ["ABROAD_ACCOUNT_KEPT"])
    assert (refused.step, codes(refused)) == (EndingStep.REFUSED, ["NATIONALITY_KEPT"])


@pytest.mark.parametrize("ground", MAY_END)
def test_a_relationship_ends_only_after_application_notice_and_confirmation_in_writing(ground: Ground) -> None:
    steps: dict[str, date] = {}
    found = [ending(ground, **steps)]
    for name, day in (("applied_on", APPLIED), ("notified_on", NOTIFIED), ("confirmed_on", CONFIRMED)):
        steps[name] = day
        found.append(ending(ground, **steps))

    assert [one.step for one in found] == [
        EndingStep.APPLICATION,
        EndingStep.NOTICE,
        EndingStep.CONFIRMATION,
        EndingStep.PAY_OUT,
    ]
    assert [one.pays_out for one in found] == [False, False, False, True]
    assert [codes(one)[1] for one in found] == [
        "END_APPLICATION_NEEDED",
        "END_NOTICE_NEEDED",
        "END_CONFIRMATION_NEEDED",
        "END_PAY_OUT",
    ]
    assert all(reason.legal_basis for one in found for reason in one.reasons)


@pytest.mark.parametrize(
    "steps",
    [
        {"notified_on": NOTIFIED},
        {"applied_on": APPLIED, "confirmed_on": CONFIRMED},
        {"applied_on": NOTIFIED, "notified_on": APPLIED},
        {"applied_on": APPLIED, "notified_on": CONFIRMED, "confirmed_on": NOTIFIED},
        {"applied_on": date(2024, 5, 21)},
    ],
)
def test_a_written_step_out_of_order_is_refused(steps: dict[str, date]) -> None:
    for ground in Ground:
        with pytest.raises(StepsOutOfOrder):
            ending(ground, **steps)


def test_nobody_ends_a_relationship_for_too_few_years_before_the_age_or_with_enough_years() -> None:
    young = ending(Ground.TOO_FEW_YEARS, reached_age=False, applied_on=APPLIED)
    enough = ending(Ground.TOO_FEW_YEARS, months=180, applied_on=APPLIED)

    assert codes(young) == ["SURRENDER_NOT_ALLOWED"]
    assert codes(enough) == ["ENOUGH_YEARS_FOR_A_PENSION"]
    for missing in ("months", "minimum_months"):
        with pytest.raises(YearsMissing):
            ending(Ground.TOO_FEW_YEARS, **{missing: None})


def test_a_ground_is_not_used_before_its_law() -> None:
    with pytest.raises(RuleNotInForce):
        ending(Ground.HK_MO_TW_LEFT, on=date(2019, 12, 31))
    assert ending(Ground.HK_MO_TW_LEFT, on=date(2020, 1, 1)).step is EndingStep.APPLICATION


def test_too_few_years_leave_three_ways_and_enough_years_none() -> None:
    ways = ways_of_too_few_years(179, 180, on=ON, tables=tables(), place="41")

    assert [(way.way, way.place, way.reason.code) for way in ways] == [
        (Way.CONTINUE, "41", "TOO_FEW_CONTINUE"),
        (Way.RESIDENT_SCHEME, None, "TOO_FEW_RESIDENT_SCHEME"),
        (Way.END, None, "TOO_FEW_END"),
    ]
    assert all(way.reason.legal_basis and way.reason.text_zh for way in ways)
    assert ways_of_too_few_years(180, 180, on=ON, tables=tables()) == ()


def test_a_break_in_work_changes_nothing_however_long_it_is() -> None:
    kept = keep_through_break(Month(2010, 3), on=ON, tables=tables())

    assert (kept.since, kept.months, kept.reason.code) == (Month(2010, 3), 170, "BREAK_KEPT")
    with pytest.raises(BreakInvalid):
        keep_through_break(Month(2024, 6), on=ON, tables=tables())


@pytest.mark.parametrize(
    ("position", "action", "settler"),
    [
        (LedgerPosition.NO_TRANSFER, DeathAction.SETTLE, Settler.HOLDER),
        (LedgerPosition.BEFORE_DEBIT, DeathAction.CANCEL_AND_SETTLE, Settler.ORIGIN),
        (LedgerPosition.DEBITED, DeathAction.FINISH_AND_SETTLE, Settler.DESTINATION),
        (LedgerPosition.CREDITED, DeathAction.SETTLE, Settler.DESTINATION),
    ],
)
def test_after_a_death_the_side_that_has_the_money_settles(
    position: LedgerPosition, action: DeathAction, settler: Settler
) -> None:
    found = after_death(position, died_on=date(2024, 5, 6), reported_on=ON, tables=tables())

    assert (found.action, found.settler) == (action, settler)
    assert "第十四条" in found.reason.legal_basis
    assert found.report_due is not None
    assert found.report_due.on == date(2024, 5, 31)  # 4 + the working Saturday 11 May + 15


def test_a_death_before_the_rule_of_2023_has_no_day_by_which_it_is_reported() -> None:
    found = after_death(LedgerPosition.DEBITED, died_on=date(2023, 11, 30), reported_on=ON, tables=tables())

    assert found.report_due is None
    with pytest.raises(DeathInvalid):
        after_death(LedgerPosition.DEBITED, died_on=ON, reported_on=date(2024, 5, 19), tables=tables())


def test_a_withdrawal_is_free_until_the_origin_has_booked() -> None:
    found = {
        position: withdraw(position, on=ON, tables=tables())
        for position in (LedgerPosition.BEFORE_DEBIT, LedgerPosition.DEBITED, LedgerPosition.CREDITED)
    }

    assert [(one.allowed, one.reason.code) for one in found.values()] == [
        (True, "WITHDRAWAL_FREE"),
        (False, "WITHDRAWAL_TOO_LATE"),
        (False, "WITHDRAWAL_TOO_LATE"),
    ]
    assert found[LedgerPosition.DEBITED].reason.remedy_zh
    with pytest.raises(NothingToWithdraw):
        withdraw(LedgerPosition.NO_TRANSFER, on=ON, tables=tables())
