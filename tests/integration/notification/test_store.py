"""Contacts and notices on the real database: queued once, taken in order, in one hand at a time."""

import asyncpg
import pytest

from contracts.statuses import Status
from services.notification import store
from services.notification.notices import notice_for
from services.notification.store import Outcome, State
from tests.integration.notification.conftest import DOMAIN, NOON, TABLES, World, letter_sent, said


async def test_a_notice_is_queued_once_an_event_and_channel(world: World) -> None:
    contact = await world.contact()
    notice = notice_for(said(letter_sent(contact.contact_id, contact.person_ref)), TABLES, DOMAIN)
    assert notice is not None

    async with world.database.transaction("test") as tx:
        await store.queue(tx, [notice])
        await store.queue(tx, [notice, notice])

    async with world.database.transaction("test") as tx:
        assert len(await store.of_case(tx, contact.contact_id)) == 1


async def test_the_database_itself_refuses_a_second_notice_of_an_event(world: World) -> None:
    contact = await world.contact()
    [event] = await world.queue(contact, Status.LETTER_SENT)

    with pytest.raises(asyncpg.UniqueViolationError, match="notices_once"):
        async with world.database.transaction("test") as tx:
            await tx.execute(
                """
                INSERT INTO notification.notices (notice_id, event_id, channel, case_id, person_ref, contact_id, template,
                                                  template_version, said, message_id, occurred_at)
                SELECT 'another', event_id, channel, case_id, person_ref, contact_id, template, template_version, said,
                       'another', occurred_at
                  FROM notification.notices
                 WHERE event_id = $1
                """,
                event,
            )


async def test_the_first_contacts_of_a_case_stay(world: World) -> None:
    first = await world.contact(email="first@mail.example")
    second = await world.contact(email="second@mail.example")
    changed = store.Contact(first.contact_id, second.person_ref, second.language, second.personal)

    async with world.database.transaction("test") as tx:
        await store.keep_contacts(tx, [first])
    async with world.database.transaction("test") as tx:
        await store.keep_contacts(tx, [changed])
    await world.queue(first, Status.LETTER_SENT)

    async with world.database.transaction("test") as tx:
        [claimed] = await store.claim(tx, "a", lease_s=60, limit=10)
    assert claimed.contact is not None
    assert claimed.contact.person_ref == first.person_ref


async def test_what_one_mailer_has_in_hand_no_other_takes(world: World) -> None:
    await world.queue(await world.contact(), Status.SUBMITTED)
    await world.queue(await world.contact(), Status.SUBMITTED)

    async with world.database.transaction("test") as one:
        first = await store.claim(one, "one", lease_s=60, limit=1)
        async with world.database.transaction("test") as other:  # the first claim is not committed yet
            second = await store.claim(other, "other", lease_s=60, limit=10)
    async with world.database.transaction("test") as tx:
        third = await store.claim(tx, "third", lease_s=60, limit=10)

    assert len(first) == len(second) == 1
    assert first[0].notice_id != second[0].notice_id
    assert third == []


async def test_a_claim_ends_by_itself(world: World) -> None:
    await world.queue(await world.contact(), Status.SUBMITTED)

    async with world.database.transaction("test") as tx:
        first = await store.claim(tx, "crashed", lease_s=0, limit=10)
    async with world.database.transaction("test") as tx:
        again = await store.claim(tx, "other", lease_s=60, limit=10)

    assert [notice.message_id for notice in again] == [notice.message_id for notice in first]


async def test_a_mailer_takes_up_at_once_what_it_had_in_hand_when_it_crashed(world: World) -> None:
    await world.queue(await world.contact(), Status.SUBMITTED)
    async with world.database.transaction("test") as tx:
        first = await store.claim(tx, "crashed", lease_s=600, limit=10)

    async with world.database.transaction("test") as tx:
        await store.release(tx, "crashed")

    async with world.database.transaction("test") as tx:
        again = await store.claim(tx, "crashed", lease_s=600, limit=10)
    assert [notice.message_id for notice in again] == [notice.message_id for notice in first]


async def test_the_outcome_of_a_claim_that_another_mailer_took_over_is_not_recorded(world: World) -> None:
    await world.queue(await world.contact(), Status.SUBMITTED)
    async with world.database.transaction("test") as tx:
        [slow] = await store.claim(tx, "slow", lease_s=0, limit=10)
    async with world.database.transaction("test") as tx:
        [taken] = await store.claim(tx, "quick", lease_s=60, limit=10)

    async with world.database.transaction("test") as tx:
        from_slow = await store.record(tx, "slow", [Outcome(slow, State.DELIVERED, evidence="250")], NOON)
    async with world.database.transaction("test") as tx:
        from_quick = await store.record(tx, "quick", [Outcome(taken, State.DELIVERED, evidence="250")], NOON)

    assert from_slow == set()
    assert from_quick == {taken.notice_id}


async def test_a_notice_waits_while_an_earlier_one_of_its_case_waits(world: World) -> None:
    contact = await world.contact()
    first, second = await world.queue(contact, Status.SUBMITTED, Status.LETTER_SENT)
    [other] = await world.queue(await world.contact(), Status.SUBMITTED)
    async with world.database.transaction("test") as tx:
        claimed = await store.claim(tx, "a", lease_s=60, limit=10)
        assert [notice.event_id for notice in claimed] == [first, second, other]
        put_off = Outcome(claimed[0], State.QUEUED, delay_s=60, evidence="450 later")
        back = [Outcome(notice, State.QUEUED, tried=False) for notice in claimed[1:]]
        await store.record(tx, "a", [put_off, *back], NOON)

    async with world.database.transaction("test") as tx:
        left = await store.claim(tx, "a", lease_s=60, limit=10)

    assert [notice.event_id for notice in left] == [other]
    assert (await world.row(first))["attempts"] == 1
    assert (await world.row(second))["attempts"] == 0


async def test_what_a_notice_says_can_never_be_changed_nor_a_notice_removed(world: World) -> None:
    await world.queue(await world.contact(), Status.SUBMITTED)

    for statement in (
        "UPDATE notification.notices SET said = '{}'",
        "UPDATE notification.notices SET message_id = 'another'",
        "DELETE FROM notification.notices",
        "UPDATE notification.contacts SET personal = ''",
        "DELETE FROM notification.contacts",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.database.transaction("test") as tx:
                await tx.execute(statement)


async def test_the_notices_of_a_case_are_shown_in_order_and_without_an_address(world: World) -> None:
    contact = await world.contact()
    events = await world.queue(contact, Status.SUBMITTED, Status.LETTER_SENT)

    async with world.database.transaction("test") as tx:
        shown = await store.of_case(tx, contact.contact_id)

    assert [notice.event_id for notice in shown] == events
    assert {notice.state for notice in shown} == {State.QUEUED}
    assert "mail.example" not in "".join(notice.model_dump_json() for notice in shown)
