"""What both agencies of a province have: who they are, their tables, keys and clock, and how they tell what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from contracts.base import Fact
from contracts.documents import Document
from contracts.envelope import envelope
from contracts.events import AccountFact, CaseFact, DocumentReceived, DocumentSent
from services.ledger import store as ledger
from services.ledger.journal import Head
from services.messaging.directory import Directory
from services.messaging.outbox import Outbox, Outgoing, outgoing
from services.messaging.received import Received
from services.messaging.sealing import Sealer
from services.records.approvals import Approvals
from services.records.decisions import Due, Letter, Told
from services.records.vault import Vault
from services.rules.deadlines import Pause, due_on
from services.rules.loader import Tables
from services.runtime.clock import Clock
from services.runtime.database import Transaction


@dataclass(slots=True)
class Agency:
    """One service of a province, with everything it decides and tells with.

    `tables` alone changes while it runs: when rows are imported, a new set takes the old one's place (services.records.rulebook).
    So it is read when something is decided, and held for that one decision.
    """

    province: str
    service: str
    tables: Tables
    vault: Vault
    directory: Directory
    outbox: Outbox
    clock: Clock
    approvals: Approvals = field(default_factory=Approvals)

    @property
    def name(self) -> str:
        """`province/service`, the name under which its log is signed."""
        return f"{self.province}/{self.service}"

    def due(self, limit: str, start: date, *, holder: str | None = None, pauses: Sequence[Pause] = ()) -> Due:
        """The last day of a leg that began on `start`, and the day on which its holder is reminded.

        Args:
            limit: a code of the limits table, e.g. `LETTER_TO_FORM`.
            start: the day of the event that starts the clock; it does not count.
            holder: the province that has to act, whose service target counts; this one where it is left out.
            pauses: in which the clock stood; each has ended.
        """
        found = self.tables.limit(limit, start)
        calendar = self.tables.calendar
        last = due_on(start, found.legal_limit_wd, calendar, pauses)
        warn = due_on(start, found.warn_at_wd, calendar, pauses)
        promise = self.tables.exceptions.service_target(limit, holder or self.province, start)
        target = None if promise is None else due_on(start, promise.service_target_wd, calendar, pauses).on
        return Due(last.on, warn.on, last.provisional, limit, start, target, tuple(pauses))

    def due_again(self, due: Due, *, holder: str | None = None) -> Due:
        """A due date counted again with the calendar in force now; the same where it never was provisional."""
        if not due.provisional or due.started_on is None:
            return due
        return self.due(due.limit, due.started_on, holder=holder, pauses=due.pauses)

    async def tell(
        self,
        tx: Transaction,
        told: Sequence[Told],
        because: Mapping[str, str] | None = None,
        *,
        held: Mapping[str, Head] | None = None,
    ) -> None:
        """Book and tell what a transaction decided: the last two beats.

        Facts are booked in the province's ledger and get their account sequence numbers; those that used a rule and do not
        say which name the rule set in force. Documents are sealed to their addressee and each leaves a `document.sent` with its
        digest on the journal.

        Args:
            tx: the open transaction of the decision.
            told: facts and documents in the order in which they happened.
            because: for a case, the id of the message that led to what is told.
            held: where accounts stand that were locked for the decision.
        """
        now = self.clock.now()
        causes = because or {}
        sealer = Sealer(self.directory, self.province)
        facts = []
        documents: list[Outgoing] = []
        for item in told:
            if isinstance(item, Letter):
                sealed = sealer.seal(item.kind, item.body, case_id=item.case_id, addressee=item.addressee, version=item.version)
                cause = causes.get(item.case_id)
                row = outgoing(envelope(sealed, source=self.name, subject=item.case_id, time=now, causation=cause))
                documents.append(row)
                fact: Fact = DocumentSent(
                    case_id=item.case_id,
                    person_ref=item.person_ref,
                    document_id=row.event_id,
                    document_type=item.kind.type_name,
                    addressee=f"{item.addressee}/{item.kind.to_role}",
                    digest=row.digest,
                )
                facts.append(envelope(fact, source=self.name, subject=item.case_id, time=now, causation=cause))
            else:
                subject, ruled = subject_of(item), self._ruled(item)
                facts.append(envelope(ruled, source=self.name, subject=subject, time=now, causation=causes.get(subject)))
        numbered = await ledger.record(tx, facts, held)
        await self.outbox.append(tx, [*(outgoing(message) for message in numbered), *documents])

    def _ruled(self, fact: Fact) -> Fact:
        """A fact that used a rule names the rule set, where its decision has not."""
        if getattr(fact, "rule_set", self) is not None:
            return fact
        return fact.model_copy(update={"rule_set": self.tables.version})


def subject_of(fact: Fact) -> str:
    """What a fact is about, and so its key: the case, else the account, else the file, run, paper or submission."""
    if isinstance(fact, CaseFact):
        return fact.case_id
    if isinstance(fact, AccountFact):
        return fact.person_ref
    names = ("import_id", "run_id", "paper_id", "batch_id")
    subject = next((found for name in names if (found := getattr(fact, name, None))), None)
    assert isinstance(subject, str), type(fact)
    return subject


def receipt(record: Received, person_ref: str) -> DocumentReceived:
    """The journal's note of a document that was accepted: sender, number, digest and proof."""
    document = record.fact
    assert isinstance(document, Document), type(document)
    assert record.envelope is not None
    return DocumentReceived(
        case_id=document.case_id,
        person_ref=person_ref,
        document_id=record.event_id,
        document_type=document.type_name,
        sender=record.envelope.service,
        number=record.number,
        digest=record.digest.hex(),
        checkpoint_digest=record.checkpoint_digest,
        proof=record.proof_text,
    )
