"""The destination's cases in its schema. Identity and form are kept under the person's key."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import asyncpg
import orjson

from contracts.base import SealedForPerson
from contracts.documents import InformationForm, PersonIdentity
from contracts.statuses import Status
from services.destination_agency.case import AFTERWARDS, ENDED, Case, Decision, Payment, Proposal, Question, State
from services.records.decisions import Due
from services.records.model import SEGMENTS, Personal, from_contract, to_contract
from services.records.vault import Vault
from services.rules.amounts import Segment
from services.rules.deadlines import Pause
from services.runtime.database import Transaction, queries

SQL = queries(__file__)

# While a clock stands it has no due date; the column wants one that never comes.
NEVER = date(9999, 12, 31)
_KEY_BYTES = 32
# Something is still to be done, but the relationship has moved here: another transfer of it may begin meanwhile.
_MOVED = AFTERWARDS | {State.DUPLICATE_CLEARING}


async def load(tx: Transaction, vault: Vault, province: str, case_ids: Sequence[str]) -> dict[str, Case]:
    """The named cases, locked in one order; unknown ones are not in the answer."""
    rows = await tx.fetch(SQL["load"], sorted(set(case_ids))) if case_ids else []
    return _cases(rows, await vault.keys(row["person_ref"] for row in rows), province)


async def look(tx: Transaction, vault: Vault, province: str, case_id: str) -> Case | None:
    """One case, not locked."""
    rows = await tx.fetch(SQL["look"], case_id)
    return _cases(rows, await vault.keys(row["person_ref"] for row in rows), province).get(case_id)


async def save(tx: Transaction, vault: Vault, cases: Sequence[Case], keys: Mapping[str, bytes] | None = None) -> None:
    """Write new and changed cases, in one statement. A new case without a serial number gets one."""
    if not cases:
        return
    known = keys if keys is not None else await vault.keys(case.person_ref for case in cases)
    rows = [
        (
            case.case_id,
            case.person_ref,
            str(case.state),
            str(case.status),
            case.origin,
            case.since,
            case.due.due_on if case.paused_on is None else NEVER,
            _speaks_on(case),
            case.reminded and case.escalate_on is None,
            case.breached,
            case.state not in ENDED,
            case.surplus_fen > 0,
            case.open_key + case.case_id.encode() if case.state in _MOVED else case.open_key,
            case.applicant,
            _body(case),
            Vault.seal(known, case.person_ref, _identity(case)).model_dump_json(),
            Vault.seal(known, case.person_ref, _forms(case)).model_dump_json() if case.form else None,
            case.serial or None,
        )
        for case in cases
    ]
    tx.defer(SQL["save"], *(list(column) for column in zip(*rows, strict=True)))


async def serials(tx: Transaction, count: int) -> list[int]:
    """Serial numbers for so many cases, before they are saved: the contact letters of the same transaction have them."""
    return [row["serial"] for row in await tx.fetch(SQL["serials"], count)]


async def due(tx: Transaction, today: date, limit: int) -> list[str]:
    """Ids of cases whose clock has something to say."""
    return [row["case_id"] for row in await tx.fetch(SQL["due"], today, limit)]


async def provisional(tx: Transaction) -> list[str]:
    """Ids of cases whose due date was counted over a year that was not known then."""
    return [row["case_id"] for row in await tx.fetch(SQL["provisional"])]


async def open_cases(tx: Transaction, open_keys: Sequence[bytes]) -> dict[bytes, tuple[str, str]]:
    """The open case of each relationship that has one, and who applied for it."""
    rows = await tx.fetch(SQL["open_cases"], list(open_keys))
    return {row["open_key"]: (row["case_id"], row["applicant"]) for row in rows}


def _speaks_on(case: Case) -> date:
    """The day on which the clock has its next word: the reminder's, or after a breach the escalation's."""
    if case.paused_on is not None:
        return NEVER
    return case.escalate_on or case.due.remind_on


def _identity(case: Case) -> bytes:
    """Who the person is: as the application says, and as the former agency knows them where that is another way."""
    there = {"there": case.there, "proposed_there": case.proposed_there}
    named = {key: value.model_dump() for key, value in there.items() if value is not None}
    if not named:
        return case.personal.model_dump_json().encode()
    return orjson.dumps({**case.personal.model_dump(mode="json"), **named})


def _forms(case: Case) -> bytes:
    """The newest form, with the one in the books where that is another, and what stands of it where months were cleared."""
    assert case.form is not None, case.case_id
    another = case.booked is not None and case.booked.form_version != case.form.form_version
    if not another and not case.stands:
        return case.form.model_dump_json().encode()
    kept: dict[str, Any] = {"form": case.form.model_dump(mode="json")}
    if case.booked is not None:
        kept["booked"] = case.booked.model_dump(mode="json")
    if case.stands:
        kept["stands"] = [to_contract(segment).model_dump(mode="json") for segment in case.stands]
    return orjson.dumps(kept)


def _body(case: Case) -> str:
    return orjson.dumps(
        {
            "origin_division": case.origin_division,
            "destination_division": case.destination_division,
            "applied_on": case.applied_on.isoformat(),
            "applied_by": case.applied_by,
            "channel": case.channel,
            "approved_transfer": case.approved_transfer,
            "maker": case.maker,
            "decision": case.decision,
            "letter_no": case.letter_no,
            "received_fen": case.received_fen,
            "payments": case.payments,
            "discrepancy": case.discrepancy,
            "surplus_maker": case.surplus_maker,
            "code": case.code,
            "provisional": case.due.provisional,
            "limit": case.due.limit,
            "started_on": case.due.started_on.isoformat() if case.due.started_on else None,
            **_seldom(case),
        }
    ).decode()


def _seldom(case: Case) -> dict[str, Any]:
    """What most cases have nothing of; it is left out then, and a case of an older version has none."""
    overruled = case.paused_on is not None or case.escalate_on is not None
    found: dict[str, Any] = {
        "asked": case.asked,
        "supplied": case.supplied,
        "handed_in": case.handed_in,
        "paused_on": case.paused_on,
        "due_on": case.due.due_on if overruled else None,
        "remind_on": case.due.remind_on if overruled else None,
        "target_on": case.due.target_on,
        "pauses": case.due.pauses,
        "letter_version": case.letter_version if case.letter_version > 1 else 0,
        "proposal": case.proposal,
        "booked": case.booked is not None,
        "questions": [
            {**asdict(each), "text": each.text.model_dump(), "answer": each.answer.model_dump() if each.answer else None}
            for each in case.questions
        ],
        "unanswered": len(case.unanswered),
        "escalate_on": case.escalate_on,
        "escalated": case.escalated,
        "reminded_on": case.reminded_on,
        "returning_fen": case.returning_fen,
        "before_recall": case.before_recall,
        "recall_code": case.recall_code,
        "died_on": case.died_on,
        "gathering": case.gathering,
        "served_first": case.served_first,
        "former": case.former,
        "rate_pending": [each.year for each in case.form.interim_rates] if case.form else [],
    }
    return {key: value for key, value in found.items() if value}


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _pause(kept: dict[str, Any]) -> Pause:
    return Pause(kept["reason"], date.fromisoformat(kept["since"]), _day(kept["until"]))


def _question(kept: dict[str, Any]) -> Question:
    answer = kept["answer"]
    return Question(
        **{
            **kept,
            "asked_on": date.fromisoformat(kept["asked_on"]),
            "text": SealedForPerson(**kept["text"]),
            "answered_on": _day(kept["answered_on"]),
            "answer": SealedForPerson(**answer) if answer else None,
        }
    )


def _cases(rows: Sequence[asyncpg.Record], keys: Mapping[str, bytes], province: str) -> dict[str, Case]:
    found = {}
    for row in rows:
        body = orjson.loads(row["body"])
        ref = row["person_ref"]
        state = State(row["state"])
        identity = Vault.open(keys, ref, SealedForPerson.model_validate_json(row["personal"]))
        there, proposed_there = _there(identity)
        booked_too = bool(body.get("booked", state is State.COMPLETED))
        form, booked, stands = _opened(keys, ref, row["form"], booked=booked_too)
        escalate_on = _day(body.get("escalate_on"))
        found[row["case_id"]] = Case(
            case_id=row["case_id"],
            serial=row["serial"],
            person_ref=ref,
            province=province,
            origin=row["origin"],
            origin_division=body["origin_division"],
            destination_division=body["destination_division"],
            state=state,
            status=Status(row["status"]),
            since=row["since"],
            applied_on=date.fromisoformat(body["applied_on"]),
            applied_by=body["applied_by"],
            applicant=row["applicant"],
            channel=body["channel"],
            approved_transfer=body["approved_transfer"],
            personal=Personal.model_validate_json(identity),
            open_key=row["open_key"][:_KEY_BYTES],
            due=Due(
                _day(body.get("due_on")) or row["due_on"],
                _day(body.get("remind_on")) or row["remind_on"],
                body["provisional"],
                body["limit"],
                _day(body["started_on"]),
                _day(body.get("target_on")),
                tuple(_pause(each) for each in body.get("pauses", ())),
            ),
            maker=body["maker"],
            decision=Decision(**body["decision"]) if body["decision"] else None,
            letter_no=body["letter_no"],
            form=form,
            received_fen=body["received_fen"],
            payments=tuple(Payment(**payment) for payment in body["payments"]),
            discrepancy=body["discrepancy"],
            reminded=row["reminded"] or escalate_on is not None,
            breached=row["breached"],
            surplus_maker=body["surplus_maker"],
            code=body["code"],
            asked=tuple(body.get("asked", ())),
            supplied=body.get("supplied", False),
            handed_in=tuple(body.get("handed_in", ())),
            paused_on=_day(body.get("paused_on")),
            letter_version=body.get("letter_version", 1 if body["letter_no"] else 0),
            proposal=Proposal(**body["proposal"]) if body.get("proposal") else None,
            there=there,
            proposed_there=proposed_there,
            booked=booked,
            stands=stands,
            former=tuple(body.get("former", ())),
            questions=tuple(_question(each) for each in body.get("questions", ())),
            escalate_on=escalate_on,
            escalated=body.get("escalated", False),
            reminded_on=_day(body.get("reminded_on")),
            returning_fen=body.get("returning_fen", 0),
            before_recall=State(body["before_recall"]) if body.get("before_recall") else None,
            recall_code=body.get("recall_code", ""),
            died_on=_day(body.get("died_on")),
            gathering=body.get("gathering", ""),
            served_first=body.get("served_first", False),
        )
    return found


def _there(identity: bytes) -> tuple[PersonIdentity | None, PersonIdentity | None]:
    if b'"there"' not in identity and b'"proposed_there"' not in identity:
        return None, None
    kept = orjson.loads(identity)
    there, proposed = (PersonIdentity(**kept[key]) if kept.get(key) else None for key in ("there", "proposed_there"))
    return there, proposed


def _opened(
    keys: Mapping[str, bytes], person_ref: str, sealed: str | None, *, booked: bool
) -> tuple[InformationForm | None, InformationForm | None, tuple[Segment, ...]]:
    """The newest form, the one in the books, and what stands of it where months were cleared."""
    if sealed is None:
        return None, None, ()
    text = Vault.open(keys, person_ref, SealedForPerson.model_validate_json(sealed))
    if not text.startswith(b'{"form":'):
        form = InformationForm.model_validate_json(text)
        return form, form if booked else None, ()
    kept = orjson.loads(text)
    newest = InformationForm.model_validate_json(orjson.dumps(kept["form"]))
    there = InformationForm.model_validate_json(orjson.dumps(kept["booked"])) if "booked" in kept else None
    if there is not None and there.form_version == newest.form_version:
        there = newest
    stands = tuple(from_contract(segment) for segment in SEGMENTS.validate_json(orjson.dumps(kept.get("stands", []))))
    return newest, there, stands
