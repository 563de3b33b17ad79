"""Which notice a fact asks for, and its words. Pure, but for the templates, which are read once."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from contracts import events
from contracts.base import Contract, Fact, ProvinceCode
from contracts.envelope import Envelope, type_of
from contracts.events import CaseFact, VoucherIssued
from contracts.registry import FACTS
from contracts.statuses import Status
from services.rules.loader import CodeUnknown, Tables
from services.rules.statuses import STEPS, StatusCode
from services.runtime.clock import SHANGHAI

CHANNEL: Literal["email"] = "email"
Language = Literal["zh-CN", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")

# What never changes a public status, or is said by an origin alone, whose province has no contact of the person under the
# case. Everything else about a case is heard, so that a new kind of fact is not passed over by mistake.
_SILENT: frozenset[type[Fact]] = frozenset(
    {
        events.ContactLetterReceived,
        events.ContactLetterReturned,
        events.DeadlineRecomputed,
        events.DocumentReceived,
        events.DocumentRejected,
        events.DocumentSent,
        events.FundsRemitted,
        events.FundsReturned,
        events.InformationFormIssued,
        events.NoticeDelivered,
        events.NoticeFailed,
        events.RelationshipClosed,
        events.TransferSettled,
        events.WithdrawalAnswered,
    }
)
HEARD: tuple[type[Fact], ...] = (
    *(fact for fact in FACTS.values() if issubclass(fact, CaseFact) and fact not in _SILENT),
    VoucherIssued,
)
# A record says its version in its type; every version that was ever published is heard.
HEARD_TYPES = frozenset(type_of(fact).rpartition(".v")[0] + f".v{at}" for fact in HEARD for at in range(1, fact.version + 1))


class Template(StrEnum):
    """The kinds of letter, each a file `<template>.v<version>.<language>.j2`."""

    STATUS = "status"
    REFUSAL = "refusal"
    TEMPORARY_ACCOUNT = "temporary_account"
    RETURN = "return"
    OVERDUE = "overdue"
    VOUCHER = "voucher"


# A change of words is a new file and a new number here; what is queued or sent keeps the version that it names.
VERSIONS: Mapping[Template, int] = dict.fromkeys(Template, 1)
_EXPLAINED: Mapping[Status, Template] = {
    Status.REJECTED: Template.REFUSAL,
    Status.TEMP_ACCOUNT: Template.TEMPORARY_ACCOUNT,
    Status.RETURNED: Template.RETURN,
}


class NoWords(LookupError):
    """The tables have no words for what the person must be told."""


class Said(Contract):
    """Everything a letter is written from. Nothing in it is a person's; `status` is None for a voucher."""

    reference: str
    holder: ProvinceCode
    since: date
    status: Status | None = None
    due_on: date | None = None
    overdue: bool = False
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice as it is queued. `contact_id` names the contacts that it goes to."""

    notice_id: str
    event_id: str
    case_id: str
    person_ref: str
    contact_id: str
    template: Template
    template_version: int
    said: Said
    message_id: str
    occurred_at: datetime


def derived(event_id: str, channel: str) -> str:
    """The id of an event's notice on a channel: the same whenever it is asked for."""
    return hashlib.sha256(f"{event_id}|{channel}".encode()).hexdigest()[:32]


def message_id(event_id: str, channel: str, domain: str) -> str:
    """The Message-ID under which the notice is sent, and by which a repeat after a crash is recognised."""
    return f"<{derived(event_id, channel)}@{domain}>"


def reference(text: str) -> str:
    """A short name that a person can read out: the end of a case's id, where it is random."""
    end = "".join(sign for sign in text if sign.isalnum())[-8:].upper()
    return f"{end[:4]}-{end[4:]}"


