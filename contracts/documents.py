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
    gathering: bool = Field(default=False, description="the hukou province gathers at retirement (S-5 item 8)")
    correction: str = Field(default="", max_length=300, description="what a later version changes, and why")
    served_first: bool = Field(default=False, description="a soldier, served before others (经办条例 Art. 17)")
    voucher_no: str | None = Field(default=None, max_length=60, description="of the voucher (参保缴费凭证) that the person has")
    check_code: str | None = Field(default=None, max_length=20, description="of that voucher, as the person wrote it")


class NotMovable(Contract):
    """Contributions that stay at the origin, and why (S-94 items 1 to 3): the written notice names them to the person."""

    months: Months
    account_fen: Fen
    pool_fen: Fen
    reasons: tuple[str, ...] = Field(min_length=1, description="codes of the refusals table")


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
    participant: Literal["employee", "flexible"] = Field(
        default="employee",
        description="flexible: the person took part alone (灵活就业), `employer_rate` is the rest of what was paid",
    )


class Segment(Contract):
    """Rows that are computed together: a place's own, or what came with an earlier transfer."""

    opening_year: int | None
    opening_before_1998_fen: Fen
    opening_since_1998_fen: Fen
    rows: tuple[YearRow, ...]


class InterimRate(Contract):
    """The recording rate of a year was not published; another one stands in its place, and the difference follows."""

    year: int = Field(ge=1998, le=2100)
    rate: Rate


class AttachedPaper(Contract):
    """A paper of the origin's file that lets a one-off back payment move (S-94): which, of which day, by whom."""

    kind: str = Field(description="a code of the papers table")
    dated: date
    issuer: str


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
    interim_rates: tuple[InterimRate, ...] = Field(default=(), description="RATE_PENDING: the amounts are not final")
    not_movable: NotMovable | None = None
    amendment: str = Field(default="", max_length=300, description="why this version replaces the one before")
    papers: tuple[AttachedPaper, ...] = Field(default=(), description="what lets one-off back payments among the rows move")


class LetterReturn(Body):
    """退回联系函: the origin cannot act on the letter; a coded reason, its legal basis and what helps."""

    letter_no: str
    code: str
    legal_basis: str
    note: str = ""
    curable_until: date | None = Field(
        default=None, description="a corrected letter goes on with this case until then; None: final"
    )
    right_division: DivisionCode | None = Field(
        default=None, description="the agency that holds the relationship, where it is known"
    )


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
    escalated: bool = Field(default=False, description="the supervisors of both agencies have it now")


class Query(Body):
    """Form and money differ; the destination asks the origin to look (协商中)."""

    letter_no: str
    kind: str
    expected_fen: Fen
    found_fen: Fen


class Question(Body):
    """One agency asks the other within a case; no clock stops for it."""

    letter_no: str
    question_id: str = Field(min_length=36, max_length=36)
    kind: str = Field(max_length=40, description="what it is about: a discrepancy's kind, or `other`")
    text: str = Field(min_length=3, max_length=2000)


class Answer(Body):
    """The other agency's answer to a question."""

    letter_no: str
    question_id: str = Field(min_length=36, max_length=36)
    text: str = Field(min_length=3, max_length=2000)
    confirms: bool = Field(default=False, description="whether what the asker holds is right as it stands")


class PaymentReturned(Body):
    """The bank gave the origin's payment back: a corrected letter with another account is needed before it is paid again."""

    letter_no: str
    remittance_id: str
    amount_fen: Fen
    reason: str = Field(max_length=300)


class RecallRequest(Body):
    """The origin asks a completed transfer back: it was of another person, or should never have been (退回)."""

    letter_no: str
    code: str
    reason: str = Field(min_length=3, max_length=300)


class RecallAnswer(Body):
    """The destination's answer to a recall: its books gave the amounts up, or it says why not."""

    letter_no: str
    agreed: bool
    reason: str = Field(default="", max_length=300)
    total_fen: Fen = 0


class DeathReport(Body):
    """One agency tells the other that the person has died."""

    letter_no: str
    died_on: date
    reported_on: date


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


class QuestionToOriginDocument(Document):
    """A destination's question on its way."""

    type_name: ClassVar[str] = "document.question_to_origin"
    body_type: ClassVar[type[Body]] = Question
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class QuestionToDestinationDocument(Document):
    """An origin's question on its way."""

    type_name: ClassVar[str] = "document.question_to_destination"
    body_type: ClassVar[type[Body]] = Question
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"


class AnswerToOriginDocument(Document):
    """A destination's answer on its way."""

    type_name: ClassVar[str] = "document.answer_to_origin"
    body_type: ClassVar[type[Body]] = Answer
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class AnswerToDestinationDocument(Document):
    """An origin's answer on its way."""

    type_name: ClassVar[str] = "document.answer_to_destination"
    body_type: ClassVar[type[Body]] = Answer
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"


class PaymentReturnedDocument(Document):
    """The word of a payment that came back, on its way."""

    type_name: ClassVar[str] = "document.payment_returned"
    body_type: ClassVar[type[Body]] = PaymentReturned
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"


class RecallRequestDocument(Document):
    """A recall on its way."""

    type_name: ClassVar[str] = "document.recall_request"
    body_type: ClassVar[type[Body]] = RecallRequest
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"


class RecallAnswerDocument(Document):
    """The answer to a recall on its way."""

    type_name: ClassVar[str] = "document.recall_answer"
    body_type: ClassVar[type[Body]] = RecallAnswer
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class DeathReportToOriginDocument(Document):
    """A destination's word of a death on its way."""

    type_name: ClassVar[str] = "document.death_report_to_origin"
    body_type: ClassVar[type[Body]] = DeathReport
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "origin-agency"


class DeathReportToDestinationDocument(Document):
    """An origin's word of a death on its way."""

    type_name: ClassVar[str] = "document.death_report_to_destination"
    body_type: ClassVar[type[Body]] = DeathReport
    to_role: ClassVar[Literal["origin-agency", "destination-agency"]] = "destination-agency"
