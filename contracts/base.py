"""The words every contract is built from: money in fen, months, provinces, agencies, sealed data."""

from datetime import date
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Fen = Annotated[int, Field(strict=True, ge=0, le=10**13, description="money in fen (0.01 yuan), never negative")]
SignedFen = Annotated[int, Field(strict=True, ge=-(10**13), le=10**13, description="a difference in fen")]
ProvinceCode = Annotated[str, Field(pattern=r"^\d{2}$", description="GB/T 2260, first two digits")]
DivisionCode = Annotated[str, Field(pattern=r"^\d{6}$", description="GB/T 2260, six digits")]
CaseId = Annotated[str, Field(min_length=36, max_length=36, description="UUIDv7 of the transfer")]
PersonRef = Annotated[str, Field(min_length=36, max_length=36, description="random pseudonym, one per person and province")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256, lower-case hex")]
Actor = Annotated[str, Field(min_length=1, max_length=64, description="`sub` of the token that acted; never a name")]
ServiceName = Annotated[str, Field(pattern=r"^\d{2}/[a-z-]+$", description="province/service")]
Months = Annotated[int, Field(ge=0, le=1200, description="calendar months")]
Rate = Annotated[str, Field(pattern=r"^(0(\.\d{1,4})?|1(\.0{1,4})?)$", description="a ratio as decimal text, never a float")]


def _month(text: str) -> str:
    """Refuse what is not a month of the calendar.

    Raises:
        ValueError: when the text is not `YYYY-MM`.
    """
    try:
        date.fromisoformat(f"{text}-01")
    except ValueError:  # its own words would repeat the text, which may be anything
        raise ValueError("a month is written YYYY-MM and is in the calendar") from None
    return text


MonthText = Annotated[str, AfterValidator(_month), Field(pattern=r"^\d{4}-\d{2}$", description="YYYY-MM")]


class Contract(BaseModel):
    """A frozen, strict value. Unknown fields are passed over, so that a contract may grow."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Command(BaseModel):
    """What a caller wishes over HTTP. An unknown field is an error, for the caller may rely on it.

    The body was JSON before it came here, where dates and tuples are texts and lists; so they are converted. Money is not.
    """

    model_config = ConfigDict(frozen=True, strict=False, extra="forbid")


class Fact(Contract):
    """The data of one message. `type_name` and `version` make its CloudEvents type."""

    type_name: ClassVar[str]
    version: ClassVar[int] = 1


class SealedForPerson(Contract):
    """Person data under the person's own key (AES-256-GCM). Destroying the key forgets the person."""

    nonce: str = Field(pattern=r"^[0-9a-f]{24}$")
    ciphertext: str = Field(pattern=r"^[A-Za-z0-9+/=]*$", description="base64")


class SealedForProvince(Contract):
    """A document body that only the receiving province can open (HPKE RFC 9180, then AES-256-GCM).

    `encapsulated` is one data key for a batch of documents to the same receiver.
    """

    encapsulated: str = Field(pattern=r"^[A-Za-z0-9+/=]*$", description="base64 of the HPKE ciphertext of the data key")
    recipient_key: str = Field(description="id of the sealing key in the directory")
    nonce: str = Field(pattern=r"^[0-9a-f]{24}$")
    ciphertext: str = Field(pattern=r"^[A-Za-z0-9+/=]*$", description="base64")


class Items(Contract):
    """The six numbered items of the information form, in fen (人社部发〔2009〕187号; 国办发〔2009〕66号 Art. 4)."""

    before_1998_fen: Fen = Field(description="① the person's own part before 1998 with interest")
    until_last_year_fen: Fen = Field(description="② everything credited since 1998 to the end of last year")
    this_year_fen: Fen = Field(description="③ this year's principal")
    account_fen: Fen = Field(description="④ = ① + ② + ③")
    pool_fen: Fen = Field(description="⑤ 12 % of the contribution wages since 1998, no interest")
    total_fen: Fen = Field(description="⑥ = ④ + ⑤")
