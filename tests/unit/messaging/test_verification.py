"""Whether a record is what it claims: every way in which it may not be, by name."""

from datetime import timedelta

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts import topics
from contracts.directory import Checkpoint, SignedCheckpoint
from contracts.documents import ContactLetter, ContactLetterDocument, InformationForm, InformationFormDocument
from contracts.events import FundsReceived, QuarantineReason
from services.messaging.sealing import Sealer
from services.messaging.signing import Signer
from services.messaging.verification import Unverified, Verifier
from tests.builders import CASE, OTHER_CASE, a
from tests.exchange import LONG_AGO, Exchange, KafkaRecord, received


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def verifier(exchange: Exchange) -> Verifier:
    return Verifier(exchange.directory(), "33")


@pytest.fixture
def batch(exchange: Exchange) -> list[KafkaRecord]:
    return exchange.publish(*(a(FundsReceived, amount_fen=at) for at in range(5)), first=11)


@pytest.fixture
def form(exchange: Exchange) -> KafkaRecord:
    """A form from 44 to 33."""
    return _form(exchange)


def _form(exchange: Exchange, *, sender: str = "44", addressee: str = "33", service: str = "44/origin-agency") -> KafkaRecord:
    document = Sealer(exchange.directory(), sender).seal(
        InformationFormDocument, a(InformationForm), case_id=CASE, addressee=addressee
    )
    return exchange.publish(document, service=service)[0]


def refused(verifier: Verifier, record: KafkaRecord) -> QuarantineReason:
    """The reason. Whatever it is, no case is parked for it, and an operator sees which one was named."""
    taken = received(record)
    said = taken.key
    with pytest.raises(Unverified) as refusal:
        verifier.check(taken)
    assert taken.key == f"unproven:{record.topic}-{record.partition}-{record.offset}"
    assert said in refusal.value.detail
    return refusal.value.reason


