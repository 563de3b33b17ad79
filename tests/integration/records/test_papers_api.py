"""The files over HTTP: who may do what, one scan a request, refused before it is read, and never more in memory than a few."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from contracts.envelope import new_id
from contracts.events import PaperKept, PaperRead
from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.origin_agency.store import whose_case
from services.records import papers_api
from services.records.papers import Papers
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.agencies import MONDAY, InProcess, known_in
from tests.scans import a_pdf, a_png

HE = known_in("44")
READERS = {Role.MAKER, Role.CHECKER, Role.AUDITOR}


@dataclass
class Counter:
    """The agency's counter, and the person who stands at it."""

    at: InProcess
    http: httpx.AsyncClient
    stack: Stack
    he: str

    def staff(self, role: Role, province: str = "44", name: str = "") -> dict[str, str]:
        return {"authorization": f"Bearer {tokens(self.stack.home).staff(province, role, name=name)}"}

    def person(self, person_ref: str) -> dict[str, str]:
        return {"authorization": f"Bearer {tokens(self.stack.home).insured('44', person_ref)}"}

    async def keep(self, content: bytes, kind: str = "IDENTITY_DOCUMENT", **headers: str) -> httpx.Response:
        query = {"kind": kind, "person_ref": self.he}
        return await self.http.post("/papers", params=query, content=content, headers=self.staff(Role.MAKER) | headers)

    async def kept(self, kind: str = "IDENTITY_DOCUMENT") -> str:
        answer = await self.keep(a_pdf(), kind)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["paper_id"])


@pytest.fixture
async def counter(at: InProcess, stack: Stack) -> AsyncIterator[Counter]:
    async def ready() -> dict[str, str | None]:
        return {}

    await at.importing(HE)
    api = make_api("origin", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=ready, body_limit=128 << 20)
    papers_api.add_routes(api, Papers(at.database, at.agency, whose_case, at.ring), "44")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://origin") as http:
        yield Counter(at, http, stack, (await at.record(HE.person.id_number)).person_ref)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_a_scan_is_kept_listed_and_opened(counter: Counter) -> None:
    kept = await counter.keep(a_pdf(), **{"content-type": "application/pdf"})
    again = await counter.keep(a_pdf())
    listed = await counter.http.get("/papers", params={"person_ref": counter.he}, headers=counter.staff(Role.CHECKER))
    opened = await counter.http.get(
        f"/papers/{kept.json()['paper_id']}", params={"purpose": "complaint"}, headers=counter.staff(Role.CHECKER)
    )

    assert (kept.status_code, again.status_code) == (201, 200)
    assert listed.json() == [kept.json()] == [again.json()]
    assert (kept.json()["media_type"], kept.json()["kept_until"]) == ("application/pdf", "2124-12-31")
    assert (opened.status_code, opened.content, opened.headers["content-type"]) == (200, a_pdf(), "application/pdf")
    digest = base64.b64encode(hashlib.sha256(a_pdf()).digest()).decode()
    assert opened.headers["content-digest"] == f"sha-256=:{digest}:"
    assert opened.headers["content-disposition"] == f'attachment; filename="{kept.json()["paper_id"]}.pdf"'
    assert (opened.headers["x-content-type-options"], opened.headers["cache-control"]) == ("nosniff", "no-store")
    [read] = await counter.at.facts(PaperRead)
    assert read.purpose == "complaint"
    assert len(await counter.at.facts(PaperKept)) == 1


async def test_whoever_works_here_says_why_and_a_person_opens_the_own_paper_without(counter: Counter) -> None:
    path = f"/papers/{await counter.kept()}"

    silent = await counter.http.get(path, headers=counter.staff(Role.MAKER))
    pretended = await counter.http.get(path, params={"purpose": "own"}, headers=counter.staff(Role.MAKER))
    own = await counter.http.get(path, headers=counter.person(counter.he))
    other = await counter.http.get(path, headers=counter.person(new_id()))
    others = await counter.http.get("/papers", params={"person_ref": counter.he}, headers=counter.person(new_id()))
    mine = await counter.http.get("/papers", params={"person_ref": counter.he}, headers=counter.person(counter.he))

    assert code_of(silent) == code_of(pretended) == (422, "PURPOSE_NEEDED")
    assert (own.status_code, own.content) == (200, a_pdf())
    assert code_of(other) == code_of(others) == (403, "NOT_YOUR_RECORD")
    assert len(mine.json()) == 1
    assert [(read.actor, read.purpose) for read in await counter.at.facts(PaperRead)] == [(f"insured-{counter.he}", "own")]


