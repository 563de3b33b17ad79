"""The destination's cases in its schema. Identity and form are kept under the person's key."""

from collections.abc import Mapping, Sequence
from datetime import date

import asyncpg
import orjson

from contracts.base import SealedForPerson
from contracts.documents import InformationForm
from contracts.statuses import Status
from services.destination_agency.case import ENDED, Case, Decision, Payment, State
from services.records.decisions import Due
from services.records.model import Personal
from services.records.vault import Vault
from services.runtime.database import Transaction, queries

SQL = queries(__file__)


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
            case.due.due_on,
            case.due.remind_on,
            case.reminded,
            case.breached,
            case.state not in ENDED,
            case.surplus_fen > 0,
            case.open_key,
            case.applicant,
            _body(case),
            Vault.seal(known, case.person_ref, case.personal.model_dump_json().encode()).model_dump_json(),
            Vault.seal(known, case.person_ref, case.form.model_dump_json().encode()).model_dump_json() if case.form else None,
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
        }
    ).decode()


def _cases(rows: Sequence[asyncpg.Record], keys: Mapping[str, bytes], province: str) -> dict[str, Case]:
    found = {}
    for row in rows:
        body = orjson.loads(row["body"])
        ref = row["person_ref"]
        personal = Vault.open(keys, ref, SealedForPerson.model_validate_json(row["personal"]))
        form = Vault.open(keys, ref, SealedForPerson.model_validate_json(row["form"])) if row["form"] else None
        found[row["case_id"]] = Case(
            case_id=row["case_id"],
            serial=row["serial"],
            person_ref=ref,
            province=province,
            origin=row["origin"],
            origin_division=body["origin_division"],
            destination_division=body["destination_division"],
            state=State(row["state"]),
            status=Status(row["status"]),
            since=row["since"],
            applied_on=date.fromisoformat(body["applied_on"]),
            applied_by=body["applied_by"],
            applicant=row["applicant"],
            channel=body["channel"],
            approved_transfer=body["approved_transfer"],
            personal=Personal.model_validate_json(personal),
            open_key=row["open_key"],
            due=Due(
                row["due_on"],
                row["remind_on"],
                body["provisional"],
                body["limit"],
                date.fromisoformat(body["started_on"]) if body["started_on"] else None,
            ),
            maker=body["maker"],
            decision=Decision(**body["decision"]) if body["decision"] else None,
            letter_no=body["letter_no"],
            form=InformationForm.model_validate_json(form) if form else None,
            received_fen=body["received_fen"],
            payments=tuple(Payment(**payment) for payment in body["payments"]),
            discrepancy=body["discrepancy"],
            reminded=row["reminded"],
            breached=row["breached"],
            surplus_maker=body["surplus_maker"],
            code=body["code"],
        )
    return found
