"""The origin's cases and remittances in its schema. The letter is kept under the person's key."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import Any

import asyncpg
import orjson

from contracts.base import Items, SealedForPerson
from contracts.documents import ContactLetter, NotMovable
from services.origin_agency.case import ENDED, OPEN_LEG, UNDECIDED, Case, GivenPaper, Interim, Proposal, Question, State, Wish
from services.records.decisions import Due
from services.records.vault import Vault
from services.rules.deadlines import Pause
from services.runtime.database import Transaction, queries

SQL = queries(__file__)


async def load(tx: Transaction, vault: Vault, case_ids: Sequence[str]) -> dict[str, Case]:
    """The named cases, locked in one order; unknown ones are not in the answer."""
    rows = await tx.fetch(SQL["load"], sorted(set(case_ids))) if case_ids else []
    return await _cases(vault, rows)


async def look(tx: Transaction, vault: Vault, case_id: str) -> Case | None:
    """One case, not locked."""
    return (await _cases(vault, await tx.fetch(SQL["look"], case_id))).get(case_id)


async def form_day(tx: Transaction, case_id: str) -> date | None:
    """The day that a case's first form was made for, None where there is no form, nor such a case."""
    day: date | None = await tx.value(SQL["form_day"], case_id)
    return day


async def whose_case(tx: Transaction, case_id: str) -> str | None:
    """The pseudonym that a case's person is known by here, under whose key it is sealed; None where there is no such case."""
    known_as: str | None = await tx.value(SQL["whose_case"], case_id)
    return known_as


async def save(tx: Transaction, vault: Vault, cases: Sequence[Case]) -> None:
    """Write new and changed cases, in one statement."""
    if not cases:
        return
    keys = await vault.keys(case.known_as for case in cases)
    rows = [
        (
            case.case_id,
            str(case.state),
            case.destination,
            case.known_as,
            case.person_ref,
            case.received_on,
            case.due.due_on,
            case.due.remind_on,
            case.reminded,
            case.breached,
            case.speaks_on,
            case.remittance_id,
            _body(case),
            Vault.seal(keys, case.known_as, case.letter.model_dump_json().encode()).model_dump_json(),
        )
        for case in cases
    ]
    tx.defer(SQL["save"], *(list(column) for column in zip(*rows, strict=True)))


async def leaving(tx: Transaction, persons: Sequence[str]) -> set[str]:
    """Who of some persons has a form that is out and not paid: the account is owed to another province already."""
    states = [str(state) for state in OPEN_LEG - UNDECIDED]
    return {row["person_ref"] for row in await tx.fetch(SQL["leaving"], list(persons), states)} if persons else set()


async def transferring(tx: Transaction, persons: Sequence[str]) -> set[str]:
    """Who of some persons has a case here that has not ended."""
    states = [str(state) for state in State if state not in ENDED]
    return {row["person_ref"] for row in await tx.fetch(SQL["leaving"], list(persons), states)} if persons else set()


async def undecided_of(tx: Transaction, persons: Sequence[str]) -> list[str]:
    """Ids of cases of some persons in which nothing is approved yet."""
    states = [str(state) for state in sorted(UNDECIDED)]
    return [row["case_id"] for row in await tx.fetch(SQL["cases_of"], list(persons), states)]


async def due(tx: Transaction, today: date, limit: int) -> list[str]:
    """Ids of cases whose clock has something to say."""
    return [row["case_id"] for row in await tx.fetch(SQL["due"], [str(state) for state in OPEN_LEG], today, limit)]


def _body(case: Case) -> str:
    return orjson.dumps(
        {
            "proposal": case.proposal,
            "wish": case.wish,
            "form_version": case.form_version,
            "items": case.items.model_dump() if case.items else None,
            "form_digest": case.form_digest,
            "transfer_on": case.transfer_on,
            "remitted_fen": case.remitted_fen,
            "ordered_fen": case.ordered_fen,
            "paid_version": case.paid_version,
            "account_wanted": case.account_wanted,
            **({"booked_there": case.booked_there} if case.booked_there else {}),
            "sent_back": case.sent_back,
            "interim": case.interim,
            "not_movable": case.not_movable.model_dump() if case.not_movable else None,
            **_notice(case),
            "closed": case.closed,
            **({"served_first": True} if case.letter.served_first else {}),
            "escalated": case.escalated,
            "arrears_until": case.arrears_until,
            "died_on": case.died_on,
            "recall_reason": case.recall_reason,
            "questions": [_question(question) for question in case.questions],
            **_clock(case.due),
        }
    ).decode()


