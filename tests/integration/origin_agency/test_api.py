"""The origin's interface over HTTP: who may do what, lists with a result a row, imports, vouchers, and no cashing out."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest

from contracts.documents import InformationFormDocument
from contracts.envelope import new_id
from contracts.events import RecordsImported
from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.origin_agency.api import Jobs, Office, add_routes
from services.records.importing import Importer
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from services.world.plan import ProvinceRecord
from tests.agencies import a_letter, contributions_csv, known_in, persons_csv, somebody
from tests.builders import CASE
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")
LIMIT = 200_000


@dataclass
class Counter:
    """The agency's counter."""

    origin: Origin
    http: httpx.AsyncClient
    stack: Stack
    jobs: Jobs
    funds_rung: list[bool]

    def bearer(self, role: Role, province: str = "44", name: str = "") -> dict[str, str]:
        return {"authorization": f"Bearer {tokens(self.stack.home).staff(province, role, name=name)}"}

    async def post(self, path: str, role: Role, body: Any, *, name: str = "", key: str | None = None) -> httpx.Response:
        headers = self.bearer(role, name=name) | ({"idempotency-key": key} if key is not None else {})
        return await self.http.post(path, json=body, headers=headers)

    async def act(self, path: str, role: Role, *cases: str, name: str = "", key: str | None = None) -> Any:
        answer = await self.post(path, role, {"case_ids": list(cases)}, name=name, key=key)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def imported(self, *people: ProvinceRecord, **options: Any) -> httpx.Response:
        """Import, and wait until it is done."""
        files = {"persons_csv": persons_csv(people).decode(), "contributions_csv": contributions_csv(people).decode()}
        answer = await self.post("/records/imports", Role.OPERATOR, files | options)
        async with asyncio.timeout(30):
            while self.jobs.busy:  # noqa: ASYNC110 - a job tells nobody that it is done
                await asyncio.sleep(0.005)
        return answer


@pytest.fixture
async def counter(origin: Origin, stack: Stack) -> AsyncIterator[Counter]:
    async def ready() -> dict[str, str | None]:
        return {}

    at = origin.at
    rung: list[bool] = []
    jobs = Jobs()
    verifier = TokenVerifier(stack.secrets.token_public_file())
    api = make_api("origin", verifier=verifier, ready=ready, body_limit=LIMIT)
    office = Office(at.database, at.agency, origin.desk, lambda: rung.append(True), Importer(at.database, at.agency), at.ring)
    add_routes(api, office, "44", jobs)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://origin") as http:
        yield Counter(origin, http, stack, jobs, rung)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


LIST = {"case_ids": [CASE]}
CALLS: list[tuple[str, str, Any, frozenset[Role]]] = [
    ("GET", "/cases", None, frozenset({Role.MAKER, Role.CHECKER, Role.FUND_DESK, Role.OPERATOR, Role.AUDITOR})),
    ("GET", f"/cases/{CASE}", None, frozenset({Role.MAKER, Role.CHECKER, Role.FUND_DESK, Role.OPERATOR, Role.AUDITOR})),
    ("POST", "/handlings/proposals", LIST, frozenset({Role.MAKER})),
    ("POST", "/handlings/approvals", LIST, frozenset({Role.CHECKER})),
    ("POST", "/remittances/proposals", LIST, frozenset({Role.FUND_DESK})),
    ("POST", "/remittances/approvals", LIST, frozenset({Role.CHECKER})),
    ("POST", "/records/imports", {}, frozenset({Role.OPERATOR})),
    ("GET", f"/records/imports/{CASE}", None, frozenset({Role.OPERATOR})),
    ("POST", "/records/lookups", {"id_number": "11010519491231002X", "name": "张三"}, frozenset({Role.MAKER, Role.CHECKER})),
    ("POST", "/vouchers", {"person_ref": CASE}, frozenset({Role.MAKER, Role.CHECKER})),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), CALLS, ids=[path[:24] for _, path, _, _ in CALLS])
