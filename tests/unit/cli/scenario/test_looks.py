"""What is expected beside what is found: each kind of look, right and wrong."""

from collections.abc import Iterator
from typing import Any

import pytest

from services.cli.scenario import local, looks
from services.cli.scenario.kinds import CODE, COUNT, DAY, MONEY, TEXT
from services.cli.scenario.looks import LOOKS, Check, compare
from services.cli.scenario.reading import Field, Many, Maybe, Place, Shape, Values
from services.cli.scenario.run import Outcome, StoryResult, tell
from services.cli.scenario.telling import Telling
from tests.unit.cli.scenario.stories import a_story
from tests.unit.cli.scenario.town import Town, a_stage

HERE = Place(1, 1)
APPLY = "  - apply: { person: chen, origin_division: 440100, destination_division: 330100 }\n    expect:\n"
SHAPE = Shape(
    "x",
    "x",
    (
        Field("months", COUNT, "x"),
        Field("amount", MONEY, "x", goes_as="inner.amount_fen"),
        Field("due_on", Maybe(DAY), "x"),
        Field("codes", Many(CODE), "x"),
        Field("items", Shape("items", "x", (Field("⑥", MONEY, "x", goes_as="total_fen"),)), "x"),
        Field("text", TEXT, "x"),
    ),
)


@pytest.mark.parametrize(
    ("expected", "answer", "check"),
    [
        ({"months": 27}, {"months": 27}, ("27", "27", True)),
        ({"months": 27}, {"months": 26}, ("27", "26", False)),
        ({"months": 27}, {"months": None}, ("27", "none", False)),
        ({"months": 27}, {}, ("27", "not in the answer", False)),
        ({"amount": 100}, {"inner": {"amount_fen": 101}}, ("1.00", "1.01", False)),
        ({"amount": 100}, {"inner": None}, ("1.00", "none", False)),
        ({"due_on": DAY.read("2024-05-06")}, {"due_on": "2024-05-06"}, ("2024-05-06", "2024-05-06", True)),
        ({"due_on": DAY.read("2024-05-06")}, {"due_on": None}, ("2024-05-06", "none", False)),
        ({"due_on": None}, {"due_on": None}, ("none", "none", True)),
        ({"due_on": None}, {}, ("none", "none", True)),
        ({"due_on": None}, {"due_on": "2024-05-06"}, ("none", "2024-05-06", False)),
        ({"due_on": DAY.read("2024-05-06")}, {"due_on": 3}, ("2024-05-06", "3", False)),
        ({"codes": ("B", "A")}, {"codes": [{"code": "A", "text": "x"}, {"code": "B"}]}, ("A, B", "A, B", True)),
        ({"codes": ("A",)}, {"codes": ["A", "A"]}, ("A", "A, A", False)),
        ({"codes": ()}, {}, ("none", "none", True)),
        ({"text": "a"}, {"text": "b"}, ("a", "b", False)),
    ],
    ids=lambda value: None,
)
def test_a_field_is_compared_as_its_kind(expected: dict[str, Any], answer: dict[str, Any], check: tuple[str, str, bool]) -> None:
    [found] = compare("case", SHAPE, Values(HERE, expected), answer)

    assert (found.expected, found.actual, found.holds) == check


def test_what_is_inside_is_named_by_its_way() -> None:
    expected = Values(HERE, {"items": Values(HERE, {"⑥": 3_047_986})})

    assert compare("case", SHAPE, expected, {"items": {"total_fen": 3_047_985}}) == [
        Check("case.items.⑥", "30,479.86", "30,479.85", False)
    ]
    assert compare("case", SHAPE, expected, {"items": None})[0].actual == "not in the answer"


async def looked(expect: str, town: Town) -> StoryResult:
    return await tell(a_stage(town), a_story(steps=f"steps:\n{APPLY}{expect}"))


async def test_a_case_is_shown_by_its_destination_and_held_by_its_origin() -> None:
    def answer(request: Any) -> dict[str, Any]:
        return {"state": "LETTER_HELD" if "origin" in request.url.host else "LETTER_SENT"}

    town = Town({"/cases/case-1": answer})

    result = await looked("      case: { state: LETTER_SENT }\n      origin: { state: LETTER_HELD }\n", town)

    assert result.outcome is Outcome.PASSED
    assert {path for _, path, _, _ in town.to("/cases/case-1")} == {
        "33.destination-agency/cases/case-1",
        "44.origin-agency/cases/case-1",
    }


