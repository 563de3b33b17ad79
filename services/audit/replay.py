"""Fold the exports of one or several provinces again, and compare: each with itself, with its ledger, and with the others.

Only records whose evidence holds are folded. Everything here follows from the exports, the root's fingerprint and what the
caller brings; nothing is asked of a server.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from contracts.base import Fact, Items
from contracts.directory import SignedCheckpoint
from contracts.documents import Document
from contracts.events import (
    AccountClosed,
    AccountFact,
    AccountOpened,
    AccountReopened,
    AccountSettled,
    CaseFact,
    Completed,
    ContributionCorrected,
    ContributionRecorded,
    Corrected,
    DiscrepancyRaised,
    DocumentReceived,
    DocumentSent,
    DoubleDrawingSettled,
    DuplicatesCleared,
    FundsReceived,
    FundsRemitted,
    FundsReturned,
    FundsSentBack,
    InformationFormIssued,
    InformationFormReceived,
    InformationFormRevoked,
    InterestCredited,
    Recalled,
)
from services.audit import cases
from services.audit.archive import ArchiveRefused
from services.audit.verify import Outcome, Progress, Verdict, Verified, verify
from services.ledger.chart import individual
from services.ledger.journal import Head
from services.ledger.replay import Divergence, Replay, trial_balance
from services.records.approvals import limit_of
from services.runtime.identity import is_person


class Area(StrEnum):
    """What a difference is about."""

    BOOKS = "books"
    LIVE = "live_ledger"
    CASES = "cases"
    DOCUMENTS = "documents"
    MONEY = "money"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree: where, about what, and what was expected instead."""

    area: Area
    kind: str
    province: str
    subject: str
    expected: str
    found: str
    event_id: str = "-"
    outcome: Outcome = Outcome.DISAGREES
    pair: tuple[str, str] | None = None

    def __str__(self) -> str:
        return (
            f"{self.kind}: province {self.province}: {self.subject}: expected {self.expected}, found {self.found}"
            f" (event {self.event_id})"
        )


@dataclass(frozen=True, slots=True)
class InTransit:
    """A document that one province sent and the other has not yet noted."""

    document_id: str
    document_type: str
    case_id: str
    sender: str
    addressee: str


@dataclass(frozen=True, slots=True)
class Books:
    """One province: what its log says, folded, and whether it agrees with itself."""

    province: str
    verdict: Verdict
    facts: int
    entries: int
    accounts: int
    trial_balance_fen: int
    cases: int
    completed: int
    approved_by_persons: int
    approved_by_rules: int
    compared_with_live: bool
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Money and documents from one province to another. What was sent and has not arrived is in the bank's hands.

    `agrees` is None where only one side's export was given.
    """

    payer: str
    payee: str
    both_sides: bool
    remitted_fen: int
    returned_fen: int
    received_fen: int
    sent_back_fen: int
    in_hands_fen: int
    held_by_bank_fen: int | None
    documents_sent: int
    documents_received: int
    documents_in_transit: int
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What the exports say together. Differences inside a province stand with its books, those between provinces here."""

    verdict: Outcome
    provinces: tuple[Books, ...]
    pairs: tuple[Pair, ...]
    differences: tuple[Difference, ...]
    in_transit: tuple[InTransit, ...]
    held_in_suspense: dict[str, int] = field(default_factory=dict)

    @property
    def facts(self) -> int:
        """How many facts were folded."""
        return sum(each.facts for each in self.provinces)

    @property
    def first(self) -> str | None:
        """The first divergence, in words."""
        for each in self.provinces:
            if each.verdict.first is not None:
                return str(each.verdict.first)
            if each.differences:
                return str(each.differences[0])
        return str(self.differences[0]) if self.differences else None

    @property
    def reconciliation(self) -> Outcome:
        """The verdict on what passed between provinces alone: their evidence, documents and money."""
        return worst([*(each.verdict.kind for each in self.provinces), *(each.outcome for each in self.between)])

    @property
    def between(self) -> tuple[Difference, ...]:
        """The differences in documents and money."""
        every = [*(each for books in self.provinces for each in books.differences), *self.differences]
        return tuple(each for each in every if each.area in (Area.DOCUMENTS, Area.MONEY))

    def as_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {**asdict(self), "facts": self.facts, "first": self.first, "reconciliation": self.reconciliation}


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """A disagreement outweighs what is missing; nothing at all agrees with nothing."""
    found = set(outcomes)
    if Outcome.DISAGREES in found:
        return Outcome.DISAGREES
    return Outcome.NOT_COMPLETE if Outcome.NOT_COMPLETE in found else Outcome.AGREES


