from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.services import Endpoints
from services.cli.play import DESTINATION, ORIGIN, Stage, Unexpected
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
