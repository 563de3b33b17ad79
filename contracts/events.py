"""The facts that a province says on its journal, current version.

Every fact that moves money carries what is needed to book it and, for each account that it touches, that account's
sequence number (`account_sequences`): a replayed ledger can differ from the live one only if a fact was lost, altered or
recorded twice.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import AwareDatetime, Field

from contracts.base import (
    Actor,
    CaseId,
    Digest,
    DivisionCode,
    Fact,
    Fen,
    Items,
    Months,
    PersonRef,
    ProvinceCode,
    SealedForPerson,
    ServiceName,
    SignedFen,
)
from contracts.statuses import Leg, PublicStatus

AccountSequences = dict[str, int]
Reason = Annotated[str, Field(min_length=3, max_length=300, description="why, in words; never a person's data")]


class CaseFact(Fact):
    """A fact about one transfer."""

    case_id: CaseId
    person_ref: PersonRef
    public: PublicStatus | None = Field(default=None, description="set when what the person is shown has changed")


class Applied(CaseFact):
    """The person, or the employer, applied at the new place (Interim Measures Art. 8(1))."""

    type_name: ClassVar[str] = "transfer.applied"
    origin: ProvinceCode
    origin_division: DivisionCode
    destination: ProvinceCode
    destination_division: DivisionCode
    applied_on: date
    applied_by: Literal["person", "employer", "clerk"]
    channel: Literal["single", "batch"]
    language: Literal["zh-CN", "en"]
    due_on: date
    personal: SealedForPerson


class Accepted(CaseFact):
    """The destination admitted the transfer: who made the decision and who checked it."""

    type_name: ClassVar[str] = "transfer.accepted"
    rule: str
    account_kind: Literal["normal", "temporary"]
    rule_set: str
    maker: Actor
    checker: Actor


class Refused(CaseFact):
    """The destination refused, in writing, with reason, legal basis and remedy (Art. 8(2))."""

    type_name: ClassVar[str] = "transfer.refused"
    code: str
    rule: str
    legal_basis: str
    rule_set: str
    maker: Actor
    checker: Actor


class ContactLetterSent(CaseFact):
    """The contact letter (联系函) left for the origin; its 15 working days begin when it arrives there."""

    type_name: ClassVar[str] = "contact_letter.sent"
    origin: ProvinceCode
    letter_no: str
    letter_version: int = Field(ge=1)
    due_on: date


class ContactLetterReceived(CaseFact):
    """The origin holds the letter: the clock of its leg runs from here."""

    type_name: ClassVar[str] = "contact_letter.received"
    destination: ProvinceCode
    letter_no: str
    received_on: date
    due_on: date


class ContactLetterReturned(CaseFact):
    """The origin sent the letter back with a coded reason."""

    type_name: ClassVar[str] = "contact_letter.returned"
    destination: ProvinceCode
    code: str
    legal_basis: str
    maker: Actor
    checker: Actor


class InformationFormIssued(CaseFact):
    """The origin issued the information form (信息表). Version n+1 replaces n; the difference is booked."""

    type_name: ClassVar[str] = "information_form.issued"
    destination: ProvinceCode
    form_version: int = Field(ge=1)
    items: Items
    supersedes: Items | None = None
    months: Months
    transfer_on: date
    rule_set: str
    maker: Actor
    checker: Actor
    account_sequences: AccountSequences = Field(default_factory=dict)


class InformationFormReceived(CaseFact):
    """The destination holds a form; the money may come before or after it."""

    type_name: ClassVar[str] = "information_form.received"
    origin: ProvinceCode
    form_version: int = Field(ge=1)
    items: Items
    months: Months
    superseded: bool = Field(default=False, description="an older version that arrived late: kept, never used")


class FundsRemitted(CaseFact):
    """The origin's fund desk paid; the bank gave its reference."""

    type_name: ClassVar[str] = "funds.remitted"
    destination: ProvinceCode
    remittance_id: str
    bank_reference: str
    amount_fen: Fen
    form_version: int = Field(ge=1)
    maker: Actor
    checker: Actor
    account_sequences: AccountSequences = Field(default_factory=dict)


class FundsReturned(CaseFact):
    """The bank gave the money back to the origin; it is owed again."""

    type_name: ClassVar[str] = "funds.returned"
    destination: ProvinceCode
    remittance_id: str
    line_id: str
    amount_fen: Fen
    reason: str
    account_sequences: AccountSequences = Field(default_factory=dict)


class FundsReceived(CaseFact):
    """Money from another province stands on the destination's bank account, in suspense until it meets its form.

    `duplicate` says that the same remittance was paid before with the same amount.
    """

    type_name: ClassVar[str] = "funds.received"
    origin: ProvinceCode
    remittance_id: str
    line_id: str
    amount_fen: Fen
    duplicate: bool = False
    account_sequences: AccountSequences = Field(default_factory=dict)


class FundsSentBack(CaseFact):
    """The destination gave back money that it holds and that is not its own: paid twice, or above the form."""

    type_name: ClassVar[str] = "funds.sent_back"
    origin: ProvinceCode
    remittance_id: str
    bank_reference: str
    amount_fen: Fen
    maker: Actor
    checker: Actor
    account_sequences: AccountSequences = Field(default_factory=dict)


