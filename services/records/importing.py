"""A province's contribution records come in: parsed files become records, entries and account-balance events.

Every year's principal and interest is booked as its own event, so the account in the ledger is what the rules compute to the fen.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Literal

from contracts.base import Fact
from contracts.envelope import new_id
from contracts.events import AccountOpened, ContributionRecorded, InterestCredited, RecordsImported
from services.records import store
from services.records.agency import Agency
from services.records.csv_import import CONTRIBUTIONS_FILE, ParsedFiles, Person, RowError
from services.records.model import Personal, Record
from services.records.vault import seal_rows
from services.rules.admission import AccountKind, Registration, kind_of_account
from services.rules.amounts import (
    MonthsOverlap,
    RatePending,
    RecordInvalid,
    RowKind,
    RowStatus,
    Segment,
    YearRow,
    complete_years,
    principal_of,
    refuse_overlaps,
)
from services.rules.identity import mask_id_number, parse_id_number
from services.rules.loader import Tables
from services.runtime.database import Database, queries

SQL = queries(__file__)

_LIKE_AN_ID_NUMBER = re.compile(r"\d{14,17}[\dXx]|[A-Za-z]{3}\d[0-9A-Za-z]{14}")

CHUNK = 300  # persons a transaction: long enough to be cheap, short enough to let others at the books


@dataclass(frozen=True, slots=True)
class Import:
    """What an import is told to do and what is known of it before it begins."""

    import_id: str
    digest: str
    actor: str
    parsed: ParsedFiles

    @property
    def rows(self) -> int:
        """Contribution rows that are taken."""
        return sum(len(rows) for rows in self.parsed.contributions_by_id_number.values())

    @property
    def refused_rows(self) -> int:
        """Lines of the files that cannot be taken."""
        return len({(error.file, error.line) for error in self.parsed.errors})


def new_record(person: Person, rows: tuple[YearRow, ...], *, person_ref: str, id_hash: bytes) -> Record:
    """A record for somebody the province has not known."""
    opening = person.personal_balance_1997_fen
    temporary = any(row.kind is RowKind.TEMPORARY for row in rows)
    return Record(
        person_ref=person_ref,
        id_hash=id_hash,
        state="stopped" if person.stopped_on else "active",
        scheme=person.scheme,
        account_kind="temporary" if temporary else "normal",
        first_insured_on=person.first_insured_on,
        stopped_on=person.stopped_on,
        drawing_since=person.drawing_since,
        interest_through=1900,
        personal=Personal(
            id_number=person.id_number,
            name=person.name,
            sex=_SEXES[person.sex.value],
            hukou=person.hukou,
            phone=person.phone,
            email=person.email,
            language="en" if person.language.value == "en" else "zh-CN",
            category=person.category.value,
            born_on=person.birth_on,
        ),
        segments=(Segment(1997 if opening else None, opening, 0, rows),) if rows or opening else (),
    )


_SEXES: dict[str, Literal["male", "female"]] = {"male": "male", "female": "female"}


class MonthsAlreadyBooked(ValueError):
    """New rows lie in a year whose interest is in the books; that is a correction, not an import."""


def with_rows(record: Record, person: Person, rows: tuple[YearRow, ...]) -> Record:
    """A known person with further rows: contributions of the months since.

    Raises:
        MonthsOverlap: when a month is there already.
        MonthsAlreadyBooked: when a row's year is closed.
    """
    refuse_overlaps([*(row for segment in record.segments for row in segment.rows), *rows])
    if any(row.year <= record.interest_through for row in rows):
        raise MonthsAlreadyBooked(record.person_ref)
    own = record.segments[0] if record.segments and record.here else Segment(None, 0, 0, ())
    first = replace(own, rows=(*own.rows, *rows))
    return replace(
        record,
        state="stopped" if person.stopped_on else "active",
        stopped_on=person.stopped_on,
        drawing_since=person.drawing_since,
        segments=(first, *record.segments[1:]),
    )


def opening_facts(record: Record, tables: Tables, on: date) -> list[Fact]:
    """The account is set up with what stood in it at the end of 1997."""
    opening = sum(segment.opening_before_1998_fen for segment in record.segments)
    opened_on = record.first_insured_on or on
    kind = record.account_kind
    return [AccountOpened(person_ref=record.person_ref, kind=kind, opened_on=opened_on, opening_fen=opening)]


def contribution_facts(
    person_ref: str, rows: Sequence[YearRow], tables: Tables, keys: Mapping[str, bytes] | None = None
) -> Iterator[ContributionRecorded]:
    """One fact a year: what its paid rows bring to the account and to the pooled fund, nothing where none is paid.

    Args:
        keys: of persons; with them each fact carries its year's rows, sealed for the person.
    """
    years: dict[int, list[YearRow]] = {}
    for row in rows:
        years.setdefault(row.year, []).append(row)
    for year, of_year in sorted(years.items()):
        split = [principal_of(row, tables) for row in of_year]
        account_fen, pool_fen = sum(part.account_fen for part in split), sum(part.pool_fen for part in split)
        yield ContributionRecorded.model_construct(
            person_ref=person_ref,
            year=year,
            months=sum(row.months for row in of_year if row.status is RowStatus.PAID),
            account_fen=account_fen,
            pool_fen=pool_fen,
            rule_set=tables.version,
            rows=seal_rows(keys, person_ref, of_year) if keys is not None else None,
        )


def interest_facts(record: Record, through: int, province: str, tables: Tables) -> tuple[list[Fact], int]:
    """The interest of each year up to `through` that is not booked yet, and the last year that could be booked.

    A year whose rate is not published yet ends the row; it is booked by a later run.
    """
    while True:
        try:
            years = complete_years(record.segments, through, province, tables)
            break
        except RatePending as pending:
            through = pending.year - 1
    by_year: dict[int, int] = {}
    for year in years:
        if year.year > record.interest_through:
            credited = year.before_1998.interest_fen + year.since_1998.interest_fen
            by_year[year.year] = by_year.get(year.year, 0) + credited
    facts: list[Fact] = [
        InterestCredited(person_ref=record.person_ref, year=year, interest_fen=fen, rule_set=tables.version)
        for year, fen in sorted(by_year.items())
        if fen
    ]
    return facts, through


def without_numbers(value: str) -> str:
    """A cell's value as it may be kept in clear: an identity number that stands in the wrong column is masked."""
    return _LIKE_AN_ID_NUMBER.sub(lambda found: mask_id_number(found[0]), value)