def replay(
    exports: Sequence[Path],
    root_fingerprint: str,
    *,
    live: Mapping[str, Mapping[str, Head]] | None = None,
    holdings: Mapping[tuple[str, str], int] | None = None,
    known: Sequence[SignedCheckpoint] = (),
    progress: Progress | None = None,
) -> ReplayReport:
    """Verify and fold exports, one of each province.

    Args:
        exports: their folders.
        root_fingerprint: SHA-256 of the directory's root key, from outside.
        live: for a province, where its ledger's accounts stand; compared with the fold.
        holdings: what the bank says that it holds from a payer to a payee, in fen; pairs it does not name hold nothing.
        known: checkpoints that others hold, see `verify`.
        progress: told how many records are done.

    Raises:
        ArchiveRefused: when a folder is no export, or two are of the same province.
    """
    logs: dict[str, _Log] = {}
    for folder in exports:
        log = _Log()
        verdict = verify(
            folder,
            root_fingerprint,
            known=known,
            observe=log.take,
            progress=progress,
        )
        if verdict.province in logs:
            raise ArchiveRefused(f"two exports of province {verdict.province} were given")
        log.verdict = verdict
        logs[verdict.province] = log
    books = tuple(_books(log, (live or {}).get(province)) for province, log in sorted(logs.items()))
    differences: list[Difference] = []
    in_transit: list[InTransit] = []
    for province, log in sorted(logs.items()):
        differences += _documents_received(province, log, logs)
        travelling, lost = _documents_sent(province, log, logs)
        in_transit += travelling
        differences += lost
        differences += _money_received(province, log, logs)
        differences += _forms(province, log, logs)
    differences += _completed_twice(logs)
    pairs = _pairs(logs, holdings, in_transit, differences)
    verdict_ = worst(
        [
            *(each.verdict.kind for each in books),
            *(difference.outcome for each in books for difference in each.differences),
            *(difference.outcome for difference in differences),
        ]
    )
    held = {f"{province}:{case_id}": log.cases[case_id].above_form_fen for province, log in logs.items() for case_id in log.held}
    return ReplayReport(verdict_, books, pairs, tuple(differences), tuple(in_transit), held)


@dataclass(slots=True)
class _Case:
    """What a province said of one case, as far as money and forms go."""

    seen: int = 0
    received_fen: int = 0
    duplicate_fen: int = 0
    sent_back_fen: int = 0
    overpaid: bool = False
    completed: Completed | None = None
    completed_id: str = ""
    booked: dict[int, tuple[Items, str]] = field(default_factory=dict)  # by version: what was booked, and by which event
    stands: Items | None = None  # what the books of the destination hold of it now
    last_form: Items | None = None  # what the books of the origin owe for it now
    revoked: Items | None = None
    recalled: tuple[Items, str] | None = None
    issued: dict[int, Items] | None = None
    held: dict[int, Items] | None = None

    @property
    def above_form_fen(self) -> int:
        """What stands in suspense beyond what a completed case has in the books; all of it, where it was recalled."""
        return self.received_fen - self.sent_back_fen - (self.stands.total_fen if self.stands is not None else 0)


@dataclass(slots=True)
class _Sent:
    """A document that the journal says was sent."""

    document_type: str
    case_id: str
    sender: str
    addressee: str
    digest: str
    event_id: str


@dataclass(slots=True)
class _Receipt:
    """A document that the journal says was received."""

    fact: DocumentReceived
    service: str
    event_id: str


_Flow = dict[tuple[str, str, str], int]
"""Money by the other province, remittance and case."""


