"""The mailer: takes queued notices, sends them, and records what became of them with the evidence, a batch at once.

A crash between the server's answer and the record sends a mail again, under the same Message-ID; nothing else can repeat it.
"""

import asyncio
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from enum import StrEnum

import structlog
from pydantic import ValidationError

from contracts.base import Fact
from contracts.envelope import Envelope, envelope
from contracts.events import NoticeDelivered, NoticeFailed
from services.messaging.outbox import outgoing
from services.messaging.sealing import Unopenable
from services.notification import store
from services.notification.figures import MailerFigures
from services.notification.notices import CHANNEL, NoWords, Templates, e_mail
from services.notification.smtp import Deferred, MailAway, MailServer, Rejected
from services.notification.store import Claimed, Outcome, State
from services.records.model import Personal
from services.records.vault import PersonForgotten, Vault
from services.runtime.clock import Clock
from services.runtime.database import TRANSIENT, Database, pause

log = structlog.get_logger()

LEASE_S = 120.0
# One mail may still take its full time at the end of a batch, and the record must come before the lease ends.
SENDING_S = 60.0
STOPPING_S = 5.0
_A_LINE_EACH = 10  # of more notices delivered at once one line names all cases

_ADDRESS = re.compile(r"[^\s@<>(),;:\"\[\]\\]{1,64}@[^\s@<>(),;:\"\[\]\\]{1,255}")


_PASSING: tuple[type[BaseException], ...] = (MailAway, *TRANSIENT)


class Failure(StrEnum):
    """Why a notice could not be delivered, for good."""

    NO_CONTACT = "NO_CONTACT"
    NO_EMAIL_ADDRESS = "NO_EMAIL_ADDRESS"
    INVALID_EMAIL_ADDRESS = "INVALID_EMAIL_ADDRESS"
    PERSON_FORGOTTEN = "PERSON_FORGOTTEN"
    PERSON_DECEASED = "PERSON_DECEASED"
    CONTACT_UNREADABLE = "CONTACT_UNREADABLE"
    NO_WORDS = "NO_WORDS"
    MAIL_REFUSED = "MAIL_REFUSED"
    GAVE_UP = "GAVE_UP"