BOOKS = [
    {"account": "pooled_fund", "sequence": 5, "balance_fen": 1000},
    {"account": "individual:ref-44", "sequence": 1, "balance_fen": 490_322},
]
AFTER = [
    {"account": "pooled_fund", "sequence": 6, "balance_fen": -719_000},
    {"account": "individual:ref-44", "sequence": 2, "balance_fen": 0},
]
POSTED = {
    "pooled_fund": [
        {"event_id": "e", "line": 1, "debit": "pooled_fund", "credit": "transfers_payable:33", "amount_fen": 720_000}
    ],
    "individual:ref-44": [
        {"event_id": "e", "line": 0, "debit": "individual:ref-44", "credit": "transfers_payable:33", "amount_fen": 490_322}
    ],
}


def books() -> Town:
    """The books before the step, twice (the story's beginning, the step's), and after it."""
    seen = 0

    def accounts(request: Any) -> list[dict[str, Any]]:
        nonlocal seen
        seen += 1
        return BOOKS if seen <= 2 else AFTER

    return Town({"/ledger/accounts": accounts, "/ledger/entries": lambda request: POSTED[request.url.params["account"]]})


ENTRY = "{ debit: individual chen, credit: transfers_payable 33, amount: 4903.22 }"
OTHER = "{ debit: pooled_fund, credit: transfers_payable 33, amount: 7200.00 }"


async def test_balances_are_a_persons_as_they_stand_and_others_as_they_have_grown() -> None:
    expect = f"""\
      ledger:
        44:
          balances: {{ individual chen: 0.00, pooled_fund: -7200.00, bank: 0.00 }}
          entries: [{ENTRY}, {OTHER}]
"""
    town = books()

    result = await looked(expect, town)

    assert result.steps[0].wrong == ()
    assert result.checks == 5
    assert town.to("/ledger/entries")[0][2] == "auditor-44"
    assert {sent["after"] for _, _, _, sent in town.to("/ledger/entries")} == {"5", "1"}


async def test_an_entry_that_is_missing_stands_beside_the_one_that_is_there_instead() -> None:
    wrong = OTHER.replace("7200.00", "7200.01")

    result = await looked(f"      ledger: {{ 44: {{ entries: [{ENTRY}, {wrong}] }} }}\n", books())

    assert result.outcome is Outcome.FAILED
    assert result.steps[0].wrong == (
        Check(
            "ledger.44.entries",
            "pooled_fund -> transfers_payable 33 7,200.01",
            "pooled_fund -> transfers_payable 33 7,200.00",
            False,
        ),
    )


async def test_an_entry_that_nobody_expected_is_found() -> None:
    result = await looked("      ledger: { 44: { entries: [] } }\n", books())

    assert [(check.expected, check.holds) for check in result.steps[0].wrong] == [("none", False)] * 2


NOTICE = {"template": "status", "channel": "email", "state": "delivered"}


@pytest.mark.parametrize(
    ("rows", "wrong"),
    [
        ([NOTICE, NOTICE], {}),
        ([NOTICE], {"notices.status email delivered": "1"}),
        ([NOTICE, NOTICE, {**NOTICE, "template": "overdue"}], {"notices.overdue email delivered": "1"}),
        (
            [NOTICE, {**NOTICE, "state": "queued"}],
            {"notices.status email delivered": "1", "notices.status email queued": "1"},
        ),
    ],
    ids=["as expected", "one is missing", "one too many", "one is not delivered"],
)
async def test_notices_are_told_by_template_channel_and_state_and_none_is_left_out(
    rows: list[dict[str, str]], wrong: dict[str, str]
) -> None:
    result = await looked("      notices: { all: [{ template: status, times: 2 }] }\n", Town({"/notices": rows}))

    assert {check.what: check.actual for check in result.steps[0].wrong} == wrong


async def test_questions_are_told_in_their_order() -> None:
    town = Town({"/cases/case-1/questions": [{"asked_by": "44", "text": "Why?", "answer": None, "confirms": False}]})

    right = await looked("      questions: { at: origin, all: [{ asked_by: 44, text: 'Why?', answer: null }] }\n", town)
    wrong = await looked("      questions: { at: destination, all: [] }\n", town)

    assert right.outcome is Outcome.PASSED
    assert wrong.steps[0].wrong == (Check("questions", "0", "1", False),)


