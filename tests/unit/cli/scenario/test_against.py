"""Where the services are: a folder, a file, a URL; and what is said of anything else."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from deploy.local.services import Endpoints
from services.cli.scenario import against
from services.cli.scenario.against import AddressInvalid, NothingThere, ground
from services.runtime.identity import Role
from tests.unit.cli.scenario.town import ENDPOINTS

ADDRESS = {
    "provinces": ["44"],
    "services": {"44.origin-agency": "https://44.example/origin/"},
    "bank": "https://bank.example/",
    "token_key": "issuer.jwk",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    key = ECKey.generate_key("P-256", {"kid": "k1"}, private=True)
    (tmp_path / "issuer.jwk").write_text(json.dumps(key.as_dict(private=True)))
    (tmp_path / "address.json").write_text(json.dumps(ADDRESS))
    return tmp_path


def test_a_file_says_where_the_services_are_and_which_key_issues_tokens(folder: Path) -> None:
    found = ground(str(folder / "address.json"))

    assert found.endpoints.url("44", "origin-agency") == "https://44.example/origin"
    assert found.endpoints.bank == "https://bank.example"
    assert found.tokens.staff("44", Role.MAKER).count(".") == 2
    assert found.home is None


def test_a_key_may_be_named_beside_the_address(folder: Path) -> None:
    (folder / "address.json").write_text(json.dumps({**ADDRESS, "token_key": None}))

    with pytest.raises(AddressInvalid, match="--token-key"):
        ground(str(folder / "address.json"))
    assert ground(str(folder / "address.json"), folder / "issuer.jwk").endpoints.provinces == ("44",)


def test_a_url_says_it_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(url: str, **_: Any) -> httpx.Response:
        return httpx.Response(200, json=ADDRESS, request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", get)

    assert ground("https://partner.example/jiexu.json", folder / "issuer.jwk").endpoints.provinces == ("44",)


def test_a_url_that_does_not_answer_is_nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(url: str, **_: Any) -> httpx.Response:
        raise httpx.ConnectError("no route")

    monkeypatch.setattr(httpx, "get", get)

    with pytest.raises(NothingThere, match="cannot be read: no route"):
        ground("https://partner.example/jiexu.json")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no object"),
        (json.dumps({**ADDRESS, "bank": None}), "bank"),
        (json.dumps({**ADDRESS, "more": 1}), "more"),
        (json.dumps({**ADDRESS, "provinces": []}), "provinces"),
        (json.dumps({**ADDRESS, "token_key": "nowhere.jwk"}), "no private key"),
    ],
    ids=["no json", "a list", "no bank", "more", "no provinces", "no key"],
)
def test_what_is_no_address_is_refused_by_its_field(folder: Path, content: str, why: str) -> None:
    (folder / "address.json").write_text(content)

    with pytest.raises(AddressInvalid, match=why):
        ground(str(folder / "address.json"))


def test_what_is_neither_folder_nor_file_nor_url_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AddressInvalid, match="is no folder, file or URL"):
        ground(str(tmp_path / "nowhere"))


def test_a_folder_in_which_nothing_was_started_says_what_helps(tmp_path: Path) -> None:
    with pytest.raises(NothingThere, match="jiexu up --clock scenario"):
        ground(str(tmp_path))


def test_a_stack_on_the_systems_clock_says_what_helps(tmp_path: Path) -> None:
    endpoints: Endpoints = ENDPOINTS.model_copy(update={"clock": "system"})
    (tmp_path / "endpoints.json").write_text(endpoints.model_dump_json())

    with pytest.raises(NothingThere, match="ask the system's clock"):
        ground(str(tmp_path))


def test_a_stacks_own_file_stands_for_its_folder(folder: Path) -> None:
    (folder / "endpoints.json").write_text(ENDPOINTS.model_dump_json())

    found = ground(str(folder / "endpoints.json"), folder / "issuer.jwk")

    assert found.home == folder
    assert found.endpoints == ENDPOINTS


def test_without_a_word_it_is_the_stack_of_this_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against, "DEFAULT_HOME", tmp_path / "none")

    with pytest.raises(NothingThere, match="nothing was brought up here"):
        ground(None)
