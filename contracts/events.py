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
    MonthText,
    PersonRef,
    ProvinceCode,
    SealedForPerson,
    ServiceName,
    SignedFen,
)
from contracts.statuses import Leg, PublicStatus

AccountSequences = dict[str, int]
Reason = Annotated[str, Field(min_length=3, max_length=300, description="why, in words; never a person's data")]
# A closed set, so that nobody writes a person's data into it; `own`: the person looked at a paper about themselves.
ReadingPurpose = Literal["handling", "complaint", "audit", "court", "archive", "own"]
# Given by the agency where a fact says nothing else: the tables it decides with at that moment.
UsedRules = Annotated[str | None, Field(description="version of the dated tables that the decision or the due date is from")]


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
    by_proxy: bool = Field(default=False, description="somebody acts for the person; who, stands in `personal`")
    channel: Literal["single", "batch"]
    materials: tuple[str, ...] = Field(default=(), description="codes of the materials table: handed in with the application")
    language: Literal["zh-CN", "en"]
    due_on: date
    personal: SealedForPerson
    rule_set: UsedRules = None


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
    scheme: str | None = Field(
        default=None, description="AAE140 code, of WRONG_SCHEME: the remedy is that scheme's own procedure"
    )
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
    correction: str = Field(default="", description="what a later version changes, and why; never a person's data")
    maker: Actor | None = Field(
        default=None, description="of a later version, with its checker; the first one's stand in its admission"
    )
    checker: Actor | None = None
    rule_set: UsedRules = None


class ContactLetterReceived(CaseFact):
    """The origin holds the letter: the clock of its leg runs from here."""

    type_name: ClassVar[str] = "contact_letter.received"
    destination: ProvinceCode
    letter_no: str
    letter_version: int = Field(default=1, ge=1)
    received_on: date
    due_on: date
    rule_set: UsedRules = None


class ContactLetterReturned(CaseFact):
    """The origin sent the letter back with a coded reason."""

    type_name: ClassVar[str] = "contact_letter.returned"
    destination: ProvinceCode
    code: str
    legal_basis: str
    curable_until: date | None = None
    right_division: DivisionCode | None = None
    maker: Actor
    checker: Actor
    rule_set: UsedRules = None


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
    interim_years: tuple[int, ...] = Field(default=(), description="years whose rate was not published: the difference follows")
    account_sequences: AccountSequences = Field(default_factory=dict)


class InformationFormReceived(CaseFact):
    """The destination holds a form; the money may come before or after it."""

    type_name: ClassVar[str] = "information_form.received"
    origin: ProvinceCode
    form_version: int = Field(ge=1)
    items: Items
    months: Months
    superseded: bool = Field(default=False, description="an older version that arrived late: kept, never used")
    rule_set: UsedRules = None
    rounding_difference_fen: SignedFen = Field(
        default=0, description="item ⑥ of the form less our own computing, where that is rounding; the form's figure is booked"
    )


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
    rule_set: UsedRules = None
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
    rule_set: UsedRules = None
    reason: str | None = Field(default=None, description="of two persons who raise it, in words; never a person's data")
    maker: Actor | None = None
    checker: Actor | None = None


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
    rule_set: UsedRules = None
    account_sequences: AccountSequences = Field(default_factory=dict)


class TransferReturned(CaseFact):
    """The origin's return reached the destination, which must act and tells the person."""

    type_name: ClassVar[str] = "transfer.returned"
    origin: ProvinceCode
    code: str
    legal_basis: str
    curable_until: date | None = None
    right_division: DivisionCode | None = None


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
    maker: Actor | None = Field(default=None, description="set where the agency ended its own case, with its checker")
    checker: Actor | None = None


class DeadlineReminded(CaseFact):
    """Ten of the fifteen working days of a leg are over."""

    type_name: ClassVar[str] = "deadline.reminded"
    leg: Leg
    holder: ProvinceCode
    due_on: date
    rule_set: UsedRules = None


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
    limit: str | None = Field(default=None, description="code of the limits table, where it is another limit than the leg's own")
    rule_set: UsedRules = None


