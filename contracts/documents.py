"""The official documents that cross between provinces, and what each holds once it is opened.

On the exchange a document is a `Document`: routing facts in clear, the body sealed to the receiving province. The sender's
signature covers the exact bytes of the record.
"""

from datetime import date
from typing import ClassVar, Literal

from pydantic import Field

from contracts.base import (
    CaseId,
    Contract,
    Digest,
    DivisionCode,
    Fact,
    Fen,
    Items,
    Months,
    MonthText,
    ProvinceCode,
    Rate,
    SealedForProvince,
)


class Body(Contract):
    """What a document says. Only the receiving province can read it."""


class Document(Fact):
    """A sealed document: who sends it, to whom, about which case."""

    body_type: ClassVar[type[Body]]
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]]

    case_id: CaseId
    sender: ProvinceCode
    addressee: ProvinceCode
    document_version: int = Field(default=1, ge=1)
    sealed: SealedForProvince


class PayeeAccount(Contract):
    """Where the money goes: the destination's receiving account (收入户), from the signed directory."""

    account_name: str
    bank_name: str
    account_no: str
    exchange_no: str = Field(pattern=r"^\d{12}$", description="12-digit payment-system number")


class PersonIdentity(Contract):
    """Who the case is about, as the sending agency holds it."""

    id_number: str
    name: str


class ContactLetter(Body):
    """基本养老保险关系转移接续联系函: the destination agrees to take the relationship and says where to pay."""

    letter_no: str = Field(pattern=r"^LXH-\d{6}-\d{8}-\d{6,}$")
    letter_version: int = Field(ge=1)
    account_kind: Literal["normal", "temporary"]
    person: PersonIdentity
    origin_division: DivisionCode
    destination_division: DivisionCode
    applied_on: date
    payee: PayeeAccount
    agency_name: str
    agency_phone: str


class YearRow(Contract):
    """One row a place and year of the information form, part 2 (fields AAB299 to AAE273)."""

    division: DivisionCode
    start: MonthText
    end: MonthText
    months: Months
    monthly_wage_fen: Fen
    employer_rate: Rate
    status: Literal["paid", "arrears", "deemed"]
    kind: Literal["normal", "temporary", "one_off", "deferred"]
    paid_on: date | None = None
    note: str = ""


class Segment(Contract):
    """Rows that are computed together: a place's own, or what came with an earlier transfer."""

    opening_year: int | None
    opening_before_1998_fen: Fen
    opening_since_1998_fen: Fen
    rows: tuple[YearRow, ...]


class InformationForm(Body):
    """基本养老保险关系转移接续信息表: part 1 person and amounts ①–⑥, part 2 the rows by place and year."""

    letter_no: str
    form_version: int = Field(ge=1)
    person: PersonIdentity
    first_insured_on: date
    stopped_on: date | None
    months: Months
    deemed_months: Months
    items: Items
    pool_from_temporary_fen: Fen = 0
    transfer_on: date
    rule_set: str
    segments: tuple[Segment, ...]


class LetterReturn(Body):
    """退回联系函: the origin cannot act on the letter; a coded reason, its legal basis and what helps."""

    letter_no: str
    code: str
    legal_basis: str
    note: str = ""


class CompletionNotice(Body):
    """办结通知: booked at the destination."""

    letter_no: str
    form_version: int = Field(ge=1)
    completed_on: date
    months: Months
    total_fen: Fen


class Withdrawal(Body):
    """The person withdrew the application; the origin must say whether that is still possible."""

    letter_no: str
    requested_on: date


class WithdrawalAnswer(Body):
    """The origin's answer to a withdrawal."""

    letter_no: str
    confirmed: bool
    reason: str = ""


class Reminder(Body):
    """The origin's leg is nearly over, or over."""

    letter_no: str
    due_on: date
    breached: bool


class Query(Body):
    """Form and money differ; the destination asks the origin to look (协商中)."""

    letter_no: str
    kind: str
    expected_fen: Fen
    found_fen: Fen


class Rejection(Body):
    """The addressee could not take a document: which one, why, and what helps. It never had an effect there."""

    document_type: str = Field(max_length=80)
    document_id: str | None = Field(default=None, max_length=64, description="id of the rejected message, where it could be read")
    number: int = Field(ge=0, description="place in the sender's log")
    digest: Digest
    code: str = Field(max_length=40, description="why: a quarantine reason, or the receiver's own code")
    remedy: str = Field(max_length=300)


class ContactLetterDocument(Document):
    """The contact letter on its way."""

    type_name: ClassVar[str] = "document.contact_letter"
    body_type: ClassVar[type[Body]] = ContactLetter
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class InformationFormDocument(Document):
    """The information form on its way."""

    type_name: ClassVar[str] = "document.information_form"
    body_type: ClassVar[type[Body]] = InformationForm
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"


class LetterReturnDocument(Document):
    """A returned letter on its way."""

    type_name: ClassVar[str] = "document.letter_return"
    body_type: ClassVar[type[Body]] = LetterReturn
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"


class CompletionDocument(Document):
    """The completion notice on its way."""

    type_name: ClassVar[str] = "document.completion"
    body_type: ClassVar[type[Body]] = CompletionNotice
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class WithdrawalDocument(Document):
    """A withdrawal on its way."""

    type_name: ClassVar[str] = "document.withdrawal"
    body_type: ClassVar[type[Body]] = Withdrawal
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class WithdrawalAnswerDocument(Document):
    """The answer to a withdrawal on its way."""

    type_name: ClassVar[str] = "document.withdrawal_answer"
    body_type: ClassVar[type[Body]] = WithdrawalAnswer
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"


class ReminderDocument(Document):
    """A reminder on its way."""

    type_name: ClassVar[str] = "document.reminder"
    body_type: ClassVar[type[Body]] = Reminder
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class QueryDocument(Document):
    """A query about a discrepancy on its way."""

    type_name: ClassVar[str] = "document.query"
    body_type: ClassVar[type[Body]] = Query
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class RejectionToOriginDocument(Document):
    """A destination's answer to a document of an origin that it cannot take."""

    type_name: ClassVar[str] = "document.rejection_to_origin"
    body_type: ClassVar[type[Body]] = Rejection
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class RejectionToDestinationDocument(Document):
    """An origin's answer to a document of a destination that it cannot take."""

    type_name: ClassVar[str] = "document.rejection_to_destination"
    body_type: ClassVar[type[Body]] = Rejection
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"