async def test_what_the_bank_holds_is_what_it_has_come_to_hold() -> None:
    answers = iter([100, 350])
    town = Town({"/holdings": lambda _: [{"payer": "44", "payee": "33", "in_hands_fen": next(answers)}]})

    result = await looked("      bank: { payer: 44, payee: 33, in_hands: 2.50 }\n", town)

    assert result.outcome is Outcome.PASSED


async def test_what_came_into_quarantine_is_counted_with_its_reasons() -> None:
    rows = iter([[], [{"quarantine_id": "a", "reason": "malformed"}]])
    town = Town({"/quarantine": lambda _: next(rows)})

    result = await looked("      quarantine: { province: 33, service: notification, records: 1, reasons: [unsigned] }\n", town)

    assert result.steps[0].wrong == (Check("quarantine.reasons", "unsigned", "malformed", False),)


async def test_a_record_is_asked_for_at_the_window_of_each_province() -> None:
    def window(request: Any) -> dict[str, Any]:
        here = request.url.host.startswith("33")
        record = {"state": "active" if here else "moved", "account_kind": "normal", "stopped_on": None, "sealed": False}
        return {"person_ref": f"ref-{request.url.host[:2]}", **record}

    town = Town({"/records/lookups": window})

    right = await looked("      record: { 44: { state: moved }, 33: { state: active, stopped_on: null, sealed: false } }\n", town)
    wrong = await looked("      record: { 44: { person: chen, state: stopped } }\n", town)

    assert right.outcome is Outcome.PASSED
    assert right.checks == 4
    assert wrong.steps[0].wrong == (Check("record.44.state", "stopped", "moved", False),)
    assert {request[2] for request in town.to("/records/lookups")} == {"maker-44", "maker-33"}


async def test_facts_on_a_journal_are_counted_by_kind_version_and_whether_they_came_too_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    form = "information_form.received"
    told = [
        (form, {"form_version": 2, "superseded": False}),
        (form, {"form_version": 1, "superseded": True}),
        ("discrepancy.raised", {"form_version": 2}),
    ]
    asked: list[tuple[str, str]] = []

    async def facts_of(stack: object, province: str, case_id: str) -> list[tuple[str, dict[str, Any]]]:
        asked.append((province, case_id))
        return told

    monkeypatch.setattr(local, "facts_of", facts_of)
    monkeypatch.setattr(looks, "PUBLISHED_WITHIN_S", 0.0)
    monkeypatch.setattr(Telling, "stack", lambda self: object())
    expect = f"""\
      journal:
        33:
          facts:
            - {{ fact: {form}, times: 2 }}
            - {{ fact: {form}, form_version: 1, superseded: true }}
            - {{ fact: {form}, form_version: 1, superseded: false }}
            - {{ fact: discrepancy.resolved, times: 0 }}
"""

    result = await looked(expect, Town())

    what = f"journal.33.{form} form_version 1 superseded false"
    assert result.steps[0].wrong == (Check(what, "1", "0", False),)
    assert result.checks == 4
    assert set(asked) == {("33", "case-1")}


async def test_a_fact_that_is_published_a_little_later_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: Iterator[list[tuple[str, dict[str, Any]]]] = iter([[], [("transfer.applied", {})]])

    async def facts_of(stack: object, province: str, case_id: str) -> list[tuple[str, dict[str, Any]]]:
        return next(answers)

    monkeypatch.setattr(local, "facts_of", facts_of)
    monkeypatch.setattr(Telling, "stack", lambda self: object())

    result = await looked("      journal: { 33: { facts: [{ fact: transfer.applied }] } }\n", Town())

    assert result.outcome is Outcome.PASSED


async def test_a_journal_cannot_be_read_from_an_address_alone() -> None:
    result = await looked("      journal: { 33: { facts: [{ fact: transfer.applied }] } }\n", Town())

    assert result.outcome is Outcome.COULD_NOT_TELL
    assert "needs the stack's own folder" in result.steps[0].says


def test_every_look_says_what_it_is() -> None:
    assert [look.name for look in LOOKS if not look.says.endswith(".") or not look.request] == []
