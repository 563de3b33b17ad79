"""Identity numbers, which are also the social security numbers (社会保险法 Art. 58), each kind by its own rule.

Citizens (GB 11643-1999), residents of Hong Kong, Macao and Taiwan (residence permits, same check character), foreigners with a
permanent residence card (since 2023 the same form, beginning with 9), and other foreigners (人社部令第16号: nationality and
document number, without a birthday in it).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # The tables are made of what this module declares.
    from services.rules.loader import Tables

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_CHARACTERS = "10X98765432"
_EIGHTEEN = re.compile(r"[0-9]{17}[0-9X]")
_FIFTEEN = re.compile(r"[0-9]{15}")
_FOREIGN = re.compile(r"([A-Z]{3})([0-9])([0-9A-Z]{14})")
_RESIDENCE_PERMITS = {"81": "HK", "82": "MO", "83": "TW"}
_PERMIT_REGIONS = ("810000", "820000", "830000")
_PERMANENT_RESIDENCE = "9"
# Whoever comes from here has one of the other numbers.
_NOT_FOREIGN = ("CHN", "HKG", "MAC", "TWN")


class Sex(StrEnum):
    """Sex as the insurance rules distinguish it."""

    MALE = "male"
    FEMALE = "female"


class Document(StrEnum):
    """Which document carries the number."""

    CITIZEN_ID = "citizen_id"
    RESIDENCE_PERMIT = "residence_permit"  # residents of Hong Kong, Macao and Taiwan: 81, 82, 83
    PERMANENT_RESIDENCE = "permanent_residence"  # foreigners' card since 2023-12-01: 9
    FOREIGNER = "foreigner"  # the social security number of other foreigners


class IdNumberInvalid(ValueError):
    """The text is not an identity number; `field` says where, `reason` why.

    Fields are length, characters, document, birth_on, check, nationality, document_no.

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

    @property
    def home(self) -> str | None:
        """Return HK, MO or TW for the residence permits of these regions, else None."""
        return _RESIDENCE_PERMITS[self.region[:2]] if self.document is Document.RESIDENCE_PERMIT else None


@dataclass(frozen=True, slots=True)
class ForeignerNumber:
    """A foreigner's social security number: nationality (ISO 3166, three letters) and the number of the document.

    It says nothing of birthday and sex; both come from the document itself. `original` is what was given.
    """

    number: str
    nationality: str
    document_no: str
    original: str

    @property
    def document(self) -> Document:
        """Return the kind of document, as other numbers do."""
        return Document.FOREIGNER

    @property
    def masked(self) -> str:
        """Return the number as it may be shown."""
        return mask_id_number(self.number)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose number it is, with what the rules ask of a person: by the number where it says so, else by the document."""

    number: str
    document: Document
    birth_on: date
    sex: Sex
    stated: bool
    """Whether birthday and sex stand beside the number, because it says neither."""


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
        if compact[:2] in _RESIDENCE_PERMITS or compact.startswith(_PERMANENT_RESIDENCE):
            raise IdNumberInvalid("document", "residence permits have never had 15 digits")
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
    document = _document(region)
    warnings: tuple[str, ...] = ()
    if document is Document.RESIDENCE_PERMIT and region not in _PERMIT_REGIONS:
        warnings = (f"region {region} is not that of a residence permit, which ends in 0000",)
    elif document is Document.CITIZEN_ID and known_regions is not None and region[:2] not in known_regions:
        warnings = (f"region {region} belongs to no known province; it may be obsolete",)
    return IdNumber(
        number=number,
        birth_on=birth_on,
        sex=Sex.MALE if int(number[16]) % 2 else Sex.FEMALE,
        region=region,
        document=document,
        original=text,
        warnings=warnings,
    )


def _document(region: str) -> Document:
    if region[:2] in _RESIDENCE_PERMITS:
        return Document.RESIDENCE_PERMIT
    return Document.PERMANENT_RESIDENCE if region.startswith(_PERMANENT_RESIDENCE) else Document.CITIZEN_ID


def parse_foreigner_number(text: str) -> ForeignerNumber:
    """Check a foreigner's social security number: three letters, a reserved digit, fourteen characters of the document.

    The document number is filled up with zeros in front. Full-width characters, surrounding blanks and small letters are
    normalised. Raises IdNumberInvalid. 人社部令第16号 Art. 10 and its annex (the layout from memory).
    """
    compact = unicodedata.normalize("NFKC", text).strip().upper()
    if len(compact) != 18:
        raise IdNumberInvalid("length", f"a foreigner's number has 18 characters, not {len(compact)}")
    match = _FOREIGN.fullmatch(compact)
    if match is None:
        raise IdNumberInvalid("characters", "a foreigner's number has three letters, a digit, and 14 letters or digits")
    nationality, document_no = match[1], match[3].lstrip("0")
    if nationality in _NOT_FOREIGN:
        raise IdNumberInvalid("nationality", f"who comes from {nationality} has a number of another kind")
    if not document_no:
        raise IdNumberInvalid("document_no", "the number of the document is missing")
    return ForeignerNumber(number=compact, nationality=nationality, document_no=document_no, original=text)


def parse_social_security_number(text: str, *, on: date, tables: Tables) -> IdNumber | ForeignerNumber:
    """Check a number of any kind by its own rule. 社会保险法 Art. 58.

    Foreigners' numbers are read while the switch FOREIGNER_NUMBER is on; else they are refused as every other text. Raises
    IdNumberInvalid.
    """
    compact = unicodedata.normalize("NFKC", text).strip()
    if len(compact) == 18 and compact[:3].isalpha() and tables.exceptions.foreigner_numbers(on):
        return parse_foreigner_number(text)
    return parse_id_number(text, known_regions=tables.provinces, on=on)


def identify(read: IdNumber | ForeignerNumber, *, birth_on: date | None = None, sex: Sex | None = None) -> Identity:
    """Say who somebody is by a number and by what stands beside it on the document.

    A number that says birthday and sex needs nothing beside it, and what is there must agree. Raises IdNumberInvalid for the
    fields birth_on and sex.
    """
    if isinstance(read, IdNumber):
        if birth_on is not None and birth_on != read.birth_on:
            raise IdNumberInvalid("birth_on", "the birthday is not that of the number")
        if sex is not None and sex is not read.sex:
            raise IdNumberInvalid("sex", "the sex is not that of the number")
        return Identity(read.number, read.document, read.birth_on, read.sex, stated=False)
    if birth_on is None:
        raise IdNumberInvalid("birth_on", "this number does not say the birthday; write that of the document")
    if sex is None:
        raise IdNumberInvalid("sex", "this number does not say the sex; write that of the document")
    return Identity(read.number, read.document, birth_on, sex, stated=True)


def normal_form(text: str) -> str:
    """Return a number of any kind as records and their hashes have it, and what is no number as it is."""
    for read in (parse_foreigner_number, parse_id_number):
        try:
            return read(text).number
        except IdNumberInvalid:
            continue
    return text


def mask_id_number(text: str) -> str:
    """Show the first three and the last four characters; a text too short to hide anything becomes stars only."""
    if len(text) < 12:
        return "*" * len(text)
    return f"{text[:3]}{'*' * (len(text) - 7)}{text[-4:]}"
