"""Rural workers, landless farmers, flexible workers and soldiers get the answers that anybody gets.

社会保险法 Art. 95, 96; S-66 Art. 2. The people come in by the province's own files, with every category in turn, and go through
the agency's decision, the six items, the division of back payments and the clearing of duplicates.
"""

from __future__ import annotations

import ast
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.destination_agency.desk import decision
from services.records.agency import Agency
from services.records.csv_import import CONTRIBUTION_COLUMNS, PERSON_COLUMNS, Category, parse_files
from services.records.importing import new_record
from services.records.model import Record
from services.rules.amounts import compute
from services.rules.back_payments import divide
from services.rules.duplicates import Holding, clear
from services.rules.identity import check_character
from services.runtime.clock import SHANGHAI, ScenarioClock
from tests.unit.destination_agency.builders import a_case
from tests.unit.rules.builders import a_row, own, tables

ON = date(2024, 5, 6)
RULES = Path(__file__).parents[3] / "services" / "rules"
Facts = dict[str, Any]


def the_agency() -> Agency:
    """Zhejiang on a morning in May 2024; a decision asks nothing else of it."""
    nothing = cast(Any, None)
    clock = ScenarioClock(datetime(2024, 5, 6, 9, tzinfo=SHANGHAI))
    return Agency("33", "destination-agency", tables(), nothing, nothing, nothing, clock)


def a_record(category: Category, facts: Facts) -> Record:
    """Somebody's record as the files say it; only the category differs between calls."""
    seventeen = f"410101{facts['birth_on']:%Y%m%d}00{1 if facts['sex'] == 'male' else 2}"
    number = seventeen + check_character(seventeen)
    person = {
        "id_number": number,
        "name": "张三",
        "sex": facts["sex"],
        "hukou": facts["hukou"],
        "phone": "13800000000",
        "email": "",
        "language": "zh-CN",
        "category": category.value,
        "scheme": facts["scheme"],
        "first_insured_on": facts["since"].isoformat(),
        "stopped_on": "",
        "drawing_since": max(facts["since"], date(2024, 1, 1)).isoformat() if facts["drawing"] else "",
        "personal_balance_1997": "0.00",
    }
    rows = [
        f"{number},330100,{start},{end},{facts['wage']}.00,{facts['rate']},{status},{kind},{paid_on},"
        for start, end, status, kind, paid_on in (
            *((f"{year}-01", f"{year}-12", "paid", "one_off", "2018-05-10") for year in (2010, 2011, 2012)),
            ("2023-01", "2023-09", facts["status"], "normal", ""),
            ("2024-01", "2024-03", "paid", "normal", ""),
        )
    ]
    assert set(person) == set(PERSON_COLUMNS)
    parsed = parse_files(
        "\n".join([",".join(PERSON_COLUMNS), ",".join(person[column] for column in PERSON_COLUMNS), ""]).encode(),
        "\n".join([",".join(CONTRIBUTION_COLUMNS), *rows, ""]).encode(),
        tables=tables(),
    )
    assert parsed.errors == ()
    (only,) = parsed.persons
    assert only.category is category
    return new_record(only, parsed.contributions_by_id_number[number], person_ref="p", id_hash=b"h" * 32)


def answers(category: Category, facts: Facts) -> tuple[object, ...]:
    """Everything that the rules say of a person."""
    record = a_record(category, facts)
    assert record.personal.category == category.value
    case = a_case(personal=record.personal, approved_transfer=facts["approved"])
    amounts = compute(record.segments, transfer_on=ON, province="33", tables=tables())
    divided = divide(record.segments, (), on=ON, letter_received_on=ON, province="33", tables=tables())
    other = Holding("44", (own(a_row("2023-06", "2023-12")),))
    cleared = clear([Holding("33", record.segments), other], destination="33", on=ON, tables=tables())
    return decision(the_agency(), case, record), amounts, amounts.steps, divided, cleared


@st.composite
def people(draw: st.DrawFn) -> Facts:
    return {
        "birth_on": draw(st.dates(date(1960, 1, 1), date(2000, 12, 31))),
        "sex": draw(st.sampled_from(["male", "female"])),
        "hukou": draw(st.sampled_from(["33", "41", "44"])),
        "scheme": draw(st.sampled_from(["110", "110", "170"])),
        "since": draw(st.dates(date(2005, 1, 1), date(2024, 5, 6))),
        "drawing": draw(st.booleans()),
        "approved": draw(st.booleans()),
        "wage": draw(st.integers(1_000, 30_000)),
        "rate": draw(st.sampled_from(["0.12", "0.16", "0.20"])),
        "status": draw(st.sampled_from(["paid", "paid", "arrears"])),
    }


@settings(deadline=None, max_examples=10)
@given(people())
def test_no_category_changes_any_answer(facts: Facts) -> None:
    usual = answers(Category.URBAN_EMPLOYEE, facts)

    for category in Category:
        assert answers(category, facts) == usual, category


@pytest.mark.parametrize(
    ("changed", "outcome", "rule"),
    [
        ({}, "accept", "K4"),
        ({"hukou": "33", "birth_on": date(1965, 1, 1)}, "accept", "K1"),
        ({"birth_on": date(1965, 1, 1)}, "refuse", "K3"),
        ({"drawing": True}, "refuse", "R01"),
        ({"scheme": "170"}, "refuse", "R06"),
    ],
)
def test_the_answers_that_are_compared_are_not_all_the_same(changed: Facts, outcome: str, rule: str) -> None:
    facts: Facts = {
        "birth_on": date(1990, 1, 1),
        "sex": "male",
        "hukou": "41",
        "scheme": "110",
        "since": date(2024, 1, 1),
        "drawing": False,
        "approved": False,
        "wage": 5_000,
        "rate": "0.16",
        "status": "paid",
        **changed,
    }

    found = decision(
        the_agency(), a_case(personal=a_record(Category.RURAL_WORKER, facts).personal), a_record(Category.RURAL_WORKER, facts)
    )

    assert (found.outcome, found.rule) == (outcome, rule)


def test_no_rule_reads_what_kind_of_worker_a_person_is() -> None:
    kinds = {category.value for category in Category}

    found = [
        f"{path.name}: {node.value}"
        for path in sorted(RULES.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in kinds
    ]

    assert found == ["year_rows.py: flexible"], "only how the months were paid (alone, without an employer) is told apart"
