"""The dated tables: read once, checked as a whole, then asked by name. The only module of the rules that reads files."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

from services.rules.amount_tables import FILES as AMOUNT_FILES
from services.rules.amount_tables import AmountTables, read_amount_tables
from services.rules.bank_tables import FILES as BANK_FILES
from services.rules.bank_tables import BankTables, read_bank_tables
from services.rules.calendar_import import CalendarInvalid, calendar_years
from services.rules.deadlines import Calendar, CalendarYear
from services.rules.exception_tables import FILES as EXCEPTION_FILES
from services.rules.exception_tables import ExceptionTables, read_exceptions
from services.rules.filing_tables import FILES as FILING_FILES
from services.rules.filing_tables import FilingTables, read_filing_tables
from services.rules.identity import Sex
from services.rules.material_tables import FILES as MATERIAL_FILES
from services.rules.material_tables import MaterialTables, read_materials
from services.rules.months import Month
from services.rules.pension_tables import FILES as PENSION_FILES
from services.rules.pension_tables import PensionTables, read_pension_tables
from services.rules.statuses import STEPS, Status, StatusCode
from services.rules.table_rows import ANY_PROVINCE as ANY_PROVINCE
from services.rules.table_rows import Contents, Row, in_force, of_province
from services.rules.table_rows import Dated as Dated
from services.rules.table_rows import RuleNotInForce as RuleNotInForce

TABLES_DIRECTORY = Path(__file__).parent / "tables"
_T = TypeVar("_T")


class TablesInvalid(ValueError):
    """A table cannot be used; `problems` names every one by file, row and field."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RateNotPublished(LookupError):
    """No recording rate of the year is known for the province."""

    def __init__(self, year: int, province: str) -> None:
        super().__init__(f"no recording rate of {year} is published for province {province}")
        self.year = year
        self.province = province


class CodeUnknown(LookupError):
    """A table has no such code; the subclasses say which table."""

    table = ""

    def __init__(self, code: str) -> None:
        super().__init__(f"{self.table} has no code {code!r}")
        self.code = code


class ProvinceUnknown(CodeUnknown):
    """No such province."""

    table = "provinces"


class SchemeUnknown(CodeUnknown):
    """No such insurance scheme."""

    table = "schemes"


class RefusalUnknown(CodeUnknown):
    """No such reason for a refusal or a return."""

    table = "refusals"


class LimitUnknown(CodeUnknown):
    """No such limit in working days."""

    table = "limits"


class ProvinceOutOfScope(ValueError):
    """Taiwan, Hong Kong and Macao take no part in inter-province transfer (S-66 Art. 1)."""

    def __init__(self, province: Province) -> None:
        super().__init__(f"{province.name_en} ({province.code}) takes no part in inter-province transfer")
        self.province = province


class InterestKind(StrEnum):
    """How a year's interest is computed (劳办发〔1997〕116号)."""

    MONTH_PRODUCT = "month_product"
    ANNUAL = "annual"


@dataclass(frozen=True, slots=True)
class RecordingRate(Dated):
    """The recording rate (记账利率) of one year, as a fraction of one. Provinces set it before 2016, the ministry since."""

    year: int
    provinces: tuple[str, ...]
    rate: Decimal


@dataclass(frozen=True, slots=True)
class AccountRatio(Dated):
    """The share of the contribution wage credited to the individual account. S-187."""

    ratio: Decimal


@dataclass(frozen=True, slots=True)
class PersonalRate(Dated):
    """What the insured person pays of the contribution wage. 国发〔1997〕26号, 国发〔2005〕38号."""

    provinces: tuple[str, ...]
    rate: Decimal


@dataclass(frozen=True, slots=True)
class InterestMethod(Dated):
    """The method of a year's interest; `factor` is used by the annual method only. S-116."""

    provinces: tuple[str, ...]
    method: InterestKind
    factor: Decimal


@dataclass(frozen=True, slots=True)
class PoolRatio(Dated):
    """The share of the wages since `wages_from` that the pooled fund hands over. S-66 Art. 4."""

    ratio: Decimal
    wages_from: Month


@dataclass(frozen=True, slots=True)
class FundsMove(Dated):
    """Whether money moves per person between provinces. S-66 Art. 4."""

    moves: bool