class MaterialRequested(CaseFact):
    """The destination asked, once and completely, for what is missing; its clock stands until the answer."""

    type_name: ClassVar[str] = "material.requested"
    items: tuple[str, ...] = Field(min_length=1, description="codes of the materials table")
    paused_on: date
    actor: Actor
    rule_set: UsedRules = None


class MaterialSupplied(CaseFact):
    """What was missing is here; the clock runs again."""

    type_name: ClassVar[str] = "material.supplied"
    items: tuple[str, ...]
    due_on: date
    paused_days: int = Field(ge=0, description="working days that the clock stood")
    actor: Actor
    rule_set: UsedRules = None


class DeadlineEscalated(CaseFact):
    """A leg is overdue and its holder silent: the supervisors of both agencies have it now."""

    type_name: ClassVar[str] = "deadline.escalated"
    leg: Leg
    holder: ProvinceCode
    due_on: date
    actor: Actor
    rule_set: UsedRules = None


class QuestionAsked(CaseFact):
    """One agency asked the other; the words are under the person's key, for they may be about the person."""

    type_name: ClassVar[str] = "question.asked"
    question_id: str
    asked: ProvinceCode = Field(description="the province that is to answer")
    kind: str
    text: SealedForPerson
    actor: Actor


class QuestionReceived(CaseFact):
    """A question of the other agency is on the work list."""

    type_name: ClassVar[str] = "question.received"
    question_id: str
    asked_by: ProvinceCode
    kind: str
    text: SealedForPerson


class QuestionAnswered(CaseFact):
    """This agency answered."""

    type_name: ClassVar[str] = "question.answered"
    question_id: str
    asked_by: ProvinceCode
    confirms: bool
    text: SealedForPerson
    actor: Actor


class AnswerReceived(CaseFact):
    """The other agency's answer is here."""

    type_name: ClassVar[str] = "answer.received"
    question_id: str
    answered_by: ProvinceCode
    confirms: bool
    text: SealedForPerson


class DiscrepancyAgreed(CaseFact):
    """Both sides agree that the form is right as it stands: the origin confirmed it in an answer, two persons accepted that."""

    type_name: ClassVar[str] = "discrepancy.agreed"
    origin: ProvinceCode
    kind: str
    question_id: str
    reason: Reason
    maker: Actor
    checker: Actor


class Corrected(CaseFact):
    """A later form replaced the one that was booked: the difference is booked, what stood stays as it was."""

    type_name: ClassVar[str] = "transfer.corrected"
    origin: ProvinceCode
    form_version: int = Field(ge=2)
    items: Items
    supersedes: Items
    months: Months
    maker: Actor
    checker: Actor
    rule_set: UsedRules = None
    account_sequences: AccountSequences = Field(default_factory=dict)


class RecallRequested(CaseFact):
    """The origin asks a completed transfer back."""

    type_name: ClassVar[str] = "recall.requested"
    destination: ProvinceCode
    code: str
    reason: Reason
    maker: Actor
    checker: Actor


class RecallReceived(CaseFact):
    """The origin's wish to have a completed transfer back is on the work list."""

    type_name: ClassVar[str] = "recall.received"
    origin: ProvinceCode
    code: str
    reason: Reason


class RecallDeclined(CaseFact):
    """The destination keeps what it has booked, and says why."""

    type_name: ClassVar[str] = "recall.declined"
    origin: ProvinceCode
    reason: Reason
    maker: Actor
    checker: Actor


class Recalled(CaseFact):
    """The destination gave up what it had booked: the amounts stand in suspense of the origin until they are sent back."""

    type_name: ClassVar[str] = "transfer.recalled"
    origin: ProvinceCode
    code: str
    items: Items
    months: Months
    maker: Actor
    checker: Actor
    account_sequences: AccountSequences = Field(default_factory=dict)


class RecallAnswered(CaseFact):
    """The destination's answer to a recall reached the origin."""

    type_name: ClassVar[str] = "recall.answered"
    destination: ProvinceCode
    agreed: bool
    reason: str = ""


class InformationFormRevoked(CaseFact):
    """The origin took its form back: what it owed is the person's and the pooled fund's again."""

    type_name: ClassVar[str] = "information_form.revoked"
    destination: ProvinceCode
    form_version: int = Field(ge=1)
    items: Items
    reason: Reason
    account_sequences: AccountSequences = Field(default_factory=dict)


