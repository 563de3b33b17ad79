"""What staff and auditors may ask over HTTP, and what nobody is shown."""

from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.statuses import Status
from deploy.local.services import tokens
from deploy.local.stack import Stack
from services.notification.api import add_routes
from services.runtime.http import make_api
from services.runtime.identity import Role, TokenVerifier
from tests.integration.notification.conftest import World

CASE = "018f4c1e-0000-7000-8000-000000000001"


async def _ready() -> dict[str, str | None]:
    return {}


@pytest.fixture
async def http(stack: Stack, world: World) -> AsyncIterator[httpx.AsyncClient]:
    api = make_api("Notification", verifier=TokenVerifier(stack.secrets.token_public_file()), ready=_ready)
    add_routes(api, world.database, "44")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api), base_url="http://notification") as client:
        yield client


def bearer(stack: Stack, role: Role, province: str = "44") -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens(stack.home).staff(province, role)}"}


@pytest.mark.parametrize(
    ("role", "province", "status"),
    [
        (Role.OPERATOR, "44", 200),
        (Role.MAKER, "44", 200),
        (Role.CHECKER, "44", 200),
        (Role.AUDITOR, "44", 200),
        (Role.AUDITOR, "00", 200),
        (Role.INSURED, "44", 403),
        (Role.EMPLOYER, "44", 403),
        (Role.FUND_DESK, "44", 403),
        (Role.OPERATOR, "33", 403),
    ],
)
async def test_only_staff_and_auditors_may_read_the_notices(
    http: httpx.AsyncClient, stack: Stack, role: Role, province: str, status: int
) -> None:
    answer = await http.get("/notices", params={"case_id": CASE}, headers=bearer(stack, role, province))

    assert answer.status_code == status


async def test_without_a_token_nothing_is_shown(http: httpx.AsyncClient) -> None:
    answer = await http.get("/notices", params={"case_id": CASE})

    assert answer.status_code == 401


async def test_what_is_no_case_is_refused_by_name(http: httpx.AsyncClient, stack: Stack) -> None:
    answer = await http.get("/notices", params={"case_id": "short"}, headers=bearer(stack, Role.OPERATOR))

    assert answer.status_code == 422
    assert answer.json()["code"] == "INVALID_INPUT"


async def test_the_notices_of_a_case_are_listed_in_order_without_addresses(
    http: httpx.AsyncClient, stack: Stack, world: World
) -> None:
    contact = await world.contact(email="zhang@mail.example")
    events = await world.queue(contact, Status.SUBMITTED, Status.LETTER_SENT)
    async with world.running(world.mailer()):
        await world.until_states("delivered")

    answer = await http.get("/notices", params={"case_id": contact.contact_id}, headers=bearer(stack, Role.AUDITOR))

    notices = answer.json()
    assert [notice["event_id"] for notice in notices] == events
    assert {notice["state"] for notice in notices} == {"delivered"}
    assert "zhang" not in answer.text
    assert contact.person_ref not in answer.text