async def test_each_call_is_for_its_roles_of_this_province_alone(counter: Counter) -> None:
    paper_id = await counter.kept()
    calls = [
        ("POST", "/employers", {"json": {"credit_code": "91350100M000100Y43"}}, {Role.MAKER, Role.CHECKER}),
        ("POST", f"/papers?kind=IDENTITY_DOCUMENT&person_ref={counter.he}", {"content": a_png()}, {Role.MAKER, Role.CHECKER}),
        ("GET", f"/papers?person_ref={counter.he}", {}, READERS),
        ("GET", f"/papers/{paper_id}?purpose=audit", {}, READERS),
        ("POST", f"/papers/{paper_id}/destructions/proposals", {"json": {"reason": "over"}}, {Role.MAKER}),
        ("POST", f"/papers/{paper_id}/destructions/withdrawals", {}, {Role.MAKER, Role.CHECKER}),
        ("POST", f"/papers/{paper_id}/destructions/approvals", {}, {Role.CHECKER}),
    ]

    for method, path, body, allowed in calls:
        answers = {
            role: await counter.http.request(method, path, headers=counter.staff(role), **body)  # type: ignore[arg-type]
            for role in Role
        }
        elsewhere = await counter.http.request(method, path, headers=counter.staff(Role.MAKER, "33"), **body)  # type: ignore[arg-type]
        nobody = await counter.http.request(method, path, **body)  # type: ignore[arg-type]

        assert {role for role, answer in answers.items() if answer.status_code not in (401, 403)} == allowed, path
        assert code_of(elsewhere) == (403, "WRONG_PROVINCE")
        assert code_of(nobody) == (401, "TOKEN_MISSING")


@pytest.mark.parametrize(
    ("content", "declared", "answer"),
    [
        (b"", "application/pdf", (422, "PAPER_EMPTY")),
        (b"<html>", "application/pdf", (415, "PAPER_FORM_UNKNOWN")),
        (a_pdf()[:-20], "application/pdf", (422, "PAPER_DAMAGED")),
        (a_pdf() + b"more", "application/pdf", (422, "PAPER_HAS_MORE")),
        (a_pdf(), "image/png; charset=utf-8", (415, "DECLARED_FORM_DIFFERS")),
    ],
    ids=["empty", "html", "damaged", "more", "declared-otherwise"],
)
async def test_what_is_no_scan_is_refused_by_name(
    counter: Counter, content: bytes, declared: str, answer: tuple[int, str]
) -> None:
    assert code_of(await counter.keep(content, **{"content-type": declared})) == answer
    assert await counter.at.facts(PaperKept) == []


async def test_a_scan_above_the_limit_is_refused_before_it_is_read(counter: Counter) -> None:
    limit, sent = 10 << 20, 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1 << 20
            yield bytes(1 << 20)

    query = {"kind": "IDENTITY_DOCUMENT", "person_ref": counter.he}
    headers = counter.staff(Role.MAKER)
    said = await counter.http.post("/papers", params=query, content=b"x", headers=headers | {"content-length": str(limit + 1)})
    streamed = await counter.http.post("/papers", params=query, content=endless(), headers=headers)

    assert code_of(said) == code_of(streamed) == (413, "PAPER_TOO_LARGE")
    assert sent <= limit + (2 << 20)


async def test_a_paper_is_about_one_thing(counter: Counter) -> None:
    for query in ({}, {"person_ref": counter.he, "case_id": new_id()}):
        answer = await counter.http.get("/papers", params=query, headers=counter.staff(Role.MAKER))

        assert code_of(answer) == (422, "SUBJECT_NEEDED")