class RelationshipReopened(CaseFact):
    """The local relationship goes on, for its transfer was taken back."""

    type_name: ClassVar[str] = "relationship.reopened"
    destination: ProvinceCode
    reason: Reason


class NotMovableNotified(CaseFact):
    """The written notice of what cannot move, within ten working days of the letter (S-94 item 3); the rest moves."""

    type_name: ClassVar[str] = "contributions.not_movable"
    destination: ProvinceCode
    months: Months
    account_fen: Fen
    pool_fen: Fen
    reasons: tuple[str, ...] = Field(min_length=1, description="codes of the refusals table")
    due_on: date = Field(description="last day of the written notice")
    language: Literal["zh-CN", "en"]
    personal: SealedForPerson
    maker: Actor
    checker: Actor
    rule_set: UsedRules = None


class ArrearsNotified(CaseFact):
    """The origin told the person which months are unpaid and that they are lost when the transfer goes on without them."""

    type_name: ClassVar[str] = "arrears.notified"
    destination: ProvinceCode
    months: Months
    pay_until: date
    language: Literal["zh-CN", "en"]
    personal: SealedForPerson
    actor: Actor
    rule_set: UsedRules = None


class DuplicatesFound(CaseFact):
    """Months that both places hold were transferred; they are cleared here, on the side the person chooses (S-70 Art. 10)."""

    type_name: ClassVar[str] = "duplicates.found"
    origin: ProvinceCode
    months: Months
    overlap: tuple[MonthText, ...] = Field(min_length=1)
    paused_on: date
    rule_set: UsedRules = None


class DuplicatesCleared(CaseFact):
    """The months of one side are cleared: counted once, its account part is refunded, the pooled part stays (S-187 item 3)."""

    type_name: ClassVar[str] = "duplicates.cleared"
    origin: ProvinceCode
    kept: Literal["own", "transferred"]
    months: Months
    refund_principal_fen: Fen
    refund_interest_fen: Fen
    rule_set: str
    maker: Actor
    checker: Actor
    account_sequences: AccountSequences = Field(default_factory=dict)


class DeathReported(CaseFact):
    """The person has died; what stands in the ledgers decides who settles (domain § 1.6.11)."""

    type_name: ClassVar[str] = "death.reported"
    died_on: date
    reported_on: date
    reported_by: Literal["family", "clerk", "registry", "other_agency"]
    report_due_on: date | None = None  # last day on which it was to be reported
    actor: Actor
    rule_set: UsedRules = None


class TransferClosed(CaseFact):
    """A case that was returned and not cured in time, or is done in every way, is closed for good."""

    type_name: ClassVar[str] = "transfer.closed"
    reason: Reason
    actor: Actor
    lapsed: bool = Field(default=False, description="a corrected letter could have gone on with it, and the day for it passed")


class TransferReaddressed(CaseFact):
    """The letter goes to another agency, which holds the relationship (scenario 18)."""

    type_name: ClassVar[str] = "transfer.readdressed"
    origin: ProvinceCode
    origin_division: DivisionCode
    was_origin: ProvinceCode
    maker: Actor
    checker: Actor


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
    interim: bool = Field(default=False, description="at an interim rate, for the year's own was not published")
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


class AccountReopened(AccountFact):
    """An account that was closed because it moved takes entries again: its transfer was taken back."""

    type_name: ClassVar[str] = "account.reopened"
    reason: Reason


class AccountSettled(AccountFact):
    """The account's balance is owed to the person or the heirs; the payment itself is another system's (社会保险法 Art. 14)."""

    type_name: ClassVar[str] = "account.settled"
    reason: Literal["death", "nationality_lost", "too_few_years", "double_drawing"]
    amount_fen: Fen
    legal_basis: str
    maker: Actor
    checker: Actor
    rule_set: UsedRules = None
    account_sequences: AccountSequences = Field(default_factory=dict)


class DeathNoted(AccountFact):
    """The person has died and no transfer goes on: whoever holds the relationship settles it (domain § 1.6.11)."""

    type_name: ClassVar[str] = "death.noted"
    died_on: date
    reported_on: date
    reported_by: Literal["family", "clerk", "registry"]
    report_due_on: date | None = None  # last day on which it was to be reported
    actor: Actor
    rule_set: UsedRules = None


