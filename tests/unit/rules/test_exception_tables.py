"""The tables of the exception paths: what they say, and that a wrong one is refused with everything that is wrong."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from services.rules.exception_tables import (
    FILES,
    CodeNotKnown,
    DeathAction,
    FetchedBy,
    FigureCode,
    LedgerPosition,
    Settler,
    SwitchCode,
)
from services.rules.loader import TABLES_DIRECTORY, Tables, TablesInvalid, load_tables
from services.rules.table_rows import RuleNotInForce
from tests.unit.rules.builders import tables

IN_2024 = date(2024, 5, 6)


def with_table(directory: Path, name: str, old: str, new: str) -> Tables:
    """Our tables with one text replaced in one of them."""
    text = (TABLES_DIRECTORY / f"{name}.toml").read_text(encoding="utf-8")
    assert old in text
    (directory / f"{name}.toml").write_text(text.replace(old, new), encoding="utf-8")
    return load_tables(directory)


def test_a_switch_stands_as_its_row_says_and_a_provinces_own_row_wins(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "switches.toml").read_text(encoding="utf-8")
    own = '[[switch]]\ncode = "REFUND_INTEREST"\nprovince = ["33"]\nvalue = "off"\neffective_from = 2020-01-01\n'
    (tmp_path / "switches.toml").write_text(text + own + 'source = "s"\nconfidence = "design"\n', encoding="utf-8")

    exceptions = load_tables(tmp_path).exceptions

    assert exceptions.switch(SwitchCode.REFUND_INTEREST, IN_2024, "44").on
    assert not exceptions.switch(SwitchCode.REFUND_INTEREST, IN_2024, "33").on
    assert exceptions.switch(SwitchCode.REFUND_INTEREST, date(2019, 12, 31), "33").on
    with pytest.raises(RuleNotInForce):
        exceptions.switch(SwitchCode.REFUND_INTEREST, date(2009, 12, 31))


def test_a_switch_that_changed_with_a_date_has_a_row_for_each_time() -> None:
    switch = tables().exceptions.switch

    assert switch(SwitchCode.TEMPORARY_ACCOUNT_ON_MOVE, date(2016, 11, 27)).value == "gather"
    assert switch(SwitchCode.TEMPORARY_ACCOUNT_ON_MOVE, date(2016, 11, 28)).value == "seal"
    assert not tables().exceptions.foreigner_numbers(date(2011, 10, 14))
    assert tables().exceptions.foreigner_numbers(date(2011, 10, 15))


def test_the_figures_are_those_of_the_law() -> None:
    figure = tables().exceptions.figure

    assert figure(FigureCode.ONE_OFF_MONTHS, IN_2024).number == 36
    assert figure(FigureCode.VOUCHER_PRINT_MONTHS, IN_2024).number == 3
    assert str(figure(FigureCode.LATE_FEE_PER_DAY, IN_2024).number) == "0.0005"
    assert str(figure(FigureCode.ALLOWANCE_MOVED, date(2005, 12, 1)).number) == "0.11"
    assert str(figure(FigureCode.ALLOWANCE_MOVED, date(2006, 1, 1)).number) == "0.08"
    assert tables().exceptions.figure_if_any(FigureCode.ONE_OFF_MONTHS, date(2016, 11, 27)) is None
    with pytest.raises(RuleNotInForce):
        figure(FigureCode.ONE_OFF_MONTHS, date(2016, 11, 27))


def test_no_paper_is_fetched_by_the_person() -> None:
    assert {*FetchedBy} == {"origin_agency", "back_payment_place"}
    assert {paper.fetched_by for paper in tables().exceptions.papers} == {*FetchedBy}
    with pytest.raises(CodeNotKnown, match="NO_SUCH"):
        tables().exceptions.paper("NO_SUCH", IN_2024)


def test_the_ways_of_a_back_payment_follow_its_day_and_those_of_the_judgement() -> None:
    def codes(paid_on: date, on: date) -> list[str]:
        return [route.code for route in tables().exceptions.routes_for("one_off", paid_on, on)]

    others = ["LEGAL_DOCUMENT", "DEFERRAL", "COLLECTION_ORDER", "RETIRED_SOLDIER"]

    assert codes(date(2016, 11, 27), IN_2024) == ["UNDERTAKING", *others]
    assert codes(date(2016, 11, 28), IN_2024) == others
    assert codes(date(2018, 1, 1), date(2019, 9, 28)) == ["LEGAL_DOCUMENT"], "the others came with S-94"
    assert codes(date(2016, 11, 27), date(2019, 9, 28)) == ["LEGAL_DOCUMENT"]
    assert tables().exceptions.routes_for("normal", date(2018, 1, 1), IN_2024) == ()


def test_a_death_is_settled_where_the_money_is() -> None:
    found = {position: tables().exceptions.death(position, IN_2024) for position in LedgerPosition}

    assert {position: (rule.action, rule.settler) for position, rule in found.items()} == {
        LedgerPosition.NO_TRANSFER: (DeathAction.SETTLE, Settler.HOLDER),
        LedgerPosition.BEFORE_DEBIT: (DeathAction.CANCEL_AND_SETTLE, Settler.ORIGIN),
        LedgerPosition.DEBITED: (DeathAction.FINISH_AND_SETTLE, Settler.DESTINATION),
        LedgerPosition.CREDITED: (DeathAction.SETTLE, Settler.DESTINATION),
    }


def test_jiangsu_promises_a_third_for_each_leg_since_march_2025_and_others_promise_nothing() -> None:
    target = tables().exceptions.service_target

    found = target("LETTER_TO_FORM", "32", date(2025, 3, 25))
    total = target("TOTAL", "32", date(2025, 3, 25))

    assert found is not None
    assert total is not None
    assert (found.service_target_wd, total.service_target_wd, total.confidence) == (5, 15, "unsure"), "one city promised it"
    assert target("LETTER_TO_FORM", "32", date(2025, 3, 24)) is None
    assert target("LETTER_TO_FORM", "33", date(2025, 3, 25)) is None


def test_a_topic_of_a_relocation_is_looked_up_by_day() -> None:
    assert tables().exceptions.group_topic("ONE_LIST", IN_2024).negotiable
    assert not tables().exceptions.group_topic("MONTHS", IN_2024).negotiable
    with pytest.raises(CodeNotKnown):
        tables().exceptions.group_topic("NO_SUCH", IN_2024)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("switches", 'value = "seal"', 'value = "lose"', "value = 'lose' is none of gather, seal"),
        ("switches", 'code = "REFUND_INTEREST"', 'code = "DUPLICATE_SIDE_KEPT"', "switches.toml: REFUND_INTEREST is missing"),
        ("figures", 'code = "ONE_OFF_MONTHS"', 'code = "NO_SUCH"', "code = 'NO_SUCH' is none of"),
        ("figures", "number = 36", "number = -1", "number = -1 is not a number from 0 to 1000"),
        ("papers", 'issuers = ["court"]', 'issuers = ["priest"]', "issuers: 'priest' is none of"),
        ("papers", 'fetched_by = "origin_agency"', 'fetched_by = "person"', "fetched_by = 'person' is none of"),
        ("back_payment_routes", '"UNDERTAKING"]', '"OATH"]', "UNDERTAKING names the paper OATH, which papers.toml does not have"),
        (
            "back_payment_routes",
            'reason = "UNDERTAKING_GIVEN"',
            'reason = "BECAUSE"',
            "names the reason BECAUSE, which reasons.toml does not have",
        ),
        ("deaths", 'position = "credited"', 'position = "debited"', "deaths.toml: credited is missing"),
        (
            "service_targets",
            "service_target_wd = 5",
            "service_target_wd = 16",
            "16 working days for LETTER_TO_FORM are more than the law's 15",
        ),
        ("service_targets", "service_target_wd = 15", "service_target_wd = 46", "for TOTAL are more than the law's 45"),
        (
            "service_targets",
            'code = "LETTER_TO_FORM"',
            'code = "NO_LEG"',
            "names the limit NO_LEG, which limits.toml does not have",
        ),
        ("reasons", 'code = "BREAK_KEPT"', 'code = "END_PAY_OUT"', "reasons.toml: two rows for 'END_PAY_OUT'"),
        ("group_topics", "negotiable = true", "negotiable = 1", "negotiable = 1 is not true or false"),
    ],
)
def test_a_wrong_row_is_refused_by_name(tmp_path: Path, name: str, old: str, new: str, problem: str) -> None:
    with pytest.raises(TablesInvalid) as refused:
        with_table(tmp_path, name, old, new)

    assert problem in "\n".join(refused.value.problems)


def test_a_rule_that_no_source_settles_says_so() -> None:
    design = {row.code for row in tables().exceptions.switches if row.confidence in ("design", "unsure")}

    assert {"DUPLICATE_SIDE_KEPT", "REFUND_INTEREST", "PAPER_OF_PAYMENT_DAY", "SOLDIER_ADJUSTMENT_INTEREST"} <= design


def test_every_table_of_the_exceptions_is_read() -> None:
    assert all((TABLES_DIRECTORY / f"{name}.toml").is_file() for name in FILES)