class _Log:
    """One province's facts while they are read."""

    def __init__(self) -> None:
        self.verdict: Verdict | None = None
        self.reading = ""
        self.replay = Replay()
        self.differences: list[Difference] = []
        self.cases: dict[str, _Case] = {}
        self.held: list[str] = []
        self.documents: dict[tuple[str, int], tuple[str, str]] = {}
        self.versions: dict[str, int] = {}  # of documents, by their id
        self.letters: dict[tuple[str, str], str] = {}  # the first letter of a case to a province
        self.closed: dict[tuple[str, str], datetime] = {}  # accounts, by the service that closed them
        self.opened: dict[str, list[datetime]] = {}  # persons whose accounts a service opened, and when
        self.booked_closed: list[tuple[tuple[str, str], datetime, datetime, Difference]] = []  # closed and booked when
        self.passed_through: set[str] = set()  # persons to whose accounts something may still come after they were closed
        self.sent: dict[str, _Sent] = {}
        self.received: dict[str, _Receipt] = {}
        self.remitted: _Flow = {}
        self.returned: dict[str, int] = {}
        self.got: _Flow = {}
        self.got_twice: dict[str, int] = {}
        self.sent_back: dict[str, int] = {}
        self.got_at: dict[tuple[str, str, str], tuple[datetime, str]] = {}
        self.ends_at: datetime | None = None
        self.approved_by_persons = 0
        self.approved_by_rules = 0
        self._ids: set[str] = set()
        self._takers: dict[type[Fact], Callable[[Any, str], None]] = {
            InformationFormIssued: self._issued,
            InformationFormRevoked: self._revoked,
            InformationFormReceived: self._form_received,
            FundsRemitted: self._remitted,
            FundsReturned: self._returned,
            FundsReceived: self._received_money,
            FundsSentBack: self._sent_money_back,
            Completed: self._completed,
            Corrected: self._corrected,
            Recalled: self._recalled,
            DiscrepancyRaised: self._discrepancy,
        }

    @property
    def province(self) -> str:
        """The province whose log this is."""
        assert self.verdict is not None
        return self.verdict.province

    @property
    def whole(self) -> bool:
        """Whether every record that was ever announced could be believed."""
        assert self.verdict is not None
        return self.verdict.kind is Outcome.AGREES

    def last_of(self, service: str) -> int:
        """The last number of a service that the export holds."""
        assert self.verdict is not None
        return self.verdict.last.get(service, 0)

    def take(self, verified: Verified) -> None:
        """Take one record whose evidence holds."""
        message = verified.envelope
        event_id, fact = message.id, message.data
        self.reading = message.province
        if event_id in self._ids:
            self._differs(Area.CASES, "EVENT_TWICE", self.reading, event_id, "one record", "another", event_id)
            return
        self._ids.add(event_id)
        if self.ends_at is None or message.time > self.ends_at:
            self.ends_at = message.time
        if isinstance(fact, Document):
            digest = hashlib.sha256(verified.record.value).hexdigest()
            self.documents[verified.service, verified.record.number] = (digest, verified.checkpoint_digest)
            self.versions[event_id] = fact.document_version
            return
        self.replay.fold(event_id, fact)
        if isinstance(fact, AccountFact):
            self._account(fact, verified.service, event_id, message.time)
            self._approval(fact, f"account of {fact.person_ref}", event_id)
        if not isinstance(fact, CaseFact):
            return
        if isinstance(fact, DocumentSent):
            self._document_sent(fact, verified.service, event_id)
            return
        if isinstance(fact, DocumentReceived):
            self._document_received(fact, verified.service, event_id)
            return
        case = self.cases.get(fact.case_id)
        if case is None:
            case = self.cases[fact.case_id] = _Case()
        case.seen, problem = cases.step(case.seen, fact.type_name)
        if problem is not None:
            kind = "HAPPENED_TWICE" if problem == "once at most" else "NO_PREDECESSOR"
            subject = f"case {fact.case_id}"
            self._differs(Area.CASES, kind, self.reading, subject, f"{fact.type_name} {problem}", "otherwise", event_id)
        self._approval(fact, f"case {fact.case_id}", event_id)
        taker = self._takers.get(type(fact))
        if taker is not None:
            taker(fact, event_id)
            if isinstance(fact, FundsReceived):
                self.got_at[fact.origin, fact.remittance_id, fact.case_id] = (message.time, event_id)

    def _differs(self, area: Area, kind: str, province: str, subject: str, expected: str, found: str, event_id: str) -> None:
        self.differences.append(Difference(area, kind, province, subject, expected, found, event_id))

    def _account(self, fact: AccountFact, service: str, event_id: str, at: datetime) -> None:
        """Whether an account may still be booked to, as the service itself said; services of a province have no common order.

        An account that one service closed, another may open again: the paying place that gathers. Of that their times decide, and
        only when all is read.
        """
        account = (service, fact.person_ref)
        match fact:
            case AccountOpened() | AccountReopened():
                if isinstance(fact, AccountReopened) and account not in self.closed:
                    expected, found = "account.reopened before it: account.closed", "otherwise"
                    self._differs(
                        Area.CASES, "NO_PREDECESSOR", self.reading, f"account of {fact.person_ref}", expected, found, event_id
                    )
                self.closed.pop(account, None)
                self.opened.setdefault(fact.person_ref, []).append(at)
            case AccountClosed():
                self.closed[account] = at
            case ContributionRecorded() | InterestCredited() if account in self.closed:
                subject, expected = f"account of {fact.person_ref}", "nothing after account.closed"
                wrong = Difference(Area.BOOKS, "CLOSED_ACCOUNT_BOOKED", self.reading, subject, expected, fact.type_name, event_id)
                self.booked_closed.append((account, self.closed[account], at, wrong))
            case ContributionCorrected() if account in self.closed:
                self.passed_through.add(fact.person_ref)  # the difference goes on to where the account is now
            case _:
                pass

    def _approval(self, fact: CaseFact | AccountFact, subject: str, event_id: str) -> None:
        """Count who approved; a policy that names a limit must have kept to it where money was paid or booked."""
        checker: str | None = getattr(fact, "checker", None)
        if checker is None:
            return
        if is_person(checker):
            self.approved_by_persons += 1
            return
        self.approved_by_rules += 1
        limit_fen = limit_of(checker)
        amount_fen = 0
        match fact:
            case FundsRemitted():
                amount_fen = fact.amount_fen
            case Completed() | Corrected() | Recalled():
                amount_fen = fact.items.total_fen
            case DuplicatesCleared():
                amount_fen = fact.refund_principal_fen + fact.refund_interest_fen
            case AccountSettled():
                amount_fen = fact.amount_fen
            case DoubleDrawingSettled():
                amount_fen = fact.set_off_fen + fact.paid_out_fen
            case _:
                pass
        if limit_fen is not None and amount_fen > limit_fen:
            expected, found = f"{limit_fen} fen at most, by {checker}", f"{amount_fen} fen"
            self._differs(Area.CASES, "ABOVE_LIMIT", self.reading, subject, expected, found, event_id)

    def _document_sent(self, fact: DocumentSent, service: str, event_id: str) -> None:
        sent = _Sent(fact.document_type, fact.case_id, service, fact.addressee, fact.digest, event_id)
        self.sent[fact.document_id] = sent
        if fact.document_type == "document.contact_letter":
            self.letters.setdefault((fact.case_id, fact.addressee[:2]), fact.document_id)

    def _document_received(self, fact: DocumentReceived, service: str, event_id: str) -> None:
        if fact.document_id in self.received:
            subject = f"document {fact.document_id}"
            self._differs(Area.DOCUMENTS, "DOCUMENT_TWICE", service[:2], subject, "one receipt", "another", event_id)
        self.received[fact.document_id] = _Receipt(fact, service, event_id)

    def _issued(self, fact: InformationFormIssued, event_id: str) -> None:
        case = self.cases[fact.case_id]
        if fact.supersedes != case.last_form:
            subject = f"case {fact.case_id} form {fact.form_version}"
            expected, found = f"supersedes {_told(case.last_form)}", _told(fact.supersedes)
            self._differs(Area.CASES, "SUPERSEDES_DIFFERS", self.reading, subject, expected, found, event_id)
        case.issued = {**(case.issued or {}), fact.form_version: fact.items}
        case.last_form = fact.items

    def _revoked(self, fact: InformationFormRevoked, event_id: str) -> None:
        case = self.cases[fact.case_id]
        if fact.items != case.last_form:
            subject = f"case {fact.case_id} form {fact.form_version}"
            expected, found = f"revokes {_told(case.last_form)}", _told(fact.items)
            self._differs(Area.CASES, "REVOKED_DIFFERS", self.reading, subject, expected, found, event_id)
        case.revoked, case.last_form = fact.items, None

    def _form_received(self, fact: InformationFormReceived, _: str) -> None:
        case = self.cases[fact.case_id]
        case.held = {**(case.held or {}), fact.form_version: fact.items}

    def _remitted(self, fact: FundsRemitted, _: str) -> None:
        _add(self.remitted, (fact.destination, fact.remittance_id, fact.case_id), fact.amount_fen)

    def _returned(self, fact: FundsReturned, _: str) -> None:
        _add(self.returned, fact.destination, fact.amount_fen)

    def _received_money(self, fact: FundsReceived, _: str) -> None:
        case = self.cases[fact.case_id]
        case.received_fen += fact.amount_fen
        if fact.duplicate:
            case.duplicate_fen += fact.amount_fen
            _add(self.got_twice, fact.origin, fact.amount_fen)
        else:
            _add(self.got, (fact.origin, fact.remittance_id, fact.case_id), fact.amount_fen)

    def _sent_money_back(self, fact: FundsSentBack, _: str) -> None:
        self.cases[fact.case_id].sent_back_fen += fact.amount_fen
        _add(self.sent_back, fact.origin, fact.amount_fen)

    def _discrepancy(self, fact: DiscrepancyRaised, _: str) -> None:
        if fact.kind == "OVERPAID":
            self.cases[fact.case_id].overpaid = True

    def _completed(self, fact: Completed, event_id: str) -> None:
        case = self.cases[fact.case_id]
        if case.completed is not None:
            return  # said by its own name; the first one counts
        case.completed, case.completed_id = fact, event_id
        case.booked[fact.form_version], case.stands = (fact.items, event_id), fact.items
        self.passed_through.add(fact.person_ref)  # who is on the way to a third place may still be sent something from the first
        if fact.items.total_fen and not cases.has(case.seen, "funds.received"):
            subject, expected = f"case {fact.case_id}", "transfer.completed before it: funds.received"
            self._differs(Area.CASES, "NO_PREDECESSOR", self.reading, subject, expected, "otherwise", event_id)

    def _corrected(self, fact: Corrected, event_id: str) -> None:
        case = self.cases[fact.case_id]
        self._takes_from(case, fact.case_id, fact.supersedes, "corrects", event_id)
        case.booked[fact.form_version], case.stands = (fact.items, event_id), fact.items

    def _recalled(self, fact: Recalled, event_id: str) -> None:
        case = self.cases[fact.case_id]
        self._takes_from(case, fact.case_id, fact.items, "gives up", event_id)
        case.recalled, case.stands = (fact.items, event_id), None

    def _takes_from(self, case: _Case, case_id: str, items: Items, verb: str, event_id: str) -> None:
        """What is corrected or given up is what stands in the books, to the fen."""
        if items != case.stands:
            expected, found = f"{verb} {_told(case.stands)}", _told(items)
            self._differs(Area.CASES, "SUPERSEDES_DIFFERS", self.reading, f"case {case_id}", expected, found, event_id)

    def judge_closed(self) -> None:
        """An account that is closed holds nothing, but for what may still come and must go on from there."""
        for (_, person_ref), closed_at, booked_at, wrong in self.booked_closed:
            if not self._opened_between(person_ref, closed_at, booked_at):
                self.differences.append(wrong)
        heads = self.replay.balances()
        still = {whose for (_, whose), at in self.closed.items() if not self._opened_between(whose, at, None)}
        for person_ref in sorted(still - self.passed_through):
            account = individual(person_ref)
            head = heads.get(account, Head())
            if head.balance_fen:
                subject, found = f"account {account} at {head.sequence}", f"{head.balance_fen} fen"
                self._differs(Area.BOOKS, "CLOSED_ACCOUNT_HOLDS", self.province, subject, "0 fen", found, "-")

    def _opened_between(self, person_ref: str, after: datetime, until: datetime | None) -> bool:
        """Whether a service opened the account in between."""
        return any(after < at and (until is None or at <= until) for at in self.opened.get(person_ref, ()))

    def judge_completed(self) -> None:
        """Every completed case holds the money that its form says: no less, and more only where that was raised by name."""
        for case_id, case in self.cases.items():
            completed = case.completed
            if completed is None:
                continue
            above = case.above_form_fen
            pair = (completed.origin, self.province)
            if above < 0 or (above > case.duplicate_fen and not case.overpaid):
                kind = "MONEY_SHORT" if above < 0 else "MONEY_ABOVE_FORM"
                net = case.received_fen - case.sent_back_fen
                total = net - above
                subject, expected, found = f"case {case_id}", f"{total} fen", f"{net} fen"
                self.differences.append(
                    Difference(
                        Area.MONEY, kind, self.province, subject, expected, found, case.completed_id, Outcome.DISAGREES, pair
                    )
                )
            elif above > 0:
                self.held.append(case_id)
            for version, (items, event_id) in case.booked.items():
                form = (case.held or {}).get(version)
                if form != items:
                    subject, expected, found = f"case {case_id} form {version}", _told(form), _told(items)
                    self._differs(Area.CASES, "FORM_DIFFERS", self.province, subject, expected, found, event_id)


