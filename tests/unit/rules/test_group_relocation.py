"""An enterprise moves with all its people: domain § 1.6.16."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from services.rules.exception_tables import CodeNotKnown
from services.rules.group_relocation import GroupInvalid, Relocation, RelocationAnswer, relocate
from services.rules.loader import ProvinceOutOfScope
from services.rules.table_rows import RuleNotInForce
from tests.unit.rules.builders import tables

ON = date(2024, 5, 20)
AGREED = Relocation(
    10_000,
    "44",
    "33",
    led_by_governments=True,
    above_scale=True,
    agreed=("ONE_TRANSFER_DATE", "ONE_REMITTANCE"),
    signed_by=frozenset({"33", "44"}),
)


def relocated(relocation: Relocation, on: date = ON) -> RelocationAnswer:
    return relocate(relocation, on=on, tables=tables())


def test_a_large_enterprise_led_by_the_governments_moves_as_the_two_provinces_agreed() -> None:
    found = relocated(AGREED)

    assert found.by_agreement
    assert [topic.code for topic in found.topics] == ["ONE_TRANSFER_DATE", "ONE_REMITTANCE"]
    assert found.reason.code == "GROUP_AGREEMENT"


@pytest.mark.parametrize(
    "lacking",
    [
        replace(AGREED, led_by_governments=False),
        replace(AGREED, above_scale=False),
        replace(AGREED, signed_by=frozenset({"33"})),
        replace(AGREED, agreed=()),
    ],
    ids=["not led", "too small", "one signature", "nothing agreed"],
)
def test_without_one_of_the_conditions_the_normal_rules_hold_for_each_person(lacking: Relocation) -> None:
    found = relocated(lacking)

    assert not found.by_agreement
    assert found.reason.code == "GROUP_NORMAL_RULES"


@pytest.mark.parametrize("topic", ["LONGER_LIMITS", "MONTHS", "ACCOUNT_AMOUNTS", "ACCOUNT_KIND"])
def test_nobodys_rights_may_be_agreed_away_and_then_nothing_of_the_agreement_holds(topic: str) -> None:
    found = relocated(replace(AGREED, agreed=(*AGREED.agreed, topic)))

    assert not found.by_agreement
    assert [one.code for one in found.refused] == [topic]
    assert found.reason.code == "GROUP_TOPIC_NOT_NEGOTIABLE"
    assert found.reason.remedy_zh


def test_a_relocation_that_cannot_be_is_refused() -> None:
    with pytest.raises(GroupInvalid):
        relocated(replace(AGREED, people=0))
    with pytest.raises(GroupInvalid):
        relocated(replace(AGREED, destination="44"))
    with pytest.raises(ProvinceOutOfScope):
        relocated(replace(AGREED, destination="81"))
    with pytest.raises(CodeNotKnown):
        relocated(replace(AGREED, agreed=("FREE_LUNCH",)))
    with pytest.raises(RuleNotInForce):
        relocated(AGREED, on=date(2016, 11, 27))