class NotDeliverable(Exception):
    """A notice that need not be tried, by name."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class Mailer:
    """The mailer of one replica.

    Args:
        name: `province/service`, under which evidence is told.
        replica: of the service; what a crashed replica had in hand is taken up again by the one of the same name.
        database: of the province.
        vault: the persons' keys.
        templates: of the letters.
        server: takes the mails.
        sender: our address.
        clock: says when a mail was taken.
        told: called after a commit, to wake the relay.
        batch: notices in hand at most.
        poll_s: how often to look without being woken; back-offs end then.
        backoff_s: the wait after the first temporary failure; it doubles up to `backoff_cap_s`.
        give_up_after_s: how old a notice that the server always puts off may become.
        sending_s: after how long no further mail of a batch is begun.
        figures: counts what became of notices.
    """

    def __init__(
        self,
        *,
        name: str,
        replica: str,
        database: Database,
        vault: Vault,
        templates: Templates,
        server: MailServer,
        sender: str,
        clock: Clock,
        told: Callable[[], None],
        batch: int = 200,
        poll_s: float = 2.0,
        backoff_s: float = 2.0,
        backoff_cap_s: float = 900.0,
        give_up_after_s: float = 3 * 86400.0,
        sending_s: float = SENDING_S,
        figures: MailerFigures | None = None,
    ) -> None:
        self._name = name
        self._mailer = f"{name}.{replica}"
        self._database = database
        self._vault = vault
        self._templates = templates
        self._server = server
        self._sender = sender
        self._clock = clock
        self._told = told
        self._batch = batch
        self._poll_s = poll_s
        self._backoff_s = backoff_s
        self._backoff_cap_s = backoff_cap_s
        self._give_up_after_s = give_up_after_s
        self._sending_s = sending_s
        self._figures = figures or MailerFigures()
        self._wake = asyncio.Event()
        self._in_hand = True  # until the first look nobody knows
        self._away = False
        self._handed: list[Claimed] = []
        self._handed_at = 0.0
        self.waits_for: str | None = None

    @property
    def busy(self) -> bool:
        """Whether notices are in hand or known to wait for us.

        What waits for the mail server, because it is away or put a notice off, is not in our hand: nobody need wait with it.
        """
        return not self._away and (self._in_hand or self._wake.is_set())

    def wake(self) -> None:
        """Say that a transaction with new notices was committed."""
        self._wake.set()

    @property
    def identity(self) -> str:
        """In whose hand a notice is that was queued for this mailer."""
        return self._mailer

    def hand(self, notices: Sequence[Claimed]) -> None:
        """Take notices that were queued in a transaction of this process, which is committed, as being in our hand."""
        if not self._handed:
            self._handed_at = time.monotonic()
        self._handed.extend(notices)
        self._wake.set()

    def _taken(self) -> list[Claimed]:
        """What was handed over last, at most a batch; what lay too long is left to its lease."""
        if time.monotonic() - self._handed_at > self._sending_s:
            self._handed.clear()
        taken, self._handed = self._handed[: self._batch], self._handed[self._batch :]
        return taken

    async def run(self) -> None:
        """Send for as long as the service lives; whatever breaks is tried again."""
        attempt = 0
        try:
            while True:
                try:
                    await self._take_up()
                    while True:
                        await self._look()
                        attempt = 0
                        await self._rest()
                except MailAway as error:
                    self.waits_for, self._away = f"the mail server: {error}", True
                    log.warning("mailer.server_away", reason=str(error), attempt=attempt)
                    await pause(attempt, base_s=0.2, cap_s=30)
                    attempt += 1
                except TRANSIENT as error:
                    self.waits_for = f"the database: {type(error).__name__}"
                    log.warning("mailer.interrupted", error=type(error).__name__, attempt=attempt)
                    await pause(attempt)
                    attempt += 1
        finally:
            await self._server.close()

    async def _take_up(self) -> None:
        """Before anything is claimed: put back what a crash left in hand, and see that a server which was away is there."""
        if self._away:
            await self._server.open()
            _stop_if_asked()
        self._handed.clear()
        async with self._database.transaction("mailer_release") as tx:
            await store.release(tx, self._mailer)

    async def _look(self) -> None:
        """Send until nothing is left to send now."""
        while True:
            self._wake.clear()
            self._in_hand = True
            more = await self._round()
            self.waits_for, self._away = None, False
            if not more:
                self._in_hand = False
                return

    async def _rest(self) -> None:
        await self._server.close_if_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s):
                await self._wake.wait()

    async def _round(self) -> bool:
        """One batch: claim, send, record. Returns whether more may be waiting."""
        notices: Sequence[Claimed] = self._taken()
        if not notices:
            async with self._database.transaction("mailer_claim") as tx:
                notices = await store.claim(tx, self._mailer, lease_s=LEASE_S, limit=self._batch)
                if not notices:
                    tx.purpose = "poll"
        if not notices:
            return False
        started = time.monotonic()
        outcomes: list[Outcome] = []
        late, stopping = True, False
        try:
            keys = await self._vault.keys(notice.contact.person_ref for notice in notices if notice.contact is not None)
            waiting: set[str] = set()
            for notice in notices:
                if notice.case_id in waiting:
                    continue
                if time.monotonic() - started > self._sending_s:
                    break
                outcome = await self._send(notice, keys)
                outcomes.append(outcome)
                _stop_if_asked()
                if outcome.state is State.QUEUED:
                    waiting.add(notice.case_id)
            else:
                late = False
        except asyncio.CancelledError:
            stopping = True
            raise
        finally:
            # Also when we are being stopped, or the server went away: what was sent is written down, the rest put back.
            await self._record_to_the_end(notices, outcomes, stopping=stopping)
        return late or bool(self._handed) or len(notices) == self._batch

    async def _send(self, notice: Claimed, keys: Mapping[str, bytes]) -> Outcome:
        try:
            personal, contact = _opened(notice, keys)
            to = _address(personal.employer_email if notice.said.recipient == "employer" else personal.email)
            rendered = self._templates.render(notice.template, notice.template_version, contact.language, notice.said)
            mail = e_mail(
                rendered,
                language=contact.language,
                sender=self._sender,
                to=to,
                message_id=notice.message_id,
                occurred_at=notice.occurred_at,
            )
            evidence = await self._server.send(mail, to)
        except NotDeliverable as error:
            return Outcome(notice, State.FAILED, tried=False, reason=error.failure)
        except NoWords:
            return Outcome(notice, State.FAILED, tried=False, reason=Failure.NO_WORDS)
        except Rejected as error:
            return Outcome(notice, State.FAILED, evidence=str(error), reason=Failure.MAIL_REFUSED)
        except Deferred as error:
            return self._put_off(notice, str(error))
        except _PASSING:
            raise
        except Exception as error:
            # One notice that cannot be sent for a reason nobody thought of must not hold up all others. The error's own
            # text is left out: it may be the address.
            log.error("mailer.notice_broken", notice_id=notice.notice_id, case_id=notice.case_id, error=type(error).__name__)
            return self._put_off(notice, type(error).__name__)
        return Outcome(notice, State.DELIVERED, evidence=evidence)

    def _put_off(self, notice: Claimed, evidence: str) -> Outcome:
        if notice.age_s >= self._give_up_after_s:
            return Outcome(notice, State.FAILED, evidence=evidence, reason=Failure.GAVE_UP)
        return Outcome(notice, State.QUEUED, delay_s=self._delay(notice.attempts), evidence=evidence)

    def _delay(self, attempts: int) -> float:
        longest = min(self._backoff_cap_s, self._backoff_s * 2.0 ** min(attempts, 30))
        return longest * (0.5 + random.random() / 2)  # noqa: S311 - jitter, not a secret

    async def _record_to_the_end(self, notices: Sequence[Claimed], outcomes: Sequence[Outcome], *, stopping: bool) -> None:
        """Record even while we are being stopped, so that a restart sends nothing twice; but then not for ever."""
        recording = asyncio.create_task(self._record_surely(notices, outcomes))
        try:
            await asyncio.wait({recording}, timeout=STOPPING_S if stopping else None)
        except asyncio.CancelledError:
            await asyncio.wait({recording}, timeout=STOPPING_S)
            raise
        finally:
            recording.cancel()  # changes nothing about one that is done
        if recording.done():
            recording.result()

    async def _record_surely(self, notices: Sequence[Claimed], outcomes: Sequence[Outcome]) -> None:
        """Record, however long the database is away: what was sent must not be sent again for that."""
        attempt = 0
        while True:
            try:
                await self._record(notices, outcomes)
            except TRANSIENT as error:
                log.warning("mailer.record_waits", error=type(error).__name__, attempt=attempt)
                await pause(attempt)
                attempt += 1
            else:
                return

    async def _record(self, notices: Sequence[Claimed], outcomes: Sequence[Outcome]) -> None:
        """Record what became of a batch, and tell it; what was not tried goes back to the queue."""
        done = {outcome.notice.notice_id for outcome in outcomes}
        back = [Outcome(notice, State.QUEUED, tried=False) for notice in notices if notice.notice_id not in done]
        async with self._database.transaction("mailer_record") as tx:
            now = self._clock.now()
            told = {
                outcome.notice.notice_id: outgoing(self._evidence(outcome))
                for outcome in outcomes
                if outcome.state is not State.QUEUED
            }
            await store.record(tx, self._mailer, [*outcomes, *back], now, told)
        self._told()
        delivered = [outcome for outcome in outcomes if outcome.state is State.DELIVERED]
        each = len(delivered) <= _A_LINE_EACH
        for outcome in outcomes:
            self._say(outcome, told=each or outcome.state is not State.DELIVERED)
        cases = {} if each else {"cases": [outcome.notice.case_id for outcome in delivered]}
        by_state = {state: sum(outcome.state is state for outcome in outcomes) for state in State}
        log.info("mailer.recorded", **{str(state): count for state, count in by_state.items()}, put_back=len(back), **cases)

    def _say(self, outcome: Outcome, *, told: bool) -> None:
        """Count what became of a notice, and say it in the log."""
        self._figures.became(outcome.state, outcome.reason)
        if not told:
            return
        about = {"notice_id": outcome.notice.notice_id, "case_id": outcome.notice.case_id}
        match outcome.state:
            case State.FAILED:
                log.warning("mailer.notice_failed", reason=outcome.reason, **about)
            case State.QUEUED:
                log.info("mailer.notice_put_off", delay_s=round(outcome.delay_s, 1), **about)
            case State.DELIVERED:
                log.info("mailer.notice_delivered", **about)

    def _evidence(self, outcome: Outcome) -> Envelope[Fact]:
        notice = outcome.notice
        now = self._clock.now()
        fact: Fact
        if outcome.state is State.DELIVERED:
            assert notice.contact is not None
            assert outcome.evidence is not None
            fact = NoticeDelivered(
                case_id=notice.case_id,
                person_ref=notice.person_ref,
                notice_id=notice.notice_id,
                event_id=notice.event_id,
                channel=CHANNEL,
                recipient=notice.said.recipient,
                template=notice.template,
                template_version=notice.template_version,
                language=notice.contact.language,
                message_id=notice.message_id,
                evidence=outcome.evidence,
                delivered_at=now,
            )
        else:
            assert outcome.reason is not None
            fact = NoticeFailed(
                case_id=notice.case_id,
                person_ref=notice.person_ref,
                notice_id=notice.notice_id,
                event_id=notice.event_id,
                channel=CHANNEL,
                recipient=notice.said.recipient,
                template=notice.template,
                reason=str(outcome.reason),
            )
        return envelope(fact, source=self._name, subject=notice.case_id, time=now, causation=notice.event_id)


def _stop_if_asked() -> None:
    """End a task that was cancelled and did not notice.

    Before Python 3.12 `asyncio.wait_for`, which aiosmtplib waits with, swallows a cancellation that comes together with an
    answer; the mailer would go on for ever, and the service would not stop.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _opened(notice: Claimed, keys: Mapping[str, bytes]) -> tuple[Personal, store.Contact]:
    contact = notice.contact
    if notice.deceased and notice.said.recipient == "person":
        raise NotDeliverable(Failure.PERSON_DECEASED)
    if contact is None:
        raise NotDeliverable(Failure.NO_CONTACT)
    try:
        return Personal.model_validate_json(Vault.open(keys, contact.person_ref, contact.personal)), contact
    except PersonForgotten as error:
        raise NotDeliverable(Failure.PERSON_FORGOTTEN) from error
    except (Unopenable, ValidationError) as error:
        raise NotDeliverable(Failure.CONTACT_UNREADABLE) from error


def _address(email: str | None) -> str:
    if not email:
        raise NotDeliverable(Failure.NO_EMAIL_ADDRESS)
    if _ADDRESS.fullmatch(email) is None:
        raise NotDeliverable(Failure.INVALID_EMAIL_ADDRESS)
    return email