def test_every_record_of_a_good_batch_is_accepted_and_notes_its_checkpoint(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    records = [received(record) for record in batch]

    for record in records:
        verifier.check(record)

    signed = SignedCheckpoint.model_validate_json(records[0].headers[topics.CHECKPOINT])
    assert {record.checkpoint_digest for record in records} == {signed.digest}


def test_a_document_of_another_province_is_accepted(verifier: Verifier, form: KafkaRecord) -> None:
    verifier.check(received(form))


def test_a_record_without_a_checkpoint_is_unsigned(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    assert refused(verifier, batch[0].but(headers=())) is QuarantineReason.UNSIGNED


@pytest.mark.parametrize("text", [b"{}", b"\xff", b"null", b'{"checkpoint": "{}", "signature": "%s"}' % (b"ab" * 64)])
def test_a_checkpoint_that_cannot_be_read_is_none(verifier: Verifier, batch: list[KafkaRecord], text: bytes) -> None:
    assert refused(verifier, batch[0].with_header(topics.CHECKPOINT, text)) is QuarantineReason.UNSIGNED


@pytest.mark.parametrize(
    "number", [b"", b"x", b"10", b"16", b"-11", b"1" * 30, "１１".encode(), b"\xff"], ids=lambda number: repr(number)
)
def test_a_number_outside_the_batch_proves_nothing(verifier: Verifier, batch: list[KafkaRecord], number: bytes) -> None:
    assert refused(verifier, batch[0].with_header(topics.NUMBER, number)) is QuarantineReason.BAD_PROOF


def test_a_record_at_anothers_place_proves_nothing(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    assert refused(verifier, batch[0].with_header(topics.NUMBER, b"12")) is QuarantineReason.BAD_PROOF


def test_a_record_with_anothers_path_proves_nothing(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    assert (
        refused(verifier, batch[0].with_header(topics.PROOF, dict(batch[2].headers)[topics.PROOF])) is QuarantineReason.BAD_PROOF
    )


def test_a_record_whose_bytes_were_touched_proves_nothing(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    raw = orjson.loads(batch[0].value or b"")
    raw["data"]["amount_fen"] += 1

    assert refused(verifier, batch[0].but(value=orjson.dumps(raw))) is QuarantineReason.BAD_PROOF


def test_a_single_space_is_enough_to_prove_nothing(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    assert refused(verifier, batch[0].but(value=(batch[0].value or b"") + b" ")) is QuarantineReason.BAD_PROOF


def test_a_key_that_the_directory_does_not_know_is_nobodys(exchange: Exchange, verifier: Verifier) -> None:
    stranger = Signer("33/destination-agency", Ed25519PrivateKey.generate())

    (record,) = exchange.publish(a(FundsReceived), signer=stranger)

    assert refused(verifier, record) is QuarantineReason.UNKNOWN_SENDER


def test_a_key_of_another_service_is_not_the_senders(exchange: Exchange, verifier: Verifier) -> None:
    borrowed = Signer("33/destination-agency", exchange.signing["44/origin-agency"])

    (record,) = exchange.publish(a(FundsReceived), signer=borrowed)

    assert refused(verifier, record) is QuarantineReason.UNKNOWN_SENDER


def test_a_key_counts_only_in_its_time(exchange: Exchange, verifier: Verifier) -> None:
    (record,) = exchange.publish(a(FundsReceived), signed_at=LONG_AGO - timedelta(seconds=1))

    assert refused(verifier, record) is QuarantineReason.UNKNOWN_SENDER


def test_a_time_without_an_offset_is_refused_and_does_not_break_the_reader(exchange: Exchange, verifier: Verifier) -> None:
    (record,) = exchange.publish(a(FundsReceived), signed_at=LONG_AGO.replace(tzinfo=None))

    assert refused(verifier, record) is QuarantineReason.UNSIGNED


def test_a_signature_over_another_checkpoint_does_not_hold(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    signed = SignedCheckpoint.model_validate_json(dict(batch[0].headers)[topics.CHECKPOINT] or b"")
    checkpoint = Checkpoint.model_validate_json(signed.checkpoint)
    longer = checkpoint.model_copy(update={"last": checkpoint.last + 1}).model_dump_json()
    forged = signed.model_copy(update={"checkpoint": longer}).model_dump_json().encode()

    assert refused(verifier, batch[0].with_header(topics.CHECKPOINT, forged)) is QuarantineReason.BAD_SIGNATURE


def test_a_service_that_signs_what_another_says_is_the_wrong_sender(exchange: Exchange, verifier: Verifier) -> None:
    (record,) = exchange.publish(a(FundsReceived), signer=exchange.signer("33/origin-agency"))

    assert refused(verifier, record) is QuarantineReason.WRONG_SENDER


def test_a_province_that_sends_in_anothers_name_is_the_wrong_sender(exchange: Exchange, verifier: Verifier) -> None:
    record = _form(exchange, sender="33", service="44/origin-agency")

    assert refused(verifier, record) is QuarantineReason.WRONG_SENDER


def test_a_document_for_another_province_is_not_ours(exchange: Exchange, verifier: Verifier) -> None:
    record = _form(exchange, sender="44", addressee="44")

    assert refused(verifier, record) is QuarantineReason.WRONG_ADDRESSEE
    assert refused(verifier, record.but(topic="exchange.33")) is QuarantineReason.WRONG_ADDRESSEE


def test_a_document_on_a_journal_is_at_the_wrong_place(verifier: Verifier, form: KafkaRecord) -> None:
    assert refused(verifier, form.but(topic="journal.44")) is QuarantineReason.WRONG_ADDRESSEE


def test_a_fact_on_an_exchange_or_on_anothers_journal_is_at_the_wrong_place(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    for topic in ("exchange.33", "journal.44"):
        assert refused(verifier, batch[0].but(topic=topic)) is QuarantineReason.WRONG_ADDRESSEE


@pytest.mark.parametrize("key", [OTHER_CASE.encode(), b"", None, b"\xff", CASE.encode() + b"\x00"])
def test_a_record_filed_under_another_key_than_its_signed_subject_is_filed_wrongly(
    verifier: Verifier, batch: list[KafkaRecord], form: KafkaRecord, key: bytes | None
) -> None:
    for record in (batch[0], form):
        assert refused(verifier, record.but(key=key)) is QuarantineReason.WRONG_KEY


def test_what_is_proven_keeps_its_key(verifier: Verifier, form: KafkaRecord) -> None:
    record = received(form)

    verifier.check(record)

    assert record.key == CASE


def test_a_bug_in_the_verifier_is_no_proof_of_a_case(
    verifier: Verifier, form: KafkaRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = received(form)
    monkeypatch.setattr("services.messaging.verification.root_of", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        verifier.check(record)

    assert record.key == "unproven:exchange.33-0-0"


def test_a_letter_goes_to_the_origin_and_is_verified_there(exchange: Exchange) -> None:
    letter = Sealer(exchange.directory(), "33").seal(ContactLetterDocument, a(ContactLetter), case_id=CASE, addressee="44")
    (record,) = exchange.publish(letter, service="33/destination-agency")

    Verifier(exchange.directory(), "44").check(received(record))

    assert received(record).role == "origin-agency"


def test_a_batch_that_was_verified_once_does_not_excuse_a_bad_record_of_it(verifier: Verifier, batch: list[KafkaRecord]) -> None:
    verifier.check(received(batch[0]))

    assert refused(verifier, batch[1].with_header(topics.PROOF, b"")) is QuarantineReason.BAD_PROOF
