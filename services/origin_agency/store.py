"""The origin's cases and remittances in its schema. The letter is kept under the person's key."""

from collections.abc import Sequence
from datetime import date

import asyncpg
import orjson

from contracts.base import Items, SealedForPerson
from contracts.documents import ContactLetter
from services.origin_agency.case import OPEN_LEG, Case, Proposal, State
from services.records.decisions import Due
from services.records.vault import Vault
from services.runtime.database import Transaction, queries

SQL = queries(__file__)


async def load(tx: Transaction, vault: Vault, case_ids: Sequence[str]) -> dict[str, Case]:
    """The named cases, locked in one order; unknown ones are not in the answer."""
    rows = await tx.fetch(SQL["load"], sorted(set(case_ids))) if case_ids else []
    return await _cases(vault, rows)


async def look(tx: Transaction, vault: Vault, case_id: str) -> Case | None:
    """One case, not locked."""
    return (await _cases(vault, await tx.fetch(SQL["look"], case_id))).get(case_id)


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
            case.remittance_id,
            _body(case),
            Vault.seal(keys, case.known_as, case.letter.model_dump_json().encode()).model_dump_json(),
        )
        for case in cases
    ]
    tx.defer(SQL["save"], *(list(column) for column in zip(*rows, strict=True)))


async def due(tx: Transaction, today: date, limit: int) -> list[str]:
    """Ids of cases whose clock has something to say."""
    return [row["case_id"] for row in await tx.fetch(SQL["due"], [str(state) for state in OPEN_LEG], today, limit)]


def _body(case: Case) -> str:
    return orjson.dumps(
        {
            "proposal": case.proposal,
            "form_version": case.form_version,
            "items": case.items.model_dump() if case.items else None,
            "remitted_fen": case.remitted_fen,
            "closed": case.closed,
            **_clock(case.due),
        }
    ).decode()


def _clock(due: Due) -> dict[str, object]:
    return {
        "provisional": due.provisional,
        "limit": due.limit,
        "started_on": due.started_on.isoformat() if due.started_on else None,
    }


async def provisional(tx: Transaction) -> list[str]:
    """Ids of cases whose due date was counted over a year that was not known then."""
    return [row["case_id"] for row in await tx.fetch(SQL["provisional"], [str(state) for state in OPEN_LEG])]


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
                date.fromisoformat(body["started_on"]) if body["started_on"] else None,
            ),
            person_ref=row["person_ref"],
            proposal=Proposal(**body["proposal"]) if body["proposal"] else None,
            form_version=body["form_version"],
            items=Items(**body["items"]) if body["items"] else None,
            remittance_id=row["remittance_id"],
            remitted_fen=body["remitted_fen"],
            closed=body["closed"],
            reminded=row["reminded"],
            breached=row["breached"],
        )
    return found