async def test_each_call_is_for_its_roles_of_this_province_alone(
    counter: Counter, method: str, path: str, body: Any, allowed: frozenset[Role]
) -> None:
    answers = {role: await counter.http.request(method, path, json=body, headers=counter.bearer(role)) for role in Role}
    elsewhere = await counter.http.request(method, path, json=body, headers=counter.bearer(next(iter(allowed)), "33"))
    nobody = await counter.http.request(method, path, json=body)

    assert {role for role, answer in answers.items() if answer.status_code not in (401, 403)} == allowed
    assert code_of(elsewhere) == (403, "WRONG_PROVINCE")
    assert code_of(nobody) == (401, "TOKEN_MISSING")


async def test_the_ministrys_auditor_reads_and_does_nothing_else(counter: Counter) -> None:
    auditor = counter.bearer(Role.AUDITOR, "00")

    read = await counter.http.get("/cases", headers=auditor)
    acted = await counter.http.post("/handlings/approvals", json=LIST, headers=auditor)

    assert read.status_code == 200
    assert code_of(acted) == (403, "WRONG_PROVINCE")


async def test_a_letter_goes_all_the_way_to_an_ordered_remittance(counter: Counter) -> None:
    await counter.imported(HE)
    case_id = await counter.origin.holding()

    proposal = await counter.act("/handlings/proposals", Role.MAKER, case_id)
    approval = await counter.act("/handlings/approvals", Role.CHECKER, case_id)
    await counter.act("/remittances/proposals", Role.FUND_DESK, case_id)
    rung_before = list(counter.funds_rung)
    ordered = await counter.act("/remittances/approvals", Role.CHECKER, case_id)
    shown = (await counter.http.get(f"/cases/{case_id}", headers=counter.bearer(Role.FUND_DESK))).json()

    assert [answer["rows"][0]["code"] for answer in (proposal, approval, ordered)] == [
        "HANDLING_PROPOSED",
        "FORM_ISSUED",
        "REMITTANCE_ORDERED",
    ]
    assert (rung_before, counter.funds_rung) == ([], [True])
    assert (shown["state"], shown["items"]["total_fen"], shown["due_on"]) == ("REMITTANCE_ORDERED", 3_047_986, "2024-05-24")
    assert HE.person.name not in str(shown)
    assert HE.person.id_number not in str(shown)


async def test_maker_and_checker_are_told_apart_by_who_they_are_not_by_their_role(counter: Counter) -> None:
    await counter.imported(HE)
    case_id = await counter.origin.holding()
    await counter.act("/handlings/proposals", Role.MAKER, case_id, name="wang")

    [row] = (await counter.act("/handlings/approvals", Role.CHECKER, case_id, name="wang"))["rows"]

    assert (row["result"], row["code"], row["legal_basis"]) == ("refused", "SAME_PERSON", "社会保险经办条例 第三十七条")


async def test_the_work_list_shows_what_waits_and_no_person(counter: Counter) -> None:
    await counter.imported(HE)
    held = await counter.origin.holding()
    [issued] = await counter.origin.issued(HE)

    everything = (await counter.http.get("/cases", headers=counter.bearer(Role.MAKER))).json()
    waiting = (await counter.http.get("/cases?state=LETTER_HELD", headers=counter.bearer(Role.MAKER))).json()
    overdue = (await counter.http.get("/cases?overdue=true", headers=counter.bearer(Role.MAKER))).json()
    wrong = await counter.http.get("/cases?state=NOWHERE", headers=counter.bearer(Role.MAKER))

    assert {row["case_id"] for row in everything} == {held, issued}
    assert [row["case_id"] for row in waiting] == [held]
    assert overdue == []
    assert code_of(wrong) == (422, "INVALID_INPUT")
    assert HE.person.name not in str(everything)


async def test_whoever_the_letter_says_is_served_first_stands_first_on_the_work_list(counter: Counter) -> None:
    await counter.imported(HE)
    held = await counter.origin.holding()
    counter.origin.at.move(days=1)
    soldier = await counter.origin.holding(a_letter(destination="33").model_copy(update={"served_first": True}))

    rows = (await counter.http.get("/cases", headers=counter.bearer(Role.MAKER))).json()

    assert [(row["case_id"], row["served_first"]) for row in rows] == [(soldier, True), (held, False)]