def _add(sums: dict[Any, int], key: Any, amount_fen: int) -> None:
    sums[key] = sums.get(key, 0) + amount_fen


def _told(items: Items | None) -> str:
    return "no such form" if items is None else f"④ {items.account_fen} ⑤ {items.pool_fen} ⑥ {items.total_fen} fen"


def _books(log: _Log, live: Mapping[str, Head] | None) -> Books:
    assert log.verdict is not None
    log.judge_completed()
    log.judge_closed()
    heads = log.replay.balances()
    found = [_of_books(each, log.province, Area.BOOKS) for each in log.replay.problems()] + log.differences
    balance = trial_balance(heads)
    if balance:
        found.append(Difference(Area.BOOKS, "TRIAL_BALANCE", log.province, "all accounts", "0 fen", f"{balance} fen"))
    if live is not None:
        found += [_of_books(each, log.province, Area.LIVE) for each in log.replay.compare(live)]
        if standing := trial_balance(live):
            found.append(Difference(Area.LIVE, "TRIAL_BALANCE", log.province, "the live ledger", "0 fen", f"{standing} fen"))
    completed = sum(1 for case in log.cases.values() if case.completed is not None)
    return Books(
        log.province,
        log.verdict,
        log.replay.facts,
        log.replay.entries,
        len(heads),
        balance,
        len(log.cases),
        completed,
        log.approved_by_persons,
        log.approved_by_rules,
        live is not None,
        tuple(found),
    )


