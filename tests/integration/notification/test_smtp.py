"""One connection to a real mail server: used again, opened again, and what each of its answers means."""

from email.message import EmailMessage

import pytest

from services.notification import smtp
from services.notification.smtp import Deferred, MailAway, MailServer, Rejected, without_addresses
from tests.integration.notification.conftest import SENDER, Postbox


def a_mail(to: str = "zhang@mail.example") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Message-ID"] = SENDER, to, "状态", "<1@agency.example>"
    mail.set_content("您好", charset="utf-8", cte="base64")
    return mail


def a_server(postbox: Postbox, timeout_s: float = 5.0) -> MailServer:
    return MailServer("127.0.0.1", postbox.port, sender=SENDER, timeout_s=timeout_s)


async def test_many_mails_go_over_one_connection(postbox: Postbox) -> None:
    server = a_server(postbox)

    for _ in range(20):
        await server.send(a_mail(), "zhang@mail.example")
    await server.close()

    assert len(postbox.mails) == 20
    assert postbox.connections == 1
    assert str(postbox.mails[0]["Subject"]) == "状态"


async def test_the_servers_answer_is_the_evidence_without_the_address_it_repeats(postbox: Postbox) -> None:
    server = a_server(postbox)

    evidence = await server.send(a_mail(), "zhang@mail.example")
    await server.close()

    assert evidence == "2.0.0 Ok: queued for <(address)>"


async def test_an_address_outside_ascii_is_written_to(postbox: Postbox) -> None:
    server = a_server(postbox)

    await server.send(a_mail("张三@邮件.例子"), "张三@邮件.例子")
    await server.close()

    assert postbox.to() == ["张三@邮件.例子"]


async def test_a_recipient_that_is_refused_for_good_is_told_from_one_that_is_put_off(postbox: Postbox) -> None:
    server = a_server(postbox)
    postbox.on_recipient = {"gone@mail.example": "550 5.1.1 <gone@mail.example>: no such mailbox gone"}.get

    with pytest.raises(Rejected, match=r"^550 5\.1\.1 <\(address\)>: no such mailbox \(mailbox\)$"):
        await server.send(a_mail(), "gone@mail.example")
    postbox.on_recipient = {"full@mail.example": "452 4.2.2 mailbox full"}.get
    with pytest.raises(Deferred, match=r"^452"):
        await server.send(a_mail(), "full@mail.example")
    await server.send(a_mail(), "zhang@mail.example")
    await server.close()

    assert len(postbox.mails) == 1
    assert postbox.connections == 1


@pytest.mark.parametrize(("answer", "error"), [("554 5.7.1 no", Rejected), ("451 4.3.0 later", Deferred)])
async def test_a_mail_may_also_be_refused_or_put_off_when_the_server_has_read_it(
    postbox: Postbox, answer: str, error: type[Exception]
) -> None:
    server = a_server(postbox)
    postbox.on_data = lambda _: answer

    with pytest.raises(error):
        await server.send(a_mail(), "zhang@mail.example")
    await server.close()


async def test_a_refused_sender_is_nothing_that_this_mail_could_help(postbox: Postbox) -> None:
    server = a_server(postbox)
    postbox.on_sender = lambda _: "550 5.7.1 who are you"

    with pytest.raises(MailAway, match=r"^550"):
        await server.send(a_mail(), "zhang@mail.example")

    assert not server.is_open


async def test_a_server_that_is_not_there_is_away(postbox: Postbox) -> None:
    server = a_server(postbox)
    await postbox.close()

    with pytest.raises(MailAway):
        await server.send(a_mail(), "zhang@mail.example")


async def test_a_connection_that_is_lost_in_the_middle_puts_the_mail_off_and_the_next_one_opens_another(postbox: Postbox) -> None:
    server = a_server(postbox)
    postbox.drop_at_data = lambda to: to == "bomb@mail.example"

    with pytest.raises(Deferred):
        await server.send(a_mail(), "bomb@mail.example")
    await server.send(a_mail(), "zhang@mail.example")
    await server.close()

    assert postbox.connections == 2
    assert len(postbox.mails) == 1


async def test_a_connection_that_the_server_closed_while_it_stood_idle_costs_nothing(
    postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = a_server(postbox)
    await server.send(a_mail(), "zhang@mail.example")
    monkeypatch.setattr(smtp, "_IDLE_S", 0.0)
    postbox.hang_up()

    await server.send(a_mail(), "zhang@mail.example")
    await server.close()

    assert len(postbox.mails) == 2


async def test_a_server_that_is_too_slow_puts_the_mail_off(postbox: Postbox) -> None:
    server = a_server(postbox, timeout_s=0.3)
    postbox.delay_s = 2.0

    with pytest.raises(Deferred):
        await server.send(a_mail(), "zhang@mail.example")

    assert not server.is_open


async def test_a_connection_with_nothing_to_send_is_given_up_after_some_time(
    postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = a_server(postbox)
    await server.send(a_mail(), "zhang@mail.example")

    await server.close_if_idle()
    kept = server.is_open
    monkeypatch.setattr(smtp, "_KEEP_S", 0.0)
    await server.close_if_idle()

    assert kept
    assert not server.is_open


def test_evidence_is_one_line_without_addresses_and_not_endless() -> None:
    answer = "Zhang.San said\r\nno; ask <post@host.example> " + "x" * 500

    evidence = without_addresses(answer, "zhang.san@mail.example")

    assert "zhang" not in evidence.lower()
    assert "post@host.example" not in evidence
    assert "\n" not in evidence
    assert len(evidence) <= 200