@dataclass(frozen=True, slots=True)
class TemporaryAccountAge(Dated):
    """The age in full years from which a first insurance outside the hukou province is temporary. S-66 Art. 5(2)."""

    sex: Sex
    age: int


@dataclass(frozen=True, slots=True)
class Limit(Dated):
    """A limit in working days and when to warn before it. S-66 Art. 8."""

    code: str
    legal_limit_wd: int
    warn_at_wd: int
    text_zh: str
    text_en: str


@dataclass(frozen=True, slots=True)
class Province(Dated):
    """A province by its two digits of GB/T 2260; `mainland` says whether it takes part."""

    code: str
    name_zh: str
    name_en: str
    mainland: bool


@dataclass(frozen=True, slots=True)
class Scheme(Dated):
    """An insurance scheme (AAE140); one that is not `transferable` points to its own procedure."""

    code: str
    name_zh: str
    name_en: str
    transferable: bool
    pointer_zh: str
    pointer_en: str


@dataclass(frozen=True, slots=True)
class RefusalText(Dated):
    """Why something is not done: the rule of domain § 1.5 if any, legal basis, reason and remedy."""

    code: str
    admission_rule: str
    uses: tuple[str, ...]
    curable: bool
    legal_basis: str
    reason_zh: str
    reason_en: str
    remedy_zh: str
    remedy_en: str


_CodedT = TypeVar("_CodedT", Limit, Scheme, RefusalText)


@dataclass(frozen=True, slots=True)
class Tables:
    """All dated rules, with every lookup as a method. `version` names this set and is stable for equal content."""

    version: str
    calendar: Calendar
    calendar_notices: tuple[CalendarYear, ...]
    recording_rates: tuple[RecordingRate, ...]
    account_ratios: tuple[AccountRatio, ...]
    personal_rates: tuple[PersonalRate, ...]
    interest_methods: tuple[InterestMethod, ...]
    pool_ratios: tuple[PoolRatio, ...]
    funds_moves: tuple[FundsMove, ...]
    temporary_account_ages: tuple[TemporaryAccountAge, ...]
    limits: tuple[Limit, ...]
    provinces: Mapping[str, Province]
    schemes: tuple[Scheme, ...]
    refusals: tuple[RefusalText, ...]
    statuses: Mapping[StatusCode, Status]
    amounts: AmountTables
    pension: PensionTables
    material: MaterialTables
    exceptions: ExceptionTables
    bank: BankTables
    filing: FilingTables
    _rate_index: Mapping[tuple[int, str], RecordingRate]
    _found: dict[tuple[str, int, str], object] = field(init=False, default_factory=dict, compare=False, repr=False)

    def recording_rate(self, year: int, province: str) -> RecordingRate:
        """Return the recording rate of a year; the province's own row wins over the national one.

        Raises RateNotPublished.
        """
        found = self._rate_index.get((year, province)) or self._rate_index.get((year, ANY_PROVINCE))
        if found is None:
            raise RateNotPublished(year, province)
        return found

    def account_ratio(self, month: Month) -> AccountRatio:
        """Return the share of a month's wage that goes to the individual account. Raises RuleNotInForce before 1998."""
        return self._once(("ratio", month.ordinal, ""), lambda: in_force(self.account_ratios, "account_ratios", month.first_day))

    def personal_rate(self, month: Month, province: str) -> PersonalRate:
        """Return what the person pays of a month's wage. Raises RuleNotInForce before 1997."""
        return self._once(
            ("personal", month.ordinal, province),
            lambda: in_force(of_province(self.personal_rates, province), "personal_rates", month.first_day),
        )

    def interest_method(self, year: int, province: str) -> InterestMethod:
        """Return how the interest of a year is computed in the province. Raises RuleNotInForce."""
        return self._once(
            ("interest", year, province),
            lambda: in_force(of_province(self.interest_methods, province), "interest_methods", date(year, 12, 31)),
        )

    def pool_ratio(self, on: date) -> PoolRatio:
        """Return the pooled fund's share for a transfer on the day. Raises RuleNotInForce before 2010."""
        return in_force(self.pool_ratios, "pool_ratios", on)

    def funds_move(self, on: date) -> bool:
        """Say whether a transfer on the day moves money. Raises RuleNotInForce before 2010."""
        return in_force(self.funds_moves, "funds_move", on).moves

    def temporary_account_age(self, sex: Sex, on: date) -> int | None:
        """Return the age from which a relationship established on the day is temporary; None when the rule is not in force."""
        rows = (row for row in self.temporary_account_ages if row.sex is sex and row.in_force(on))
        found = next(rows, None)
        return None if found is None else found.age

    def _once(self, key: tuple[str, int, str], look: Callable[[], _T]) -> _T:
        """Look a row up once; the tables never change, and there are not more keys than months and provinces."""
        found = self._found.get(key)
        if found is None:
            found = self._found[key] = look()
        return cast(_T, found)

    def limit(self, code: str, on: date) -> Limit:
        """Return a limit in working days. Raises LimitUnknown, RuleNotInForce."""
        return _of_day(self.limits, code, on, LimitUnknown)

    def province(self, code: str) -> Province:
        """Return a province by its two digits, within the scope or not. Raises ProvinceUnknown."""
        found = self.provinces.get(code)
        if found is None:
            raise ProvinceUnknown(code)
        return found

    def participating_province(self, code: str) -> Province:
        """Return a province that takes part in inter-province transfer. Raises ProvinceUnknown, ProvinceOutOfScope."""
        found = self.province(code)
        if not found.mainland:
            raise ProvinceOutOfScope(found)
        return found

    def scheme(self, code: str, on: date) -> Scheme:
        """Return an insurance scheme by its AAE140 code, as it is on the day. Raises SchemeUnknown, RuleNotInForce."""
        return _of_day(self.schemes, code, on, SchemeUnknown)

    def refusal(self, code: str, on: date) -> RefusalText:
        """Return the words of a refusal or return code on the day it is used. Raises RefusalUnknown, RuleNotInForce."""
        return _of_day(self.refusals, code, on, RefusalUnknown)

    def status(self, code: StatusCode) -> Status:
        """Return the words of a public status; every code has them."""
        return self.statuses[code]