class AccountHeld(AccountFact):
    """A court or an audit holds the account: nothing of it moves until it is released (domain § 1.6.1)."""

    type_name: ClassVar[str] = "account.held"
    hold_id: str
    ordered_by: Literal["court", "audit"]
    held_since: date
    reason: Reason
    legal_basis: str
    maker: Actor
    checker: Actor
    rule_set: UsedRules = None


class AccountReleased(AccountFact):
    """The court or the audit does not hold the account any more."""

    type_name: ClassVar[str] = "account.released"
    hold_id: str
    released_on: date
    reason: Reason
    maker: Actor
    checker: Actor
    rule_set: UsedRules = None


class DoubleDrawingSettled(AccountFact):
    """Whoever drew two pensions keeps another place's: the account here pays what was drawn twice, the rest is the person's.

    overpaid = repaid + set off + deducted from the kept pension, month by month and the rest in the last one; what the account
    held = set off + paid out. S-5 item 5, S-94 item 7. `reasons` are codes of the reasons table.
    """

    type_name: ClassVar[str] = "double_drawing.settled"
    settlement_id: str
    keeps: ProvinceCode
    overpaid_fen: Fen
    repaid_fen: Fen
    set_off_fen: Fen
    paid_out_fen: Fen
    deduction_months: int = Field(ge=0)
    deduction_monthly_fen: Fen
    deduction_last_fen: Fen
    reasons: tuple[str, ...]
    language: Literal["zh-CN", "en"]
    personal: SealedForPerson
    rule_set: str
    maker: Actor
    checker: Actor
    account_sequences: AccountSequences = Field(default_factory=dict)


class EndingApplied(AccountFact):
    """The person applied in writing to end the relationship and be paid the account; by that alone nothing ends (S-13 Art. 6)."""

    type_name: ClassVar[str] = "ending.applied"
    ending_id: str
    ground: Literal["nationality_lost", "too_few_years"]
    applied_on: date
    actor: Actor
    rule_set: UsedRules = None


class EndingNotified(AccountFact):
    """The agency told the person in writing of the right to keep the account, and of what ending it means."""

    type_name: ClassVar[str] = "ending.notified"
    ending_id: str
    ground: Literal["nationality_lost", "too_few_years"]
    notified_on: date
    language: Literal["zh-CN", "en"]
    personal: SealedForPerson
    actor: Actor
    rule_set: UsedRules = None


class EndingConfirmed(AccountFact):
    """The person confirmed in writing, after the notice, that the relationship is to end."""

    type_name: ClassVar[str] = "ending.confirmed"
    ending_id: str
    confirmed_on: date
    actor: Actor


class EndingWithdrawn(AccountFact):
    """The person keeps the account after all."""

    type_name: ClassVar[str] = "ending.withdrawn"
    ending_id: str
    actor: Actor


class ContributionCorrected(AccountFact):
    """A year's contributions were recorded wrongly: the difference is booked, what stood stays as it was."""

    type_name: ClassVar[str] = "contribution.corrected"
    year: int = Field(ge=1950, le=2100)
    account_difference_fen: SignedFen
    interest_difference_fen: SignedFen
    pool_difference_fen: SignedFen
    reason: Reason
    rule_set: str
    maker: Actor
    checker: Actor
    rows: SealedForPerson | None = None
    account_sequences: AccountSequences = Field(default_factory=dict)


class GatheringOpened(AccountFact):
    """The paying place gathers everything at retirement: a letter goes to each place (S-5 item 8, Art. 6)."""

    type_name: ClassVar[str] = "gathering.opened"
    place: ProvinceCode
    rule: str
    rule_set: str
    cases: tuple[CaseId, ...] = Field(min_length=1)
    origins: tuple[ProvinceCode, ...] = Field(min_length=1)
    actor: Actor


class GatheringCompleted(AccountFact):
    """Everything that was asked for is here; the months of all places are added up, and this is still the place that pays."""

    type_name: ClassVar[str] = "gathering.completed"
    cases: tuple[CaseId, ...]
    months: Months
    own_months: Months
    minimum_months: Months | None = Field(default=None, description="what a pension takes; none where no rule says it")
    missing_months: Months | None = Field(default=None, description="how many of these are missing")
    rule: str = Field(default="", description="by which branch of Art. 6 the rows that came make this the place")
    rule_set: str = ""


