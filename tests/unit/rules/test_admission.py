"""R01–R07 and K1–K4 of domain § 1.5."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.rules.admission import (
    AccountKind,
    Admitted,
    BirthAfterInsurance,
    Refusal,
    account_kind,
    age_on,
    decide,
)
from services.rules.identity import Sex
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown, SchemeUnknown
from tests.unit.rules.builders import an_application, tables


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
    elsewhere = decide(an_application(hukou="41", **gathering), tables())
    assert isinstance(elsewhere, Refusal)
    assert elsewhere.rule == "R03"


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
