from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.services import Endpoints
from services.cli import play
from services.cli.play import DESTINATION, ORIGIN, Stage, Unexpected
from services.runtime.clock import SHANGHAI
from services.runtime.identity import Role


class Issuer:
    """Stands for the login: a token says who it is of."""

    def staff(self, province: str, *roles: Role, name: str = "") -> str:
        return f"{roles[0]}-{province}"

    def insured(self, province: str, person_ref: str) -> str:
        return f"insured-{person_ref}"


class Town:
    """Services that answer what they are told to, and note what they were asked."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, str, bytes]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append((request.method, str(request.url), request.headers["authorization"], request.content))
        answer = self.answers[request.url.path]
        if isinstance(answer, list) and answer and isinstance(answer[0], httpx.Response):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return httpx.Response(200, json=answer)


def a_stage(town: Town) -> Stage:
    endpoints = Endpoints(
        provinces=("33",),
        services={"33.origin-agency": "http://33.origin", "33.destination-agency": "http://33.destination"},
        bank="http://bank",
        smtp_port=25,
        mail=Path("mail.jsonl"),
        clock="scenario",
    )
    stage = Stage(endpoints, Issuer())  # type: ignore[arg-type]
    stage._client = httpx.AsyncClient(transport=httpx.MockTransport(town))
    return stage


async def test_a_list_is_proposed_by_one_person_and_approved_by_another() -> None:
    town = Town({"/admissions/proposals": {"rows": []}, "/admissions/approvals": {"rows": []}})
    stage = a_stage(town)

    await stage.two_hands("33", DESTINATION, "admissions", ["case"])

    assert [(url.rpartition("/")[2], bearer) for _, url, bearer, _ in town.asked] == [
        ("proposals", "Bearer maker-33"),
        ("approvals", "Bearer checker-33"),
    ]
    await stage.close()


async def test_long_lists_go_in_pieces_and_what_is_refused_is_returned() -> None:
    refused = {"case_id": "x", "result": "refused", "code": "NOT_NOW"}
    town = Town({"/handlings/proposals": {"rows": [refused]}, "/handlings/approvals": {"rows": []}})
    stage = a_stage(town)

    rows = await stage.two_hands("33", ORIGIN, "handlings", [str(number) for number in range(1001)])

    assert len(town.asked) == 6
    assert rows == [refused] * 3
    await stage.close()


async def test_a_problem_is_told_with_the_services_own_words() -> None:
    town = Town({"/cases/1": [httpx.Response(404, json={"code": "NO_SUCH_CASE"})]})
    stage = a_stage(town)

    with pytest.raises(Unexpected, match=r"33/destination-agency /cases/1: HTTP 404 .*NO_SUCH_CASE"):
        await stage.call("GET", "33", DESTINATION, "/cases/1", Role.MAKER)
    await stage.close()


async def test_clocks_go_forward_the_banks_first_or_last() -> None:
    town = Town({"/scenario/clock": {}, "/scenario/idle": {"in_hand": None}})
    stage = a_stage(town)
    to = datetime(2024, 5, 7, 9, tzinfo=SHANGHAI)

    await stage.move(to)
    await stage.move(to, bank_first=False)

    hosts = [httpx.URL(url).host for _, url, _, _ in town.asked if url.endswith("/scenario/clock")]
    assert (hosts[0], hosts[-1], len(hosts)) == ("bank", "bank", 6)
    assert all(b'"back"' not in content for _, url, _, content in town.asked if url.endswith("/scenario/clock"))
    await stage.close()


async def test_clocks_go_back_where_that_is_wished_and_a_busy_service_is_asked_again() -> None:
    busy, moved = httpx.Response(409, json={"code": "CLOCK_NOT_MOVED"}), httpx.Response(200, json={})
    town = Town({"/scenario/clock": [busy, *[moved] * 9], "/scenario/idle": {"in_hand": None}})
    stage = a_stage(town)

    await stage.put_back(datetime(2023, 5, 7, 9, tzinfo=SHANGHAI))

    wishes = [content for _, url, _, content in town.asked if url.endswith("/scenario/clock")]
    assert len(wishes) == 4
    assert all(b'"back":true' in content for content in wishes)
    await stage.close()


async def test_a_clock_that_is_never_let_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "BACK_WITHIN_S", 0)
    town = Town({"/scenario/clock": [httpx.Response(409, text="busy")], "/scenario/idle": {"in_hand": None}})
    stage = a_stage(town)

    with pytest.raises(Unexpected, match="busy"):
        await stage.put_back(datetime(2023, 5, 7, 9, tzinfo=SHANGHAI))
    await stage.close()


async def test_only_the_provinces_that_are_concerned_and_the_bank_need_to_be_idle() -> None:
    town = Town({"/scenario/idle": {"in_hand": None}})
    stage = a_stage(town)

    await stage.idle(provinces=["44"])

    assert {httpx.URL(url).host for _, url, _, _ in town.asked} == {"bank"}
    await stage.close()


async def test_one_person_may_have_several_roles() -> None:
    stage = a_stage(Town({}))

    assert stage.several("33", "li-33", [Role.MAKER, Role.CHECKER]) == "maker-33"
    assert (stage.url("33", ORIGIN), stage.bank_url) == ("http://33.origin", "http://bank")
    await stage.close()


async def test_idle_is_said_only_when_nothing_was_in_hand_twice_in_a_row() -> None:
    busy, idle = (httpx.Response(200, json={"in_hand": what}) for what in ("a batch is being handled", None))
    town = Town({"/scenario/idle": [idle, idle, idle, busy, idle, idle, idle]})
    stage = a_stage(town)

    await stage.idle()

    assert len(town.asked) >= 9
    await stage.close()


async def test_who_never_gets_idle_is_named_with_what_it_has_in_hand() -> None:
    town = Town({"/scenario/idle": [httpx.Response(200, json={"in_hand": "the relay is at work"})]})
    stage = a_stage(town)

    with pytest.raises(Unexpected, match="the relay is at work"):
        await stage.idle(within_s=0.2)
    await stage.close()


@pytest.mark.parametrize(("method", "asked"), [("GET", 2), ("PUT", 2), ("POST", 1)])
async def test_what_breaks_off_is_asked_again_where_twice_is_once(method: str, asked: int) -> None:
    heard: list[str] = []

    def breaks_off_once(request: httpx.Request) -> httpx.Response:
        heard.append(request.method)
        if len(heard) == 1:
            raise httpx.ReadError("reset", request=request)
        return httpx.Response(200, json={})

    stage = a_stage(Town({}))
    stage._client = httpx.AsyncClient(transport=httpx.MockTransport(breaks_off_once))
    if asked == 1:
        with pytest.raises(httpx.ReadError):
            await stage.ask(method, "http://33.example/", "token")
    else:
        assert (await stage.ask(method, "http://33.example/", "token")).status_code == 200
    assert len(heard) == asked
    await stage.close()
