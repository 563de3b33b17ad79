"""What the process is told to hear, how much it takes at once, and what it cannot start without."""

import orjson
import pytest
from pydantic import ValidationError

from contracts import topics
from contracts.documents import Document
from contracts.registry import FACTS
from services.destination_agency import app as module
from services.destination_agency.app import BODY_LIMIT, HEARS, SERVICE, concerns
from tests.exchange import a_received
from tests.integration.destination_agency.conftest import wish

OTHERS = [(role.encode(), role == SERVICE) for role in topics.ROLES]


@pytest.mark.parametrize(("role", "is_ours"), [*OTHERS, (b"", True), (b"nobody", True)])
def test_it_hears_what_is_addressed_to_it_and_what_no_role_owns(role: bytes, is_ours: bool) -> None:
    record = a_received(topic="exchange.33", headers=((topics.ROLE, role),))

    assert concerns(record) is is_ours


def test_a_record_without_any_role_is_its_to_park() -> None:
    assert concerns(a_received(topic="exchange.33"))


def test_it_takes_every_document_that_is_made_for_it() -> None:
    made_for_it = {kind for kind in FACTS.values() if issubclass(kind, Document) and kind.to_role == SERVICE}

    assert set(HEARS) == made_for_it


def test_ten_thousand_applications_fit_into_one_body() -> None:
    rows = [wish(employer_name="杭州市晴川科技有限公司", email="a.rather.long.address@mail.company.example")] * 10_000

    assert len(orjson.dumps({"rows": rows})) < BODY_LIMIT


def test_without_its_settings_it_does_not_start_and_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PROVINCE", "DATABASE_URL", "KAFKA_BOOTSTRAP", "SECRETS_DIR"):
        monkeypatch.delenv(name, raising=False)

    with pytest.raises(ValidationError) as refused:
        module.app()

    assert {"province", "database_url", "kafka_bootstrap"} <= {str(error["loc"][0]) for error in refused.value.errors()}