def _of_books(found: Divergence, province: str, area: Area) -> Difference:
    subject = f"account {found.account} at {found.sequence}"
    return Difference(area, found.kind, province, subject, found.expected, found.found, found.event_id)


def _documents_received(province: str, log: _Log, logs: Mapping[str, _Log]) -> list[Difference]:
    """Everything that a province says it received must stand in the sender's log, the same to the byte."""
    found = []
    for receipt in log.received.values():
        fact = receipt.fact
        sender = logs.get(fact.sender[:2])
        problem = _receipt_problem(fact, sender) if sender is not None else None
        if problem is not None:
            kind, expected, there, outcome = problem
            subject = f"{fact.document_type} {fact.document_id}, {fact.sender} {fact.number}"
            pair = (fact.sender[:2], province)
            found.append(Difference(Area.DOCUMENTS, kind, province, subject, expected, there, receipt.event_id, outcome, pair))
    return found


def _receipt_problem(fact: DocumentReceived, sender: _Log) -> tuple[str, str, str, Outcome] | None:
    """What is wrong with a receipt, seen from the sender's log: kind, expected, found, outcome."""
    absent = Outcome.DISAGREES if sender.whole else Outcome.NOT_COMPLETE
    record = sender.documents.get((fact.sender, fact.number))
    last = sender.last_of(fact.sender)
    if record is None and fact.number > last:
        return "SENDER_ENDS_BEFORE", f"record {fact.number}", f"an export that ends at {last}", Outcome.NOT_COMPLETE
    if record is None:
        return "DOCUMENT_NEVER_SENT", "a document under this number", "none", absent
    digest, checkpoint_digest = record
    if digest != fact.digest:
        return "DOCUMENT_DIFFERS", f"digest {digest}", f"digest {fact.digest}", Outcome.DISAGREES
    if checkpoint_digest != fact.checkpoint_digest:
        here = f"checkpoint {fact.checkpoint_digest}"
        return "HISTORY_DIFFERS", f"checkpoint {checkpoint_digest}", here, Outcome.DISAGREES
    told = sender.sent.get(fact.document_id)
    if told is None:
        return "DOCUMENT_NOT_TOLD", "document.sent in the sender's journal", "none", absent
    if told.digest != fact.digest:
        return "DOCUMENT_DIFFERS", f"digest {told.digest}", f"digest {fact.digest}", Outcome.DISAGREES
    return None


