"""Citizen identity numbers (GB 11643-1999), which are also the social security numbers (社会保险法 Art. 58)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"
_EIGHTEEN = re.compile(r"[0-9]{17}[0-9X]")
_FIFTEEN = re.compile(r"[0-9]{15}")
_RESIDENCE_PERMITS = ("81", "82", "83")


class Sex(StrEnum):
    """Sex as the insurance rules distinguish it."""

    MALE = "male"
    FEMALE = "female"


class Document(StrEnum):
    """Which document carries the number."""

    CITIZEN_ID = "citizen_id"
    RESIDENCE_PERMIT = "residence_permit"  # residents of Hong Kong, Macao and Taiwan: 81, 82, 83


class IdNumberInvalid(ValueError):
    """The text is not an identity number; `field` says where (length, characters, birth_on, check), `reason` why.

    The message never repeats the number, because messages end up in logs.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, slots=True)
class IdNumber:
    """A checked identity number in its 18-character form, with what it says about the person.

    `region` is the division of first registration, which may long be abolished; `original` is what was given.
    """

    number: str
    birth_on: date
    sex: Sex
    region: str
    document: Document
    original: str
    warnings: tuple[str, ...] = ()

    @property
    def masked(self) -> str:
        """Return the number as it may be shown."""
        return mask_id_number(self.number)


def check_character(first_seventeen: str) -> str:
    """Return the check character (0-9 or X) that belongs to the first seventeen digits. GB 11643."""
    assert len(first_seventeen) == 17, len(first_seventeen)
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, first_seventeen, strict=True))
    return _CHECK_CHARACTERS[total % 11]


def parse_id_number(
    text: str,
    *,
    known_regions: Collection[str] | None = None,
    on: date | None = None,
) -> IdNumber:
    """Check an identity number: 18 characters, or 15 of the old form, which are converted with the century 19.

    Full-width characters, surrounding blanks and a lower-case x are normalised. A region whose first two digits are
    not among `known_regions` is a warning, because abolished regions stay in force; without the argument nothing is
    compared. With `on`, a birth after that date is refused. Raises IdNumberInvalid. GB 11643-1999.
    """
    compact = unicodedata.normalize("NFKC", text).strip().upper()
    if len(compact) not in (15, 18):
        raise IdNumberInvalid("length", f"an identity number has 18 characters (formerly 15), not {len(compact)}")
    if len(compact) == 15:
        if _FIFTEEN.fullmatch(compact) is None:
            raise IdNumberInvalid("characters", "an old identity number has digits only")
        seventeen = f"{compact[:6]}19{compact[6:]}"
        number = seventeen + check_character(seventeen)
    else:
        if _EIGHTEEN.fullmatch(compact) is None:
            raise IdNumberInvalid("characters", "an identity number has 17 digits and then a digit or X")
        number = compact

    # The date is judged before the check character: a clerk who swaps two digits of the date is told so.
    try:
        birth_on = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        raise IdNumberInvalid("birth_on", "characters 7 to 14 are not a date of the calendar") from None
    if on is not None and birth_on > on:
        raise IdNumberInvalid("birth_on", f"the birth lies after {on}")
    if check_character(number[:17]) != number[17]:
        raise IdNumberInvalid("check", "the last character does not fit the others; one of them is mistyped")

    region = number[:6]
    warnings: tuple[str, ...] = ()
    if known_regions is not None and region[:2] not in known_regions:
        warnings = (f"region {region} belongs to no known province; it may be obsolete",)
    return IdNumber(
        number=number,
        birth_on=birth_on,
        sex=Sex.MALE if int(number[16]) % 2 else Sex.FEMALE,
        region=region,
        document=Document.RESIDENCE_PERMIT if region[:2] in _RESIDENCE_PERMITS else Document.CITIZEN_ID,
        original=text,
        warnings=warnings,
    )


def mask_id_number(text: str) -> str:
    """Show the first three and the last four characters; a text too short to hide anything becomes stars only."""
    if len(text) < 12:
        return "*" * len(text)
    return f"{text[:3]}{'*' * (len(text) - 7)}{text[-4:]}"
