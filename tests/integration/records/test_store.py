"""Persons' records in the database: found by number or reference, and readable to nobody who has not their keys."""

import asyncio
from dataclasses import replace
from datetime import date

from contracts.envelope import new_id
from services.origin_agency.vouchers import issue
from services.records import store
from services.records.importing import Import, Importer
from services.world.plan import plan
from tests.agencies import InProcess, contributions_csv, known_in, parsed, persons_csv
from tests.builders import CASE
from tests.unit.rules.builders import a_row, own

HE = known_in("44")


async def test_names_numbers_and_contacts_stand_nowhere_in_clear(at: InProcess) -> None:
    people = [record for case in plan(3, 12, protagonist=True).cases() if (record := case.record("44")) is not None]
    await at.importing(*people)
    # What cannot be taken is noted too.
    bad = replace(HE, person=replace(HE.person, hukou="99"))
    refused = parsed(persons_csv([bad]), contributions_csv([bad]), accept_good_rows=True)
    await Importer(at.database, at.agency).begin(Import(new_id(), "e" * 64, "operator-1", refused))

    await issue(at.database, at.agency, (await at.record(HE.person.id_number)).person_ref)

    secrets = {text for known in people for text in (known.person.id_number, known.person.name, known.person.phone)}
    places = await at.places_of(*secrets)

    assert len(secrets) > 12
    assert places == {}
    # The search finds what is there to be found.
    findable = (await at.record(HE.person.id_number)).person_ref, "cn.jiexu.voucher.issued.v1", "is no province"
    assert {text: found[0] for text, found in (await at.places_of(*findable)).items()} == {
        findable[0]: "records.persons.person_ref",
        findable[1]: "origin_agency.outbox.type",
        findable[2]: "records.imports.errors",
    }


async def test_a_record_comes_back_as_it_went_in(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)

    async with at.database.transaction("test") as tx:
        by_ref = await store.by_ref(tx, at.vault, [record.person_ref])

    assert by_ref == {record.person_ref: record}
    assert record.personal.id_number == HE.person.id_number
    assert record.personal.phone == HE.person.phone
    assert (record.first_insured_on, record.stopped_on) == (date(2022, 1, 1), date(2024, 3, 31))
    assert record.has_paid


async def test_a_changed_record_is_written_back_and_its_version_counted(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    arrived = own(a_row("2020-01", "2020-12"))

    async with at.database.transaction("test") as tx:
        await store.change(tx, at.vault, [replace(record.joined_by((arrived,)), drawing_since=date(2024, 5, 1))])

    changed = await at.record(HE.person.id_number)
    assert changed.segments == (*record.segments, arrived)
    assert changed.drawing_since == date(2024, 5, 1)
    assert [row["version"] for row in await at.rows("SELECT version FROM records.persons")] == [2]


async def test_a_closed_relationship_counts_nothing_here_any_more(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)

    async with at.database.transaction("test") as tx:
        await store.close(tx, at.vault, {record.person_ref: CASE})

    closed = await at.record(HE.person.id_number)
    assert closed == replace(record, state="moved", segments=(), left=record.segments, left_with=CASE)
    assert not closed.has_paid


async def test_an_account_that_was_paid_out_counts_nothing_here_any_more(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)

    async with at.database.transaction("test") as tx:
        await store.settle(tx, at.vault, [record.person_ref])

    assert await at.record(HE.person.id_number) == replace(record, state="settled", segments=(), left=record.segments)


async def test_a_relationship_that_comes_back_has_its_rows_again(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    async with at.database.transaction("test") as tx:
        await store.close(tx, at.vault, {record.person_ref: CASE})
    closed = await at.record(HE.person.id_number)

    async with at.database.transaction("test") as tx:
        await store.change(tx, at.vault, [closed.reopened()])

    assert await at.record(HE.person.id_number) == record


async def test_nobody_asked_for_is_nobody_found(at: InProcess) -> None:
    async with at.database.transaction("test") as tx:
        found = [
            await store.by_hash(tx, at.vault, []),
            await store.by_hash(tx, at.vault, [b"unknown"]),
            await store.by_ref(tx, at.vault, []),
            await store.by_ref(tx, at.vault, [new_id()]),
        ]

    assert found == [{}] * 4


async def test_a_record_that_somebody_has_in_hand_is_waited_for(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    order: list[str] = []

    async def first() -> None:
        async with at.database.transaction("test") as tx:
            await store.by_ref(tx, at.vault, [record.person_ref])
            order.append("first has it")
            await asyncio.sleep(0.1)
            order.append("first lets go")

    async def second() -> None:
        await asyncio.sleep(0.03)
        async with at.database.transaction("test") as tx:
            await store.by_ref(tx, at.vault, [record.person_ref])
            order.append("second has it")

    await asyncio.gather(first(), second())

    assert order == ["first has it", "first lets go", "second has it"]


async def test_a_record_that_is_locked_when_it_is_found_by_number_waits_for_nobody_else_to_change_it(at: InProcess) -> None:
    await at.importing(HE)
    record = await at.record(HE.person.id_number)
    held, order = asyncio.Event(), []

    async def hold() -> None:
        async with at.database.transaction("test") as tx:
            assert await store.by_hash(tx, at.vault, [record.id_hash], locked=True) == {record.id_hash: record}
            held.set()
            await asyncio.sleep(0.3)
            order.append("held")

    async def change() -> None:
        await held.wait()
        async with at.database.transaction("test") as tx:
            await store.by_ref(tx, at.vault, [record.person_ref])
            order.append("changed")

    await asyncio.gather(hold(), change())

    assert order == ["held", "changed"]