async def test_a_case_that_is_not_here_is_not_found_by_name(counter: Counter) -> None:
    answer = await counter.http.get(f"/cases/{new_id()}", headers=counter.bearer(Role.MAKER))

    assert code_of(answer) == (404, "NO_SUCH_CASE")


async def test_a_return_code_that_does_not_exist_is_refused_as_a_whole(counter: Counter) -> None:
    answer = await counter.post("/handlings/proposals", Role.MAKER, {**LIST, "return_code": "BAD_MOOD"})

    assert code_of(answer) == (422, "UNKNOWN_CODE")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/handlings/approvals", {"case_ids": [new_id()], "force": True}),
        ("/handlings/approvals", {"case_ids": []}),
        ("/handlings/approvals", {}),
        ("/remittances/approvals", {"case_ids": [new_id()], "fee_fen": 100}),
    ],
)
async def test_what_the_interface_does_not_know_or_misses_is_refused_by_its_field(counter: Counter, path: str, body: Any) -> None:
    answer = await counter.post(path, Role.CHECKER, body)

    assert code_of(answer) == (422, "INVALID_INPUT")
    assert answer.json()["errors"][0]["field"] in ("force", "case_ids", "fee_fen")


async def test_a_body_above_the_limit_is_refused_before_it_is_read(counter: Counter) -> None:
    answer = await counter.post("/records/imports", Role.OPERATOR, {"persons_csv": "x" * LIMIT})

    assert code_of(answer) == (413, "BODY_TOO_LARGE")


async def test_the_same_key_and_body_is_answered_the_same_and_done_once(counter: Counter) -> None:
    await counter.imported(HE)
    case_id = await counter.origin.holding()
    await counter.act("/handlings/proposals", Role.MAKER, case_id)

    first = await counter.act("/handlings/approvals", Role.CHECKER, case_id, key="k-1")
    again = await counter.act("/handlings/approvals", Role.CHECKER, case_id, key="k-1")
    without_key = await counter.act("/handlings/approvals", Role.CHECKER, case_id)

    assert first == again
    assert first["done"] == 1
    assert without_key["rows"][0]["code"] == "NOT_NOW"
    assert len(await counter.origin.at.facts(InformationFormDocument)) == 1


async def test_a_key_with_another_body_is_a_conflict(counter: Counter) -> None:
    await counter.act("/handlings/approvals", Role.CHECKER, new_id(), key="k-1")

    answer = await counter.post("/handlings/approvals", Role.CHECKER, {"case_ids": [new_id()]}, key="k-1")

    assert code_of(answer) == (409, "IDEMPOTENCY_KEY_REUSED")


async def test_a_key_is_each_callers_own(counter: Counter) -> None:
    one, other = new_id(), new_id()

    first = await counter.act("/handlings/approvals", Role.CHECKER, one, key="k-1", name="wang")
    second = await counter.act("/handlings/approvals", Role.CHECKER, other, key="k-1", name="li")

    assert [answer["rows"][0]["case_id"] for answer in (first, second)] == [one, other]


async def test_an_import_is_answered_at_once_and_says_later_how_far_it_is(counter: Counter) -> None:
    answer = await counter.imported(HE, somebody(1))

    begun = answer.json()
    state = await counter.http.get(f"/records/imports/{begun['import_id']}", headers=counter.bearer(Role.OPERATOR))
    assert (answer.status_code, begun["state"], begun["persons"], begun["rows"]) == (202, "running", 2, 6)
    assert state.json() == {
        "import_id": begun["import_id"],
        "state": "done",
        "persons": 2,
        "persons_done": 2,
        "rows": 6,
        "refused_rows": 0,
        "errors": [],
    }
    assert [fact.actor for fact in await counter.origin.at.facts(RecordsImported)] == ["operator-44"]


