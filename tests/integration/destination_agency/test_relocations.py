"""An enterprise relocates: which rules its people move by is answered before the first row, and said on the journal."""

from typing import Any

import pytest

from contracts.events import RelocationDeclared
from services.runtime.identity import Role
from tests.integration.destination_agency.conftest import Http, wish

AGREEMENT = {
    "origin": "44",
    "led_by_governments": True,
    "above_scale": True,
    "agreed": ["ONE_TRANSFER_DATE", "ONE_REMITTANCE"],
    "signed_by": ["44", "33"],
}


async def submitted(http: Http, relocation: dict[str, Any], **of_row: Any) -> Any:
    given = {"rows": [wish(**of_row)], "relocation": relocation}
    return await http.call("POST", "/application-batches", http.issued.staff("33", Role.EMPLOYER), given)


async def test_without_an_agreement_the_people_of_an_enterprise_move_by_the_normal_rules(http: Http) -> None:
    answer = await submitted(http, {"origin": "44"})

    [said] = await http.here.at.facts(RelocationDeclared)
    decided = answer.json()["relocation"]
    assert answer.status_code == 202
    assert (decided["by_agreement"], decided["reason_code"]) == (False, "GROUP_NORMAL_RULES")
    assert "人社部规〔2016〕5号" in decided["legal_basis"]
    assert (said.people, said.origin, said.destination, said.by_agreement, said.topics) == (1, "44", "33", False, ())


async def test_what_two_provinces_agreed_for_a_large_one_stands_beside_the_rules_and_is_shown_with_the_submission(
    http: Http,
) -> None:
    token = http.issued.staff("33", Role.EMPLOYER)

    answer = (await submitted(http, AGREEMENT)).json()
    shown = (await http.call("GET", f"/application-batches/{answer['batch_id']}", token)).json()

    [said] = await http.here.at.facts(RelocationDeclared)
    assert shown["relocation"] == answer["relocation"]
    assert (said.batch_id, said.by_agreement, said.reason_code) == (answer["batch_id"], True, "GROUP_AGREEMENT")
    assert said.topics == ("ONE_TRANSFER_DATE", "ONE_REMITTANCE")


@pytest.mark.parametrize("missing", ["led_by_governments", "above_scale"])
async def test_an_agreement_needs_both_governments_and_a_large_enterprise(http: Http, missing: str) -> None:
    decided = (await submitted(http, {**AGREEMENT, missing: False})).json()["relocation"]

    assert (decided["by_agreement"], decided["topics"]) == (False, [])


@pytest.mark.parametrize("topic", ["LONGER_LIMITS", "MONTHS", "ACCOUNT_AMOUNTS", "ACCOUNT_KIND"])
async def test_nobodys_rights_are_agreed_away(http: Http, topic: str) -> None:
    answer = await submitted(http, {**AGREEMENT, "agreed": ["ONE_REMITTANCE", topic]})

    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "GROUP_TOPIC_NOT_NEGOTIABLE")
    assert topic in body["detail"]
    assert body["legal_basis"]
    assert body["remedy"]
    assert await http.here.at.rows("SELECT FROM destination_agency.batches") == []


@pytest.mark.parametrize(
    ("changed", "row", "code", "field"),
    [
        ({"agreed": ["A_DAY_OFF"]}, {}, "RELOCATION_INVALID", "relocation.agreed"),
        ({"origin": "33"}, {"origin_division": "330100"}, "RELOCATION_INVALID", "relocation.origin"),
        ({}, {"origin_division": "410100"}, "RELOCATION_ORIGIN_DIFFERS", "rows[0].origin_division"),
    ],
)
async def test_what_cannot_be_is_refused_by_field(
    http: Http, changed: dict[str, Any], row: dict[str, Any], code: str, field: str
) -> None:
    answer = await submitted(http, {**AGREEMENT, **changed}, **row)

    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, code)
    assert field in body["detail"]
    assert body["remedy"]
