"""Dated tables about a form's figures: rates not yet published, interest on a temporary account's pool, rounding, most rates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from services.rules.months import Month
from services.rules.table_rows import Contents, Dated, Row, in_force, of_province

FILES = ("employer_rates", "pending_rates", "rounding_tolerances", "temp_pool_interest")


class PendingPolicy(StrEnum):
    """What a province does with a transfer that needs a recording rate which is not published yet."""

    WAIT = "wait"
    LAST_PUBLISHED = "last_published"
    NAMED_RATE = "named_rate"


@dataclass(frozen=True, slots=True)
class PendingRate(Dated):
    """A province's policy for a year whose recording rate is not published; by the date of the transfer.

    `rate` is the interim rate where the policy names one. Only the last `years` years before the transfer's may go at an
    interim rate, whoever names it: an older rate is not late, it is missing.
    """

    provinces: tuple[str, ...]
    policy: PendingPolicy
    rate: Decimal | None
    years: int


@dataclass(frozen=True, slots=True)
class TempPoolInterest(Dated):
    """Whether the employer's part of a temporary account bears interest: S-66 Art. 5(2) against S-187."""

    bears_interest: bool


@dataclass(frozen=True, slots=True)
class RoundingTolerance(Dated):
    """How far an item may be from the receiver's own computing and still be a rounding difference: so much a year row, in fen."""

    fen_a_year_row: int


@dataclass(frozen=True, slots=True)
class EmployerRate(Dated):
    """The most that an employer's rate may be in the months of the row, a fraction of the contribution wage."""

    provinces: tuple[str, ...]
    most: Decimal


@dataclass(frozen=True, slots=True)
class AmountTables:
    """The rows of these tables, with a lookup each."""

    pending_rates: tuple[PendingRate, ...]
    temp_pool_interests: tuple[TempPoolInterest, ...]
    tolerances: tuple[RoundingTolerance, ...]
    employer_rates: tuple[EmployerRate, ...]

    def pending_rate(self, on: date, province: str) -> PendingRate:
        """Return what the province does while a rate is not published; its own row wins. Raises RuleNotInForce before 2010."""
        return in_force(of_province(self.pending_rates, province), "pending_rates", on)

    def temp_pool_interest(self, on: date) -> TempPoolInterest:
        """Return whether a temporary account's pooled part bears interest, for a transfer on the day. Raises RuleNotInForce."""
        return in_force(self.temp_pool_interests, "temp_pool_interest", on)

    def tolerance(self, on: date) -> RoundingTolerance:
        """Return what still counts as rounding, for a transfer on the day. Raises RuleNotInForce."""
        return in_force(self.tolerances, "rounding_tolerances", on)

    def rate_too_high(self, rate: Decimal, province: str, first: Month, last: Month) -> EmployerRate | None:
        """Return the row that an employer's rate for some months is above; None where it is not, or where no row holds."""
        rows = of_province(self.employer_rates, province)
        for month in {first, last}:
            found = next((row for row in rows if row.in_force(month.first_day)), None)
            if found is not None and rate > found.most:
                return found
        return None


def read_amount_tables(contents: Contents) -> AmountTables:
    """Read the tables out of the parsed files; problems are noted there."""
    found = AmountTables(
        pending_rates=contents.rows("pending_rates", "pending_rate", _pending_rate),
        temp_pool_interests=contents.rows("temp_pool_interest", "temp_pool_interest", _temp_pool_interest),
        tolerances=contents.rows("rounding_tolerances", "rounding_tolerance", _tolerance),
        employer_rates=contents.rows("employer_rates", "employer_rate", _employer_rate),
    )
    contents.once(found.pending_rates, lambda row: row.provinces, "pending_rates.toml")
    contents.once(found.temp_pool_interests, lambda row: ("",), "temp_pool_interest.toml")
    contents.once(found.employer_rates, lambda row: row.provinces, "employer_rates.toml")
    contents.once(found.tolerances, lambda row: ("",), "rounding_tolerances.toml")
    return found


def _pending_rate(row: Row) -> PendingRate:
    policy = PendingPolicy(row.one_of("policy", list(PendingPolicy)))
    rate = row.fraction("rate") if policy is PendingPolicy.NAMED_RATE else None
    if rate is not None and rate != round(rate, 4):
        row.problem(f"rate = {rate} has more than four decimals, and a form cannot say it")
    return PendingRate(
        **row.dated("pending_rates"),
        provinces=row.provinces(),
        policy=policy,
        rate=rate,
        years=row.integer("years", 1, 10),
    )


def _temp_pool_interest(row: Row) -> TempPoolInterest:
    return TempPoolInterest(**row.dated("temp_pool_interest"), bears_interest=row.flag("bears_interest"))


def _employer_rate(row: Row) -> EmployerRate:
    return EmployerRate(**row.dated("employer_rates"), provinces=row.provinces(), most=row.fraction("most"))


def _tolerance(row: Row) -> RoundingTolerance:
    return RoundingTolerance(**row.dated("rounding_tolerances"), fen_a_year_row=row.integer("fen_a_year_row", 0, 100))
