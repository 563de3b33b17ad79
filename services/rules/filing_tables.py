"""How long each kind of paper is kept, and in which forms a scan is taken: 社会保险法 Art. 74, S-ARCH, domain § 5.6."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from services.rules.table_rows import Contents, Dated, Row, in_force

FILES = ("filed_papers", "paper_forms", "retention_classes")
SUBJECTS = ("person", "employer", "case")
_COUNTED_FROM = ("next_year", "day")


class PaperKindUnknown(LookupError):
    """The table filed_papers has no such kind on the day."""

    def __init__(self, code: str, on: date) -> None:
        super().__init__(f"filed_papers has no kind {code!r} on {on}")
        self.code = code
        self.on = on


@dataclass(frozen=True, slots=True)
class RetentionClass(Dated):
    """How long papers are kept at least: so many years, or None for ever.

    `counted_from`: `next_year` begins on 1 January after the paper came, `day` on the very day.
    """

    code: str
    years: int | None
    counted_from: str

    def kept_until(self, came_on: date) -> date | None:
        """The last day on which a paper that came on the day must be here; None where it is kept for ever."""
        if self.years is None:
            return None
        if self.counted_from == "next_year":
            return date(came_on.year + self.years, 12, 31)
        year = came_on.year + self.years
        leap_day = (came_on.month, came_on.day) == (2, 29)
        return date(year, 3, 1) if leap_day else came_on.replace(year=year)


@dataclass(frozen=True, slots=True)
class FiledPaper(Dated):
    """A kind of paper: about whom or what it may be, and the class by which it is kept."""

    code: str
    retention: str
    subjects: tuple[str, ...]
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class PaperForm(Dated):
    """A form in which a scan is taken: its media type and how many bytes it may have."""

    code: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class FilingTables:
    """Every kind of paper, every class of retention, every form of a scan."""

    papers: tuple[FiledPaper, ...]
    classes: tuple[RetentionClass, ...]
    forms: tuple[PaperForm, ...]

    def paper(self, code: str, on: date) -> FiledPaper:
        """Return a kind of paper. Raises PaperKindUnknown."""
        found = next((row for row in self.papers if row.code == code and row.in_force(on)), None)
        if found is None:
            raise PaperKindUnknown(code, on)
        return found

    def retention(self, code: str, on: date) -> RetentionClass:
        """Return a class of retention. Raises RuleNotInForce."""
        return in_force((row for row in self.classes if row.code == code), f"retention_classes {code}", on)

    def form(self, media_type: str, on: date) -> PaperForm | None:
        """Return the form of a media type, None where no such scan is taken on the day."""
        return next((row for row in self.forms if row.code == media_type and row.in_force(on)), None)

    def largest(self, on: date) -> int:
        """How many bytes a scan of any form may have on the day; 0 where none is taken."""
        return max((row.max_bytes for row in self.forms if row.in_force(on)), default=0)


def read_filing_tables(reading: Contents) -> FilingTables:
    """Read the tables; what is wrong is noted in `reading`. Each kind names a class that is in force as long as the kind is."""
    papers = reading.rows("filed_papers", "filed_paper", _paper)
    classes = reading.rows("retention_classes", "retention_class", _class)
    forms = reading.rows("paper_forms", "paper_form", _form)
    reading.once(papers, lambda row: (row.code,), "filed_papers.toml")
    reading.once(classes, lambda row: (row.code,), "retention_classes.toml")
    reading.once(forms, lambda row: (row.code,), "paper_forms.toml")
    reading.problems.extend(
        f"filed_papers.toml: {paper.code} is kept by the class {paper.retention},"
        f" which retention_classes.toml does not have from {paper.effective_from} on"
        for paper in papers
        if not _held(paper, [row for row in classes if row.code == paper.retention])
    )
    return FilingTables(papers, classes, forms)


def _held(paper: FiledPaper, classes: Iterable[RetentionClass]) -> bool:
    """Whether classes of one code hold on the first and on the last day of a kind."""
    listed = list(classes)
    last = paper.effective_to
    ends = any(row.effective_to is None if last is None else row.in_force(last) for row in listed)
    return ends and any(row.in_force(paper.effective_from) for row in listed)


def _paper(row: Row) -> FiledPaper:
    code = row.text("code")
    subjects = row.texts("subjects")
    for subject in subjects:
        if subject not in SUBJECTS:
            row.problem(f"subjects: {subject!r} is none of {', '.join(SUBJECTS)}")
    return FiledPaper(
        **row.dated(f"filed_papers/{code}"),
        code=code,
        retention=row.text("retention"),
        subjects=subjects,
        name_zh=row.text("name_zh"),
        name_en=row.text("name_en"),
    )


def _class(row: Row) -> RetentionClass:
    code = row.text("code")
    return RetentionClass(
        **row.dated(f"retention_classes/{code}"),
        code=code,
        years=row.integer("years", 0, 1000) or None,
        counted_from=row.one_of("counted_from", _COUNTED_FROM),
    )


def _form(row: Row) -> PaperForm:
    code = row.text("code")
    return PaperForm(**row.dated(f"paper_forms/{code}"), code=code, max_bytes=row.integer("max_bytes", 1, 64 << 20))
