"""The dated tables over HTTP: who may import, what a wrong file is answered, and what is in force on a day."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from contracts.events import RulesImported
from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.records.rulebook import Rulebook
from services.records.rules_api import add_import, add_routes
from services.rules.loader import read_contents
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.agencies import MONDAY, InProcess, in_process
from tests.integration.conftest import UrlOf
from tests.integration.records.test_rulebook import RATE, RATIO


class Desk:
    """An operator's desk: the routes, and tokens of all roles."""

    def __init__(self, at: InProcess, http: httpx.AsyncClient, stack: Stack) -> None:
        self.at = at
        self.http = http
        self._stack = stack

    def bearer(self, role: Role, province: str = "44") -> dict[str, str]:
        return {"authorization": f"Bearer {tokens(self._stack.home).staff(province, role)}"}

    async def send(self, text: str, role: Role = Role.OPERATOR, **more: Any) -> httpx.Response:
        return await self.http.post("/rules/imports", json={"text": text, **more}, headers=self.bearer(role))

    async def read(self, path: str, role: Role = Role.AUDITOR, **query: str) -> httpx.Response:
        return await self.http.get(path, params=query, headers=self.bearer(role))


@pytest.fixture
async def desk(province_database: UrlOf, keys_database: UrlOf, stack: Stack) -> AsyncIterator[Desk]:
    async def ready() -> dict[str, str | None]:
        return {}

    async with in_process(province_database, keys_database, at=MONDAY.replace(year=2027, month=7)) as at:
        api = make_api("rules", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=ready)
        rulebook = Rulebook(at.database, at.agency, read_contents())
        add_routes(api, rulebook, "44")
        add_import(api, rulebook, "44", at.ring)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://rules") as http:
            yield Desk(at, http, stack)


async def test_an_operator_imports_and_everybody_who_works_here_reads(desk: Desk) -> None:
    answers = {role: (await desk.send(RATE, role)).status_code for role in Role}
    readers = {role for role in Role if (await desk.read("/rules", role)).status_code == 200}
    elsewhere = await desk.http.get("/rules", headers=desk.bearer(Role.OPERATOR, "33"))

    assert {role for role, status in answers.items() if status == 201} == {Role.OPERATOR}
    assert {status for role, status in answers.items() if role is not Role.OPERATOR} == {403}
    assert readers == {Role.MAKER, Role.CHECKER, Role.FUND_DESK, Role.OPERATOR, Role.AUDITOR}
    assert elsewhere.status_code == 403


async def test_an_import_says_what_it_has_changed_and_again_it_changes_nothing(desk: Desk) -> None:
    before = desk.at.agency.tables.version

    first, again = await desk.send(RATE), await desk.send(RATE)
    shown = (await desk.read("/rules")).json()

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == shown["imports"][0]
    assert (first.json()["table"], first.json()["rule_set_before"]) == ("recording_rates", before)
    assert shown["rule_set"] == first.json()["rule_set_after"] == desk.at.agency.tables.version
    assert len(await desk.at.facts(RulesImported)) == 1
    assert len(desk.at.rung) == 1


async def test_what_holds_on_a_day_is_read_with_the_rule_set_that_says_so(desk: Desk) -> None:
    await desk.send(RATIO)

    old = (await desk.read("/rules/pool_ratios", on="2027-12-31")).json()
    new = (await desk.read("/rules/pool_ratios", on="2028-01-01")).json()
    every = (await desk.read("/rules/pool_ratios")).json()

    assert [row["ratio"] for row in old["rows"]] == ["0.12"]
    assert [(row["key"], row["ratio"], row["effective_from"]) for row in new["rows"]] == [("pool_ratio", "0.14", "2028-01-01")]
    assert [row["effective_to"] for row in every["rows"]] == ["2027-12-31", "open"]
    assert new["rule_set"] == desk.at.agency.tables.version
    assert (await desk.read("/rules/calendar", on="2026-05-01")).json()["rows"][0]["holidays"][0] == "2026-01-01"
    assert (await desk.read("/rules/weather")).json()["code"] == "NO_SUCH_TABLE"


@pytest.mark.parametrize(
    ("text", "more", "status", "code"),
    [
        ("[[weather]]\nrain = true", {}, 422, "NOT_A_TABLE"),
        ("[[recording_rate", {}, 422, "NOT_TOML"),
        ("date,kind\n2027-01-01,holiday", {"form": "csv", "source": "the notice"}, 422, "CALENDAR_INVALID"),
        (RATE.replace("0.0260", "2.6"), {}, 422, "ROWS_INVALID"),
        (RATIO.replace("2028", "2020"), {}, 409, "CHANGES_THE_PAST"),
    ],
    ids=["table", "toml", "calendar", "row", "past"],
)
async def test_a_file_that_cannot_be_taken_is_answered_by_name(
    desk: Desk, text: str, more: dict[str, Any], status: int, code: str
) -> None:
    answer = await desk.send(text, **more)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["remedy"]
    assert (await desk.read("/rules")).json()["imports"] == []
    if code == "ROWS_INVALID":
        assert answer.json()["errors"] == [
            {"field": "text", "reason": "row 1 of the file: rate = '2.6' is not a number from 0 to 1, like \"0.08\""}
        ]


async def test_rows_that_replace_others_need_a_reason(desk: Desk) -> None:
    backdated = RATIO.replace("2028", "2020")

    without = await desk.send(backdated, replace=True)
    taken = await desk.send(backdated, replace=True, reason="never entered in 2020")

    assert without.status_code == 422
    assert (taken.status_code, taken.json()["replaces"], taken.json()["reason"]) == (201, True, "never entered in 2020")