async def test_the_same_file_sent_again_is_the_same_import(counter: Counter) -> None:
    first = await counter.imported(HE)
    told = await counter.origin.at.told()

    again = await counter.imported(HE)

    assert again.json() == {"import_id": first.json()["import_id"], "persons_done": 1, "state": "done"}
    assert await counter.origin.at.told() == told


async def test_nothing_of_a_bad_file_is_stored_and_each_error_has_its_place(counter: Counter) -> None:
    bad = replace(HE, person=replace(HE.person, hukou="99"))

    answer = await counter.imported(bad, somebody(1))

    assert code_of(answer) == (422, "IMPORT_REFUSED")
    [error] = answer.json()["errors"]
    assert (error["file"], error["line"], error["column"], error["value"]) == ("persons", 2, "hukou", "99")
    assert await counter.origin.at.told() == []
    assert await counter.origin.at.heads() == {}
    assert HE.person.name not in answer.text


async def test_good_rows_are_taken_where_that_is_asked_for(counter: Counter) -> None:
    bad, good = replace(HE, person=replace(HE.person, hukou="99")), somebody(1)

    answer = await counter.imported(bad, good, accept_good_rows=True)

    assert (answer.status_code, answer.json()["persons"], answer.json()["rows"]) == (202, 1, 3)
    assert await counter.origin.at.person(bad.person.id_number) is None
    assert await counter.origin.at.person(good.person.id_number) is not None


async def test_rows_that_contradict_the_records_are_refused_by_name(counter: Counter) -> None:
    await counter.imported(HE)

    answer = await counter.imported(replace(HE, contributions=HE.contributions[2:]))

    assert code_of(answer) == (422, "IMPORT_REFUSED")
    [error] = answer.json()["errors"]
    assert (error["column"], error["reason"], error["value"]) == ("start", "overlaps months on record", "410***********9995")


async def test_contributions_without_their_persons_are_refused_and_not_quietly_dropped(counter: Counter) -> None:
    answer = await counter.post("/records/imports", Role.OPERATOR, {"contributions_csv": contributions_csv([HE]).decode()})

    assert code_of(answer) == (422, "PERSONS_FILE_MISSING")
    assert await counter.origin.at.told() == []


async def test_an_import_that_nobody_began_is_not_found(counter: Counter) -> None:
    answer = await counter.http.get(f"/records/imports/{new_id()}", headers=counter.bearer(Role.OPERATOR))

    assert code_of(answer) == (404, "NO_SUCH_IMPORT")


async def test_the_window_finds_a_person_by_number_and_name_together(counter: Counter) -> None:
    await counter.imported(HE)
    record = await counter.origin.at.record(HE.person.id_number)
    right = {"id_number": HE.person.id_number, "name": HE.person.name}

    found = await counter.post("/records/lookups", Role.MAKER, right)
    by_other_name = await counter.post("/records/lookups", Role.MAKER, right | {"name": "张三"})
    unknown = await counter.post("/records/lookups", Role.MAKER, right | {"id_number": "11010519491231002X"})

    assert found.json() == {
        "person_ref": record.person_ref,
        "state": "stopped",
        "scheme": "110",
        "account_kind": "normal",
        "first_insured_on": str(record.first_insured_on),
        "stopped_on": str(record.stopped_on),
        "sealed": False,
    }
    assert code_of(by_other_name) == code_of(unknown) == (404, "NO_RELATIONSHIP")


async def test_a_person_gets_the_own_voucher_free_of_charge_and_nobody_elses(counter: Counter) -> None:
    await counter.imported(HE)
    ref = (await counter.origin.at.record(HE.person.id_number)).person_ref
    token = tokens(counter.stack.home).insured("44", ref)
    insured = {"authorization": f"Bearer {token}"}

    own = await counter.http.post("/vouchers", json={"person_ref": ref}, headers=insured)
    others = await counter.http.post("/vouchers", json={"person_ref": new_id()}, headers=insured)
    with_a_fee = await counter.http.post("/vouchers", json={"person_ref": ref, "fee_fen": 500}, headers=insured)

    assert (own.status_code, own.json()["balance_fen"], own.json()["months"]) == (201, 1_247_986, 27)
    assert not [name for name in own.json() if "fee" in name]
    assert code_of(others) == (403, "NOT_YOUR_RECORD")
    assert code_of(with_a_fee) == (422, "INVALID_INPUT")


