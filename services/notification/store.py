"""Contacts and notices in the service's schema. Contacts stay sealed under the person's key."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

import asyncpg

from contracts.base import Contract, SealedForPerson
from services.messaging.outbox import Outgoing
from services.notification.notices import Language, Notice, Said
from services.runtime.database import Transaction, queries

SQL = queries(__file__)


@dataclass(frozen=True, slots=True)
class Contact:
    """Where the notices of a case, or of a voucher's event, go; sealed as the fact carried it."""

    contact_id: str
    person_ref: str
    language: Language
    personal: SealedForPerson


class State(StrEnum):
    """How far a notice came."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A notice that this mailer has in hand.

    `contact` is None where no fact of the case ever named one. `deceased` says that the person's death was reported.
    """

    notice_id: str
    event_id: str
    case_id: str
    person_ref: str
    template: str
    template_version: int
    said: Said
    message_id: str
    occurred_at: datetime
    attempts: int
    age_s: float
    contact: Contact | None
    deceased: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed notice. One that is queued again is taken after `delay_s`; `tried` says whether it was sent."""

    notice: Claimed
    state: State
    tried: bool = True
    delay_s: float = 0.0
    evidence: str | None = None
    reason: str | None = None


class Shown(Contract):
    """A notice as the agencies' staff and auditors see it: no address, no words."""

    notice_id: str
    event_id: str
    channel: Literal["email", "employer_email"]
    template: str
    template_version: int
    message_id: str
    state: State
    attempts: int
    occurred_at: datetime
    queued_at: datetime
    ended_at: datetime | None
    evidence: str | None
    reason: str | None


async def keep_contacts(tx: Transaction, contacts: Sequence[Contact]) -> None:
    """Keep where notices go, in one statement; a case's first contacts stay."""
    if contacts:
        rows = [(item.contact_id, item.person_ref, item.language, item.personal.model_dump_json()) for item in contacts]
        tx.defer(SQL["keep_contacts"], *(list(column) for column in zip(*rows, strict=True)))


async def keep_deaths(tx: Transaction, deaths: Mapping[str, str]) -> None:
    """Keep who has died and by which event it was reported, in one statement; the first report stays."""
    if deaths:
        tx.defer(SQL["keep_deaths"], list(deaths), list(deaths.values()))


async def queue(tx: Transaction, notices: Sequence[Notice], *, mailer: str = "", lease_s: float = 0.0) -> list[Claimed]:
    """Queue notices in their order, in one statement; an event's notice is queued once on a channel.

    Those that need not wait for an earlier one of their case are in the hand of `mailer` at once, and returned.
    """
    if not notices:
        return []
    rows = [
        (
            item.notice_id,
            item.event_id,
            item.case_id,
            item.person_ref,
            item.contact_id,
            str(item.template),
            item.template_version,
            item.said.model_dump_json(),
            item.message_id,
            item.occurred_at,
            item.channel,
        )
        for item in notices
    ]
    columns = (list(column) for column in zip(*rows, strict=True))
    return [_claimed(row) for row in await tx.fetch(SQL["queue"], mailer or None, lease_s, *columns)]


async def claim(tx: Transaction, mailer: str, *, lease_s: float, limit: int) -> list[Claimed]:
    """Take queued notices in hand for some seconds, the oldest first.

    A notice waits while an earlier one of its case waits, so that a person reads them in order.
    """
    return [_claimed(row) for row in await tx.fetch(SQL["claim"], mailer, lease_s, limit)]


def _claimed(row: asyncpg.Record) -> Claimed:
    personal = row["personal"]
    return Claimed(
        notice_id=row["notice_id"],
        event_id=row["event_id"],
        case_id=row["case_id"],
        person_ref=row["person_ref"],
        template=row["template"],
        template_version=row["template_version"],
        said=Said.model_validate_json(row["said"]),
        message_id=row["message_id"],
        occurred_at=row["occurred_at"],
        attempts=row["attempts"],
        age_s=row["age_s"],
        contact=None
        if personal is None
        else Contact(row["notice_id"], row["contact_ref"], row["language"], SealedForPerson.model_validate_json(personal)),
        deceased=row["deceased"],
    )


async def record(
    tx: Transaction, mailer: str, outcomes: Sequence[Outcome], now: datetime, told: Mapping[str, Outgoing] | None = None
) -> set[str]:
    """Write down what became of claimed notices and tell it, in one statement.

    Args:
        tx: the open transaction.
        mailer: whose hand they are in.
        outcomes: what became of them.
        now: when.
        told: for a notice, the evidence to be told; it is left out where another mailer has taken the notice over.

    Returns:
        The ids of those that were still in this mailer's hand.
    """
    if not outcomes:
        return set()
    rows = [
        (item.notice.notice_id, str(item.state), int(item.tried), item.delay_s, item.evidence, item.reason) for item in outcomes
    ]
    facts = [
        (notice_id, row.event_id, row.topic, row.key, row.type, row.subject, row.payload)
        for notice_id, row in (told or {}).items()
    ]
    found = await tx.fetch(
        SQL["record"],
        mailer,
        *(list(column) for column in zip(*rows, strict=True)),
        now,
        *([list(column) for column in zip(*facts, strict=True)] or [[] for _ in range(7)]),
    )
    return {row["notice_id"] for row in found}


async def release(tx: Transaction, mailer: str) -> None:
    """Put back what this mailer had in hand when it ended: it may have been sent, and is sent again under the same Message-ID."""
    await tx.execute(SQL["release"], mailer)


async def of_case(tx: Transaction, case_id: str) -> list[Shown]:
    """The notices of a case in their order."""
    return [Shown.model_validate({**row, "state": State(row["state"])}) for row in await tx.fetch(SQL["of_case"], case_id)]