class RelationshipClosed(CaseFact):
    """The local relationship ended because it moved (Art. 8(3)); years and money go on elsewhere."""

    type_name: ClassVar[str] = "relationship.closed"
    destination: ProvinceCode


class DiscrepancyRaised(CaseFact):
    """Form and money, or the form with itself, do not agree; nothing is booked to the person."""

    type_name: ClassVar[str] = "discrepancy.raised"
    origin: ProvinceCode
    kind: str
    expected_fen: Fen
    found_fen: Fen
    difference_fen: SignedFen


class DiscrepancyResolved(CaseFact):
    """What differed agrees now."""

    type_name: ClassVar[str] = "discrepancy.resolved"
    origin: ProvinceCode
    kind: str


class Completed(CaseFact):
    """Form and money met and are booked; the person's years and account are here (Art. 8(4))."""

    type_name: ClassVar[str] = "transfer.completed"
    origin: ProvinceCode
    form_version: int = Field(ge=1)
    items: Items
    months: Months
    maker: Actor
    checker: Actor
    account_sequences: AccountSequences = Field(default_factory=dict)


class TransferReturned(CaseFact):
    """The origin's return reached the destination, which must act and tells the person."""

    type_name: ClassVar[str] = "transfer.returned"
    origin: ProvinceCode
    code: str
    legal_basis: str


class TransferSettled(CaseFact):
    """The origin learnt that the destination has booked."""

    type_name: ClassVar[str] = "transfer.settled"
    destination: ProvinceCode


class WithdrawalRequested(CaseFact):
    """The person withdrew; the origin must confirm that nothing is approved yet."""

    type_name: ClassVar[str] = "withdrawal.requested"
    origin: ProvinceCode
    actor: Actor


class WithdrawalDeclined(CaseFact):
    """Too late to withdraw: the form is approved."""

    type_name: ClassVar[str] = "withdrawal.declined"
    origin: ProvinceCode
    reason: str


class WithdrawalAnswered(CaseFact):
    """The origin confirmed a withdrawal, or declined it because the form is approved."""

    type_name: ClassVar[str] = "withdrawal.answered"
    destination: ProvinceCode
    confirmed: bool


class Cancelled(CaseFact):
    """The case ended before the origin approved the form; no money moved."""

    type_name: ClassVar[str] = "transfer.cancelled"
    reason: str


class DeadlineReminded(CaseFact):
    """Ten of the fifteen working days of a leg are over."""

    type_name: ClassVar[str] = "deadline.reminded"
    leg: Leg
    holder: ProvinceCode
    due_on: date


class DeadlineRecomputed(CaseFact):
    """The State Council's notice for the year is known now; a provisional due date was counted again."""

    type_name: ClassVar[str] = "deadline.recomputed"
    leg: Leg
    holder: ProvinceCode
    was_due_on: date
    due_on: date
    rule_set: str


class DeadlineBreached(CaseFact):
    """The fifteen working days of a leg are over; the person is told whom to complain to."""

    type_name: ClassVar[str] = "deadline.breached"
    leg: Leg
    holder: ProvinceCode
    due_on: date


class DocumentSent(CaseFact):
    """A document left for another province; both journals must agree on its digest."""

    type_name: ClassVar[str] = "document.sent"
    document_id: str
    document_type: str
    addressee: ServiceName
    digest: Digest


class DocumentReceived(CaseFact):
    """A document of another province was accepted: who sent it, under which number, and the proof of it."""

    type_name: ClassVar[str] = "document.received"
    document_id: str
    document_type: str
    sender: ServiceName
    number: int = Field(ge=1)
    digest: Digest
    checkpoint_digest: Digest
    proof: str = Field(description="RFC 6962 inclusion path, base64 of the concatenated hashes")


class AccountFact(Fact):
    """A fact about one person's account in one province."""

    person_ref: PersonRef


class AccountOpened(AccountFact):
    """A relationship and an account were set up; what stood in it at the end of 1997 comes with it."""

    type_name: ClassVar[str] = "account.opened"
    kind: Literal["normal", "temporary"]
    opened_on: date
    opening_fen: Fen = 0
    account_sequences: AccountSequences = Field(default_factory=dict)


class ContributionRecorded(AccountFact):
    """One year's contributions of one person, split into the account's part and the pooled fund's."""

    type_name: ClassVar[str] = "contribution.recorded"
    year: int = Field(ge=1950, le=2100)
    months: Months
    account_fen: Fen
    pool_fen: Fen
    rule_set: str
    rows: SealedForPerson | None = None
    account_sequences: AccountSequences = Field(default_factory=dict)


class InterestCredited(AccountFact):
    """A year's interest on one account at the recording rate of the year."""

    type_name: ClassVar[str] = "interest.credited"
    year: int = Field(ge=1950, le=2100)
    interest_fen: Fen
    rule_set: str
    account_sequences: AccountSequences = Field(default_factory=dict)