def _documents_sent(province: str, log: _Log, logs: Mapping[str, _Log]) -> tuple[list[InTransit], list[Difference]]:
    """What was sent and is not received is on its way, but no case can be completed without its letter and its form."""
    travelling: list[InTransit] = []
    lost: list[Difference] = []
    for document_id, sent in log.sent.items():
        other = logs.get(sent.addressee[:2])
        if other is None or document_id in other.received:
            continue
        travelling.append(InTransit(document_id, sent.document_type, sent.case_id, sent.sender, sent.addressee))
        if _was_needed(document_id, sent, log, other):
            outcome = Outcome.DISAGREES if other.whole else Outcome.NOT_COMPLETE
            subject = f"{sent.document_type} {document_id} of completed case {sent.case_id}"
            expected = f"document.received in the journal of {sent.addressee[:2]}"
            kind, pair = "DOCUMENT_NEVER_RECEIVED", (province, sent.addressee[:2])
            lost.append(Difference(Area.DOCUMENTS, kind, province, subject, expected, "none", sent.event_id, outcome, pair))
    return travelling, lost


def _was_needed(document_id: str, sent: _Sent, log: _Log, other: _Log) -> bool:
    """Whether a case was completed with this very document: the letter that came first, or the form whose version was booked.

    A later letter, or a version that is still to be booked, may be on its way while the case stands as completed. A letter to an
    agency to which the case was not addressed in the end was returned before.
    """
    if sent.document_type == "document.contact_letter":
        case = log.cases.get(sent.case_id)
        completed = case.completed if case is not None else None
        first = log.letters.get((sent.case_id, sent.addressee[:2])) == document_id
        return first and completed is not None and completed.origin == sent.addressee[:2]
    case = other.cases.get(sent.case_id)
    version = log.versions.get(document_id, 1)
    return sent.document_type == "document.information_form" and case is not None and version in case.booked