def notice_for(message: Envelope[Fact], tables: Tables, domain: str) -> Notice | None:
    """The notice that a fact asks for; None where nothing that the person is shown has changed.

    Raises:
        NoWords: when the tables do not know the status, the province or the reason.
    """
    fact = message.data
    if isinstance(fact, VoucherIssued):
        said = Said(reference=fact.voucher_no[-4:], holder=message.province, since=message.time.astimezone(SHANGHAI).date())
        # A voucher belongs to no case; the account that it is about stands in the case's place, as in its key.
        case_id, contact_id, template = fact.person_ref, message.id, Template.VOUCHER
    elif isinstance(fact, CaseFact) and fact.public is not None:
        public = fact.public
        said = Said(
            reference=reference(fact.case_id),
            holder=public.holder,
            since=public.since,
            status=public.status,
            due_on=public.due_on,
            overdue=public.overdue,
            code=public.code or getattr(fact, "code", None),
        )
        case_id, contact_id, template = fact.case_id, fact.case_id, _template(said, tables)
    else:
        return None
    values(said, tables, "zh-CN")  # that there are words is found out here, where the case can still be parked
    return Notice(
        notice_id=derived(message.id, CHANNEL),
        event_id=message.id,
        case_id=case_id,
        person_ref=fact.person_ref,
        contact_id=contact_id,
        template=template,
        template_version=VERSIONS[template],
        said=said,
        message_id=message_id(message.id, CHANNEL, domain),
        occurred_at=message.time,
    )


def _template(said: Said, tables: Tables) -> Template:
    assert said.status is not None
    explained = _EXPLAINED.get(said.status)
    if explained is not None:
        return explained
    ended = tables.status(StatusCode(said.status.value)).terminal
    return Template.OVERDUE if said.overdue and not ended else Template.STATUS


def values(said: Said, tables: Tables, language: Language) -> dict[str, object]:
    """What the templates are filled with, in a language.

    Raises:
        NoWords: when the tables do not know the status, the province or the reason.
    """
    english = language == "en"
    try:
        holder = tables.province(said.holder)
        status = None if said.status is None else tables.status(StatusCode(said.status.value))
        refusal = None if said.code is None or said.status not in _EXPLAINED else tables.refusal(said.code)
    except (CodeUnknown, KeyError, ValueError) as error:
        raise NoWords(str(error)) from error
    return {
        "reference": said.reference,
        "holder": holder.name_en if english else holder.name_zh,
        "since": said.since,
        "due_on": said.due_on,
        "overdue": said.overdue,
        "steps": STEPS,
        "step": status.step if status else None,
        "status": status.text(language) if status else None,
        "to_do": status.to_do(language) if status else None,
        "ended": status.terminal if status else True,
        "paused": status.paused if status else False,
        "reason": refusal and (refusal.reason_en if english else refusal.reason_zh),
        "legal_basis": refusal and refusal.legal_basis,
        "remedy": refusal and (refusal.remedy_en if english else refusal.remedy_zh),
    }


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter in words."""

    subject: str
    body: str


class Templates:
    """The letters' templates, all read at the start so that a broken one stops it.

    Args:
        tables: the words of statuses, provinces and refusals.
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        environment = Environment(  # noqa: S701 - the letters are plain text
            loader=FileSystemLoader(Path(__file__).parent / "templates"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters["chinese"] = _chinese
        environment.filters["english"] = _english
        self._files = {name: environment.get_template(name) for name in environment.list_templates(extensions=["j2"])}
        missing = [
            name
            for template, version in VERSIONS.items()
            for language in LANGUAGES
            if (name := _file(template, version, language)) not in self._files
        ]
        assert not missing, missing

    def render(self, template: str, version: int, language: Language, said: Said) -> Rendered:
        """A letter in a language: the first line of the template is the subject, the rest is the body.

        Raises:
            NoWords: when the tables or the templates do not know what the letter needs.
        """
        file = self._files.get(_file(template, version, language))
        if file is None:
            raise NoWords(f"there is no template {template} of version {version}")
        subject, _, body = file.render(values(said, self._tables, language)).partition("\n")
        return Rendered(subject.strip(), body.strip() + "\n")


def _file(template: str, version: int, language: str) -> str:
    return f"{template}.v{version}.{language}.j2"


def e_mail(
    rendered: Rendered, *, language: Language, sender: str, to: str, message_id: str, occurred_at: datetime
) -> EmailMessage:
    """The letter as a mail. Made again it has the same bytes: its date is the fact's. The address stands in `To` alone."""
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = to
    mail["Subject"] = rendered.subject
    mail["Date"] = format_datetime(occurred_at)
    mail["Message-ID"] = message_id
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers, please
    mail.set_content(rendered.body, charset="utf-8", cte="base64")
    mail["Content-Language"] = language  # set_content begins by removing what is said of the content
    return mail


def _chinese(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


# Of no locale, so that a letter reads the same wherever it is written.
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _english(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
