"""The quarantine: what cannot be handled is kept as it came, with its reason, and told once."""

import json

import pytest

from contracts.events import MessageParked, QuarantineReason
from services.messaging.quarantine import Parked, Quarantine
from services.messaging.received import Received
from tests.builders import CASE
from tests.exchange import NOON, KafkaRecord, a_received
from tests.integration.messaging.conftest import SCHEMA, SERVICE, Service


@pytest.fixture
def quarantine() -> Quarantine:
    return Quarantine(SCHEMA, SERVICE)


def poison(record: Received, detail: str = "why") -> Parked:
    return Parked(record, QuarantineReason.MALFORMED, detail)


async def park(service: Service, quarantine: Quarantine, *parked: Parked) -> list[MessageParked]:
    async with service.database.transaction("test") as tx:
        told = await quarantine.park(tx, parked, now=NOON)
    return [message.data for message in told if isinstance(message.data, MessageParked)]


async def test_a_record_is_kept_with_its_bytes_headers_place_and_reason(service: Service, quarantine: Quarantine) -> None:
    record = Received.of(KafkaRecord("exchange.44", 3, 17, CASE.encode(), b"\xff{", (("odd", b"\xff"), ("null", None))))

    (told,) = await park(service, quarantine, poison(record))

    (row,) = await service.rows("SELECT * FROM origin_agency.quarantine")
    assert (row["topic"], row["partition"], row["offset"], row["case_key"]) == ("exchange.44", 3, 17, CASE)
    assert (row["value"], row["reason"], row["detail"], row["state"]) == (b"\xff{", "malformed", "why", "parked")
    assert json.loads(row["headers"]) == {"odd": "ff", "null": ""}
    assert (told.quarantine_id, told.topic, told.partition, told.offset) == (row["quarantine_id"], "exchange.44", 3, 17)
    assert (told.reason, told.digest) == ("malformed", record.digest.hex())


async def test_a_redelivered_record_is_not_parked_twice_and_not_told_twice(service: Service, quarantine: Quarantine) -> None:
    record = poison(a_received())
    await park(service, quarantine, record)

    again = await park(service, quarantine, record)

    assert again == []
    assert len(await service.rows("SELECT 1 FROM origin_agency.quarantine")) == 1


async def test_an_operator_sees_what_waits_without_its_content(service: Service, quarantine: Quarantine) -> None:
    await park(service, quarantine, poison(a_received(offset=1)), poison(a_received(offset=2)))

    async with service.database.transaction("test") as tx:
        waiting = await quarantine.waiting(tx)
        done = await quarantine.waiting(tx, "skipped")

    assert [row["offset"] for row in waiting] == [1, 2]
    assert done == []
    assert not {"value", "headers"} & set(waiting[0])


@pytest.mark.parametrize(
    "record",
    [
        KafkaRecord(key=b"\xff\x00case", value=b"\x00\xff"),
        KafkaRecord(key=None, value=None, headers=(("nul\x00name", b"\x00"),)),
        KafkaRecord(key=b"", value=b"", headers=(("", b""), ("\ud800".encode("utf-8", "replace").decode(), b"x"))),
        KafkaRecord(value=b"x" * 1_000_000),
    ],
    ids=["bytes", "nulls", "empty", "large"],
)
async def test_there_is_no_record_that_cannot_be_parked(service: Service, quarantine: Quarantine, record: KafkaRecord) -> None:
    told = await park(service, quarantine, poison(Received.of(record), "detail with \x00 and \ufffd" + "x" * 1000))

    assert len(told) == 1
    (row,) = await service.rows("SELECT value, length(detail) AS length FROM origin_agency.quarantine")
    assert row["value"] == (record.value or b"")
    assert row["length"] == 500


async def test_parking_nothing_asks_nothing(service: Service, quarantine: Quarantine) -> None:
    async with service.database.transaction("test") as tx:
        assert await quarantine.park(tx, [], now=NOON) == []
        assert tx.statements == 0


async def test_a_state_is_one_of_those_that_an_operator_knows(service: Service, quarantine: Quarantine) -> None:
    await park(service, quarantine, poison(a_received()))

    with pytest.raises(Exception, match="quarantine_state_check"):
        await service.as_role("UPDATE origin_agency.quarantine SET state = 'forgotten'")
