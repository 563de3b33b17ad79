"""A year of a person's record was wrong: its rows are replaced, and what that changes is booked as a difference.

What was booked is never touched (domain § 1.6.14). It works for rows that have left with a transfer as well: their difference
is moved on with the next version of that transfer's form.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import asyncpg

from contracts.base import SealedForPerson
from contracts.envelope import new_id
from contracts.events import ContributionCorrected
from services.records import store
from services.records.acting import Acting
from services.records.agency import Agency
from services.records.commands import ListResult, RowResult, done, one_person, refused_by
from services.records.decisions import Refused
from services.records.model import Record
from services.records.vault import open_rows, seal_rows
from services.rules.adjustment import interest_differences
from services.rules.amounts import (
    MonthsOverlap,
    RatePending,
    RecordInvalid,
    RowStatus,
    Segment,
    YearRow,
    principal_of,
    refuse_overlaps,
)
from services.rules.loader import RuleNotInForce, Tables
from services.rules.months import months_from
from services.runtime.database import Database, Transaction, queries

SQL = queries(__file__)

FormDay = Callable[[Transaction, str], Awaitable[date | None]]
"""The day that a case's form was made for, None where the case has none."""


class PaidOnMissing(Refused):
    """Nobody said when months were paid that had been arrears when the form was made.

    Attributes:
        field: of which row of the request it is missing.
    """

    def __init__(self, row: YearRow, field: str, *, legal_basis: str, form_on: date) -> None:
        super().__init__(
            "PAID_ON_MISSING",
            f"{row.start} to {row.end} were arrears; it must be known when they were paid.",
            legal_basis=legal_basis,
            remedy=f"Give the day in {field}; only what was paid by {form_on} counts.",
        )
        self.field = field


