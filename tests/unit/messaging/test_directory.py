"""Who is who: only the root's word counts, the newest entry of a province, and keys in their time."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.directory import DirectoryEntry
from services.messaging.directory import (
    Directory,
    DirectoryReader,
    DirectoryRefused,
    DirectoryUnread,
    open_entry,
    sign_entry,
)
from services.messaging.signing import key_id, public_hex
from services.runtime.broker import KafkaAccess
from tests.exchange import LONG_AGO, NOON, Exchange

SIGNER = "33/destination-agency"


@pytest.fixture(scope="module")
def exchange() -> Exchange:
    return Exchange()


def ended(entry: DirectoryEntry, owner: str) -> DirectoryEntry:
    """The entry with one owner's key ended at noon, issued at noon."""
    keys = tuple(key.model_copy(update={"valid_to": NOON}) if key.owner == owner else key for key in entry.keys)
    return entry.model_copy(update={"keys": keys, "issued_at": NOON})


def test_an_entry_that_the_root_signed_is_taken(exchange: Exchange) -> None:
    directory = Directory(exchange.root_fingerprint)

    entry = directory.learn(sign_entry(exchange.entry("33"), exchange.root))

    assert directory.knows("33")
    assert not directory.knows("44")
    assert directory.entry("33") == entry == exchange.entry("33")
    assert directory.provinces() == ("33",)


def test_an_entry_of_another_root_is_refused(exchange: Exchange) -> None:
    directory = Directory(exchange.root_fingerprint)

    with pytest.raises(DirectoryRefused, match="another root"):
        directory.learn(sign_entry(exchange.entry("33"), Ed25519PrivateKey.generate()))

    assert not directory.knows("33")


def test_an_entry_whose_text_was_touched_is_refused(exchange: Exchange) -> None:
    signed = sign_entry(exchange.entry("33"), exchange.root)
    touched = signed.model_copy(update={"entry": signed.entry.replace('"province":"33"', '"province":"44"')})

    with pytest.raises(DirectoryRefused, match="signature"):
        open_entry(touched, exchange.root_fingerprint)


def test_the_newest_entry_of_a_province_counts_in_whatever_order_they_come(exchange: Exchange) -> None:
    old = sign_entry(exchange.entry("33", phone="old"), exchange.root)
    new = sign_entry(exchange.entry("33", phone="new", issued_at=NOON), exchange.root)

    for order in ((old, new), (new, old)):
        directory = Directory(exchange.root_fingerprint)
        for signed in order:
            directory.learn(signed)
        found = directory.entry("33")
        assert found is not None
        assert found.phone == "new"
        assert directory.signed_entries() == (new,)


def test_a_signing_key_belongs_to_its_owner_and_use(exchange: Exchange) -> None:
    directory = exchange.directory()
    public = public_hex(exchange.signing[SIGNER])
    sealing = key_id(public_hex(exchange.sealing["33"]))

    assert directory.signing_key(key_id(public), SIGNER, NOON) == public
    assert directory.signing_key(key_id(public), "33/origin-agency", NOON) is None
    assert directory.signing_key("unknown", SIGNER, NOON) is None
    assert directory.signing_key(sealing, "33/sealing", NOON) is None


def test_a_key_counts_from_its_first_to_its_last_moment(exchange: Exchange) -> None:
    directory = Directory(exchange.root_fingerprint)
    directory.learn(sign_entry(ended(exchange.entry("33"), SIGNER), exchange.root))
    key = key_id(public_hex(exchange.signing[SIGNER]))
    moment = timedelta(microseconds=1)

    found = [directory.signing_key(key, SIGNER, at) is not None for at in (LONG_AGO - moment, LONG_AGO, NOON, NOON + moment)]

    assert found == [False, True, True, False]


def test_a_key_that_left_the_entry_is_still_known_for_old_records(exchange: Exchange) -> None:
    directory = exchange.directory()
    entry = exchange.entry("33")
    without = entry.model_copy(update={"keys": (), "issued_at": NOON})

    directory.learn(sign_entry(without, exchange.root))

    assert directory.signing_key(key_id(public_hex(exchange.signing[SIGNER])), SIGNER, NOON) is not None


def test_an_older_entry_that_comes_again_does_not_bring_back_a_key_that_was_ended(exchange: Exchange) -> None:
    directory = Directory(exchange.root_fingerprint)
    directory.learn(sign_entry(ended(exchange.entry("33"), SIGNER), exchange.root))

    directory.learn(sign_entry(exchange.entry("33"), exchange.root))

    assert directory.signing_key(key_id(public_hex(exchange.signing[SIGNER])), SIGNER, NOON + timedelta(days=1)) is None


def test_a_sealing_key_that_was_ended_is_used_no_longer(exchange: Exchange) -> None:
    directory = Directory(exchange.root_fingerprint)

    directory.learn(sign_entry(ended(exchange.entry("33"), "33/sealing"), exchange.root))

    assert directory.sealing_key("33") is None
    assert directory.sealing_key("62") is None


def test_two_parties_can_tell_whether_they_see_the_same_directory(exchange: Exchange) -> None:
    one, other = exchange.directory(), exchange.directory()
    before = one.digest()

    other.learn(sign_entry(exchange.entry("33", phone="new", issued_at=NOON), exchange.root))

    assert exchange.directory().digest() == before
    assert other.digest() != before


@pytest.mark.parametrize("value", [None, b"", b"{", b"{}", b"\xff"])
async def test_what_stands_on_the_topic_and_is_no_entry_is_passed_over(exchange: Exchange, value: bytes | None) -> None:
    directory = exchange.directory()
    before = directory.digest()

    DirectoryReader(directory, KafkaAccess("nowhere:9092", "x", "x", "x"))._take(value)

    assert directory.digest() == before


def test_while_the_directory_is_not_read_nobody_is_told_that_a_province_has_no_entry(exchange: Exchange) -> None:
    directory = Directory(exchange.root_fingerprint)
    DirectoryReader(directory, KafkaAccess("nowhere:9092", "x", "x", "x"))

    directory.learn(sign_entry(exchange.entry("33"), exchange.root))

    assert directory.knows("33")
    for ask in (directory.knows, directory.entry, directory.sealing_key):
        with pytest.raises(DirectoryUnread, match="44"):
            ask("44")