def _notice(case: Case) -> dict[str, object]:
    """Of the written notice of what stays; nearly no case has one."""
    if case.notice_until is None and case.told_stays is None:
        return {}
    return {
        "notice_until": case.notice_until,
        "notice_late": case.notice_late,
        "told_stays": case.told_stays.model_dump() if case.told_stays else None,
        "escalate_on": case.escalate_on,
    }


def _question(question: Question) -> dict[str, object]:
    return {
        **{each.name: getattr(question, each.name) for each in fields(question)},
        "text": question.text.model_dump(),
        "answer": question.answer.model_dump() if question.answer else None,
    }


def _clock(due: Due) -> dict[str, object]:
    return {
        "provisional": due.provisional,
        "limit": due.limit,
        "started_on": due.started_on.isoformat() if due.started_on else None,
        "target_on": due.target_on.isoformat() if due.target_on else None,
        "pauses": due.pauses,
    }


async def provisional(tx: Transaction) -> list[str]:
    """Ids of cases whose due date was counted over a year that was not known then."""
    return [row["case_id"] for row in await tx.fetch(SQL["provisional"], [str(state) for state in OPEN_LEG])]


def _proposal(proposal: dict[str, Any] | None) -> Proposal | None:
    if proposal is None:
        return None
    return Proposal(**{**proposal, "papers": tuple(GivenPaper(**paper) for paper in proposal.get("papers", ()))})


def _rest(state: str, body: dict[str, Any]) -> dict[str, Any]:
    """What stands in the body alone. Cases that were written by an earlier release lack what it did not know."""
    items = Items(**body["items"]) if body["items"] else None
    owed = (items.total_fen if items else 0) - body["remitted_fen"]
    wish = body.get("wish")
    return {
        "wish": Wish(**{**wish, "papers": tuple(GivenPaper(**each) for each in wish.get("papers", ()))}) if wish else None,
        "form_version": body["form_version"],
        "items": items,
        "form_digest": body.get("form_digest", ""),
        "transfer_on": _day(body.get("transfer_on")),
        "remitted_fen": body["remitted_fen"],
        "ordered_fen": body.get("ordered_fen", owed if state in (State.REMITTANCE_ORDERED, State.SETTLED) else 0),
        "paid_version": body.get("paid_version", 0),
        "account_wanted": body.get("account_wanted", False),
        "booked_there": body.get("booked_there", 0),
        "sent_back": body.get("sent_back", False),
        "interim": tuple(Interim(**each) for each in body.get("interim", ())),
        "not_movable": _stays(body.get("not_movable")),
        "notice_until": _day(body.get("notice_until")),
        "notice_late": body.get("notice_late", False),
        "told_stays": _stays(body.get("told_stays")),
        "closed": body["closed"],
        "escalated": body.get("escalated", False),
        "arrears_until": _day(body.get("arrears_until")),
        "died_on": _day(body.get("died_on")),
        "recall_reason": body.get("recall_reason", ""),
        "questions": tuple(_asked(question) for question in body.get("questions", ())),
    }


def _stays(found: dict[str, Any] | None) -> NotMovable | None:
    return NotMovable(**{**found, "reasons": tuple(found["reasons"])}) if found else None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _pause(pause: dict[str, Any]) -> Pause:
    return Pause(pause["reason"], date.fromisoformat(pause["since"]), _day(pause["until"]))


def _asked(question: dict[str, Any]) -> Question:
    answer = question["answer"]
    return Question(
        **{
            **question,
            "text": SealedForPerson(**question["text"]),
            "asked_on": date.fromisoformat(question["asked_on"]),
            "answer": SealedForPerson(**answer) if answer else None,
            "answered_on": _day(question["answered_on"]),
        }
    )


async def _cases(vault: Vault, rows: Sequence[asyncpg.Record]) -> dict[str, Case]:
    keys = await vault.keys(row["known_as"] for row in rows)
    found = {}
    for row in rows:
        body = orjson.loads(row["body"])
        letter = Vault.open(keys, row["known_as"], SealedForPerson.model_validate_json(row["letter"]))
        found[row["case_id"]] = Case(
            case_id=row["case_id"],
            destination=row["destination"],
            letter=ContactLetter.model_validate_json(letter),
            state=State(row["state"]),
            received_on=row["received_on"],
            due=Due(
                row["due_on"],
                row["remind_on"],
                body["provisional"],
                body["limit"],
                _day(body["started_on"]),
                _day(body.get("target_on")),
                tuple(_pause(each) for each in body.get("pauses", ())),
            ),
            person_ref=row["person_ref"],
            proposal=_proposal(body["proposal"]),
            remittance_id=row["remittance_id"],
            reminded=row["reminded"],
            breached=row["breached"],
            # The column is the day of the next word; an early release kept nothing else there.
            escalate_on=_day(body["escalate_on"]) if "escalate_on" in body else row["escalate_on"],
            **_rest(row["state"], body),
        )
    return found
