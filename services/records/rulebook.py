"""The dated tables of a running service: those it was started with, and over them the rows that were imported since.

An import is one transaction: the rows are kept, and the journal says who brought which rows, and what the rule set was called
before and is called now. Every service of the province looks for new rows now and then and decides with them from there on.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import asyncpg
import structlog

from contracts.envelope import new_id
from contracts.events import RulesImported
from services.records.agency import Agency
from services.rules.loader import Tables, TablesInvalid, build_tables
from services.rules.table_import import Form, explained, in_force_on, merge, read_rows
from services.runtime.database import Database, queries

log = structlog.get_logger()

SQL = queries(__file__)


@dataclass(frozen=True, slots=True)
class RuleImport:
    """One import that was taken: of which table, from when its rows hold, by whom, and the rule sets before and after."""

    number: int
    import_id: str
    table: str
    rows: int
    effective_from: date
    replaces: bool
    reason: str
    digest: str
    rule_set_before: str
    rule_set_after: str
    actor: str
    imported_at: datetime


class MeanwhileImported(RuntimeError):
    """Another import was taken in the same moment; asked again, this one is looked at with its rows."""


class Holder(Protocol):
    """Whoever decides or tells by the tables."""

    tables: Tables


class Rules:
    """Keeps a service's tables current; imports nothing itself.

    Args:
        database: of the province.
        holder: whose tables are replaced.
        contents: the parsed tables that the service was started with; the holder's are made of them.
    """

    def __init__(self, database: Database, holder: Holder, contents: Mapping[str, Mapping[str, Any]]) -> None:
        self._database = database
        self._holder = holder
        self._contents = contents
        self._through = 0
        self._reading = asyncio.Lock()
        self._changed: list[Callable[[], None]] = []

    @property
    def rule_set(self) -> str:
        """The version in force."""
        return self._holder.tables.version

    def when_changed(self, callback: Callable[[], None]) -> None:
        """Call something whenever new rows are in force: what was decided provisionally is looked at again."""
        self._changed.append(callback)

    async def refresh(self) -> int:
        """Take over what was imported since; returns 0, for nothing is left to do."""
        async with self._reading:
            await self._catch_up()
        return 0

    async def imports(self) -> list[RuleImport]:
        """Every import, the first one first."""
        async with self._database.transaction("look") as tx:
            return [_import(row) for row in await tx.fetch(SQL["rule_imports"], 0)]

    def rows(self, table: str, on: date | None) -> list[dict[str, Any]]:
        """The rows of a table that are in force on a day, or all.

        Raises:
            ImportRefused: NOT_A_TABLE.
        """
        return in_force_on(self._contents, table, on)

    async def _catch_up(self) -> None:
        async with self._database.transaction("poll") as tx:
            fresh = await tx.fetch(SQL["rule_imports"], self._through)
        if not fresh:
            return
        contents = self._contents
        for row in fresh:
            # What was taken is never asked again whether it may be, also over tables of a later release.
            new = read_rows(row["content"], row["form"], contents, source=row["source"])
            contents = merge(contents, new, today=None).contents
        self._put(contents, build_tables(contents), fresh[-1]["number"])

    def _put(self, contents: Mapping[str, Mapping[str, Any]], tables: Tables, number: int) -> None:
        before, self._holder.tables = self._holder.tables.version, tables
        self._contents, self._through = contents, number
        log.info("rules.changed", imports=number, rule_set_before=before, rule_set=tables.version)
        for callback in self._changed:
            callback()


class Rulebook(Rules):
    """Keeps an agency's tables current, and takes imports.

    Args:
        database: of the province.
        agency: whose tables are replaced.
        contents: the parsed tables that the service was started with; `agency.tables` are made of them.
    """

    def __init__(self, database: Database, agency: Agency, contents: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(database, agency, contents)
        self._agency = agency

    async def take(
        self, text: str, form: Form, *, source: str = "", replace: bool = False, reason: str = "", actor: str
    ) -> tuple[RuleImport, bool]:
        """Import a file with rows of one table; returns the import, and whether it is new: the same text again changes nothing.

        Args:
            text: the file's text, as it is; its digest stands in the event.
            form: `toml` like the tables themselves, or `csv` for a holiday notice.
            source: title of the notice, for CSV.
            replace: the rows may change answers of the past.
            reason: why, in words; no person's data.
            actor: `sub` of the operator.

        Raises:
            ImportRefused: by name (see services.rules.table_import).
            TablesInvalid: with everything that is wrong in the rows.
            MeanwhileImported: when another one was faster.
        """
        digest = hashlib.sha256(text.encode()).hexdigest()
        agency = self._agency
        async with self._reading:
            await self._catch_up()
            async with self._database.transaction("rules") as tx:
                known = await tx.one(SQL["rule_import_by_digest"], digest)
                if known is not None:
                    return _import(known), False
                new = read_rows(text, form, self._contents, source=source)
                merged = merge(self._contents, new, today=agency.clock.today(), replace=replace)
                try:
                    tables = build_tables(merged.contents)
                except TablesInvalid as error:
                    raise TablesInvalid(explained(error.problems, merged.contents, new)) from None
                import_id, number, before = new_id(), self._through + 1, agency.tables.version
                taken = await tx.value(
                    SQL["add_rule_import"],
                    number,
                    import_id,
                    new.table,
                    form,
                    text,
                    source,
                    digest,
                    new.effective_from,
                    len(new.rows),
                    merged.replaces,
                    reason,
                    before,
                    tables.version,
                    actor,
                )
                if taken is None:
                    raise MeanwhileImported(f"import {number} is another one")
                said = RulesImported(
                    import_id=import_id,
                    table=new.table,
                    rows=len(new.rows),
                    effective_from=new.effective_from,
                    replaces=merged.replaces,
                    reason=reason,
                    digest=digest,
                    rule_set_before=before,
                    rule_set_after=tables.version,
                    actor=actor,
                )
                await agency.tell(tx, [said])
                row = await tx.one(SQL["rule_import_by_digest"], digest)
                assert row is not None, import_id
            self._put(merged.contents, tables, number)
            return _import(row), True


def _import(row: asyncpg.Record) -> RuleImport:
    return RuleImport(
        number=row["number"],
        import_id=row["import_id"],
        table=row["table_name"],
        rows=row["rows"],
        effective_from=row["effective_from"],
        replaces=row["replaces"],
        reason=row["reason"],
        digest=row["digest"],
        rule_set_before=row["rule_set_before"],
        rule_set_after=row["rule_set_after"],
        actor=row["actor"],
        imported_at=row["imported_at"],
    )