class BalanceStated(AccountFact):
    """What the books say of an account at one of its sequence numbers: never a source, always a check."""

    type_name: ClassVar[str] = "account.balance_stated"
    account: str
    sequence: int = Field(ge=0)
    balance_fen: SignedFen
    reason: Literal["entry", "voucher", "request"]


class AccountSealed(AccountFact):
    """A temporary account was sealed (封存); it waits for the paying place."""

    type_name: ClassVar[str] = "account.sealed"
    reason: str


class AccountClosed(AccountFact):
    """The account is empty and its relationship moved; nothing may be booked to it any more."""

    type_name: ClassVar[str] = "account.closed"
    reason: str


class VoucherIssued(AccountFact):
    """A contribution voucher (参保缴费凭证) was issued; anyone may check it by its check code."""

    type_name: ClassVar[str] = "voucher.issued"
    voucher_no: str
    months: Months
    balance_fen: Fen
    language: Literal["zh-CN", "en"]
    personal: SealedForPerson


class RecordsImported(Fact):
    """A file of contribution records came in: who, when, how many, and its digest."""

    type_name: ClassVar[str] = "records.imported"
    import_id: str
    persons: int
    rows: int
    refused_rows: int
    digest: Digest
    actor: Actor


class NoticeDelivered(CaseFact):
    """The mail server took a notice; its answer is the evidence."""

    type_name: ClassVar[str] = "notice.delivered"
    notice_id: str
    event_id: str
    channel: Literal["email"]
    template: str
    template_version: int
    language: Literal["zh-CN", "en"]
    message_id: str
    evidence: str
    delivered_at: AwareDatetime


class NoticeFailed(CaseFact):
    """A notice could not be delivered, for good; it must reach the person on another way."""

    type_name: ClassVar[str] = "notice.failed"
    notice_id: str
    event_id: str
    channel: Literal["email"]
    template: str
    reason: str


class MessageParked(Fact):
    """A record could not be handled and waits for an operator; its case waits behind it, no other does."""

    type_name: ClassVar[str] = "quarantine.parked"
    quarantine_id: str
    topic: str
    partition: int
    offset: int
    reason: str
    digest: Digest


class MessageProposed(Fact):
    """Somebody proposes what is to become of a parked record; a second person has to approve it."""

    type_name: ClassVar[str] = "quarantine.proposed"
    quarantine_id: str
    decision_id: str
    verb: Literal["amend", "skip", "reject"]
    maker: Actor
    reason: Reason
    digest: Digest = Field(description="of what the sender signed, or of what came in its place")
    amended_digest: Digest | None = Field(default=None, description="of the amended record, sealed as it is kept")
    event_id: str | None = Field(default=None, description="id of the parked message, where it could be read")


class MessageDecided(Fact):
    """What was done with a parked record: who decided it, why, and what came of it.

    `handled`: it took effect. `repeated`: its effect was there already. `queued`: it waits behind another record of its case.
    `failed`: it is parked again, for `failure`. `set_aside`: it never takes effect. `rejected`: its sender was told.
    `withdrawn`: the proposal was taken back.
    """

    type_name: ClassVar[str] = "quarantine.decided"
    quarantine_id: str
    decision_id: str
    verb: Literal["retry", "amend", "skip", "reject"]
    outcome: Literal["handled", "repeated", "queued", "failed", "set_aside", "rejected", "withdrawn"]
    maker: Actor
    checker: Actor | None = None
    reason: Reason
    approval: Reason | None = Field(default=None, description="the checker's reason, or the maker's for withdrawing")
    failure: str | None = Field(default=None, description="a QuarantineReason")
    digest: Digest
    amended_digest: Digest | None = None
    rejection_id: str | None = Field(default=None, description="id of the document that tells the sender")
    event_id: str | None = None


class MessageReleased(Fact):
    """A record that was told as parked took effect by itself, when nothing of its case stood before it any more."""

    type_name: ClassVar[str] = "quarantine.released"
    quarantine_id: str
    outcome: Literal["handled", "repeated"]
    digest: Digest
    event_id: str | None = None


class DocumentRejected(CaseFact):
    """A document that this service sent was rejected by its addressee, who says why and what helps."""

    type_name: ClassVar[str] = "document.rejected"
    rejected_by: ServiceName
    document_id: str | None = None
    document_type: str
    number: int = Field(ge=0, description="the rejected document's place in this service's log")
    digest: Digest
    code: str
    remedy: str


class QuarantineReason(StrEnum):
    """Why a record is poison: by name."""

    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_VERSION = "unknown_version"
    INVALID = "invalid"
    UNSIGNED = "unsigned"
    BAD_PROOF = "bad_proof"
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_SENDER = "unknown_sender"
    WRONG_SENDER = "wrong_sender"
    WRONG_ADDRESSEE = "wrong_addressee"
    UNOPENABLE = "unopenable"
    UNEXPECTED = "unexpected"
    HANDLER_FAILED = "handler_failed"
    BEHIND_PARKED = "behind_parked"
    ID_REUSED = "id_reused"
    NO_ROLE = "no_role"
    WRONG_KEY = "wrong_key"
