"""R01–R07 and K1–K4 of domain § 1.5."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rules.admission import (
    AccountKind,
    AdmissionFacts,
    Admitted,
    BirthAfterInsurance,
    KindOfAccount,
    Refusal,
    Registration,
    account_kind,
    account_on_move,
    age_on,
    decide,
    kind_of_account,
)
from services.rules.identity import Sex
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown, SchemeUnknown
from services.rules.table_rows import RuleNotInForce
from tests.unit.rules.builders import an_application, tables, with_switch


def test_a_young_man_who_has_paid_at_the_new_place_is_admitted() -> None:
    assert decide(an_application(), tables()) == Admitted(AccountKind.NORMAL, "K4")


@pytest.mark.parametrize(
    ("facts", "code", "rule"),
    [
        ({"drawing": True}, "ALREADY_DRAWING", "R01"),
        ({"origin_province": "33"}, "SAME_PROVINCE", "R02"),
        ({"has_paid_contribution": False}, "NOT_INSURED_AT_DESTINATION", "R03"),
        ({"insured_at_destination_since": None}, "NOT_INSURED_AT_DESTINATION", "R03"),
        ({"insured_at_destination_since": date(2024, 5, 7)}, "NOT_INSURED_AT_DESTINATION", "R03"),
        ({"active_at_destination": False}, "NOT_INSURED_AT_DESTINATION", "R03"),
        ({"relationship_at_origin": False}, "NO_RELATIONSHIP_AT_ORIGIN", "R04"),
        ({"open_case_id": "case-1"}, "DUPLICATE_APPLICATION", "R05"),
        ({"scheme": "120"}, "WRONG_SCHEME", "R06"),
        ({"scheme": "170"}, "WRONG_SCHEME", "R06"),
        ({"scheme": "MILITARY"}, "WRONG_SCHEME", "R06"),
        ({"identity_verified": False}, "IDENTITY_MISMATCH", "R07"),
    ],
)
def test_a_refusal_names_its_rule_and_carries_basis_reason_and_remedy(facts: dict[str, Any], code: str, rule: str) -> None:
    refusal = decide(an_application(**facts), tables())

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.rule) == (code, rule)
    assert refusal.legal_basis
    assert refusal.reason_zh
    assert refusal.reason_en
    assert refusal.remedy_zh
    assert refusal.remedy_en


def test_the_first_rule_that_refuses_is_told() -> None:
    refusal = decide(an_application(drawing=True, origin_province="33", identity_verified=False), tables())

    assert isinstance(refusal, Refusal)
    assert refusal.rule == "R01"


def test_a_repeated_application_is_told_the_case_that_is_open() -> None:
    refusal = decide(an_application(open_case_id="case-1"), tables())

    assert isinstance(refusal, Refusal)
    assert refusal.case_id == "case-1"


def test_the_wrong_scheme_is_pointed_to_its_own_procedure() -> None:
    refusal = decide(an_application(scheme="170"), tables())

    assert isinstance(refusal, Refusal)
    assert "人社部发〔2014〕17号" in refusal.remedy_zh


def test_a_return_to_the_hukou_province_at_55_has_no_age_limit() -> None:
    facts = an_application(birth_on=date(1969, 1, 1), hukou="33")

    assert decide(facts, tables()) == Admitted(AccountKind.NORMAL, "K1")


def test_the_hukou_province_gathers_at_benefit_age_without_a_contribution() -> None:
    gathering = {"insured_at_destination_since": None, "has_paid_contribution": False, "gathering_at_benefit_age": True}

    assert decide(an_application(hukou="33", **gathering), tables()) == Admitted(AccountKind.NORMAL, "K1")
    unknown = decide(an_application(hukou="33", **{**gathering, "gathering_at_benefit_age": False}), tables())
    assert isinstance(unknown, Refusal)
    assert unknown.rule == "R03"


def test_the_earlier_place_of_article_6_gathers_on_a_normal_account_though_its_relationship_had_moved_away() -> None:
    """Branch (3): back to where ten years were paid; on any other move whoever is sixty would have a temporary account."""
    moved = {"insured_at_destination_since": None, "has_paid_contribution": False, "birth_on": date(1964, 3, 15), "hukou": "41"}

    kept = decide(an_application(**moved, gathering_at_benefit_age=True), tables())
    other = decide(
        an_application(**{**moved, "has_paid_contribution": True, "insured_at_destination_since": date(2024, 1, 1)}), tables()
    )

    assert kept == Admitted(AccountKind.NORMAL, "K4")
    assert isinstance(other, Refusal)
    assert other.code == "TEMP_ACCOUNT_AT_DESTINATION"


def test_a_woman_of_41_outside_her_hukou_province_gets_a_temporary_account_and_keeps_her_relationship() -> None:
    refusal = decide(an_application(sex=Sex.FEMALE, birth_on=date(1983, 1, 1)), tables())

    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.rule) == ("TEMP_ACCOUNT_AT_DESTINATION", "K3")
    assert "不需要办理转移" in refusal.reason_zh


def test_the_same_woman_on_an_approved_transfer_is_admitted() -> None:
    facts = an_application(sex=Sex.FEMALE, birth_on=date(1983, 1, 1), approved_transfer=True)

    assert decide(facts, tables()) == Admitted(AccountKind.NORMAL, "K2")


@pytest.mark.parametrize(
    ("sex", "birth_on", "since", "rule"),
    [
        (Sex.MALE, date(1974, 4, 2), date(2024, 4, 1), "K4"),  # 50 on the next day
        (Sex.MALE, date(1974, 4, 1), date(2024, 4, 1), "K3"),  # 50 on that very day
        (Sex.FEMALE, date(1984, 4, 2), date(2024, 4, 1), "K4"),
        (Sex.FEMALE, date(1984, 4, 1), date(2024, 4, 1), "K3"),
        (Sex.MALE, date(1955, 1, 1), date(2009, 12, 31), "K4"),  # 54, but before the rule came into force
        (Sex.MALE, date(1955, 1, 1), date(2010, 1, 1), "K3"),
        (Sex.MALE, date(1970, 1, 1), date(2008, 5, 1), "K4"),  # turned 50 in a break
    ],
)
def test_the_age_is_that_of_the_day_the_relationship_was_established(sex: Sex, birth_on: date, since: date, rule: str) -> None:
    facts = an_application(sex=sex, birth_on=birth_on, insured_at_destination_since=since)

    assert account_kind(facts, tables()) == (
        AccountKind.TEMPORARY if rule == "K3" else AccountKind.NORMAL,
        rule,
    )


def registered(since: date, *, on: date = date(2024, 5, 6), **facts: Any) -> KindOfAccount:
    """A man born in 1972, hukou Henan, in Zhejiang."""
    usual: dict[str, Any] = {"birth_on": date(1972, 6, 1), "sex": Sex.MALE, "hukou": "41", "province": "33"}
    return kind_of_account(Registration(on=on, established_on=since, **{**usual, **facts}), tables())


@pytest.mark.parametrize(
    ("facts", "kind", "rule", "code"),
    [
        ({"since": date(2022, 6, 1)}, AccountKind.TEMPORARY, "K3", "KIND_FIFTY_FORTY"),
        ({"since": date(2022, 5, 31)}, AccountKind.NORMAL, "K4", "KIND_AGED_WHILE_INSURED"),
        ({"since": date(2009, 12, 31), "birth_on": date(1955, 1, 1)}, AccountKind.NORMAL, "K4", "KIND_BEFORE_2010"),
        ({"since": date(2010, 1, 1), "birth_on": date(1955, 1, 1)}, AccountKind.TEMPORARY, "K3", "KIND_FIFTY_FORTY"),
        ({"since": date(2024, 1, 1), "birth_on": date(1990, 1, 1)}, AccountKind.NORMAL, "K4", "KIND_YOUNGER"),
        ({"since": date(2024, 1, 1), "hukou": "33"}, AccountKind.NORMAL, "K1", "KIND_HUKOU"),
        ({"since": date(2024, 1, 1), "approved_transfer": True}, AccountKind.NORMAL, "K2", "KIND_APPROVED_TRANSFER"),
        ({"since": date(2012, 6, 1), "sex": Sex.FEMALE}, AccountKind.TEMPORARY, "K3", "KIND_FIFTY_FORTY"),
    ],
)
def test_the_kind_of_an_account_is_told_with_its_reason(facts: dict[str, Any], kind: AccountKind, rule: str, code: str) -> None:
    found = registered(**facts)

    assert (found.kind, found.rule, found.reason.code) == (kind, rule, code)
    assert found.reason.legal_basis.startswith("国办发〔2009〕66号 第五条")


def test_the_first_insurance_ever_outside_the_hukou_province_is_temporary_from_50_and_40() -> None:
    today = date(2024, 5, 6)

    assert registered(today, birth_on=date(1974, 5, 6)).kind is AccountKind.TEMPORARY
    assert registered(today, birth_on=date(1974, 5, 7)).kind is AccountKind.NORMAL
    assert registered(today, birth_on=date(1984, 5, 6), sex=Sex.FEMALE).kind is AccountKind.TEMPORARY
    assert registered(today, birth_on=date(1984, 5, 7), sex=Sex.FEMALE).kind is AccountKind.NORMAL


@given(
    st.dates(date(1950, 1, 1), date(1995, 12, 31)),
    st.dates(date(2000, 1, 1), date(2024, 5, 6)),
    st.sampled_from(Sex),
    st.dates(date(2024, 5, 6), date(2026, 12, 31)),
)
def test_nobody_is_converted_later_whatever_age_is_reached(birth_on: date, since: date, sex: Sex, later: date) -> None:
    on = max(since, date(2010, 1, 1))

    assert (
        registered(since, on=on, birth_on=birth_on, sex=sex).kind is registered(since, on=later, birth_on=birth_on, sex=sex).kind
    )


def test_an_approved_transfer_needs_work_at_the_new_employer() -> None:
    facts = {"sex": Sex.FEMALE, "birth_on": date(1983, 1, 1), "approved_transfer": True}

    without = decide(an_application(**facts, employed_at_destination=False), tables())

    assert isinstance(without, Refusal)
    assert without.rule == "K3"


def test_a_break_at_the_new_place_ends_nothing_there_unless_the_province_wants_contributions_now(tmp_path: Path) -> None:
    strict = with_switch(tmp_path, "BREAK_AT_DESTINATION", "admitted", "refused")
    paused = an_application(paying_at_destination=False)
    gathering = an_application(paying_at_destination=False, gathering_at_benefit_age=True)

    refused = decide(paused, strict)

    assert decide(paused, tables()) == Admitted(AccountKind.NORMAL, "K4")
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.rule) == ("NOT_INSURED_AT_DESTINATION", "R03")
    assert decide(an_application(), strict) == decide(gathering, strict) == Admitted(AccountKind.NORMAL, "K4")


def test_whoever_has_no_household_register_returns_to_none() -> None:
    woman = {"sex": Sex.FEMALE, "birth_on": date(1983, 1, 1), "hukou": None}

    found = decide(an_application(**woman), tables())

    assert isinstance(found, Refusal)
    assert found.rule == "K3"


def test_an_admission_says_why_in_words() -> None:
    admitted = decide(an_application(), tables())

    assert isinstance(admitted, Admitted)
    assert admitted.reason is not None
    assert admitted.reason.code == "KIND_YOUNGER"


def test_a_temporary_account_is_sealed_when_its_holder_moves_on_and_gathered_when_the_pension_is_due() -> None:
    on = date(2024, 5, 6)

    sealed = account_on_move(AccountKind.TEMPORARY, gathering=False, on=on, tables=tables())
    gathered = account_on_move(AccountKind.TEMPORARY, gathering=True, on=on, tables=tables())
    normal = account_on_move(AccountKind.NORMAL, gathering=False, on=on, tables=tables())

    assert (sealed.moves, sealed.sealed, sealed.return_code) == (False, True, "TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW")
    assert (gathered.moves, gathered.sealed, gathered.return_code) == (True, False, None)
    assert (normal.moves, normal.reason.code) == (True, "ACCOUNT_MOVES")
    assert [answer.reason.code for answer in (sealed, gathered)] == ["TEMPORARY_SEALED", "TEMPORARY_GATHERED"]
    assert sealed.return_code is not None
    assert "return" in tables().refusal(sealed.return_code, date(2024, 3, 1)).uses


def test_until_november_2016_a_temporary_account_went_back_to_the_old_place() -> None:
    before = account_on_move(AccountKind.TEMPORARY, gathering=False, on=date(2016, 11, 27), tables=tables())
    after = account_on_move(AccountKind.TEMPORARY, gathering=False, on=date(2016, 11, 28), tables=tables())

    assert (before.moves, before.reason.code) == (True, "TEMPORARY_MOVES_BACK")
    assert (after.moves, after.sealed) == (False, True)
    with pytest.raises(RuleNotInForce):
        account_on_move(AccountKind.TEMPORARY, gathering=False, on=date(2009, 12, 31), tables=tables())


def test_no_kind_of_worker_is_a_fact_of_an_admission() -> None:
    assert not {name for name in AdmissionFacts.__dataclass_fields__ if "category" in name or "worker" in name}


def test_a_first_insurance_today_is_judged_by_todays_age() -> None:
    facts = an_application(birth_on=date(1970, 1, 1), insured_at_destination_since=None)

    assert account_kind(facts, tables()) == (AccountKind.TEMPORARY, "K3")


def test_a_year_of_age_is_complete_on_the_birthday_and_on_28_february_for_who_is_born_on_the_29th() -> None:
    assert age_on(date(1974, 4, 1), date(2024, 3, 31)) == 49
    assert age_on(date(1974, 4, 1), date(2024, 4, 1)) == 50
    assert age_on(date(1984, 2, 29), date(2023, 2, 27)) == 38
    assert age_on(date(1984, 2, 29), date(2023, 2, 28)) == 39
    assert age_on(date(1984, 2, 29), date(2024, 2, 28)) == 39
    with pytest.raises(BirthAfterInsurance):
        age_on(date(1984, 2, 29), date(1984, 2, 28))


def test_facts_no_application_can_have_are_named() -> None:
    with pytest.raises(ProvinceUnknown):
        decide(an_application(origin_province="00"), tables())
    with pytest.raises(ProvinceOutOfScope):
        decide(an_application(destination_province="81"), tables())
    with pytest.raises(ProvinceUnknown):
        decide(an_application(hukou="xx"), tables())
    with pytest.raises(SchemeUnknown):
        decide(an_application(scheme="xx"), tables())
    with pytest.raises(BirthAfterInsurance):
        decide(an_application(birth_on=date(2024, 4, 2)), tables())