def _money_received(province: str, log: _Log, logs: Mapping[str, _Log]) -> list[Difference]:
    """No case gets more of a remittance than was paid into it."""
    found = []
    for (origin, remittance_id, case_id), got_fen in log.got.items():
        payer = logs.get(origin)
        if payer is None:
            continue
        paid_fen = payer.remitted.get((province, remittance_id, case_id), 0)
        if got_fen <= paid_fen:
            continue
        at, event_id = log.got_at[origin, remittance_id, case_id]
        # The payer's export may have been taken before it wrote the payment down.
        later = paid_fen == 0 and (payer.ends_at is None or at > payer.ends_at)
        outcome = Outcome.NOT_COMPLETE if later or not payer.whole else Outcome.DISAGREES
        kind = "PAYER_ENDS_BEFORE" if later else "RECEIVED_MORE_THAN_REMITTED"
        subject = f"remittance {remittance_id} of {origin}, case {case_id}"
        expected, there, pair = f"{paid_fen} fen at most", f"{got_fen} fen", (origin, province)
        found.append(Difference(Area.MONEY, kind, province, subject, expected, there, event_id, outcome, pair))
    return found


def _forms(province: str, log: _Log, logs: Mapping[str, _Log]) -> list[Difference]:
    """What was booked at the destination is the form that the origin booked, item for item; what it gave up, that came back."""
    found = []
    for case_id, case in log.cases.items():
        if case.completed is None or (origin := logs.get(case.completed.origin)) is None:
            continue
        there = origin.cases.get(case_id)
        for version, (booked, event_id) in case.booked.items():
            items = (there.issued or {}).get(version) if there is not None else None
            if items != booked:
                outcome = Outcome.DISAGREES if items is not None or origin.whole else Outcome.NOT_COMPLETE
                subject = f"case {case_id} form {version} of {case.completed.origin}"
                expected, here = _told(items), _told(booked)
                found.append(Difference(Area.CASES, "FORM_DIFFERS", province, subject, expected, here, event_id, outcome))
        # The origin takes its form back when the money is there again; until then the two do not say the same yet.
        revoked = there.revoked if there is not None else None
        given_up, event_id = case.recalled or (None, case.completed_id)
        if revoked is not None and revoked != given_up:
            outcome = Outcome.DISAGREES if given_up is not None or log.whole else Outcome.NOT_COMPLETE
            subject, expected, here = f"case {case_id} taken back by {case.completed.origin}", _told(revoked), _told(given_up)
            found.append(Difference(Area.CASES, "RECALL_DIFFERS", province, subject, expected, here, event_id, outcome))
    return found


