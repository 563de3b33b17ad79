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
from contracts.events import ArrearsNotified, CaseFact, NotMovableNotified, VoucherIssued
from contracts.registry import FACTS
from contracts.statuses import PublicStatus, Status
from services.rules.admission import wrong_scheme
from services.rules.loader import RefusalText, Tables
from services.rules.reasons import because
from services.rules.statuses import STEPS, StatusCode
from services.runtime.clock import SHANGHAI

CHANNEL: Literal["email"] = "email"
EMPLOYER_CHANNEL: Literal["employer_email"] = "employer_email"
"""To the employer who applied: the same way, another reader. A case is told to each of them on a channel of its own."""

Language = Literal["zh-CN", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")

# What never changes a public status, or is said by an origin alone, whose province has no contact of the person under the
# case. Everything else about a case is heard, so that a new kind of fact is not passed over by mistake. What an origin alone
# knows brings its contacts along, as a voucher does.
_SILENT: frozenset[type[Fact]] = frozenset(
    {
        events.AnswerReceived,
        events.ContactLetterReceived,
        events.ContactLetterReturned,
        events.DeadlineRecomputed,
        events.DocumentReceived,
        events.DocumentRejected,
        events.DocumentSent,
        events.FundsRemitted,
        events.FundsReturned,
        events.InformationFormIssued,
        events.InformationFormRevoked,
        events.NoticeDelivered,
        events.NoticeFailed,
        events.QuestionAnswered,
        events.QuestionAsked,
        events.QuestionReceived,
        events.RecallAnswered,
        events.RecallRequested,
        events.RelationshipClosed,
        events.RelationshipReopened,
        events.TransferSettled,
        events.WithdrawalAnswered,
    }
)
HEARD: tuple[type[Fact], ...] = (
    *(fact for fact in FACTS.values() if issubclass(fact, CaseFact) and fact not in _SILENT),
    VoucherIssued,
    events.EndingNotified,
    events.DoubleDrawingSettled,
)
# A record says its version in its type; every version that was ever published is heard.
HEARD_TYPES = frozenset(type_of(fact).rpartition(".v")[0] + f".v{at}" for fact in HEARD for at in range(1, fact.version + 1))


# What an origin alone knows: the fact brings its contacts along and has a letter of its own.
BY_THE_ORIGIN = (VoucherIssued, NotMovableNotified, ArrearsNotified, events.EndingNotified, events.DoubleDrawingSettled)


class Template(StrEnum):
    """The kinds of letter, each a file `<template>.v<version>.<language>.j2`."""

    STATUS = "status"
    REFUSAL = "refusal"
    TEMPORARY_ACCOUNT = "temporary_account"
    RETURN = "return"
    OVERDUE = "overdue"
    ESCALATED = "escalated"
    MATERIAL = "material"
    DUPLICATES = "duplicates"
    DUPLICATES_CLEARED = "duplicates_cleared"
    CORRECTED = "corrected"
    RECALLED = "recalled"
    CLOSED = "closed"
    WITHDRAWAL_DECLINED = "withdrawal_declined"
    NOT_MOVABLE = "not_movable"
    ARREARS = "arrears"
    VOUCHER = "voucher"
    ENDING = "ending"
    DOUBLE_DRAWING = "double_drawing"
    EMPLOYER = "employer"


# A change of words is a new file and a new number here; what is queued or sent keeps the version that it names.
VERSIONS: Mapping[Template, int] = {
    **dict.fromkeys(Template, 1),
    Template.STATUS: 2,
    Template.RETURN: 2,
    Template.OVERDUE: 2,
    Template.DUPLICATES: 2,
    Template.DUPLICATES_CLEARED: 2,
    Template.CLOSED: 2,
    Template.ARREARS: 2,
}
# What has a letter of its own whatever the status beside it.
_OWN: Mapping[type[CaseFact], Template] = {
    events.MaterialRequested: Template.MATERIAL,
    events.DeadlineEscalated: Template.ESCALATED,
    events.DuplicatesFound: Template.DUPLICATES,
    events.DuplicatesCleared: Template.DUPLICATES_CLEARED,
    events.Corrected: Template.CORRECTED,
    events.Recalled: Template.RECALLED,
    events.TransferClosed: Template.CLOSED,
    events.WithdrawalDeclined: Template.WITHDRAWAL_DECLINED,
}
# What the employer who applied is told as well: the written refusal (Art. 8(2)) and the result (Art. 8(4)).
_TO_EMPLOYERS = (events.Refused, events.Completed, events.DuplicatesCleared)
_EXPLAINED: Mapping[Status, Template] = {
    Status.REJECTED: Template.REFUSAL,
    Status.TEMP_ACCOUNT: Template.TEMPORARY_ACCOUNT,
    Status.RETURNED: Template.RETURN,
}


# Why a relationship may end, by the code of the reasons table.
_GROUNDS = {"nationality_lost": "NATIONALITY_LOST", "too_few_years": "TOO_FEW_END"}


class NoWords(LookupError):
    """The tables have no words for what the person must be told."""


class Said(Contract):
    """Everything a letter is written from. Nothing in it is a person's; `status` is None for what an origin alone knows.

    `items` are codes of the materials table, `paused` is one of the pauses table, `reasons` are codes of the refusals table,
    `ground` is one of the reasons table, `grounds` are several of it. `pension_of` pays the pension that is kept.
    """

    reference: str
    holder: ProvinceCode
    since: date
    status: Status | None = None
    due_on: date | None = None
    overdue: bool = False
    code: str | None = None
    paused: str | None = None
    part_not_movable: bool = False
    arrears_lost: bool = False
    service_target_on: date | None = None
    items: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    kept: Literal["own", "transferred"] | None = None
    curable_until: date | None = None
    right_province: ProvinceCode | None = None
    pay_until: date | None = None
    months: int | None = None
    scheme: str | None = None
    lapsed: bool = False
    ground: str | None = None
    grounds: tuple[str, ...] = ()
    pension_of: ProvinceCode | None = None
    recipient: Literal["person", "employer"] = "person"


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
    channel: Literal["email", "employer_email"] = CHANNEL


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


def asks_for_a_notice(fact: Fact) -> bool:
    """Whether somebody is written to because of a fact: it changes what the person is shown, or has a letter of its own."""
    if isinstance(fact, CaseFact) and fact.public is not None:
        return type(fact) not in _SILENT
    return isinstance(fact, BY_THE_ORIGIN)


def notice_for(message: Envelope[Fact], tables: Tables, domain: str) -> Notice | None:
    """The notice that a fact asks for; None where nothing that the person is shown has changed.

    Raises:
        NoWords: when the tables do not know the status, the province, the reason or what is asked for.
    """
    fact = message.data
    # What belongs to no case, or is told by an origin, brings its contacts with it.
    contact_id, today = message.id, message.time.astimezone(SHANGHAI).date()
    match fact:
        case VoucherIssued():
            # A voucher belongs to no case; the account that it is about stands in the case's place, as in its key.
            case_id, template = fact.person_ref, Template.VOUCHER
            said = Said(reference=fact.voucher_no[-4:], holder=message.province, since=today)
        case events.EndingNotified():
            case_id, template = fact.person_ref, Template.ENDING
            said = Said(reference=reference(fact.ending_id), holder=message.province, since=today, ground=_GROUNDS[fact.ground])
        case events.DoubleDrawingSettled():
            case_id, template = fact.person_ref, Template.DOUBLE_DRAWING
            told = reference(fact.settlement_id)
            said = Said(reference=told, holder=message.province, since=today, grounds=fact.reasons, pension_of=fact.keeps)
        case NotMovableNotified():
            case_id, template = fact.case_id, Template.NOT_MOVABLE
            said = Said(reference=reference(case_id), holder=message.province, since=today, reasons=fact.reasons)
        case ArrearsNotified():
            case_id, template = fact.case_id, Template.ARREARS
            said = Said(
                reference=reference(case_id), holder=message.province, since=today, pay_until=fact.pay_until, months=fact.months
            )
        case CaseFact() if fact.public is not None:
            case_id = contact_id = fact.case_id
            said = _said(fact, fact.public)
            template = _OWN.get(type(fact)) or _template(said, tables)
        case _:
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


def employers_notice_for(message: Envelope[Fact], tables: Tables, domain: str) -> Notice | None:
    """The notice to the employer who applied; None for whatever is no end of a case that an employer applied for.

    Raises:
        NoWords: when the tables do not know the status, the province or the reason.
    """
    fact = message.data
    if not isinstance(fact, _TO_EMPLOYERS) or fact.public is None or not fact.public.employer_told:
        return None
    said = _said(fact, fact.public).model_copy(update={"recipient": "employer"})
    values(said, tables, "zh-CN")
    return Notice(
        notice_id=derived(message.id, EMPLOYER_CHANNEL),
        event_id=message.id,
        case_id=fact.case_id,
        person_ref=fact.person_ref,
        contact_id=fact.case_id,
        template=Template.EMPLOYER,
        template_version=VERSIONS[Template.EMPLOYER],
        said=said,
        message_id=message_id(message.id, EMPLOYER_CHANNEL, domain),
        occurred_at=message.time,
        channel=EMPLOYER_CHANNEL,
    )


def _said(fact: CaseFact, public: PublicStatus) -> Said:
    said = Said(
        reference=reference(fact.case_id),
        holder=public.holder,
        since=public.since,
        status=public.status,
        due_on=public.due_on,
        overdue=public.overdue,
        code=public.code or getattr(fact, "code", None),
        paused=public.paused,
        part_not_movable=public.part_not_movable,
        arrears_lost=public.arrears_lost,
        service_target_on=public.service_target_on,
    )
    match fact:
        case events.MaterialRequested():
            return said.model_copy(update={"items": fact.items})
        case events.Refused():
            return said.model_copy(update={"scheme": fact.scheme})
        case events.WithdrawalDeclined():
            return said.model_copy(update={"reasons": ("WITHDRAWAL_TOO_LATE",)})
        case events.TransferClosed():
            return said.model_copy(update={"lapsed": fact.lapsed})
        case events.DuplicatesCleared():
            return said.model_copy(update={"kept": fact.kept})
        case events.TransferReturned():
            right = fact.right_division[:2] if fact.right_division else None
            return said.model_copy(update={"curable_until": fact.curable_until, "right_province": right})
        case events.Recalled():
            return said.model_copy(update={"code": None})  # why the agencies take it back is between them
        case _:
            return said


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
        NoWords: when the tables do not know the status, the province, the reason or what is asked for.
    """
    english = language == "en"
    try:
        holder = tables.province(said.holder)
        right = None if said.right_province is None else tables.province(said.right_province)
        status = None if said.status is None else tables.status(StatusCode(said.status.value))
        refusal = None if said.code is None or said.status not in _EXPLAINED else tables.refusal(said.code, said.since)
        if refusal is not None and said.scheme is not None:
            refusal = wrong_scheme(said.scheme, said.since, tables)
        reasons = [_reason(tables.refusal(code, said.since), english=english) for code in said.reasons]
        items = [tables.material.material(code, said.since) for code in said.items]
        ground = None if said.ground is None else because(said.ground, said.since, tables)
        grounds = [because(code, said.since, tables) for code in said.grounds]
        pension_of = None if said.pension_of is None else tables.province(said.pension_of)
        pause = None if said.paused is None else tables.material.pause(said.paused, said.since)
    except (LookupError, ValueError) as error:
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
        "pause": pause.text(language) if pause else None,
        "part_not_movable": tables.status(StatusCode.PART_NOT_MOVABLE).text(language) if said.part_not_movable else None,
        "arrears_lost": _reason(tables.refusal("ARREARS_REFUSED", said.since), english=english) if said.arrears_lost else None,
        "service_target_on": said.service_target_on,
        "items": [{"text": item.text(language), "legal_basis": item.legal_basis} for item in items],
        "reasons": reasons,
        "kept": said.kept,
        "curable_until": said.curable_until,
        "right_place": right and (right.name_en if english else right.name_zh),
        "pay_until": said.pay_until,
        "months": said.months,
        "lapsed": said.lapsed,
        "ground": ground and {"text": ground.text_en if english else ground.text_zh, "legal_basis": ground.legal_basis},
        "grounds": [{"text": each.text_en if english else each.text_zh, "legal_basis": each.legal_basis} for each in grounds],
        "pension_of": pension_of and (pension_of.name_en if english else pension_of.name_zh),
        **(_reason(refusal, english=english) if refusal else dict.fromkeys(("reason", "legal_basis", "remedy"))),
    }


def _reason(text: RefusalText, *, english: bool) -> dict[str, str]:
    return {
        "reason": text.reason_en if english else text.reason_zh,
        "legal_basis": text.legal_basis,
        "remedy": text.remedy_en if english else text.remedy_zh,
    }


@dataclass(frozen=True, slots=True)
class Rendered:
    """A letter in words."""

    subject: str
    body: str


class Templates:
    """The letters' templates, all read at the start so that a broken one stops it.

    Args:
        tables: the words of statuses, provinces and refusals; others take their place when rows are imported.
    """

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
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
        subject, _, body = file.render(values(said, self.tables, language)).partition("\n")
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
