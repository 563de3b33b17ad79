"""One telling: a fresh clock, people of its own, names for what steps give, and who acts."""

import json
from typing import Any

import httpx
import pytest

from services.cli.play import DESTINATION, ORIGIN
from services.cli.scenario.reading import Place, Values
from services.cli.scenario.telling import Answer, CouldNotTell, Posted, Telling
from tests.unit.cli.scenario.stories import STORY, a_story
from tests.unit.cli.scenario.town import Town, a_stage, problem

HERE = Place(1, 1)


def a_telling(town: Town, text: str = STORY, *, run: str = "r1") -> Telling:
    return Telling(a_stage(town), a_story(text), run=run)


async def test_a_story_begins_on_its_day_whatever_the_clocks_show() -> None:
    town = Town()

    await a_telling(town).begin()

    moved = town.to("/scenario/clock")
    assert len(moved) == 7
    assert {json.dumps(sent) for _, _, _, sent in moved} == {'{"now": "2024-05-06T09:00:00+08:00", "back": true}'}
    first = next(at for at, request in enumerate(town.asked) if request[1].endswith("/scenario/clock"))
    assert [request for request in town.asked[:first] if "/scenario/" not in request[1]] == []


async def test_what_a_story_that_was_broken_off_has_held_back_is_released() -> None:
    town = Town()

    await a_telling(town).begin()

    assert [sent for _, _, _, sent in town.to("/scenario/documents")] == [{"held": False}] * 6


async def test_a_service_that_looks_at_something_by_itself_is_asked_again_to_put_its_clock_back() -> None:
    answers = iter([problem(409, "CLOCK_NOT_MOVED"), *(httpx.Response(200, json={}) for _ in range(20))])
    town = Town({"/scenario/clock": lambda _: next(answers)})

    await a_telling(town).begin()

    assert len(town.to("/scenario/clock")) > 7


async def test_the_records_of_each_province_come_in_once_with_numbers_of_this_run() -> None:
    one, other = Town(), Town()

    await a_telling(one).begin()
    await a_telling(other, run="r2").begin()

    def numbers(town: Town) -> set[str]:
        return {sent["persons_csv"].splitlines()[1].split(",")[0] for _, _, _, sent in town.to("/records/imports")}

    assert [path for _, path, _, _ in one.to("/records/imports")] == [
        "33.origin-agency/records/imports",
        "44.origin-agency/records/imports",
    ]
    assert len(numbers(one)) == 1
    assert numbers(one).isdisjoint(numbers(other))


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ({"/records/imports": problem(422, "IMPORT_REFUSED")}, "33 does not take the records: IMPORT_REFUSED: no"),
        ({"/ledger/accounts": problem(403, "WRONG_ROLE")}, "44 does not show its books"),
        ({"/holdings": httpx.Response(500, text="oh")}, "HTTP 500 oh"),
    ],
    ids=["records", "books", "an error of the service"],
)
async def test_a_beginning_that_fails_is_nobodys_wrong_expectation(answers: dict[str, Any], why: str) -> None:
    text = STORY.replace("      case: {", "      ledger: { 44: { entries: [] } }\n      case: {")

    with pytest.raises(CouldNotTell, match=why.replace("(", r"\(")):
        await a_telling(Town(answers), text).begin()


async def test_a_province_that_is_not_there_is_named() -> None:
    with pytest.raises(CouldNotTell, match="needs the provinces 51; there are 33, 44"):
        await a_telling(Town(), STORY.replace("      33:\n", "      51:\n")).begin()


async def test_each_role_has_a_token_of_its_own_and_a_person_is_known_by_the_pseudonym_of_the_province() -> None:
    telling = a_telling(Town())
    await telling.begin()

    assert telling.token("33", "maker") == "maker-33"
    assert telling.token("33", "fund-desk") == "fund-desk-33"
    assert telling.token("33", "one-person") == "one-person-33"
    assert telling.token("44", "person", person="chen") == "insured-ref-44"
    assert telling.ref("51", "chen") == "stranger-r1-chen"


def test_a_case_is_known_by_its_name_and_the_last_one_without_any() -> None:
    telling = a_telling(Town())
    for name, case_id in (("first", "c1"), ("second", "c2")):
        telling.opened(name, Answer({"result": "accepted", "case_id": case_id}), "chen", "44", "33")

    assert telling.case("first").case_id == "c1"
    assert telling.case(None).case_id == "c2"
    telling.readdressed(telling.case("first"), "51")
    assert telling.case("first").origin == "51"


def test_what_is_refused_opens_nothing() -> None:
    telling = a_telling(Town())

    answer = telling.opened("case", Answer({"result": "refused", "case_id": "c", "code": "X1"}), "chen", "44", "33")

    assert answer.refusal is not None
    with pytest.raises(KeyError):
        telling.case(None)