def _of_day(rows: tuple[_CodedT, ...], code: str, on: date, unknown: type[CodeUnknown]) -> _CodedT:
    own = [row for row in rows if row.code == code]
    if not own:
        raise unknown(code)
    return in_force(own, f"{unknown.table} {code}", on)


def _recording_rate(row: Row) -> RecordingRate:
    year, provinces = row.integer("year", 1950, 2100), row.provinces()
    shown = provinces[0] if len(provinces) == 1 else "provinces"
    return RecordingRate(
        **row.dated(f"recording_rates@{year}/{shown}"), year=year, provinces=provinces, rate=row.fraction("rate")
    )


def _account_ratio(row: Row) -> AccountRatio:
    return AccountRatio(**row.dated("account_ratios"), ratio=row.fraction("ratio"))


def _personal_rate(row: Row) -> PersonalRate:
    return PersonalRate(**row.dated("personal_rates"), provinces=row.provinces(), rate=row.fraction("rate"))


def _interest_method(row: Row) -> InterestMethod:
    method = InterestKind(row.one_of("method", list(InterestKind)))
    return InterestMethod(
        **row.dated("interest_methods"),
        provinces=row.provinces(),
        method=method,
        factor=row.fraction("factor", high="2") if method is InterestKind.ANNUAL else Decimal(0),
    )


def _pool_ratio(row: Row) -> PoolRatio:
    wages_from = row.day("wages_from")
    return PoolRatio(
        **row.dated("pool_ratios"),
        ratio=row.fraction("ratio"),
        wages_from=Month.of(wages_from) if wages_from.year >= 1950 else Month(1950, 1),
    )


def _funds_move(row: Row) -> FundsMove:
    found = FundsMove(**row.dated("funds_move"), moves=row.flag("moves"))
    if not found.moves:
        # A form without money would wait for it for ever at the other place, and the books would carry a debt nobody settles.
        row.problem("moves = false: TRANSFER_WITHOUT_FUNDS is nothing that the services can carry out")
    return found


