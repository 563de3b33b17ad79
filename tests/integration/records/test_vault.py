"""Persons' keys: made once, found again, gone when they are destroyed."""

import asyncio

import pytest

from contracts.envelope import new_id
from services.messaging.sealing import Unopenable
from services.records.vault import PersonForgotten, Vault
from tests.agencies import InProcess

HASH_KEY = b"44" * 16


def a_vault(at: InProcess, *, kept_s: float = 0) -> Vault:
    return Vault(at.keys, HASH_KEY, kept_s=kept_s)


async def test_what_was_sealed_for_a_person_opens_again_in_another_process(at: InProcess) -> None:
    person = new_id()
    keys = await a_vault(at).make([person])
    sealed = Vault.seal(keys, person, "陈志远".encode())

    found = await a_vault(at).keys([person])

    assert found == keys
    assert len(keys[person]) == 32
    assert Vault.open(found, person, sealed).decode() == "陈志远"
    assert "陈志远" not in sealed.model_dump_json()


async def test_each_person_has_a_key_of_the_own_that_opens_nobody_elses_data(at: InProcess) -> None:
    one, other = new_id(), new_id()
    keys = await a_vault(at).make([one, other])
    sealed = Vault.seal(keys, one, b"text")

    with pytest.raises(Unopenable):
        Vault.open({one: keys[other]}, one, sealed)
    with pytest.raises(Unopenable):
        Vault.open({other: keys[one]}, other, sealed)


async def test_a_key_that_is_asked_for_again_is_the_one_that_was_made(at: InProcess) -> None:
    known, new = new_id(), new_id()
    first = await a_vault(at).make([known])

    again = await a_vault(at).make([known, new])

    assert again[known] == first[known]
    assert await a_vault(at).keys([known, new]) == again


async def test_two_who_make_the_same_key_at_once_get_the_same(at: InProcess) -> None:
    person = new_id()

    one, other = await asyncio.gather(a_vault(at).make([person]), a_vault(at).make([person]))

    assert one == other == await a_vault(at).keys([person])


async def test_a_destroyed_key_forgets_the_person_for_good(at: InProcess) -> None:
    person, other = new_id(), new_id()
    keys = await a_vault(at).make([person, other])
    sealed = Vault.seal(keys, person, b"text")

    await at.forget(person)
    found = await a_vault(at).keys([person, other])
    remade = await a_vault(at).make([person])

    assert found == {other: keys[other]}
    assert remade == {}
    with pytest.raises(PersonForgotten):
        Vault.open(found, person, sealed)
    with pytest.raises(PersonForgotten):
        Vault.seal(found, person, b"more")


async def test_a_key_is_kept_in_memory_for_a_while_and_no_longer(at: InProcess) -> None:
    person = new_id()
    short, long = a_vault(at, kept_s=0.05), a_vault(at, kept_s=60)
    keys = await long.make([person])
    await short.keys([person])
    await at.forget(person)

    at_once = await long.keys([person])
    await asyncio.sleep(0.06)
    later = await short.keys([person])

    assert at_once == keys
    assert later == {}


async def test_nobody_asked_for_is_nobody_found(at: InProcess) -> None:
    assert await a_vault(at).keys([]) == {}
    assert await a_vault(at).keys([new_id()]) == {}
    assert await a_vault(at).make([]) == {}


def test_a_person_is_found_by_a_hash_that_only_the_province_can_make(at: InProcess) -> None:
    other_province = Vault(at.keys, b"33" * 16)

    assert a_vault(at).id_hash("11010519491231002X") == a_vault(at).id_hash("11010519491231002X")
    assert a_vault(at).id_hash("11010519491231002X") != other_province.id_hash("11010519491231002X")
    assert len(a_vault(at).id_hash("11010519491231002X")) == 32