@dataclass(frozen=True, slots=True)
class Corrected:
    """A record as it is to be, and by how many fen that changes the person's account and the pooled fund.

    `interest_fen` is what the years whose interest is in the books would have borne more, or less.
    """

    record: Record
    principal_fen: int
    interest_fen: int
    pool_fen: int


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction that somebody has proposed."""

    correction_id: str
    person_ref: str
    year: int
    state: str
    maker: str
    checker: str | None
    reason: str
    made_at: datetime
    decided_at: datetime | None


def correct(
    record: Record, year: int, rows: Sequence[YearRow], *, province: str, tables: Tables, form_on: date | None = None
) -> Corrected:
    """Replace the rows of one year that the province itself collected. Pure.

    Args:
        record: the person's record; rows that have left with a transfer are corrected where they are kept.
        rows: the year as it is to be; none where nothing was contributed.
        form_on: the day of the form that rows have left with, None where none did.

    Raises:
        Refused: when the rows cannot be, are not of this year or province, or change nothing; ARREARS_TOO_LATE and
            PAID_ON_MISSING for arrears that were not paid, or not known to be paid, before the form that the rows left with.
    """
    for row in rows:
        if row.year != year:
            raise Refused("ROW_OF_ANOTHER_YEAR", f"The row {row.start} to {row.end} is not of {year}.")
        if row.division[:2] != province:
            raise Refused(
                "ROW_OF_ANOTHER_PLACE",
                f"{row.division} is not a division of {province}.",
                remedy="The place that collected the contributions corrects them.",
            )
        most = tables.amounts.rate_too_high(row.employer_rate, province, row.start, row.end)
        if most is not None:
            raise Refused(
                "RATIO_OUT_OF_TABLE",
                f"The employer's rate of {row.start} to {row.end} is {row.employer_rate}; the most there was is {most.most}.",
                legal_basis=most.source,
                remedy="Correct the rate, or import the province's own row of employer_rates.",
            )
    gone = not record.here or (_of_year(record.left, year, province) and not _of_year(record.segments, year, province))
    before = record.left if gone else record.segments
    at = next((at for at, each in enumerate(before) if _of_year((each,), year, province)), 0)
    segment = before[at] if before else Segment(None, 0, 0, ())
    if segment.opening_year is not None and year <= segment.opening_year:
        raise Refused(
            "YEAR_IN_OPENING_BALANCE",
            f"{year} is inside the balance of the end of {segment.opening_year}, which came in one sum.",
            remedy="The place that made up that balance corrects it.",
        )
    kept = tuple(row for row in segment.rows if not _is(row, year, province))
    replaced = tuple(row for row in segment.rows if _is(row, year, province))
    try:
        changed = replace(segment, rows=tuple(sorted((*kept, *rows), key=lambda row: row.start.ordinal)))
        after = (*before[:at], changed, *before[at + 1 :])
        refuse_overlaps(row for each in after for row in each.rows)
        principal_fen, pool_fen = (
            new - old for new, old in zip(_principal(rows, tables), _principal(replaced, tables), strict=True)
        )
        interest = interest_differences(before, after, through=record.interest_through, province=province, tables=tables)
    except MonthsOverlap as error:
        raise Refused("MONTHS_OVERLAP", str(error), remedy="Correct the rows that hold the month.") from error
    except (RecordInvalid, RatePending, RuleNotInForce) as error:
        raise Refused("RECORD_INVALID", str(error), remedy="Correct the rows.") from error
    if set(rows) == set(replaced):
        raise Refused("NOTHING_CHANGES", f"The rows of {year} are what the record says already.")
    if gone and form_on is not None:
        _refuse_paid_after(form_on, rows, replaced, tables)
    corrected = replace(record, left=after) if gone else replace(record, segments=after)
    return Corrected(corrected, principal_fen, sum(interest.values()), pool_fen)


def _refuse_paid_after(form_on: date, rows: Sequence[YearRow], replaced: Sequence[YearRow], tables: Tables) -> None:
    """No later version of the form may carry what was paid after the first one, so the record does not say it either."""
    owed = {month for row in replaced if row.status is RowStatus.ARREARS for month in months_from(row.start, row.end)}
    for at, row in enumerate(rows):
        if row.status is not RowStatus.PAID or row in replaced:
            continue
        if row.paid_on is None and any(month in owed for month in months_from(row.start, row.end)):
            basis = tables.refusal("ARREARS_TOO_LATE", form_on).legal_basis
            raise PaidOnMissing(row, f"rows.{at}.paid_on", legal_basis=basis, form_on=form_on)
        if row.paid_on is not None and row.paid_on > form_on:
            text = tables.refusal("ARREARS_TOO_LATE", form_on)
            raise Refused(text.code, text.reason_en, legal_basis=text.legal_basis, remedy=text.remedy_en)


def _is(row: YearRow, year: int, province: str) -> bool:
    return row.year == year and row.division[:2] == province


def _of_year(segments: Sequence[Segment], year: int, province: str) -> bool:
    return any(_is(row, year, province) for segment in segments for row in segment.rows)


def _principal(rows: Sequence[YearRow], tables: Tables) -> tuple[int, int]:
    split = [principal_of(row, tables) for row in rows]
    return sum(each.account_fen for each in split), sum(each.pool_fen for each in split)


class Corrections(Acting):
    """Corrections as transactions: an operator proposes, a checker approves.

    Args:
        told: called after a commit, to wake the relay.
        form_day: says of the case that rows have left with for which day its form was made.
    """

    def __init__(self, database: Database, agency: Agency, told: Callable[[], None], form_day: FormDay) -> None:
        super().__init__(database, agency, told)
        self._form_day = form_day

    async def propose(
        self, person_ref: str, year: int, rows: Sequence[YearRow], maker: str, *, reason: str
    ) -> tuple[str, Corrected]:
        """An operator proposes a year as it is to be; returns the correction's id and what it would change.

        Raises:
            Refused: NO_RELATIONSHIP, CORRECTION_OPEN while another of the person's year waits, and what `correct` refuses.
        """
        agency = self._agency
        async with self._database.transaction("propose-correction") as tx:
            record = (await store.by_ref(tx, agency.vault, [person_ref])).get(person_ref)
            if record is None:
                raise Refused("NO_RELATIONSHIP", "This province has no record of the person.")
            form_on = await self._left_on(tx, record)
            found = correct(record, year, rows, province=agency.province, tables=agency.tables, form_on=form_on)
            keys = await agency.vault.keys([person_ref])
            correction_id = new_id()
            added = await tx.value(
                SQL["add_correction"],
                correction_id,
                person_ref,
                year,
                maker,
                reason,
                seal_rows(keys, person_ref, rows).model_dump_json(),
            )
            if added is None:
                raise Refused(
                    "CORRECTION_OPEN", f"A correction of {year} waits for its approval.", remedy="Approve it, or take it back."
                )
        return correction_id, found

    async def approve(self, correction_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: records are changed and the differences booked, each told on the journal with its rows sealed."""
        agency = self._agency
        results: list[RowResult] = []
        facts: list[ContributionCorrected] = []
        approved: list[str] = []
        async with self._deciding("approve-correction") as tx:
            waiting = {row["correction_id"]: row for row in await tx.fetch(SQL["hold_corrections"], sorted(set(correction_ids)))}
            persons = await store.by_ref(tx, agency.vault, [row["person_ref"] for row in waiting.values()])
            keys = await agency.vault.keys(persons)
            changed: dict[str, Record] = {}
            for correction_id in dict.fromkeys(correction_ids):
                row = waiting.get(correction_id)
                try:
                    _may_be_approved(row, checker)
                    assert row is not None, correction_id
                    ref = row["person_ref"]
                    record = changed.get(ref) or persons.get(ref)
                    if record is None:
                        raise Refused("NO_RELATIONSHIP", "This province has no record of the person.")
                    rows = open_rows(keys, ref, SealedForPerson.model_validate_json(row["rows"]))
                    form_on = await self._left_on(tx, record)
                    found = correct(record, row["year"], rows, province=agency.province, tables=agency.tables, form_on=form_on)
                except Refused as error:
                    results.append(refused_by(correction_id, error))
                    continue
                changed[ref] = found.record
                facts.append(
                    ContributionCorrected(
                        person_ref=ref,
                        year=row["year"],
                        account_difference_fen=found.principal_fen,
                        interest_difference_fen=found.interest_fen,
                        pool_difference_fen=found.pool_fen,
                        reason=row["reason"],
                        rule_set=agency.tables.version,
                        maker=row["maker"],
                        checker=checker,
                        rows=seal_rows(keys, ref, rows),
                    )
                )
                approved.append(correction_id)
                results.append(done(correction_id, "MOVED_ON_BY_AMENDMENT" if found.record.left != record.left else None))
            await agency.tell(tx, facts)
            await store.change(tx, agency.vault, list(changed.values()))
            if approved:
                tx.defer(SQL["decide_corrections"], approved, "approved", checker)
        return ListResult.of(results)

    async def _left_on(self, tx: Transaction, record: Record) -> date | None:
        return await self._form_day(tx, record.left_with) if record.left_with is not None else None

    async def drop(self, correction_id: str, actor: str) -> None:
        """A proposal is taken back.

        Raises:
            Refused: NO_SUCH_CORRECTION, NOT_NOW.
        """
        async with self._database.transaction("drop-correction") as tx:
            found = await tx.fetch(SQL["hold_corrections"], [correction_id])
            _may_be_approved(found[0] if found else None, "")
            await tx.execute(SQL["decide_corrections"], [correction_id], "dropped", actor)

    async def list(self, *, waiting: bool = True) -> list[Correction]:
        """Corrections, the oldest first; only those that wait for their approval, or all."""
        async with self._database.transaction("look") as tx:
            rows = await tx.fetch(SQL["corrections"], waiting)
        return [Correction(**row) for row in rows]


def _may_be_approved(row: asyncpg.Record | None, checker: str) -> None:
    if row is None:
        raise Refused("NO_SUCH_CORRECTION", "There is no correction of this id.", remedy="Look at the list of corrections.")
    if row["state"] != "proposed":
        raise Refused("NOT_NOW", f"The correction is {row['state']}.", remedy="Look at the list of corrections.")
    if row["maker"] == checker:
        raise one_person("check the correction")