def _temporary_account_age(row: Row) -> TemporaryAccountAge:
    return TemporaryAccountAge(
        **row.dated("temporary_account_ages"), sex=Sex(row.one_of("sex", list(Sex))), age=row.integer("age", 16, 100)
    )


def _limit(row: Row) -> Limit:
    code = row.text("code")
    legal_limit_wd = row.integer("legal_limit_wd", 1, 1000)
    return Limit(
        **row.named("limits", code),
        code=code,
        legal_limit_wd=legal_limit_wd,
        warn_at_wd=row.integer("warn_at_wd", 1, legal_limit_wd),
        text_zh=row.text("text_zh"),
        text_en=row.text("text_en"),
    )


def _province(row: Row) -> Province:
    code = row.text("code")
    return Province(
        **row.dated(f"provinces/{code}"),
        code=code,
        name_zh=row.text("name_zh"),
        name_en=row.text("name_en"),
        mainland=row.flag("mainland"),
    )


def _scheme(row: Row) -> Scheme:
    code = row.text("code")
    return Scheme(
        **row.named("schemes", code),
        code=code,
        name_zh=row.text("name_zh"),
        name_en=row.text("name_en"),
        transferable=row.flag("transferable"),
        pointer_zh=row.text("pointer_zh"),
        pointer_en=row.text("pointer_en"),
    )


def _refusal(row: Row) -> RefusalText:
    code = row.text("code")
    return RefusalText(
        **row.named("refusals", code),
        code=code,
        admission_rule=row.text("rule"),
        uses=row.texts("uses"),
        curable=row.flag("curable"),
        legal_basis=row.text("legal_basis"),
        reason_zh=row.text("reason_zh"),
        reason_en=row.text("reason_en"),
        remedy_zh=row.text("remedy_zh"),
        remedy_en=row.text("remedy_en"),
    )


def _status(row: Row) -> Status:
    dated = row.dated("statuses")
    del dated["rule"]
    return Status(
        **dated,
        code=StatusCode(row.one_of("code", list(StatusCode))),
        step=row.integer("step", 1, STEPS),
        terminal=row.flag("terminal"),
        flag=row.flag("flag"),
        paused=row.flag("paused"),
        limit=row.text("limit") or None,
        text_zh=row.text("text_zh"),
        text_en=row.text("text_en"),
        to_do_zh=row.text("to_do_zh"),
        to_do_en=row.text("to_do_en"),
    )


_FILES = (
    "account_ratios",
    "calendar",
    "funds_move",
    "interest_methods",
    "limits",
    "personal_rates",
    "pool_ratios",
    "provinces",
    "recording_rates",
    "refusals",
    "schemes",
    "statuses",
    "temporary_account_ages",
    "version",
    *AMOUNT_FILES,
    *BANK_FILES,
    *EXCEPTION_FILES,
    *FILING_FILES,
    *MATERIAL_FILES,
    *PENSION_FILES,
)


def load_tables(directory: Path | None = None) -> Tables:
    """Read the dated tables; a file of the same name in `directory` takes the place of ours, as a whole.

    Raises TablesInvalid with every problem found: a directory that is none, a file that no table has, a field that is
    missing or wrong, two rows in force at once for the same thing.
    """
    return build_tables(read_contents(directory))


def read_contents(directory: Path | None = None) -> dict[str, Mapping[str, Any]]:
    """Read and parse the files of the tables (name without ``.toml`` to content), without a look at what they say.

    Raises TablesInvalid.
    """
    problems: list[str] = []
    contents: dict[str, Mapping[str, Any]] = {}
    for name, path in _paths(directory, problems).items():
        try:
            contents[name] = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            problems.append(f"{name}.toml is not TOML in UTF-8: {error}")
    if problems:
        raise TablesInvalid(tuple(problems))
    return contents


def _paths(directory: Path | None, problems: list[str]) -> dict[str, Path]:
    paths = {name: TABLES_DIRECTORY / f"{name}.toml" for name in _FILES}
    if directory is None:
        return paths
    if not directory.is_dir():
        problems.append(f"{directory} is not a directory")
        return {}
    for path in sorted(directory.glob("*.toml")):
        if path.stem in paths:
            paths[path.stem] = path
        else:
            problems.append(f"{path.name} is no table; the tables are {', '.join(_FILES)}")
    return paths


