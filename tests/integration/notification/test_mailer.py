"""The mailer on real databases and a real mail server: sent once, in order, with evidence, whatever the server does."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from contracts.events import NoticeDelivered, NoticeFailed
from contracts.statuses import Status
from services.notification import store
from services.notification.notices import CHANNEL, VERSIONS, Template, message_id
from services.notification.smtp import MailServer
from services.notification.store import State
from services.runtime.database import COUNTS
from tests.integration.notification.conftest import DOMAIN, World


async def test_a_queued_notice_is_sent_and_its_evidence_told(world: World) -> None:
    contact = await world.contact(email="zhang@mail.example")
    [event] = await world.queue(contact, Status.LETTER_SENT)

    async with world.running(world.mailer()):
        await world.until_states("delivered")

    [mail] = world.postbox.mails
    assert str(mail["To"]) == "zhang@mail.example"
    assert str(mail["Message-ID"]) == message_id(event, CHANNEL, DOMAIN)
    assert "转入地已发联系函" in mail.get_content()
    told = await world.told()
    [fact] = told.of(NoticeDelivered)
    assert (fact.case_id, fact.person_ref, fact.event_id) == (contact.contact_id, contact.person_ref, event)
    assert fact.message_id == str(mail["Message-ID"])
    assert (fact.template, fact.template_version, fact.language) == ("status", VERSIONS[Template.STATUS], "zh-CN")
    assert fact.evidence == "2.0.0 Ok: queued for <(address)>"
    assert told.facts[0].causationid == event
    assert told.facts[0].subject == contact.contact_id


async def test_a_person_who_chose_english_reads_english(world: World) -> None:
    await world.queue(await world.contact(language="en"), Status.LETTER_SENT)

    async with world.running(world.mailer()):
        await world.until_states("delivered")

    assert "The contact letter is sent" in world.postbox.mails[0].get_content()
    assert world.postbox.mails[0]["Content-Language"] == "en"


async def test_nothing_personal_leaves_in_the_mail_or_on_the_journal(world: World) -> None:
    contact = await world.contact(email="zhang@mail.example")
    await world.queue(contact, Status.LETTER_SENT)

    async with world.running(world.mailer()):
        await world.until_states("delivered")

    [mail] = world.postbox.mails
    text = str(mail["Subject"]) + mail.get_content()
    assert "11010519491231002X" not in text
    assert "张三" not in text
    assert "zhang@" not in text
    assert contact.contact_id not in text
    journal = "".join(message.model_dump_json() for message in (await world.told()).facts)
    assert "zhang" not in journal
    assert "张三" not in journal


async def test_the_notices_of_a_case_arrive_in_the_order_of_its_facts(world: World) -> None:
    contacts = [await world.contact(email=f"p{at}@mail.example") for at in range(5)]
    statuses = (Status.SUBMITTED, Status.REVIEWING, Status.LETTER_SENT, Status.BOOKING, Status.COMPLETED)
    events = {contact.contact_id: await world.queue(contact, *statuses) for contact in contacts}

    async with world.running(world.mailer(batch=3)):
        await world.until_states("delivered")

    for at, contact in enumerate(contacts):
        sent = [str(mail["Message-ID"]) for mail in world.postbox.mails if str(mail["To"]) == f"p{at}@mail.example"]
        assert sent == [message_id(event, CHANNEL, DOMAIN) for event in events[contact.contact_id]]
    assert world.postbox.connections == 1


async def test_what_the_server_puts_off_is_sent_later_and_delivered_once(world: World) -> None:
    [event] = await world.queue(await world.contact(), Status.LETTER_SENT)
    answers = ["451 4.7.1 greylisted", "421 4.3.2 busy", "450 4.2.0 later"]
    world.postbox.on_recipient = lambda _: answers.pop(0) if answers else None

    async with world.running(world.mailer()):
        await world.until_states("delivered")

    assert len(world.postbox.mails) == 1
    assert (await world.row(event))["attempts"] == 4
    assert len((await world.told()).facts) == 1


async def test_a_notice_that_is_put_off_holds_up_its_own_case_and_no_other(world: World) -> None:
    slow, quick = await world.contact(email="slow@mail.example"), await world.contact(email="quick@mail.example")
    first, second = await world.queue(slow, Status.SUBMITTED, Status.LETTER_SENT)
    await world.queue(quick, Status.SUBMITTED, Status.LETTER_SENT)
    put_off = True
    world.postbox.on_recipient = lambda to: "450 later" if put_off and to == "slow@mail.example" else None

    async with world.running(world.mailer()):
        await world.until(lambda: len(world.postbox.mails) == 2)
        await asyncio.sleep(0.3)
        before = world.postbox.to()
        put_off = False
        await world.until_states("delivered")

    assert before == ["quick@mail.example"] * 2
    late = [str(mail["Message-ID"]) for mail in world.postbox.mails if str(mail["To"]) == "slow@mail.example"]
    assert late == [message_id(event, CHANNEL, DOMAIN) for event in (first, second)]


async def test_the_wait_after_a_temporary_failure_doubles_with_jitter_up_to_its_cap(world: World) -> None:
    mailer = world.mailer(backoff_s=2.0, backoff_cap_s=60.0)

    waits = [[mailer._delay(attempts) for _ in range(50)] for attempts in range(12)]

    for attempts, found in enumerate(waits):
        longest = min(60.0, 2.0 * 2**attempts)
        assert longest / 2 <= min(found) < max(found) <= longest


async def test_a_notice_that_is_put_off_for_too_long_fails_by_name(world: World) -> None:
    [event] = await world.queue(await world.contact(), Status.LETTER_SENT)
    world.postbox.on_recipient = lambda _: "450 4.2.2 full"

    async with world.running(world.mailer(give_up_after_s=0.2)):
        await world.until_states("failed")

    [fact] = (await world.told()).of(NoticeFailed)
    assert fact.reason == "GAVE_UP"
    assert (await world.row(event))["evidence"] == "450 4.2.2 full"


async def test_what_the_server_refuses_fails_for_good_by_name(world: World) -> None:
    [event] = await world.queue(await world.contact(email="gone@mail.example"), Status.LETTER_SENT)
    world.postbox.on_recipient = lambda _: "550 5.1.1 no such mailbox"

    async with world.running(world.mailer()):
        await world.until_states("failed")

    [fact] = (await world.told()).of(NoticeFailed)
    assert (fact.event_id, fact.reason, fact.template) == (event, "MAIL_REFUSED", "status")
    row = await world.row(event)
    assert (row["evidence"], row["attempts"]) == ("550 5.1.1 no such mailbox", 1)


async def test_a_notice_that_cannot_go_anywhere_fails_by_name_and_holds_up_nobody(world: World) -> None:
    no_address = await world.contact(email=None)
    bad_address = await world.contact(email="zhang@mail.example\r\nBcc: all@mail.example")
    forgotten = await world.contact()
    altered = await world.contact()
    altered = store.Contact(altered.contact_id, forgotten.person_ref, "en", altered.personal)
    well = await world.contact(email="well@mail.example")
    await world.queue(no_address, Status.SUBMITTED)
    await world.queue(bad_address, Status.SUBMITTED)
    await world.queue(forgotten, Status.SUBMITTED)
    await world.queue(None, Status.SUBMITTED)
    await world.queue(well, Status.SUBMITTED)
    await world.destroy_key(forgotten.person_ref)

    async with world.running(world.mailer()):
        await world.until_states("delivered", "failed")

    assert [fact.reason for fact in (await world.told()).of(NoticeFailed)] == [
        "NO_EMAIL_ADDRESS",
        "INVALID_EMAIL_ADDRESS",
        "PERSON_FORGOTTEN",
        "NO_CONTACT",
    ]
    assert world.postbox.to() == ["well@mail.example"]


async def test_contacts_that_do_not_open_fail_by_name(world: World) -> None:
    one, other = await world.contact(), await world.contact()
    await world.queue(store.Contact(one.contact_id, one.person_ref, "en", other.personal), Status.SUBMITTED)

    async with world.running(world.mailer()):
        await world.until_states("failed")

    assert [fact.reason for fact in (await world.told()).of(NoticeFailed)] == ["CONTACT_UNREADABLE"]


async def test_a_mail_server_that_is_away_is_waited_for(world: World) -> None:
    await world.postbox.close()
    await world.queue(await world.contact(), Status.SUBMITTED)
    mailer = world.mailer()

    async with world.running(mailer):
        await world.until(lambda: mailer.waits_for is not None)
        waits_for = mailer.waits_for
        meanwhile = (await world.states()).values()
        busy = mailer.busy
        await world.postbox.open()
        await world.until_states("delivered", seconds=20)
        await world.until(lambda: mailer.waits_for is None)

    assert waits_for is not None
    assert "mail server" in waits_for
    assert set(meanwhile) == {"queued"}
    assert not busy
    assert len(world.postbox.mails) == 1


async def test_a_mail_that_makes_the_server_hang_up_does_not_hold_up_the_others(world: World) -> None:
    bomb = await world.contact(email="bomb@mail.example")
    await world.queue(bomb, Status.SUBMITTED)
    await world.queue(await world.contact(email="well@mail.example"), Status.SUBMITTED)
    world.postbox.drop_at_data = lambda to: to == "bomb@mail.example"

    async with world.running(world.mailer(backoff_s=60.0)):
        await world.until(lambda: world.postbox.to() == ["well@mail.example"])

    assert world.postbox.connections == 2
    assert sorted((await world.states()).values()) == ["delivered", "queued"]


async def test_after_a_crash_between_the_servers_answer_and_the_record_the_repeat_has_the_same_message_id_and_bytes(
    world: World,
) -> None:
    [event] = await world.queue(await world.contact(), Status.LETTER_SENT)
    crashed = world.mailer()

    async def crash(*_: object) -> None:
        raise RuntimeError("killed")

    crashed._record = crash  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError, match="killed"):
        await crashed.run()
    async with world.running(world.mailer()):
        await world.until_states("delivered")

    first, again = world.postbox.mails
    assert str(first["Message-ID"]) == str(again["Message-ID"]) == message_id(event, CHANNEL, DOMAIN)
    for mail in (first, again):
        del mail["X-Peer"]
    assert first.as_bytes() == again.as_bytes()
    assert len((await world.told()).of(NoticeDelivered)) == 1


async def test_an_answer_that_is_lost_on_its_way_is_asked_for_again_under_the_same_message_id(world: World) -> None:
    await world.queue(await world.contact(), Status.LETTER_SENT)
    world.postbox.drop_after_taking = True

    async with world.running(world.mailer()):
        await world.until(lambda: len(world.postbox.mails) == 2)
        world.postbox.drop_after_taking = False
        await world.until_states("delivered")

    assert len({str(mail["Message-ID"]) for mail in world.postbox.mails}) == 1
    assert len((await world.told()).of(NoticeDelivered)) == 1


async def test_a_mailer_that_is_stopped_in_the_middle_of_a_batch_writes_down_what_it_sent(world: World) -> None:
    contacts = [await world.contact(email=f"p{at}@mail.example") for at in range(6)]
    for contact in contacts:
        await world.queue(contact, Status.SUBMITTED)
    world.postbox.delay_s = 0.15

    async with world.running(world.mailer()):
        await world.until(lambda: len(world.postbox.mails) == 2)
    stopped = list((await world.states()).values())
    world.postbox.delay_s = 0.0
    async with world.running(world.mailer(replica="1")):
        await world.until_states("delivered")

    assert sorted(stopped) == ["delivered"] * stopped.count("delivered") + ["queued"] * stopped.count("queued")
    assert 1 <= stopped.count("delivered") < 6
    assert len((await world.told()).of(NoticeDelivered)) == 6
    # The mail under way when it was stopped may be there twice, no other.
    assert len(world.postbox.mails) <= 7


async def test_a_mailer_stops_even_when_the_request_comes_together_with_the_servers_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.queue(await world.contact(email="one@mail.example"), Status.SUBMITTED)
    await world.queue(await world.contact(email="two@mail.example"), Status.SUBMITTED)
    send = MailServer.send

    async def swallowing(self: MailServer, mail: Any, to: str) -> str:
        evidence = await send(self, mail, to)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        return evidence

    monkeypatch.setattr(MailServer, "send", swallowing)

    running = asyncio.create_task(world.mailer().run())
    _, still_running = await asyncio.wait({running}, timeout=10)

    assert not still_running
    assert sorted((await world.states()).values()) == ["delivered", "queued"]


async def test_a_mailer_that_is_stopped_while_it_writes_down_what_it_sent_ends_the_writing(world: World) -> None:
    await world.queue(await world.contact(), Status.SUBMITTED)
    mailer = world.mailer()
    record, recording = mailer._record, asyncio.Event()

    async def slowly(*values: Any) -> None:
        recording.set()
        await asyncio.sleep(0.1)
        await record(*values)

    mailer._record = slowly  # type: ignore[method-assign, assignment]

    async with world.running(mailer):
        await recording.wait()

    assert list((await world.states()).values()) == ["delivered"]


async def test_a_slow_server_does_not_make_a_batch_outlive_its_claim(world: World) -> None:
    for at in range(6):
        await world.queue(await world.contact(email=f"p{at}@mail.example"), Status.SUBMITTED)
    world.postbox.delay_s = 0.05
    before = COUNTS.by_purpose.get("mailer_record", [0, 0])[1]

    async with world.running(world.mailer(sending_s=0.08, poll_s=60.0)):
        await world.until_states("delivered")

    assert len(world.postbox.mails) == 6
    assert COUNTS.by_purpose["mailer_record"][1] - before >= 3


async def test_two_replicas_share_the_work_and_send_nothing_twice(world: World) -> None:
    for at in range(40):
        await world.queue(await world.contact(email=f"p{at}@mail.example"), Status.SUBMITTED)

    async with world.running(world.mailer(replica="0", batch=3)), world.running(world.mailer(replica="1", batch=3)):
        await world.until_states("delivered", seconds=20)

    assert sorted(world.postbox.to()) == sorted(f"p{at}@mail.example" for at in range(40))
    assert world.postbox.connections == 2


async def test_an_error_nobody_thought_of_puts_one_notice_off_and_holds_up_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.queue(await world.contact(email="odd@mail.example"), Status.SUBMITTED)
    await world.queue(await world.contact(email="well@mail.example"), Status.SUBMITTED)
    send = MailServer.send

    async def failing(self: MailServer, mail: object, to: str) -> str:
        if to == "odd@mail.example":
            raise LookupError("odd@mail.example")
        return await send(self, mail, to)  # type: ignore[arg-type]

    monkeypatch.setattr(MailServer, "send", failing)

    async with world.running(world.mailer(backoff_s=60.0)):
        await world.until(lambda: world.postbox.to() == ["well@mail.example"])

    async with world.database.transaction("test") as tx:
        rows = await tx.fetch("SELECT state, evidence FROM notification.notices ORDER BY seq")
    assert [tuple(row) for row in rows] == [("queued", "LookupError"), ("delivered", rows[1]["evidence"])]


async def test_a_mailer_is_busy_until_everything_it_knows_of_is_recorded(world: World) -> None:
    mailer = world.mailer(poll_s=60.0)
    seen: list[bool] = [mailer.busy]

    async with world.running(mailer):
        await world.until(lambda: not mailer.busy)
        contact = await world.contact()
        await world.queue(contact, Status.SUBMITTED)
        mailer.hand([])
        seen.append(mailer.busy)
        await world.until(lambda: not mailer.busy)
        seen.append(list((await world.states()).values()) == ["delivered"])

    assert seen == [True, True, True]


async def test_two_hundred_notices_are_sent_with_three_statements_in_three_commits(world: World) -> None:
    contacts = [await world.contact(email=f"p{at}@mail.example") for at in range(200)]
    for contact in contacts:
        await world.queue(contact, Status.SUBMITTED)
    mailer = world.mailer(batch=201, poll_s=60.0)
    before = (COUNTS.statements, COUNTS.commits)

    more = await mailer._round()

    after = (COUNTS.statements, COUNTS.commits)
    assert not more
    assert len(world.postbox.mails) == 200
    assert world.postbox.connections == 1
    assert after[0] - before[0] == 3  # claim, keys, record and tell
    assert after[1] - before[1] == 3  # claim, keys, record
    assert set((await world.states()).values()) == {str(State.DELIVERED)}
    await mailer._server.close()
