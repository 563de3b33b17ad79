"""Sealing: only the addressee opens a document, and only as what it was sealed for."""

import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from contracts.base import SealedForPerson, SealedForProvince
from contracts.directory import PublicKey
from contracts.documents import (
    CompletionDocument,
    ContactLetter,
    ContactLetterDocument,
    Document,
    InformationFormDocument,
    PersonIdentity,
)
from contracts.registry import DOCUMENTS, FACTS
from services.messaging.directory import Directory, sign_entry
from services.messaging.sealing import NoSealingKey, Opener, Sealer, Unopenable, open_for_person, seal_for_person
from services.messaging.signing import key_id, public_hex
from tests.builders import CASE, OTHER_CASE, PERSON, a
from tests.exchange import NOON, Exchange

LETTER = a(ContactLetter, person=PersonIdentity(id_number="440101199003151234", name="李雷"))


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def sealed(exchange: Exchange) -> ContactLetterDocument:
    return Sealer(exchange.directory(), "33").seal(ContactLetterDocument, LETTER, case_id=CASE, addressee="44", version=2)


def test_the_addressee_reads_what_was_sealed(exchange: Exchange, sealed: ContactLetterDocument) -> None:
    assert Opener(exchange.sealing["44"]).open(sealed) == LETTER
    assert (sealed.case_id, sealed.sender, sealed.addressee, sealed.document_version) == (CASE, "33", "44", 2)


@pytest.mark.parametrize("kind", [FACTS[name] for name in sorted(DOCUMENTS)], ids=lambda kind: kind.type_name)
def test_every_kind_of_document_can_be_sealed_and_opened(exchange: Exchange, kind: type[Document]) -> None:
    body = a(kind.body_type)

    document = Sealer(exchange.directory(), "33").seal(kind, body, case_id=CASE, addressee="44")

    assert Opener(exchange.sealing["44"]).open(document) == body


def test_nobody_else_reads_it_not_even_the_sender(exchange: Exchange, sealed: ContactLetterDocument) -> None:
    for key in (exchange.sealing["33"], X25519PrivateKey.generate()):
        with pytest.raises(Unopenable):
            Opener(key).open(sealed)


def test_no_person_data_shows_from_outside(sealed: ContactLetterDocument) -> None:
    shown = sealed.model_dump_json()

    assert "440101199003151234" not in shown
    assert "李雷" not in shown


@pytest.mark.parametrize(
    "change",
    [{"case_id": OTHER_CASE}, {"document_version": 3}, {"sender": "41"}, {"addressee": "33"}],
    ids=lambda change: next(iter(change)),
)
def test_a_body_is_bound_to_its_case_version_and_parties(
    exchange: Exchange, sealed: ContactLetterDocument, change: dict[str, Any]
) -> None:
    with pytest.raises(Unopenable):
        Opener(exchange.sealing["44"]).open(sealed.model_copy(update=change))


def test_a_letter_cannot_be_passed_off_as_a_form(exchange: Exchange, sealed: ContactLetterDocument) -> None:
    with pytest.raises(Unopenable):
        Opener(exchange.sealing["44"]).open(InformationFormDocument(**sealed.model_dump() | {"sealed": sealed.sealed}))


@pytest.mark.parametrize(
    "change",
    [
        {"nonce": "0" * 24},
        {"ciphertext": "AAAA"},
        {"ciphertext": ""},
        {"ciphertext": "="},
        {"encapsulated": "AAAA"},
        {"encapsulated": ""},
        {"encapsulated": "A"},
        {"recipient_key": "unknown"},
    ],
    ids=str,
)
def test_an_altered_seal_does_not_open_and_says_so_by_name(
    exchange: Exchange, sealed: ContactLetterDocument, change: dict[str, str]
) -> None:
    altered = sealed.model_copy(update={"sealed": sealed.sealed.model_copy(update=change)})

    with pytest.raises(Unopenable):
        Opener(exchange.sealing["44"]).open(altered)