async def test_an_employer_s_file_is_found_by_its_code(counter: Counter) -> None:
    headers = counter.staff(Role.MAKER)
    found = await counter.http.post("/employers", json={"credit_code": "91350100M000100Y43"}, headers=headers)
    wrong = await counter.http.post("/employers", json={"credit_code": "91350100M000100Y44"}, headers=headers)
    query = {"employer_ref": found.json()["employer_ref"]}
    await counter.http.post("/papers", params={**query, "kind": "EMPLOYER_REGISTRATION"}, content=a_png(), headers=headers)

    listed = await counter.http.get("/papers", params=query, headers=headers)

    assert [(paper["subject_kind"], paper["kind"]) for paper in listed.json()] == [("employer", "EMPLOYER_REGISTRATION")]
    assert code_of(wrong) == (422, "CREDIT_CODE_INVALID")


async def test_a_paper_is_destroyed_after_its_time_by_two_persons(counter: Counter) -> None:
    path = f"/papers/{await counter.kept('WORKING_PAPER')}"
    maker, checker = counter.staff(Role.MAKER, name="wang"), counter.staff(Role.CHECKER, name="li")

    early = await counter.http.post(f"{path}/destructions/proposals", json={"reason": "over"}, headers=maker)
    counter.at.clock.move(MONDAY.replace(year=2035))
    proposed = await counter.http.post(f"{path}/destructions/proposals", json={"reason": "over"}, headers=maker)
    alone = await counter.http.post(f"{path}/destructions/approvals", headers=counter.staff(Role.CHECKER, name="wang"))
    back = await counter.http.post(f"{path}/destructions/withdrawals", headers=maker)
    await counter.http.post(f"{path}/destructions/proposals", json={"reason": "over"}, headers=maker)
    destroyed = await counter.http.post(f"{path}/destructions/approvals", headers=checker)
    gone = await counter.http.get(path, params={"purpose": "archive"}, headers=maker)
    nothing = await counter.http.get(f"/papers/{new_id()}", params={"purpose": "archive"}, headers=maker)

    assert (code_of(early), early.json()["legal_basis"]) == ((409, "STILL_TO_BE_KEPT"), "社会保险业务档案管理规定(试行)")
    assert (proposed.status_code, proposed.json()["destruction_reason"]) == (200, "over")
    assert (code_of(alone), back.json()["destruction_maker"]) == ((409, "SAME_PERSON"), None)
    assert (destroyed.status_code, destroyed.json()["destroyed_on"]) == (200, "2035-05-06")
    assert (code_of(gone), code_of(nothing)) == ((410, "PAPER_DESTROYED"), (404, "NO_SUCH_PAPER"))


async def test_many_scans_at_once_take_turns_and_all_of_them_come_and_go(counter: Counter) -> None:
    headers = counter.staff(Role.MAKER)
    waiting = 0

    async def slowly(content: bytes) -> AsyncIterator[bytes]:
        nonlocal waiting
        waiting += 1
        assert waiting <= papers_api.AT_ONCE
        yield content[:10]
        await asyncio.sleep(0.01)
        yield content[10:]
        waiting -= 1

    query = {"kind": "IDENTITY_DOCUMENT", "person_ref": counter.he}
    kept = await asyncio.gather(
        *(
            counter.http.post("/papers", params=query, content=slowly(a_pdf(str(nth))), headers=headers)
            for nth in range(3 * papers_api.AT_ONCE)
        )
    )
    opened = await asyncio.gather(
        *(
            counter.http.get(f"/papers/{answer.json()['paper_id']}", params={"purpose": "archive"}, headers=headers)
            for answer in kept
        )
    )

    assert [answer.content for answer in opened] == [a_pdf(str(nth)) for nth in range(3 * papers_api.AT_ONCE)]


async def test_a_scan_that_does_not_come_gives_its_turn_back(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(papers_api, "PATIENCE_S", 0.2)

    async def never() -> AsyncIterator[bytes]:
        yield b"%PDF-"
        await asyncio.sleep(30)

    query = {"kind": "IDENTITY_DOCUMENT", "person_ref": counter.he}
    headers = counter.staff(Role.MAKER)
    slow = await asyncio.gather(
        *(counter.http.post("/papers", params=query, content=never(), headers=headers) for _ in range(papers_api.AT_ONCE + 1))
    )
    monkeypatch.setattr(papers_api, "PATIENCE_S", 30)

    assert {code_of(answer) for answer in slow} == {(408, "PAPER_TOO_SLOW")}
    assert (await counter.keep(a_pdf())).status_code == 201
