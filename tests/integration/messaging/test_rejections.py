"""A rejection that comes in: kept and told when it names a document that was really sent, and no case's trouble otherwise."""

import hashlib
from typing import Any

import pytest

from contracts.base import Fact
from contracts.documents import (
    LetterReturn,
    LetterReturnDocument,
    Rejection,
    RejectionToOriginDocument,
)
from contracts.envelope import envelope, new_id
from contracts.events import DocumentRejected, QuarantineReason
from services.messaging.handler import Poison
from services.messaging.outbox import outgoing
from services.messaging.parking import Refused
from services.messaging.received import Received
from services.messaging.rejections import Rejections, rejection_of
from services.messaging.sealing import Sealer
from services.messaging.verification import Verifier
from tests.builders import PERSON, a
from tests.exchange import NOON, Exchange
from tests.integration.messaging.conftest import SCHEMA, SERVICE, Service
from tests.integration.messaging.ward import letters, sealed

REMEDY = "check the case and send it again"


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange()


async def sent(service: Service, exchange: Exchange, case: str, *, number: int = 5, addressee: str = "33") -> tuple[str, str]:
    """A document that 44's origin has sent to 33: its id and digest."""
    document: Fact = Sealer(exchange.directory(), "44").seal(
        LetterReturnDocument, a(LetterReturn), case_id=case, addressee=addressee
    )
    row = outgoing(envelope(document, source=SERVICE, subject=case, time=NOON))
    async with service.database.transaction("test") as tx:
        await service.outbox.append(tx, [row])
    await service.rows(
        "INSERT INTO origin_agency.numbered SELECT $1, seq, '', 1 FROM origin_agency.outbox WHERE event_id = $2",
        number,
        row.event_id,
    )
    return row.event_id, hashlib.sha256(row.payload).hexdigest()


def a_rejection(exchange: Exchange, case: str, **fields: Any) -> tuple[Received, Rejection]:
    body = a(Rejection, **{"document_type": "document.letter_return", "code": "unexpected", "remedy": REMEDY, **fields})
    (record,) = exchange.publish(sealed(exchange, RejectionToOriginDocument, body, case), service="33/destination-agency")
    return Received.of(record).read(), body


async def take(service: Service, *came: tuple[Received, Rejection], **known_as: str) -> list[DocumentRejected]:
    async with service.database.transaction("test") as tx:
        return list((await Rejections(SCHEMA).take(tx, came, known_as)).values())


async def test_a_rejection_of_what_was_sent_is_kept_and_told(service: Service, exchange: Exchange) -> None:
    case = new_id()
    event_id, digest = await sent(service, exchange, case)

    (told,) = await take(service, a_rejection(exchange, case, number=5, digest=digest), **{case: PERSON})

    assert (told.case_id, told.person_ref, told.rejected_by, told.document_id) == (
        case,
        PERSON,
        "33/destination-agency",
        event_id,
    )
    assert (told.document_type, told.number, told.digest, told.code, told.remedy) == (
        "document.letter_return",
        5,
        digest,
        "unexpected",
        REMEDY,
    )
    async with service.database.transaction("test") as tx:
        (kept,) = await Rejections(SCHEMA).received(tx)
    assert (kept["case_id"], kept["number"], kept["code"], kept["remedy"]) == (case, 5, "unexpected", REMEDY)


async def test_of_somebody_unknown_the_case_stands_for_the_person(service: Service, exchange: Exchange) -> None:
    case = new_id()
    _, digest = await sent(service, exchange, case)

    (told,) = await take(service, a_rejection(exchange, case, number=5, digest=digest))

    assert told.person_ref == case


@pytest.mark.parametrize("wrong", ["number", "digest", "addressee"])
async def test_a_rejection_of_what_was_never_sent_there_is_poison_that_holds_up_no_case(
    service: Service, exchange: Exchange, wrong: str
) -> None:
    case = new_id()
    _, digest = await sent(service, exchange, case, addressee="44" if wrong == "addressee" else "33")
    fields = {"number": 6 if wrong == "number" else 5, "digest": "ab" * 32 if wrong == "digest" else digest}
    record, body = a_rejection(exchange, case, **fields)

    with pytest.raises(Poison) as poison:
        await take(service, (record, body))

    assert poison.value.reason is QuarantineReason.WRONG_SENDER
    assert record.key.startswith("unproven:")


async def test_nothing_to_take_asks_nothing(service: Service) -> None:
    async with service.database.transaction("test") as tx:
        assert await Rejections(SCHEMA).take(tx, [], {}) == {}
        assert tx.statements == 0


def test_a_fact_of_a_journal_is_no_document_to_reject(exchange: Exchange) -> None:
    record = Received.of(letters(exchange, new_id())[0].but(topic="journal.44"))

    with pytest.raises(Refused, match="NOT_A_DOCUMENT"):
        rejection_of(record, Verifier(exchange.directory(), "44"), otherwise=new_id(), code="x", remedy=REMEDY)


def test_where_no_case_can_be_told_the_quarantines_id_stands_for_it(exchange: Exchange) -> None:
    (good,) = letters(exchange, new_id())
    value = b"\xff not even JSON"
    signed, [proof] = exchange.signer("33/destination-agency").sign_batch([value], first=1, previous="0" * 64, now=NOON)
    record = good.but(value=value, key=b"odd").with_header("jx-proof", proof)
    record = record.with_header("jx-checkpoint", signed.model_dump_json().encode())
    quarantine_id = new_id()

    kind, province, case_id, body = rejection_of(
        Received.of(record), Verifier(exchange.directory(), "44"), otherwise=quarantine_id, code="malformed", remedy=REMEDY
    )

    assert (kind.to_role, province, case_id) == ("destination-agency", "33", quarantine_id)
    assert (body.document_type, body.document_id) == ("unknown", None)