class GatheringPlaceDiffers(AccountFact):
    """Everything is here, and by the rows that came another province pays than by what was told when it was claimed."""

    type_name: ClassVar[str] = "gathering.place_differs"
    cases: tuple[CaseId, ...]
    months: Months
    own_months: Months
    found_place: ProvinceCode | None = Field(default=None, description="who pays by the rows; none where they name no place")
    rule: str = ""
    rule_set: str


class RelocationDeclared(Fact):
    """An enterprise moves with its people: by which rules the rows of one submission are worked off (S-5 item 7)."""

    type_name: ClassVar[str] = "relocation.declared"
    batch_id: str
    people: int = Field(ge=1)
    origin: ProvinceCode
    destination: ProvinceCode
    by_agreement: bool = Field(description="an agreement of the two provinces applies beside the normal rules")
    topics: tuple[str, ...] = Field(default=(), description="codes of the table group_topics that the agreement holds")
    reason_code: str
    legal_basis: str
    rule_set: str
    actor: Actor


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


class RulesImported(Fact):
    """Rows of a dated table came in: from here on this province decides with them, old cases keep the rows of their date."""

    type_name: ClassVar[str] = "rules.imported"
    import_id: str
    table: str
    rows: int = Field(ge=1)
    effective_from: date = Field(description="the first day on which one of the rows is in force")
    replaces: bool = Field(default=False, description="answers for days before the import may have changed")
    reason: str = Field(default="", max_length=300, description="why, where they may; never a person's data")
    digest: Digest = Field(description="of the imported text")
    rule_set_before: str
    rule_set_after: str
    actor: Actor


class YearEndBegun(Fact):
    """Two persons let a year's interest be credited to all accounts of the province."""

    type_name: ClassVar[str] = "year_end.begun"
    run_id: str
    year: int = Field(ge=1950, le=2100)
    rule_set: str
    maker: Actor
    checker: Actor


class YearEndCompleted(Fact):
    """A year's interest is in the books of every account that it was due to."""

    type_name: ClassVar[str] = "year_end.completed"
    run_id: str
    year: int = Field(ge=1950, le=2100)
    accounts: int = Field(ge=0, description="accounts that the run has looked at")
    interest_fen: Fen
    rule_set: str


class PaperFact(Fact):
    """A fact about one paper in the files. Its `subject` is a person's or an employer's pseudonym, or a case's id."""

    paper_id: str
    subject_kind: Literal["person", "employer", "case"]
    subject: str
    digest: Digest = Field(description="of the scan as it came, before it was sealed")


class PaperKept(PaperFact):
    """A scan is in the files of a person, an employer or a case, sealed, and stays there until its time is over."""

    type_name: ClassVar[str] = "paper.kept"
    kind: str = Field(description="a code of the filed_papers table")
    media_type: str = Field(description="found in the content, never taken from a name")
    bytes: int = Field(ge=1)
    retention: str = Field(description="a code of the retention_classes table")
    kept_until: date | None = Field(description="the last day on which it must be there; none: for ever")
    actor: Actor
    rule_set: UsedRules = None


class PaperRead(PaperFact):
    """Somebody opened a paper."""

    type_name: ClassVar[str] = "paper.read"
    actor: Actor
    purpose: ReadingPurpose


class PaperDestroyed(PaperFact):
    """Two persons destroyed a paper after its time; that it was there, and what it was, stays known."""

    type_name: ClassVar[str] = "paper.destroyed"
    kind: str
    retention: str
    kept_until: date
    destroyed_on: date
    reason: Reason
    maker: Actor
    checker: Actor
    rule_set: UsedRules = None


class NoticeDelivered(CaseFact):
    """The mail server took a notice; its answer is the evidence."""

    type_name: ClassVar[str] = "notice.delivered"
    notice_id: str
    event_id: str
    channel: Literal["email"]
    recipient: Literal["person", "employer"] = "person"
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
    recipient: Literal["person", "employer"] = "person"
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