class Importer:
    """Brings parsed files into a province, in transactions of some hundred persons."""

    def __init__(self, database: Database, agency: Agency) -> None:
        self._database = database
        self._agency = agency

    async def known(self, parsed: ParsedFiles, *, after: int = 0) -> ParsedFiles:
        """Check the files against the records that are there; what contradicts them becomes an error, and its person is left out.

        Args:
            parsed: the files.
            after: how many persons of a broken-off import are booked already.
        """
        errors: list[RowError] = []
        bad: set[str] = set()
        vault = self._agency.vault
        persons = list(parsed.persons)
        for at in range(after, len(persons), 2000):
            hashes = {vault.id_hash(person.id_number): person for person in persons[at : at + 2000]}
            for person, error in self._impossible(parsed, persons[at : at + 2000]):
                errors.append(error)
                bad.add(person.id_number)
            async with self._database.transaction("import") as tx:
                found = await store.by_hash(tx, vault, list(hashes))
            for id_hash, record in found.items():
                person = hashes[id_hash]
                rows = parsed.contributions_by_id_number.get(person.id_number, ())
                try:
                    with_rows(record, person, rows)
                except (MonthsOverlap, MonthsAlreadyBooked) as contradiction:
                    bad.add(person.id_number)
                    errors.append(
                        RowError(
                            CONTRIBUTIONS_FILE,
                            0,
                            "start",
                            mask_id_number(person.id_number),
                            "overlaps months on record"
                            if isinstance(contradiction, MonthsOverlap)
                            else "lies in a year whose interest is booked",
                            "leave out the months that are there; a wrong month is corrected, not imported again",
                        )
                    )
        if not errors:
            return parsed
        return ParsedFiles(
            persons=tuple(person for person in parsed.persons if person.id_number not in bad),
            contributions_by_id_number={
                id_number: rows for id_number, rows in parsed.contributions_by_id_number.items() if id_number not in bad
            },
            errors=(*parsed.errors, *errors),
        )

    def _impossible(self, parsed: ParsedFiles, persons: Sequence[Person]) -> Iterator[tuple[Person, RowError]]:
        """Rows whose money cannot be split, the rates being below the account's share, or whose kind K1 to K4 gainsay."""
        for person in persons:
            rows = parsed.contributions_by_id_number.get(person.id_number, ())
            try:
                for _ in contribution_facts("", rows, self._agency.tables):
                    pass
            except RecordInvalid as error:
                yield (
                    person,
                    RowError(
                        CONTRIBUTIONS_FILE,
                        0,
                        "employer_rate",
                        mask_id_number(person.id_number),
                        str(error),
                        "correct the employer rate of the named months",
                    ),
                )
            if any(row.kind is RowKind.TEMPORARY for row in rows) and (rule := self._not_temporary(person)) is not None:
                yield (
                    person,
                    RowError(
                        CONTRIBUTIONS_FILE,
                        0,
                        "kind",
                        mask_id_number(person.id_number),
                        f"is temporary, and rule {rule} says that the account is a normal one (ACCOUNT_KIND_DIFFERS)",
                        "write normal, or correct the hukou, the birthday or the day of the first insurance here",
                    ),
                )

    def _not_temporary(self, person: Person) -> str | None:
        """The rule by which this province keeps a normal account for somebody; None where it keeps a temporary one (K3).

        That an account is normal where K3 would make it temporary is no error of a file: an approved transfer (K2) makes it so.
        """
        birth_on = person.birth_on
        if birth_on is None:
            birth_on = parse_id_number(person.id_number).birth_on
        agency = self._agency
        found = kind_of_account(
            Registration(
                on=agency.clock.today(),
                birth_on=birth_on,
                sex=person.sex,
                hukou=person.hukou or None,
                province=agency.province,
                established_on=person.first_insured_on or agency.clock.today(),
            ),
            agency.tables,
        )
        return None if found.kind is AccountKind.TEMPORARY else found.rule

    async def begun(self, digest: str) -> tuple[str, int, str] | None:
        """Id, persons done and state of an import of these very files, where there was one."""
        async with self._database.transaction("import") as tx:
            row = await tx.one(SQL["import_by_digest"], digest)
        return (row["import_id"], row["persons_done"], row["state"]) if row else None

    async def begin(self, job: Import) -> None:
        """Write the import down, with everything that is wrong in its files."""
        errors = [{**asdict(error), "value": without_numbers(error.value)} for error in job.parsed.errors[:10_000]]
        async with self._database.transaction("import") as tx:
            await tx.execute(
                SQL["add_import"],
                job.import_id,
                job.digest,
                job.actor,
                len(job.parsed.persons),
                job.rows,
                job.refused_rows,
                json.dumps(errors, ensure_ascii=False),
            )

    async def run(self, job: Import, *, after: int = 0) -> None:
        """Book the persons of an import chunk by chunk, each whole or not there; a broken-off import goes on where it was."""
        persons = job.parsed.persons
        for at in range(after, len(persons), CHUNK):
            await self._chunk(job, persons[at : at + CHUNK], at)
        if not persons:
            await self._finish(job, 0)

    async def state(self, import_id: str) -> dict[str, Any] | None:
        """How far an import is, and what was wrong in its files."""
        async with self._database.transaction("import") as tx:
            row = await tx.one(SQL["import_state"], import_id)
        if row is None:
            return None
        return {
            "import_id": row["import_id"],
            "state": row["state"],
            "persons": row["persons"],
            "persons_done": row["persons_done"],
            "rows": row["rows"],
            "refused_rows": row["refused_rows"],
            "errors": json.loads(row["errors"]),
        }

    async def _finish(self, job: Import, done: int) -> None:
        async with self._database.transaction("import") as tx:
            await tx.execute(SQL["advance_import"], job.import_id, done, "done")

    async def _chunk(self, job: Import, persons: Sequence[Person], at: int) -> None:
        agency, tables = self._agency, self._agency.tables
        today = agency.clock.today()
        hashes = [agency.vault.id_hash(person.id_number) for person in persons]
        async with self._database.transaction("import") as tx:
            # Locked: a year-end run may be at the same person, and neither may write over the other's last credited year.
            found = await store.by_hash(tx, agency.vault, hashes, locked=True)
            refs = {id_hash: new_id() for id_hash in hashes if id_hash not in found}
            keys = await agency.vault.make(list(refs.values()))
            keys |= await agency.vault.keys(record.person_ref for record in found.values())
            new: list[Record] = []
            changed: list[Record] = []
            facts: list[Fact] = []
            for person, id_hash in zip(persons, hashes, strict=True):
                rows = job.parsed.contributions_by_id_number.get(person.id_number, ())
                if id_hash in found:
                    record = with_rows(found[id_hash], person, rows)
                    if not found[id_hash].here:
                        facts.extend(opening_facts(record, tables, today))
                    changed.append(record)
                else:
                    record = new_record(person, rows, person_ref=refs[id_hash], id_hash=id_hash)
                    facts.extend(opening_facts(record, tables, today))
                facts.extend(contribution_facts(record.person_ref, rows, tables, keys))
                interest, through = interest_facts(record, today.year - 1, agency.province, tables)
                facts.extend(interest)
                if id_hash in found:
                    changed[-1] = replace(record, interest_through=max(through, record.interest_through))
                else:
                    new.append(replace(record, interest_through=through))
            done = at + len(persons)
            last = done == len(job.parsed.persons)
            if last:
                facts.append(
                    RecordsImported(
                        import_id=job.import_id,
                        persons=done,
                        rows=job.rows,
                        refused_rows=job.refused_rows,
                        digest=job.digest,
                        actor=job.actor,
                    )
                )
            await agency.tell(tx, facts)
            await store.add(tx, keys, new)
            await store.change(tx, agency.vault, changed)
            tx.defer(SQL["advance_import"], job.import_id, done, "done" if last else "running")
