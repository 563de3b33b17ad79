"""What an agency may ask a person for, and why a clock may stand: the words, by code and day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from services.rules.table_rows import Contents, Dated, Row, in_force

FILES = ("materials", "pauses")

WordedT = TypeVar("WordedT", bound="Worded")


class MaterialUnknown(LookupError):
    """No law lets an agency ask for such a thing; `code` is what was wanted."""

    def __init__(self, code: str) -> None:
        super().__init__(f"{code!r} is none of what an agency may ask for (materials.toml)")
        self.code = code


class PauseUnknown(LookupError):
    """No clock stands for such a reason; `code` is what was wanted."""

    def __init__(self, code: str) -> None:
        super().__init__(f"{code!r} is none of the reasons for which a clock may stand (pauses.toml)")
        self.code = code


@dataclass(frozen=True, slots=True)
class Worded(Dated):
    """A code with its words in both languages."""

    code: str
    text_zh: str
    text_en: str

    def text(self, language: str) -> str:
        """Return the words in a language: English for ``en``, Chinese otherwise."""
        return self.text_en if language == "en" else self.text_zh


@dataclass(frozen=True, slots=True)
class Material(Worded):
    """One thing that a law, an administrative regulation or the State Council lets an agency ask for (经办条例 Art. 31)."""

    legal_basis: str


@dataclass(frozen=True, slots=True)
class Pause(Worded):
    """Why a clock stands, and on which basis."""

    legal_basis: str


@dataclass(frozen=True, slots=True)
class MaterialTables:
    """What may be asked for, and why clocks stand, with every lookup as a method."""

    materials: tuple[Material, ...]
    pauses: tuple[Pause, ...]

    def material(self, code: str, on: date) -> Material:
        """Return what may be asked for on a day. Raises MaterialUnknown, RuleNotInForce."""
        return _found(self.materials, "materials", code, on, MaterialUnknown)

    def pause(self, code: str, on: date) -> Pause:
        """Return why a clock stands on a day. Raises PauseUnknown, RuleNotInForce."""
        return _found(self.pauses, "pauses", code, on, PauseUnknown)


def _found(rows: Iterable[WordedT], table: str, code: str, on: date, unknown: type[LookupError]) -> WordedT:
    own = [row for row in rows if row.code == code]
    if not own:
        raise unknown(code)
    return in_force(own, f"{table} {code}", on)


def read_materials(reading: Contents) -> MaterialTables:
    """Read both tables; what is wrong is noted in `reading`."""
    materials = reading.rows("materials", "material", _material)
    pauses = reading.rows("pauses", "pause", _pause)
    reading.once(materials, lambda row: (row.code,), "materials.toml")
    reading.once(pauses, lambda row: (row.code,), "pauses.toml")
    return MaterialTables(materials, pauses)


def _material(row: Row) -> Material:
    code = row.text("code")
    return Material(
        **row.dated(f"materials/{code}"),
        code=code,
        legal_basis=row.text("legal_basis"),
        text_zh=row.text("text_zh"),
        text_en=row.text("text_en"),
    )


def _pause(row: Row) -> Pause:
    code = row.text("code")
    return Pause(
        **row.dated(f"pauses/{code}"),
        code=code,
        legal_basis=row.text("legal_basis"),
        text_zh=row.text("text_zh"),
        text_en=row.text("text_en"),
    )