def build_tables(contents: Mapping[str, Mapping[str, Any]]) -> Tables:
    """Check parsed tables (name of the file without ``.toml`` to its content) and index them. Raises TablesInvalid."""
    reading = Contents(contents)
    rows, problems = reading.rows, reading.problems

    recording_rates = rows("recording_rates", "recording_rate", _recording_rate)
    account_ratios = rows("account_ratios", "account_ratio", _account_ratio)
    personal_rates = rows("personal_rates", "personal_rate", _personal_rate)
    interest_methods = rows("interest_methods", "interest_method", _interest_method)
    pool_ratios = rows("pool_ratios", "pool_ratio", _pool_ratio)
    funds_moves = rows("funds_move", "funds_move", _funds_move)
    ages = rows("temporary_account_ages", "temporary_account_age", _temporary_account_age)
    limits = rows("limits", "limit", _limit)
    provinces = rows("provinces", "province", _province)
    schemes = rows("schemes", "scheme", _scheme)
    refusals = rows("refusals", "refusal", _refusal)
    statuses = rows("statuses", "status", _status)

    reading.once(account_ratios, lambda row: ("",), "account_ratios.toml")
    reading.once(personal_rates, lambda row: row.provinces, "personal_rates.toml")
    reading.once(interest_methods, lambda row: row.provinces, "interest_methods.toml")
    reading.once(pool_ratios, lambda row: ("",), "pool_ratios.toml")
    reading.once(funds_moves, lambda row: ("",), "funds_move.toml")
    reading.once(ages, lambda row: (row.sex,), "temporary_account_ages.toml")
    reading.once(limits, lambda row: (row.code,), "limits.toml")
    reading.once(schemes, lambda row: (row.code,), "schemes.toml")
    reading.once(refusals, lambda row: (row.code,), "refusals.toml")

    rate_index: dict[tuple[int, str], RecordingRate] = {}
    for rate in recording_rates:
        for province in rate.provinces:
            if (rate.year, province) in rate_index:
                problems.append(f"recording_rates.toml: the rate of {rate.year} for {province!r} is there twice")
            rate_index[rate.year, province] = rate

    notices: tuple[CalendarYear, ...] = ()
    try:
        notices = calendar_years(contents["calendar"])
    except CalendarInvalid as error:
        problems.extend(f"calendar.toml: {one}" for one in error.errors)
    name = contents["version"].get("name")
    if not isinstance(name, str) or not name:
        problems.append("version.toml has no name")
    statuses_by_code = reading.by_code(statuses, "statuses.toml")
    problems.extend(f"statuses.toml: {code} is missing" for code in StatusCode if code not in statuses_by_code)
    limit_days: dict[str, int] = {}
    for limit in limits:
        limit_days[limit.code] = min(limit.legal_limit_wd, limit_days.get(limit.code, limit.legal_limit_wd))
    problems.extend(
        f"statuses.toml: {status.code} names the limit {status.limit}, which limits.toml does not have"
        for status in statuses
        if status.limit is not None and status.limit not in limit_days
    )
    tables = Tables(
        version=f"{name}+{_digest(contents)}",
        calendar=Calendar.of(notices),
        calendar_notices=notices,
        recording_rates=recording_rates,
        account_ratios=account_ratios,
        personal_rates=personal_rates,
        interest_methods=interest_methods,
        pool_ratios=pool_ratios,
        funds_moves=funds_moves,
        temporary_account_ages=ages,
        limits=limits,
        provinces=reading.by_code(provinces, "provinces.toml"),
        schemes=schemes,
        refusals=refusals,
        statuses=statuses_by_code,
        amounts=read_amount_tables(reading),
        pension=read_pension_tables(reading),
        material=read_materials(reading),
        exceptions=read_exceptions(reading, limit_days),
        bank=read_bank_tables(reading),
        filing=read_filing_tables(reading),
        _rate_index=MappingProxyType(rate_index),
    )
    if problems:
        raise TablesInvalid(tuple(problems))
    return tables


def _digest(contents: Mapping[str, Mapping[str, Any]]) -> str:
    # Over the parsed content: comments, blanks and line ends do not make another rule set, a changed figure does.
    text = json.dumps(contents, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
