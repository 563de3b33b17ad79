"""The dated tables are complete, say where each figure comes from, and refuse what is wrong by name."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import chinese_calendar
import pytest

from services.rules.identity import Sex
from services.rules.loader import (
    TABLES_DIRECTORY,
    InterestKind,
    LimitUnknown,
    ProvinceOutOfScope,
    ProvinceUnknown,
    RateNotPublished,
    RefusalUnknown,
    RuleNotInForce,
    SchemeUnknown,
    TablesInvalid,
    load_tables,
)
from services.rules.months import Month
from services.rules.statuses import StatusCode
from tests.unit.rules.builders import tables


def test_every_day_from_2010_to_2026_is_worked_or_off_as_the_notices_say() -> None:
    calendar = tables().calendar
    day, last = date(2010, 1, 1), date(2026, 12, 31)

    wrong = []
    while day <= last:
        if calendar.is_working_day(day) != chinese_calendar.is_workday(day) or not calendar.knows(day):
            wrong.append(day)
        day += timedelta(days=1)

    assert wrong == []


@pytest.mark.parametrize(("year", "working_days"), [(2024, 251), (2025, 248), (2026, 248)])
def test_a_year_has_the_working_days_of_its_notice(year: int, working_days: int) -> None:
    days = (date(year, 1, 1) + timedelta(days=offset) for offset in range(366))

    assert sum(tables().calendar.is_working_day(day) for day in days if day.year == year) == working_days


def test_the_national_rates_are_those_published_and_2026_is_not_final() -> None:
    published = {2016: "0.0831", 2017: "0.0712", 2018: "0.0829", 2019: "0.0761", 2020: "0.0604"}
    published |= {2021: "0.0669", 2022: "0.0612", 2023: "0.0397", 2024: "0.0262", 2025: "0.0150"}

    for year, rate in published.items():
        assert tables().recording_rate(year, "44").rate == Decimal(rate)
        assert tables().recording_rate(year, "44").provinces == ("*",)
    with pytest.raises(RateNotPublished) as missing:
        tables().recording_rate(2026, "44")
    assert (missing.value.year, missing.value.province) == (2026, "44")


def test_rates_before_2016_stand_under_each_province_and_are_marked_untrusted() -> None:
    for year in range(1996, 2016):
        for code, province in tables().provinces.items():
            if province.mainland:
                rate = tables().recording_rate(year, code)
                assert rate.confidence == "untrusted"
                assert "*" not in rate.provinces
    with pytest.raises(RateNotPublished):
        tables().recording_rate(1995, "44")


def test_a_provinces_own_rate_wins_over_the_national_one(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "recording_rates.toml").read_text(encoding="utf-8")
    own = '[[recording_rate]]\nyear = 2016\nprovince = "44"\nrate = 0.09\neffective_from = 2016-01-01\n'
    own += 'effective_to = 2016-12-31\nsource = "test"\nconfidence = "design"\n'
    (tmp_path / "recording_rates.toml").write_text(text + own, encoding="utf-8")

    overridden = load_tables(tmp_path)

    assert overridden.recording_rate(2016, "44").rate == Decimal("0.09")
    assert overridden.recording_rate(2016, "33").rate == Decimal("0.0831")


def test_the_accounts_share_is_11_percent_until_2005_and_8_percent_after() -> None:
    assert tables().account_ratio(Month(1998, 1)).ratio == Decimal("0.11")
    assert tables().account_ratio(Month(2005, 12)).ratio == Decimal("0.11")
    assert tables().account_ratio(Month(2006, 1)).ratio == Decimal("0.08")
    with pytest.raises(RuleNotInForce):
        tables().account_ratio(Month(1997, 12))


def test_the_personal_rate_rises_from_4_to_8_percent() -> None:
    rates = [tables().personal_rate(Month(year, 1), "44").rate for year in (1997, 1998, 2000, 2002, 2004, 2024)]

    assert rates == [Decimal(rate) for rate in ("0.04", "0.05", "0.06", "0.07", "0.08", "0.08")]


def test_the_other_dated_rules_hold_from_2010() -> None:
    rules, day = tables(), date(2024, 5, 6)

    assert rules.pool_ratio(day).ratio == Decimal("0.12")
    assert rules.pool_ratio(day).wages_from == Month(1998, 1)
    assert rules.funds_move(day)
    assert rules.temporary_account_age(Sex.MALE, day) == 50
    assert rules.temporary_account_age(Sex.FEMALE, day) == 40
    assert rules.temporary_account_age(Sex.MALE, date(2009, 12, 31)) is None
    assert rules.interest_method(2023, "44").method is InterestKind.MONTH_PRODUCT
    with pytest.raises(RuleNotInForce):
        rules.pool_ratio(date(2009, 12, 31))


def test_each_leg_has_15_working_days_and_is_warned_at_10() -> None:
    for code in ("ACCEPTANCE_TO_LETTER", "LETTER_TO_FORM", "FORM_AND_FUNDS_TO_BOOKING"):
        limit = tables().limit(code, date(2024, 5, 6))
        assert (limit.legal_limit_wd, limit.warn_at_wd) == (15, 10)
    with pytest.raises(LimitUnknown):
        tables().limit("NO_SUCH", date(2024, 5, 6))
    with pytest.raises(RuleNotInForce):
        tables().limit("LETTER_TO_FORM", date(2009, 12, 31))


def test_thirty_two_agencies_take_part_and_three_regions_do_not() -> None:
    mainland = [province for province in tables().provinces.values() if province.mainland]

    assert len(mainland) == 32
    assert tables().province("71").name_zh == "台湾省"
    assert tables().participating_province("44").name_en == "Guangdong"
    for code in ("71", "81", "82"):
        with pytest.raises(ProvinceOutOfScope):
            tables().participating_province(code)
    with pytest.raises(ProvinceUnknown):
        tables().province("00")


def test_only_the_employees_scheme_is_transferred_and_the_others_point_elsewhere() -> None:
    transferable = [scheme.code for scheme in tables().schemes if scheme.transferable]

    assert transferable == ["110"]
    assert all(scheme.pointer_zh and scheme.pointer_en for scheme in tables().schemes if not scheme.transferable)
    with pytest.raises(SchemeUnknown):
        tables().scheme("999", date(2024, 3, 1))


def test_every_refusal_has_basis_reason_and_remedy_in_both_languages() -> None:
    for text in tables().refusals:
        assert text.legal_basis
        assert text.reason_zh
        assert text.reason_en
        assert text.remedy_zh
        assert text.remedy_en
        assert set(text.uses) <= {"admission", "return", "recall", "other"}
    returns = {text.code for text in tables().refusals if "return" in text.uses}
    assert returns == {
        "NO_RELATIONSHIP",
        "STILL_CONTRIBUTING",
        "ALREADY_DRAWING",
        "WRONG_SCHEME",
        "IDENTITY_MISMATCH",
        "PERSON_DECEASED",
        "ALREADY_TRANSFERRED_OUT",
        "TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW",
        "JUDICIAL_OR_AUDIT_HOLD",
        "LETTER_INCOMPLETE",
        "BACK_PAYMENT_PAPERS_MISSING",
    }
    with pytest.raises(RefusalUnknown):
        tables().refusal("NO_SUCH", date(2024, 3, 1))


def test_surrender_is_refused_because_one_may_neither_end_the_relationship_nor_cash_out() -> None:
    text = tables().refusal("SURRENDER_NOT_ALLOWED", date(2024, 3, 1))

    assert "第三条" in text.legal_basis
    assert "neither end the relationship nor cash out" in text.reason_en


def test_every_row_says_from_when_it_holds_where_it_is_written_and_how_sure_it_is() -> None:
    for path in sorted(TABLES_DIRECTORY.glob("*.toml")):
        for listed in tomllib.loads(path.read_text(encoding="utf-8")).values():
            for row in listed if isinstance(listed, list) else []:
                assert row.keys() >= {"effective_from", "effective_to", "source", "confidence"}, (path.name, row)


def test_a_transfer_without_money_is_refused_by_name_when_the_row_is_read(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "funds_move.toml").read_text(encoding="utf-8")
    (tmp_path / "funds_move.toml").write_text(text.replace("\nmoves = true", "\nmoves = false"), encoding="utf-8")

    with pytest.raises(TablesInvalid, match=r"funds_move\.toml row 1: .*TRANSFER_WITHOUT_FUNDS"):
        load_tables(tmp_path)


def test_the_version_follows_the_figures_and_not_the_comments(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "pool_ratios.toml").read_text(encoding="utf-8")
    (tmp_path / "pool_ratios.toml").write_text("# another comment\r\n" + text, encoding="utf-8")
    commented = load_tables(tmp_path).version
    (tmp_path / "pool_ratios.toml").write_text(text.replace('"0.12"', '"0.13"'), encoding="utf-8")

    changed = load_tables(tmp_path).version

    assert commented == load_tables().version == tables().version
    assert changed != commented
    assert commented.startswith("2026-09+")


def test_a_file_that_is_no_table_is_refused_rather_than_left_unread(tmp_path: Path) -> None:
    (tmp_path / "recording_rate.toml").write_text("")

    with pytest.raises(TablesInvalid, match=r"recording_rate\.toml is no table"):
        load_tables(tmp_path)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TablesInvalid, match="is not a directory"):
        load_tables(tmp_path / "nowhere")


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text("[[limit")
    (tmp_path / "schemes.toml").write_bytes(b"# \xff")

    with pytest.raises(TablesInvalid) as refused:
        load_tables(tmp_path)

    assert len(refused.value.problems) == 2


def test_all_problems_of_all_tables_are_named_at_once(tmp_path: Path) -> None:
    head = "effective_from = 2010-01-01\n"
    (tmp_path / "account_ratios.toml").write_text(
        f'[[account_ratio]]\nratio = "1.5"\n{head}source = "s"\nconfidence = "sure"\nrate = 1\n'
        f'[[account_ratio]]\nratio = "x"\n{head}effective_to = 2009-01-01\nconfidence = "found"\n'
    )
    (tmp_path / "pool_ratios.toml").write_text("")
    (tmp_path / "recording_rates.toml").write_text(
        2 * f'[[recording_rate]]\nyear = 2016\nprovince = "044"\nrate = "0.1"\n{head}source = "s"\nconfidence = "found"\n'
    )
    (tmp_path / "calendar.toml").write_text("[[calendar]]\nyear = 2024\nsource = 's'\nholidays = []\nmake_up_days = []\n")
    (tmp_path / "version.toml").write_text("")

    with pytest.raises(TablesInvalid) as refused:
        load_tables(tmp_path)

    problems = "\n".join(refused.value.problems)
    for expected in (
        "account_ratios.toml row 1: ratio = '1.5' is not a number from 0 to 1",
        "account_ratios.toml row 1: confidence = 'sure' is none of found",
        "account_ratios.toml row 1: rate is not a field of this table",
        "account_ratios.toml row 2: ratio = 'x' is not a number",
        "account_ratios.toml row 2: effective_to 2009-01-01 lies before",
        "account_ratios.toml row 2: source is missing",
        "pool_ratios.toml has no [[pool_ratio]] row",
        "recording_rates.toml row 1: province '044' is neither two digits nor",
        "recording_rates.toml: the rate of 2016 for '044' is there twice",
        "calendar.toml: calendar 2024: '2024-01-01' is a public holiday and is missing",
        "version.toml has no name",
    ):
        assert expected in problems


def test_two_rows_in_force_at_once_are_refused(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "pool_ratios.toml").read_text(encoding="utf-8")
    (tmp_path / "pool_ratios.toml").write_text(text + text, encoding="utf-8")

    with pytest.raises(TablesInvalid, match="two rows are in force on 2010-01-01"):
        load_tables(tmp_path)


def test_a_status_that_is_missing_is_refused(tmp_path: Path) -> None:
    text = (TABLES_DIRECTORY / "statuses.toml").read_text(encoding="utf-8")
    (tmp_path / "statuses.toml").write_text(text[: text.rindex("[[status]]")], encoding="utf-8")

    with pytest.raises(TablesInvalid, match=f"{StatusCode.OVERDUE} is missing"):
        load_tables(tmp_path)