async def test_a_voucher_is_printed_for_its_person_and_at_the_window_and_kept_by_no_cache(counter: Counter) -> None:
    await counter.imported(HE)
    ref = (await counter.origin.at.record(HE.person.id_number)).person_ref
    issued = tokens(counter.stack.home)
    person, another = ({"authorization": f"Bearer {issued.insured('44', who)}"} for who in (ref, new_id()))
    voucher = (await counter.post("/vouchers", Role.MAKER, {"person_ref": ref})).json()
    path = f"/vouchers/{voucher['voucher_no']}/page"

    own, window = await counter.http.get(path, headers=person), await counter.http.get(path, headers=counter.bearer(Role.CHECKER))
    others, fund = (
        await counter.http.get(path, headers=another),
        await counter.http.get(path, headers=counter.bearer(Role.FUND_DESK)),
    )
    unknown = await counter.http.get("/vouchers/PZ-440000-20240506-999999/page", headers=counter.bearer(Role.MAKER))

    assert (own.status_code, own.text) == (window.status_code, window.text) == (200, own.text)
    assert own.headers["content-type"].startswith("text/html")
    assert (own.headers["cache-control"], "default-src 'none'" in own.headers["content-security-policy"]) == ("no-store", True)
    for said in (
        HE.person.name,
        voucher["voucher_no"],
        voucher["check_code"],
        "12,479.86",
        "供参考",
        "至 2024-08-06 止",
        "maker-44",
    ):
        assert said in own.text
    assert HE.person.id_number not in own.text
    assert code_of(others) == code_of(unknown) == (404, "NO_SUCH_VOUCHER")
    assert code_of(fund) == (403, "WRONG_ROLE")


async def test_a_voucher_of_somebody_who_is_not_on_record_is_refused(counter: Counter) -> None:
    answer = await counter.post("/vouchers", Role.MAKER, {"person_ref": new_id()})

    assert code_of(answer) == (404, "NO_RELATIONSHIP")


async def test_anybody_may_check_a_voucher_and_learns_nothing_about_the_person(counter: Counter) -> None:
    await counter.imported(HE)
    ref = (await counter.origin.at.record(HE.person.id_number)).person_ref
    voucher = (await counter.post("/vouchers", Role.MAKER, {"person_ref": ref})).json()
    stands = {"voucher_no": voucher["voucher_no"], "check_code": voucher["check_code"]}

    genuine = await counter.http.post("/vouchers/checks", json=stands)
    forged = await counter.http.post("/vouchers/checks", json=stands | {"check_code": "00000000"})
    nonsense = await counter.http.post("/vouchers/checks", json=stands | {"check_code": "校验码"})

    assert genuine.json()["genuine"] is True
    assert genuine.json().keys() == {"voucher_no", "genuine", "issued_at"}
    assert forged.json() == nonsense.json() == {"voucher_no": voucher["voucher_no"], "genuine": False}
    assert HE.person.name not in genuine.text


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_can_cash_out(counter: Counter, role: Role) -> None:
    answer = await counter.post("/surrenders", role, {})

    assert code_of(answer) == (403, "SURRENDER_NOT_ALLOWED")
    assert "第三条" in answer.json()["legal_basis"]
    assert answer.json()["remedy_zh"]


async def test_a_letter_about_somebody_unknown_is_returned_over_http(counter: Counter) -> None:
    case_id = await counter.origin.holding(a_letter(somebody(5)))

    proposal = await counter.act("/handlings/proposals", Role.MAKER, case_id)
    approval = await counter.act("/handlings/approvals", Role.CHECKER, case_id)

    assert proposal["rows"][0]["code"] == approval["rows"][0]["code"] == "NO_RELATIONSHIP"