async def test_a_service_that_is_away_is_nobodys_refusal() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    telling = a_telling(Town({"/x": away, "/y": httpx.Response(503, text="later")}))

    with pytest.raises(CouldNotTell, match="does not answer: ConnectError"):
        await telling.ask("POST", "44", ORIGIN, "/x", "t")
    with pytest.raises(CouldNotTell, match="HTTP 503 later"):
        await telling.ask("POST", "44", ORIGIN, "/y", "t")
    with pytest.raises(CouldNotTell, match="there is no origin-agency of province 51"):
        await telling.ask("POST", "51", ORIGIN, "/x", "t")


async def test_a_refusal_has_its_code_basis_and_field() -> None:
    telling = a_telling(Town({"/x": problem(422, "INVALID_INPUT", field="name", legal_basis="Art. 3")}))

    answer = await telling.ask("POST", "44", ORIGIN, "/x", "t")

    assert answer.refusal is not None
    assert (answer.refusal.code, answer.refusal.field, answer.refusal.basis) == ("INVALID_INPUT", "name", "Art. 3")


async def test_what_a_service_refuses_to_show_is_told_by_its_code() -> None:
    telling = a_telling(Town({"/cases/x": problem(404, "NO_SUCH_CASE")}))

    assert await telling.shown("33", DESTINATION, "/cases/x") == {"state": "NO_SUCH_CASE"}


async def test_a_day_ends_before_the_next_begins_where_the_bank_has_something_to_pay() -> None:
    town = Town()
    telling = a_telling(town)
    await telling.begin()
    telling.paying = True
    town.asked.clear()

    await telling.move_to(a_story().steps[1].on)
    await telling.move_to(a_story().steps[1].on.replace(day=8))

    days = [sent["now"][:13] for _, path, _, sent in town.to("/scenario/clock") if path.startswith("bank")]
    assert days == ["2024-05-06T18", "2024-05-07T09", "2024-05-08T09"]
    moved = [(path.split("/")[0], sent["now"][:13]) for _, path, _, sent in town.to("/scenario/clock")]
    of_the_evening = [host for host, hour in moved if hour == "2024-05-06T18"]
    of_the_morning = [host for host, hour in moved if hour == "2024-05-07T09"]
    # In the evening the bank pays before anybody looks; in the morning everybody is in the new day before it pays.
    assert (of_the_evening[0], of_the_morning[-1]) == ("bank", "bank")


async def test_the_end_of_a_story_leaves_the_bank_nothing_to_pay_and_nothing_held_back() -> None:
    town = Town()
    telling = a_telling(town)
    await telling.begin()
    await telling.hold("33", DESTINATION, "t", held=True)
    telling.paying = True
    town.asked.clear()

    await telling.end()
    await telling.end()

    assert [sent for _, _, _, sent in town.to("/scenario/documents")] == [{"held": False}]
    assert len([path for _, path, _, _ in town.to("/scenario/clock") if path.startswith("bank")]) == 1


async def test_a_record_that_grows_is_imported_with_its_person() -> None:
    town = Town()
    telling = a_telling(town)
    await telling.begin()
    town.asked.clear()

    answer = await telling.bring_more("chen", "33", Values(HERE, {"first_insured_on": None, "rows": ()}))

    assert answer.refusal is None
    assert "陈建国" in town.to("/records/imports")[0][3]["persons_csv"]


async def test_a_postings_accounts_are_told_in_the_storys_words() -> None:
    row = {"event_id": "e", "line": 0, "debit": "individual:ref-44", "credit": "refunds_payable", "amount_fen": 5}
    heads = iter([[], [{"account": "refunds_payable", "sequence": 1, "balance_fen": 5}]])
    town = Town({"/ledger/accounts": lambda _: next(heads), "/ledger/entries": [row]})
    telling = a_telling(town)
    await telling.begin()
    await telling.before(["44"])

    assert await telling.posted("44") == [Posted("individual chen", "refunds_payable", 5)]
    assert telling.account("44", "suspense 33") == "suspense:33"
    assert telling.account("44", "bank") == "bank"


async def test_holdings_are_what_they_have_grown_by() -> None:
    amounts = iter([700, 1000])
    town = Town({"/holdings": lambda _: [{"payer": "44", "payee": "33", "in_hands_fen": next(amounts)}]})
    telling = a_telling(town)
    await telling.begin()

    assert await telling.holdings() == {("44", "33"): 300}


def test_without_the_stacks_folder_there_is_no_stack() -> None:
    with pytest.raises(CouldNotTell, match="own folder"):
        a_telling(Town()).stack()