def _completed_twice(logs: Mapping[str, _Log]) -> list[Difference]:
    """A case is completed once, in one province. Twice in one province is found while its log is read."""
    by_case: dict[str, str] = {}
    found = []
    for province, log in sorted(logs.items()):
        for case_id, case in log.cases.items():
            if case.completed is not None:
                first = by_case.setdefault(case_id, province)
                if first != province:
                    there = f"completed in {province} too"
                    subject, expected = f"case {case_id}", f"completed in {first} alone"
                    found.append(Difference(Area.CASES, "COMPLETED_TWICE", province, subject, expected, there, case.completed_id))
    return found


def _pairs(
    logs: Mapping[str, _Log],
    holdings: Mapping[tuple[str, str], int] | None,
    in_transit: Sequence[InTransit],
    differences: list[Difference],
) -> tuple[Pair, ...]:
    """Money from province to province. Adds a difference where the bank says something else than the journals."""
    names = set(holdings or ())
    sums: dict[tuple[str, str], list[int]] = {}
    for province, log in logs.items():
        for (other, _, _), fen in log.remitted.items():
            sums.setdefault((province, other), [0] * 6)[0] += fen
        for other, fen in log.returned.items():
            sums.setdefault((province, other), [0] * 6)[1] += fen
        for (other, _, _), fen in log.got.items():
            sums.setdefault((other, province), [0] * 6)[2] += fen
        for other, fen in log.got_twice.items():
            sums.setdefault((other, province), [0] * 6)[2] += fen
        for other, fen in log.sent_back.items():
            sums.setdefault((other, province), [0] * 6)[3] += fen
        for letter in log.sent.values():
            sums.setdefault((province, letter.addressee[:2]), [0] * 6)[4] += 1
        for receipt in log.received.values():
            sums.setdefault((receipt.fact.sender[:2], province), [0] * 6)[5] += 1
    travel = Counter((each.sender[:2], each.addressee[:2]) for each in in_transit)
    pairs = []
    for payer, payee in sorted(names | sums.keys()):
        remitted, returned, received, sent_back, sent, arrived = sums.get((payer, payee), [0] * 6)
        both = payer in logs and payee in logs
        hands = remitted - returned - received + sent_back
        held = holdings.get((payer, payee), 0) if holdings is not None else None
        if both and held is not None and held != hands:
            whole = logs[payer].whole and logs[payee].whole
            outcome = Outcome.DISAGREES if whole else Outcome.NOT_COMPLETE
            subject = f"money from {payer} to {payee} in the bank's hands"
            expected, there, pair = f"{hands} fen", f"{held} fen", (payer, payee)
            differences.append(Difference(Area.MONEY, "BANK_DIFFERS", payer, subject, expected, there, "-", outcome, pair))
        travelling = travel[payer, payee]
        agrees = not any(each.pair == (payer, payee) for each in differences) if both else None
        pairs.append(
            Pair(payer, payee, both, remitted, returned, received, sent_back, hands, held, sent, arrived, travelling, agrees)
        )
    return tuple(pairs)
