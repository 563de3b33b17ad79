"""The quarantine over HTTP: who may do what, what the answers hold, and refusals as problems with their remedy."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from contracts.documents import ContactLetter
from contracts.envelope import new_id
from contracts.events import QuarantineReason
from deploy.local.services import tokens
from services.messaging.quarantine_api import add_routes
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.builders import a
from tests.exchange import Exchange
from tests.integration.messaging.conftest import Service
from tests.integration.messaging.ward import Ward, letter_no, prepare

WHY = {"reason": "the partner was asked"}
VERBS = ("retry", "amend", "skip", "reject")


@pytest.fixture
async def ward(service: Service) -> Ward:
    await prepare(service)
    return Ward(service, Exchange())


@pytest.fixture
def home(service: Service) -> Path:
    return service.stack.home


@pytest.fixture
async def http(ward: Ward, service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async def ready() -> dict[str, str | None]:
        return {}

    api: FastAPI = make_api("test", verifier=TokenVerifier(service.stack.secrets.token_public_file()), ready=ready)
    add_routes(api, ward.operators, "44")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://test") as client:
        yield client


def as_(home: Path, role: Role, name: str = "", province: str = "44") -> dict[str, str]:
    return {"authorization": f"Bearer {tokens(home).staff(province, role, name=name)}"}


async def test_an_operator_lists_shows_and_retries(http: httpx.AsyncClient, ward: Ward, home: Path) -> None:
    case, quarantine_id = await ward.parked()
    who = as_(home, Role.OPERATOR)

    (entry,) = (await http.get("/quarantine", headers=who, params={"reason": "unexpected"})).json()
    whole = (await http.get(f"/quarantine/{quarantine_id}", headers=who)).json()
    done = await http.post(f"/quarantine/{quarantine_id}/retry", headers=who, json=WHY)
    none = (await http.get("/quarantine", headers=who)).json()
    closed = (await http.get("/quarantine", headers=who, params={"state": "retried", "case_id": case})).json()

    assert (entry["quarantine_id"], entry["case_key"], entry["state"], entry["proposal"]) == (quarantine_id, case, "parked", None)
    assert base64.b64decode(whole["value_base64"]) == (await ward.rows())[0]["value"]
    assert (done.status_code, done.json()["outcome"]) == (200, "handled")
    assert none == []
    assert [row["quarantine_id"] for row in closed] == [quarantine_id]
    assert await ward.cases() == [case]


async def test_one_proposes_and_another_approves(http: httpx.AsyncClient, ward: Ward, home: Path) -> None:
    case, quarantine_id = await ward.parked()
    body = a(ContactLetter, letter_no=letter_no(77)).model_dump(mode="json")
    maker = as_(home, Role.OPERATOR, "operator-a")

    proposed = (await http.post(f"/quarantine/{quarantine_id}/amend", headers=maker, json={**WHY, "body": body})).json()
    path = f"/quarantine/decisions/{proposed['decision_id']}/approve"
    (listed,) = (await http.get("/quarantine", headers=maker)).json()
    own = await http.post(path, headers=maker, json=WHY)
    done = await http.post(path, headers=as_(home, Role.CHECKER, "checker-b"), json={**WHY, "body": body})
    shown = (await http.get(f"/quarantine/{quarantine_id}", headers=maker)).json()

    assert (listed["proposal"], listed["proposed_verb"], listed["proposed_by"]) == (
        proposed["decision_id"],
        "amend",
        "operator-a",
    )
    assert (own.status_code, own.json()["code"]) == (409, "SAME_PERSON")
    assert own.json()["remedy"]
    assert done.json()["outcome"] == "handled"
    assert await ward.effects() == [(case, letter_no(77))]
    (decision,) = shown["decisions"]
    assert (decision["state"], decision["maker"], decision["checker"]) == ("done", "operator-a", "checker-b")
    assert body["person"]["id_number"] not in str(shown)


async def test_a_proposal_is_withdrawn(http: httpx.AsyncClient, ward: Ward, home: Path) -> None:
    _, quarantine_id = await ward.parked()
    maker = as_(home, Role.OPERATOR)
    proposed = (await http.post(f"/quarantine/{quarantine_id}/skip", headers=maker, json=WHY)).json()

    withdrawn = await http.post(f"/quarantine/decisions/{proposed['decision_id']}/withdraw", headers=maker, json=WHY)

    assert withdrawn.json()["outcome"] == "withdrawn"
    assert await ward.states() == ["parked"]


async def test_a_rejection_leaves_with_its_remedy(http: httpx.AsyncClient, ward: Ward, home: Path) -> None:
    _, quarantine_id = await ward.parked(kind="reminder")
    who = as_(home, Role.OPERATOR)

    unsaid = await http.post(f"/quarantine/{quarantine_id}/reject", headers=who, json=WHY)
    done = await http.post(f"/quarantine/{quarantine_id}/reject", headers=who, json={**WHY, "remedy": "send it again"})
    ours = await http.get("/rejections", headers=who)

    assert (unsaid.status_code, unsaid.json()["errors"][0]["field"]) == (422, "remedy")
    assert done.json()["outcome"] == "rejected"
    assert ours.json() == []


@pytest.mark.parametrize("verb", VERBS)
async def test_no_verb_without_a_reason_and_none_for_those_who_only_read(
    http: httpx.AsyncClient, ward: Ward, home: Path, verb: str
) -> None:
    _, quarantine_id = await ward.parked()
    path = f"/quarantine/{quarantine_id}/{verb}"
    wish = {"remedy": "send it again"} if verb == "reject" else {}

    unreasoned = await http.post(path, headers=as_(home, Role.OPERATOR), json=wish)
    refused = [
        (await http.post(path, headers=as_(home, role), json={**WHY, **wish})).status_code
        for role in (Role.AUDITOR, Role.CHECKER, Role.MAKER, Role.FUND_DESK, Role.INSURED)
    ]
    foreign = await http.post(path, headers=as_(home, Role.OPERATOR, province="33"), json={**WHY, **wish})

    assert unreasoned.status_code == 422
    assert refused == [403] * 5
    assert (foreign.status_code, foreign.json()["code"]) == (403, "WRONG_PROVINCE")
    assert await ward.states() == ["parked"]


async def test_auditors_and_checkers_read(http: httpx.AsyncClient, ward: Ward, home: Path) -> None:
    _, quarantine_id = await ward.parked()

    for who in (as_(home, Role.AUDITOR), as_(home, Role.CHECKER), as_(home, Role.AUDITOR, province="00")):
        for path in ("/quarantine", f"/quarantine/{quarantine_id}", "/rejections"):
            assert (await http.get(path, headers=who)).status_code == 200
    for path in ("/quarantine", f"/quarantine/{quarantine_id}", "/rejections"):
        assert (await http.get(path, headers=as_(home, Role.MAKER))).status_code == 403
        assert (await http.get(path)).status_code == 401


async def test_refusals_are_problems_that_name_field_and_remedy(http: httpx.AsyncClient, ward: Ward, home: Path) -> None:
    case, quarantine_id = await ward.parked()
    who = as_(home, Role.OPERATOR)
    body = {**a(ContactLetter).model_dump(mode="json"), "letter_version": "one"}

    invalid = await http.post(f"/quarantine/{quarantine_id}/amend", headers=who, json={**WHY, "body": body})
    unknown = await http.post(f"/quarantine/{new_id()}/retry", headers=who, json=WHY)
    personal = await http.post(
        f"/quarantine/{quarantine_id}/skip", headers=who, json={"reason": "it is about 41010519900315001X"}
    )

    assert (invalid.status_code, invalid.json()["code"], invalid.json()["field"]) == (
        422,
        "AMENDMENT_INVALID",
        "body.letter_version",
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NO_SUCH_RECORD")
    assert (personal.status_code, personal.json()["code"], personal.json()["field"]) == (
        422,
        "REASON_HOLDS_PERSON_DATA",
        "reason",
    )
    for answer in (invalid, unknown, personal):
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["remedy"]
    assert case in str((await http.get("/quarantine", headers=who)).json())


async def test_a_retry_that_fails_again_is_an_answer_that_says_why(http: httpx.AsyncClient, ward: Ward, home: Path) -> None:
    case, quarantine_id = await ward.parked()
    ward.wrong[case] = QuarantineReason.UNOPENABLE

    done = await http.post(f"/quarantine/{quarantine_id}/retry", headers=as_(home, Role.OPERATOR), json=WHY)

    assert done.status_code == 200
    assert (done.json()["outcome"], done.json()["failure"]) == ("failed", "unopenable")
