"""The mail server, over one connection that is used for many mails and opened again when it is lost."""

import asyncio
import re
import time
from contextlib import suppress
from email.message import EmailMessage

import aiosmtplib

_ADDRESS = re.compile(r"[^\s@<>\"]+@[^\s@<>\"]+")
_EVIDENCE_LENGTH = 200
_IDLE_S = 1.0  # a connection that was not used for so long may have been closed by the server
_KEEP_S = 30.0  # servers do not like those who stay and say nothing


class MailAway(Exception):
    """The server takes no mail at all at the moment: it is not there, or does not take ours. Nothing is wrong with the mail."""


class Deferred(Exception):
    """The server did not take this mail now (4xx, or the connection was lost meanwhile); it may take it later."""


class Rejected(Exception):
    """The server will not take this mail (5xx)."""


class MailServer:
    """Sends mails.

    Args:
        host: of the server.
        port: of the server.
        sender: our address; its domain is how we greet.
        timeout_s: how long one mail, or one connection, may take.
    """

    def __init__(self, host: str, port: int, *, sender: str, timeout_s: float = 30.0) -> None:
        self._host = host
        self._port = port
        self._sender = sender
        self._timeout_s = timeout_s
        self._smtp: aiosmtplib.SMTP | None = None
        self._used_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a connection stands."""
        return self._smtp is not None and self._smtp.is_connected

    async def open(self) -> None:
        """Connect, unless a connection stands.

        Raises:
            MailAway: when the server is not there or does not greet us.
        """
        if self.is_open:
            return
        self.abort()
        smtp = aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=self._sender.rpartition("@")[2],
            timeout=self._timeout_s,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await smtp.connect()
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            smtp.close()
            raise MailAway(type(error).__name__) from error
        self._smtp, self._used_at = smtp, time.monotonic()

    async def send(self, mail: EmailMessage, to: str) -> str:
        """Send one mail and return what the server answered, addresses taken out.

        Raises:
            MailAway, Deferred, Rejected: with the server's answer, addresses taken out.
        """
        await self.open()
        # A server may close a connection that stood idle just when it is used again; the mail is not to blame for that.
        idle = time.monotonic() - self._used_at > _IDLE_S
        try:
            return await self._send(mail, to)
        except aiosmtplib.SMTPServerDisconnected as error:
            if not idle:
                raise Deferred("the connection was lost") from error
        await self.open()
        try:
            return await self._send(mail, to)
        except aiosmtplib.SMTPServerDisconnected as error:
            raise Deferred("the connection was lost") from error

    async def _send(self, mail: EmailMessage, to: str) -> str:
        assert self._smtp is not None
        try:
            async with asyncio.timeout(self._timeout_s):
                _, answer = await self._smtp.send_message(mail, sender=self._sender, recipients=[to])
        except aiosmtplib.SMTPRecipientsRefused as error:
            self._used_at = time.monotonic()
            raise _judged(error.recipients[0], to) from error
        except aiosmtplib.SMTPSenderRefused as error:
            # It is our address that is refused, not this mail: nothing of ours would go through.
            self.abort()
            raise MailAway(_answer(error, to)) from error
        except aiosmtplib.SMTPResponseException as error:
            self._used_at = time.monotonic()
            raise _judged(error, to) from error
        except (aiosmtplib.SMTPNotSupported, ValueError) as error:
            raise Rejected(f"the address cannot be used: {type(error).__name__}") from error
        except aiosmtplib.SMTPServerDisconnected:
            self.abort()
            raise
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            self.abort()
            raise Deferred(type(error).__name__) from error
        except BaseException:
            self.abort()  # left in the middle of a dialogue, the connection is of no more use
            raise
        self._used_at = time.monotonic()
        return without_addresses(answer, to)

    async def close(self) -> None:
        """Take leave of the server."""
        if self._smtp is not None and self._smtp.is_connected:
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await self._smtp.quit()
        self.abort()

    async def close_if_idle(self) -> None:
        """Take leave of the server when there was nothing to send for some time."""
        if self._smtp is not None and time.monotonic() - self._used_at > _KEEP_S:
            await self.close()

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._smtp is not None:
            smtp, self._smtp = self._smtp, None
            smtp.close()


def _judged(error: aiosmtplib.SMTPResponseException, to: str) -> Deferred | Rejected:
    answer = _answer(error, to)
    return Rejected(answer) if 500 <= error.code < 600 else Deferred(answer)


def _answer(error: aiosmtplib.SMTPResponseException, to: str) -> str:
    return f"{error.code} {without_addresses(error.message, to)}".strip()


def without_addresses(answer: str, to: str) -> str:
    """A server's answer on one line and without the address or the mailbox that it likes to repeat."""
    text = answer.replace(to, "(address)")
    text = _ADDRESS.sub("(address)", text)
    mailbox = to.rpartition("@")[0]
    if len(mailbox) > 2:
        text = re.sub(re.escape(mailbox), "(mailbox)", text, flags=re.IGNORECASE)
    return "".join(sign if sign.isprintable() else " " for sign in text)[:_EVIDENCE_LENGTH].strip()