def test_a_body_that_does_not_fit_its_kind_does_not_open(exchange: Exchange) -> None:
    class Loose(CompletionDocument):
        body_type = ContactLetter  # a sender whose software is wrong

    wrong = Sealer(exchange.directory(), "33").seal(Loose, LETTER, case_id=CASE, addressee="44")

    with pytest.raises(Unopenable):
        Opener(exchange.sealing["44"]).open(CompletionDocument(**wrong.model_dump() | {"sealed": wrong.sealed}))


def test_one_batch_costs_one_encapsulation_a_receiver_and_each_body_its_own_nonce(exchange: Exchange) -> None:
    sealer = Sealer(exchange.directory(), "33")

    seals = [sealer.seal(ContactLetterDocument, LETTER, case_id=CASE, addressee="44").sealed for _ in range(3)]
    other = sealer.seal(ContactLetterDocument, LETTER, case_id=CASE, addressee="33").sealed

    assert len({seal.encapsulated for seal in seals}) == 1
    assert len({seal.nonce for seal in seals}) == 3
    assert other.encapsulated != seals[0].encapsulated


def test_the_next_batch_has_another_data_key(exchange: Exchange, sealed: ContactLetterDocument) -> None:
    later = Sealer(exchange.directory(), "33").seal(ContactLetterDocument, LETTER, case_id=CASE, addressee="44", version=2)

    assert later.sealed.encapsulated != sealed.sealed.encapsulated


def test_documents_are_sealed_under_the_newest_key_and_older_ones_still_open(exchange: Exchange) -> None:
    old, new = exchange.sealing["44"], X25519PrivateKey.generate()
    before = Sealer(exchange.directory(), "33").seal(ContactLetterDocument, LETTER, case_id=CASE, addressee="44")
    entry = exchange.entry("44")
    newer = PublicKey(
        key_id=key_id(public_hex(new)), owner="44/sealing", use="sealing", public_hex=public_hex(new), valid_from=NOON
    )
    directory = Directory(exchange.root_fingerprint)
    directory.learn(sign_entry(entry.model_copy(update={"keys": (*entry.keys, newer)}), exchange.root))

    after = Sealer(directory, "33").seal(ContactLetterDocument, LETTER, case_id=CASE, addressee="44")

    opener = Opener(new, old)
    assert after.sealed.recipient_key == key_id(public_hex(new))
    assert opener.open(before) == opener.open(after) == LETTER


def test_a_province_without_a_sealing_key_gets_nothing(exchange: Exchange) -> None:
    with pytest.raises(NoSealingKey, match="62"):
        Sealer(exchange.directory(), "33").seal(ContactLetterDocument, LETTER, case_id=CASE, addressee="62")


def test_persons_data_opens_under_the_persons_key_alone() -> None:
    key, sealed = (key := os.urandom(32)), seal_for_person(key, PERSON, "李雷".encode())

    assert open_for_person({PERSON: key}, PERSON, sealed) == "李雷".encode()


def test_a_person_whose_key_was_destroyed_is_forgotten() -> None:
    sealed = seal_for_person(os.urandom(32), PERSON, b"data")

    assert open_for_person({}, PERSON, sealed) is None


@pytest.mark.parametrize("damage", ["another key", "another person", "altered", "not base64"])
def test_persons_data_that_was_touched_says_so(damage: str) -> None:
    key, other = os.urandom(32), OTHER_CASE
    sealed = seal_for_person(key, PERSON, b"data")
    keys, person = {PERSON: key, other: key}, PERSON
    match damage:
        case "another key":
            keys[PERSON] = os.urandom(32)
        case "another person":
            person = other
        case "altered":
            sealed = SealedForPerson(nonce=sealed.nonce, ciphertext="AAAA" + sealed.ciphertext[4:])
        case "not base64":
            sealed = SealedForPerson(nonce=sealed.nonce, ciphertext="A")

    with pytest.raises(Unopenable):
        open_for_person(keys, person, sealed)


def test_a_sealed_body_survives_its_own_text(exchange: Exchange, sealed: ContactLetterDocument) -> None:
    again = SealedForProvince.model_validate_json(sealed.sealed.model_dump_json())

    assert Opener(exchange.sealing["44"]).open(sealed.model_copy(update={"sealed": again})) == LETTER
