"""Accounts for the bench of the year's end: as many as are wanted, with histories of many lengths, written into the books.

An import would say every year of every account on the journal, which nobody measures here. These accounts are opened with what
stood in them at the end of 2023, and have the contributions of 2024: real records, real entries, real events, three an account.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal

from contracts.base import Fact
from contracts.envelope import new_id
from contracts.events import AccountOpened
from deploy.local.exchange import database_url
from deploy.local.stack import Stack
from deploy.postgres.provision import service_role
from services.messaging.directory import Directory
from services.messaging.outbox import Outbox
from services.records import store
from services.records.agency import Agency
from services.records.importing import contribution_facts
from services.records.model import Personal, Record
from services.records.vault import Vault
from services.rules.amounts import RowKind, Segment, YearRow, complete_years
from services.rules.loader import Tables, load_tables
from services.rules.months import Month
from services.runtime.clock import SHANGHAI, ScenarioClock
from services.runtime.database import TRANSIENT, Database

PROVINCE = "44"
OPENED = datetime(2025, 1, 2, 9, tzinfo=SHANGHAI)
LAST_BOOKED = 2023

# First and last year of the history, by the last digit of an account's number: a year to twenty, and one that lies idle.
_HISTORIES = (*[(2024, 2024)] * 2, *[(2022, 2024)] * 2, *[(2020, 2024)] * 3, (2015, 2024), (2005, 2024), (2015, 2020))
_AT_ONCE = 1_000
_DIVISION, _RATE = f"{PROVINCE}0100", Decimal("0.16")


def history(number: int) -> tuple[YearRow, ...]:
    """The year rows of one account; one in ten is temporary, wages differ from year to year."""
    first, last = _HISTORIES[number % 10]
    kind = RowKind.TEMPORARY if number % 100 // 10 == 9 else RowKind.NORMAL
    wage_fen = 400_000 + number % 997 * 1_000
    return tuple(
        YearRow(_DIVISION, Month(year, 1), Month(year, 12), wage_fen + 10_000 * (year - first), _RATE, kind=kind)
        for year in range(first, last + 1)
    )


def record(number: int, person_ref: str, id_hash: bytes) -> Record:
    """One account's record, with the interest of 2023 as the last that is booked."""
    rows = history(number)
    return Record(
        person_ref=person_ref,
        id_hash=id_hash,
        state="active" if rows[-1].year > LAST_BOOKED else "stopped",
        scheme="110",
        account_kind="temporary" if rows[0].kind is RowKind.TEMPORARY else "normal",
        first_insured_on=rows[0].start.first_day,
        stopped_on=None if rows[-1].year > LAST_BOOKED else date(rows[-1].year, 12, 31),
        drawing_since=None,
        interest_through=LAST_BOOKED,
        personal=Personal(id_number=f"bench-{number}", name="某某", sex="male", hukou=PROVINCE),
        segments=(Segment(None, 0, 0, rows),),
    )


def facts(found: Record, tables: Tables) -> Iterator[Fact]:
    """What the journal says of an account before the year's end."""
    years = complete_years(found.segments, LAST_BOOKED, PROVINCE, tables)
    opening = sum(year.since_1998.principal_fen + year.since_1998.interest_fen for year in years)
    assert found.first_insured_on is not None, found.person_ref
    yield AccountOpened(
        person_ref=found.person_ref, kind=found.account_kind, opened_on=found.first_insured_on, opening_fen=opening
    )
    [segment] = found.segments
    yield from contribution_facts(found.person_ref, [row for row in segment.rows if row.year > LAST_BOOKED], tables)


async def _written(database: Database, agency: Agency, records: Sequence[Record]) -> bool:
    """Write some accounts, all or none; False where the server was busy elsewhere for too long, and it is to be done again."""
    try:
        person_keys = await agency.vault.make([each.person_ref for each in records])
        async with database.transaction("load") as tx:
            await agency.tell(tx, [fact for each in records for fact in facts(each, agency.tables)])
            await store.add(tx, person_keys, records)
    except TRANSIENT:
        return False
    return True


async def load(stack: Stack, count: int, tell: Callable[[str], None]) -> float:
    """Write so many accounts into the books of the province, with their events; returns the seconds."""
    began = told_at = time.monotonic()
    role, tables = service_role(PROVINCE, "origin-agency"), load_tables()
    database = Database(database_url(stack, f"province_{PROVINCE}", role), name="bench")
    keys = Database(database_url(stack, f"keys_{PROVINCE}", role), name="bench-keys")
    vault = Vault(keys, bytes.fromhex(stack.secrets.id_hash_file(PROVINCE).read_text(encoding="ascii").strip()))
    agency = Agency(
        province=PROVINCE,
        service="origin-agency",
        tables=tables,
        vault=vault,
        directory=Directory("0" * 64),  # nothing is sent to anybody
        outbox=Outbox("origin_agency"),
        clock=ScenarioClock(OPENED),
    )
    try:
        for at in range(0, count, _AT_ONCE):
            numbers = range(at, min(count, at + _AT_ONCE))
            records = [record(number, new_id(), vault.id_hash(f"bench-{number}")) for number in numbers]
            while not await _written(database, agency, records):  # noqa: ASYNC110 - nothing tells when the server is there
                await asyncio.sleep(1)
            if time.monotonic() - told_at > 60:
                told_at = time.monotonic()
                tell(f"{numbers.stop:,} of {count:,} accounts are written")
    finally:
        await database.close()
        await keys.close()
    return time.monotonic() - began
