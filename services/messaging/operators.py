"""What operators do with records in quarantine: look, retry, amend, skip, reject; propose, approve, withdraw.

Every decision is kept with its reason and told on the journal in the transaction in which it takes effect.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import ValidationError

from contracts.base import Fact
from contracts.documents import Document
from contracts.envelope import PREFIX, Envelope, Undecodable, decode, encode, envelope, new_id
from contracts.events import DocumentSent, MessageDecided, MessageProposed, QuarantineReason
from services.messaging.directory import Directory
from services.messaging.handler import BatchHandler
from services.messaging.outbox import outgoing
from services.messaging.parking import (
    Refused,
    State,
    Verb,
    check_approval,
    check_reason,
    check_verb,
    check_withdrawal,
    needs_two,
)
from services.messaging.quarantine import Quarantined
from services.messaging.received import Received
from services.messaging.rejections import Rejections, rejection_of
from services.messaging.retries import Attempt, Retries, no_such_record
from services.messaging.sealing import NoSealingKey, Sealer
from services.messaging.verification import Unverified
from services.runtime.database import Transaction

Outcome = Literal["proposed", "handled", "repeated", "queued", "failed", "set_aside", "rejected", "withdrawn"]


@dataclass(frozen=True, slots=True)
class Amendment:
    """What an operator puts in a record's place: a document's opened body, or the whole record where it cannot be decoded."""

    body: Mapping[str, Any] | None = None
    text: str | None = None

    def digest(self, decision_id: str) -> str:
        """By which somebody who has the same content can see that it is the same. Salted, so that it says nothing else."""
        content = self.text if self.text is not None else json.dumps(self.body, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(f"{decision_id}|{content}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a verb."""

    decision_id: str
    quarantine_id: str
    verb: Verb
    outcome: Outcome
    failure: str | None = None
    detail: str = ""
    rejection_id: str | None = None
    amended_digest: str | None = None


@dataclass(slots=True)
class _Decision:
    """One decision on its way: who, why, and with what. It checks itself under the record's lock and writes itself down."""

    operators: "Operators"
    verb: Verb
    maker: str
    reason: str
    decision_id: str
    checker: str | None = None
    approval: str | None = None
    proposed: bool = False
    amendment: bytes | None = None
    code: str | None = None
    remedy: str | None = None
    rejection_id: str | None = None

    @property
    def amended_digest(self) -> str | None:
        return hashlib.sha256(self.amendment).hexdigest() if self.amendment is not None else None

    async def check(self, tx: Transaction, entry: Quarantined) -> None:
        """Whether it may be done now.

        Raises:
            Refused: by name.
        """
        rows = await tx.fetch(self.operators.sql["decisions_of"], entry.quarantine_id)
        proposals = {row["decision_id"] for row in rows if row["state"] == "proposed"}
        if self.proposed:
            assert self.checker is not None
            check_approval(proposed=self.decision_id in proposals, maker=self.maker, checker=self.checker)
        check_verb(self.verb, entry.place(proposed=bool(proposals - {self.decision_id})))

    async def settle(self, tx: Transaction, entry: Quarantined, attempt: Attempt) -> list[Envelope[Fact]]:
        """Write down what came of a try."""
        assert attempt.outcome != "gone"
        return await self.done(tx, entry, attempt.outcome, failure=str(attempt.reason) if attempt.reason else None)

    async def done(
        self,
        tx: Transaction,
        entry: Quarantined,
        outcome: Literal["handled", "repeated", "queued", "failed", "set_aside", "rejected", "withdrawn"],
        *,
        failure: str | None = None,
    ) -> list[Envelope[Fact]]:
        """Write down what came of it; returns the fact that tells so."""
        state = {"failed": "failed", "withdrawn": "withdrawn"}.get(outcome, "done")
        if self.proposed:
            values = (self.decision_id, state, self.checker, self.approval, outcome, self.rejection_id)
            await tx.execute(self.operators.sql["finish_decision"], *values)
        else:
            await self.operators.keep(tx, self, entry, state, outcome)
        fact = MessageDecided(
            quarantine_id=entry.quarantine_id,
            decision_id=self.decision_id,
            verb=self.verb.value,
            outcome=outcome,
            maker=self.maker,
            checker=self.checker,
            reason=self.reason,
            approval=self.approval,
            failure=failure,
            digest=entry.digest,
            amended_digest=self.amended_digest,
            rejection_id=self.rejection_id,
            event_id=entry.row["event_id"],
        )
        return [self.operators.told(fact, entry.quarantine_id)]


class Operators:
    """The verbs of one service's quarantine.

    Args:
        handler: whose records they are.
        retries: tries them.
        directory: of whom documents are sealed to.
        province: of the service.
        schema: of the service.
        ready: whether the directory is read; until then nobody's signature can be told.
    """

    def __init__(
        self,
        handler: BatchHandler,
        retries: Retries,
        *,
        directory: Directory,
        province: str,
        schema: str,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._handler = handler
        self._retries = retries
        self._directory = directory
        self._province = province
        self._ready = ready
        self._quarantine = handler.quarantine
        self._rejections = Rejections(schema)
        self.sql = handler.quarantine.sql

    async def overview(
        self,
        *,
        states: tuple[State, ...] | None = (State.WAITING, State.PARKED, State.BEHIND),
        reasons: tuple[str, ...] | None = None,
        case_key: str | None = None,
        older_than_s: float = 0,
        limit: int = 200,
    ) -> list[dict[str, Any]]:
        """What stands in quarantine, the oldest first: reason, case and age, and who has proposed what about it."""
        names = [str(state) for state in states] if states is not None else None
        async with self._handler.database.transaction("quarantine") as tx:
            rows = await self._quarantine.waiting(tx, names, limit, reasons=reasons, case_key=case_key, older_than_s=older_than_s)
        for row in rows:
            type_hex = row.pop("type_hex")
            row["type"] = _short(bytes.fromhex(type_hex or "").decode("ascii", "replace"))
        return rows

    async def show(self, quarantine_id: str) -> dict[str, Any]:
        """One record whole: bytes and headers in base64, never opened; reason, tries, and every decision about it.

        Raises:
            Refused: NO_SUCH_RECORD.
        """
        async with self._handler.database.transaction("quarantine") as tx:
            entry = await self._quarantine.find(tx, quarantine_id)
            if entry is None:
                raise no_such_record(quarantine_id)
            decisions = await tx.fetch(self.sql["decisions_of"], quarantine_id)
        record = entry.received().read()
        kind = _kind(record)
        row = entry.row
        shown = ("topic", "partition", "offset", "case_key", "event_id", "reason", "detail", "attempts", "state")
        return {
            "quarantine_id": quarantine_id,
            **{name: row[name] for name in (*shown, "parked_at", "next_try_at", "closed_at")},
            "key": record.was_key if record.was_key is not None else record.key,
            "type": kind.type_name if kind is not None else None,
            "signed_by": self._signer(record),
            "number": record.number,
            "digest": entry.digest,
            "bytes": len(row["value"]),
            "value_base64": base64.b64encode(row["value"]).decode(),
            "headers_base64": {name: base64.b64encode(value).decode() for name, value in record.headers.items()},
            "before_it": list(entry.open[: entry.open.index(quarantine_id)]) if quarantine_id in entry.open else [],
            "behind_it": list(entry.open[entry.open.index(quarantine_id) + 1 :]) if quarantine_id in entry.open else [],
            "needs_two_persons": [verb.value for verb in Verb if needs_two(verb, kind)],
            "decisions": [_decision_shown(dict(decision)) for decision in decisions],
        }

    async def rejected_by_others(self, limit: int = 200) -> list[dict[str, Any]]:
        """Documents of this service that their addressees rejected, the latest first."""
        async with self._handler.database.transaction("quarantine") as tx:
            return await self._rejections.received(tx, limit)

    async def retry(self, quarantine_id: str, *, who: str, reason: str) -> Result:
        """Handle a record again as if it had just come; what waits behind it follows by itself.

        Raises:
            Refused: by name.
        """
        self._check_ready()
        return await self._try(self._decision(Verb.RETRY, who, reason), quarantine_id)

    async def amend(self, quarantine_id: str, *, who: str, reason: str, amendment: Amendment) -> Result:
        """Propose to handle a corrected text in a record's place. Its sender's signed bytes stay as they are.

        Raises:
            Refused: by name; AMENDMENT_INVALID names the field.
        """
        self._check_ready()
        decision = self._decision(Verb.AMEND, who, reason)
        entry = await self._found(quarantine_id)
        decision.amendment = self._amended(entry, amendment)
        return await self._propose(decision, quarantine_id, content_digest=amendment.digest(decision.decision_id))

    async def skip(self, quarantine_id: str, *, who: str, reason: str) -> Result:
        """Set a record aside for good; where it is about money, propose to.

        Raises:
            Refused: by name.
        """
        decision = self._decision(Verb.SKIP, who, reason)
        if needs_two(Verb.SKIP, _kind((await self._found(quarantine_id)).received().read())):
            return await self._propose(decision, quarantine_id)
        return await self._close(decision, quarantine_id)

    async def reject(self, quarantine_id: str, *, who: str, reason: str, remedy: str, code: str | None = None) -> Result:
        """Send a record back to its sender with a signed document; where it is about money, propose to.

        Args:
            quarantine_id: which.
            who: acts.
            reason: why, for the own journal.
            remedy: what the sender can do; it is sent.
            code: why, for the sender; by default the quarantine's reason, or `not_taken` where it only waits behind another.

        Raises:
            Refused: by name.
        """
        self._check_ready()
        decision = self._decision(Verb.REJECT, who, reason)
        entry = await self._found(quarantine_id)
        behind = entry.row["reason"] == QuarantineReason.BEHIND_PARKED  # of which the sender knows nothing
        decision.code = (code or ("not_taken" if behind else str(entry.row["reason"])))[:40]
        decision.remedy = check_reason(remedy, field="remedy")
        self._rejection(decision, entry)
        if needs_two(Verb.REJECT, _kind(entry.received().read())):
            return await self._propose(decision, quarantine_id)
        return await self._close(decision, quarantine_id)

    async def approve(self, decision_id: str, *, who: str, reason: str, amendment: Amendment | None = None) -> Result:
        """A second person approves a proposal, and it is done.

        Args:
            decision_id: of the proposal.
            who: approves; not its maker.
            reason: why.
            amendment: where the checker has the corrected text too, it must be the proposed one.

        Raises:
            Refused: by name; SAME_PERSON where maker and checker are one.
        """
        self._check_ready()
        row = await self._proposal(decision_id)
        check_approval(proposed=row["state"] == "proposed", maker=row["maker"], checker=who)
        if amendment is not None and amendment.digest(decision_id) != row["content_digest"]:
            raise Refused(
                "AMENDMENT_DIFFERS",
                "What was proposed is not this text.",
                "Compare it with the maker's; withdraw the proposal if it is wrong.",
            )
        decision = _Decision(
            self,
            Verb(row["verb"]),
            row["maker"],
            row["reason"],
            decision_id,
            checker=who,
            approval=check_reason(reason),
            proposed=True,
            amendment=row["amendment"],
            code=row["code"],
            remedy=row["remedy"],
        )
        if decision.verb is Verb.AMEND:
            return await self._try(decision, row["quarantine_id"])
        return await self._close(decision, row["quarantine_id"])

    async def withdraw(self, decision_id: str, *, who: str, reason: str) -> Result:
        """Whoever made a proposal takes it back.

        Raises:
            Refused: by name.
        """
        row = await self._proposal(decision_id)
        check_withdrawal(proposed=row["state"] == "proposed", maker=row["maker"], who=who)
        decision = _Decision(
            self,
            Verb(row["verb"]),
            row["maker"],
            row["reason"],
            decision_id,
            approval=check_reason(reason),
            proposed=True,
            amendment=row["amendment"],
        )
        async with self._handler.database.transaction("quarantine") as tx:
            entry = await self._quarantine.hold(tx, row["quarantine_id"])
            assert entry is not None
            now = await tx.one(self.sql["hold_decision"], decision_id)
            assert now is not None
            check_withdrawal(proposed=now["state"] == "proposed", maker=now["maker"], who=who)
            await self._handler.outbox.tell(tx, await decision.done(tx, entry, "withdrawn"))
        self._handler.told()
        return self._result(decision, entry.quarantine_id, "withdrawn")

    async def keep(
        self,
        tx: Transaction,
        decision: _Decision,
        entry: Quarantined,
        state: str,
        outcome: str | None,
        *,
        content_digest: str | None = None,
    ) -> None:
        """Write a new decision down."""
        await tx.execute(
            self.sql["decide"],
            decision.decision_id,
            entry.quarantine_id,
            decision.verb.value,
            state,
            decision.maker,
            decision.reason,
            decision.amendment,
            decision.amended_digest,
            content_digest,
            decision.code,
            decision.remedy,
            outcome,
            decision.rejection_id,
        )

    def told(self, fact: Fact, subject: str) -> Envelope[Fact]:
        """A fact as this service says it now."""
        return envelope(fact, source=self._quarantine.service, subject=subject, time=self._handler.clock.now())

    def _decision(self, verb: Verb, who: str, reason: str) -> _Decision:
        return _Decision(self, verb, who, check_reason(reason), new_id())

    def _check_ready(self) -> None:
        if not self._ready():
            raise Refused(
                "DIRECTORY_NOT_READ", "The directory is not read yet, so no signature can be told.", "Try again.", status=503
            )

    async def _found(self, quarantine_id: str) -> Quarantined:
        async with self._handler.database.transaction("quarantine") as tx:
            entry = await self._quarantine.find(tx, quarantine_id)
        if entry is None:
            raise no_such_record(quarantine_id)
        return entry

    async def _proposal(self, decision_id: str) -> Mapping[str, Any]:
        async with self._handler.database.transaction("quarantine") as tx:
            row = await tx.one(self.sql["hold_decision"], decision_id)
        if row is None:
            raise Refused("NO_SUCH_DECISION", "There is no decision of this id.", "Show the record for its ids.", status=404)
        return dict(row)

    async def _try(self, decision: _Decision, quarantine_id: str) -> Result:
        attempt = await self._retries.attempt(quarantine_id, by=decision)
        if attempt.outcome == "gone":  # somebody dealt with it while it failed here
            raise Refused("NOT_OPEN", "Somebody else dealt with the record.", "Look at its decisions.")
        failure = str(attempt.reason) if attempt.reason else None
        return self._result(decision, quarantine_id, attempt.outcome, failure=failure, detail=attempt.detail)

    async def _propose(self, decision: _Decision, quarantine_id: str, *, content_digest: str | None = None) -> Result:
        async with self._handler.database.transaction("quarantine") as tx:
            entry = await self._hold(tx, quarantine_id)
            await decision.check(tx, entry)
            await self.keep(tx, decision, entry, "proposed", None, content_digest=content_digest)
            fact = MessageProposed(
                quarantine_id=quarantine_id,
                decision_id=decision.decision_id,
                verb=cast(Literal["amend", "skip", "reject"], decision.verb.value),
                maker=decision.maker,
                reason=decision.reason,
                digest=entry.digest,
                amended_digest=decision.amended_digest,
                event_id=entry.row["event_id"],
            )
            await self._handler.outbox.tell(tx, [self.told(fact, quarantine_id)])
        self._handler.told()
        return self._result(decision, quarantine_id, "proposed")

    async def _close(self, decision: _Decision, quarantine_id: str) -> Result:
        """Skip or reject: it never takes effect, and what waits behind it goes on."""
        handler = self._handler
        outcome: Literal["set_aside", "rejected"] = "set_aside" if decision.verb is Verb.SKIP else "rejected"
        async with handler.database.transaction("quarantine") as tx:
            entry = await self._hold(tx, quarantine_id)
            await decision.check(tx, entry)
            if decision.verb is Verb.REJECT:
                await self._send_back(tx, decision, entry)
            await self._quarantine.release(tx, entry, State.SKIPPED if decision.verb is Verb.SKIP else State.REJECTED)
            await handler.outbox.tell(tx, await decision.done(tx, entry, outcome))
        handler.told()
        self._retries.ring()
        return self._result(decision, quarantine_id, outcome)

    async def _hold(self, tx: Transaction, quarantine_id: str) -> Quarantined:
        entry = await self._quarantine.hold(tx, quarantine_id)
        if entry is None:
            raise no_such_record(quarantine_id)
        return entry

    def _rejection(self, decision: _Decision, entry: Quarantined) -> tuple[Document, str]:
        """The sealed document that tells the sender, and its case."""
        assert decision.code is not None
        assert decision.remedy is not None
        kind, addressee, case_id, body = rejection_of(
            entry.received(),
            self._handler.verifier,
            otherwise=entry.quarantine_id,
            code=decision.code,
            remedy=decision.remedy,
        )
        try:
            return Sealer(self._directory, self._province).seal(kind, body, case_id=case_id, addressee=addressee), case_id
        except NoSealingKey as error:
            raise Refused("NO_SEALING_KEY", str(error), "Let the registrar publish the province's key.") from error

    async def _send_back(self, tx: Transaction, decision: _Decision, entry: Quarantined) -> None:
        document, case_id = self._rejection(decision, entry)
        row = outgoing(self.told(document, case_id))
        decision.rejection_id = row.event_id
        sent = DocumentSent(
            case_id=case_id,
            person_ref=case_id,  # whose case it is need not be known here
            document_id=row.event_id,
            document_type=document.type_name,
            addressee=f"{document.addressee}/{document.to_role}",
            digest=row.digest,
        )
        await self._handler.outbox.append(tx, [outgoing(self.told(sent, case_id)), row])

    def _amended(self, entry: Quarantined, amendment: Amendment) -> bytes:
        """The record that is handled in its place, checked against its contract; person data sealed to this province.

        Raises:
            Refused: SENDER_NOT_PROVEN, AMENDMENT_MISSING, AMENDMENT_INVALID.
        """
        record = entry.received().read()
        signer = self._signer(record)
        if signer is None:
            raise Refused(
                "SENDER_NOT_PROVEN",
                "Nobody is proven to have signed these bytes; nothing can be handled in anybody's name in their place.",
                "Skip it; if a partner misses a document, let them send it again.",
            )
        if record.envelope is not None and isinstance(record.envelope.data, Document):
            return self._amended_body(record.envelope, record.envelope.data, amendment)
        if amendment.text is None:
            raise Refused(
                "AMENDMENT_MISSING",
                "The record has no sealed body that could be replaced.",
                "Give the whole record as text.",
                field="text",
                status=422,
            )
        try:
            amended = decode(amendment.text.encode())
        except Undecodable as error:
            field = error.detail.partition(":")[0] if error.reason == "invalid" else "type"
            raise _invalid(field if error.reason != "malformed" else "text", error.detail) from error
        old = record.envelope
        wrong = [
            (name, expected)
            for name, expected, found in (
                ("source", f"/provinces/{signer}", amended.source),
                ("id", old.id if old else amended.id, amended.id),
                ("subject", old.subject if old else amended.subject, amended.subject),
                ("type", old.type if old else amended.type, amended.type),
            )
            if expected != found
        ]
        if wrong:
            raise _invalid(wrong[0][0], f"it must stay {wrong[0][1]}")
        if not self._handler.wants(amended.data):
            raise _invalid("type", "no work of this service takes it")
        return encode(amended)

    def _amended_body(self, message: Envelope[Fact], document: Document, amendment: Amendment) -> bytes:
        if amendment.body is None:
            raise Refused(
                "AMENDMENT_MISSING",
                "The record is a sealed document; its signed frame stays, its body is replaced.",
                "Give the corrected body.",
                field="body",
                status=422,
            )
        try:
            body = document.body_type.model_validate_json(json.dumps(amendment.body))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise _invalid(".".join(("body", *(str(part) for part in first["loc"]))), first["msg"]) from error
        try:
            # As its sender would have sealed it, so that it opens as any other; only nobody has signed it.
            sealed = Sealer(self._directory, document.sender).seal(
                type(document), body, case_id=document.case_id, addressee=self._province, version=document.document_version
            )
        except NoSealingKey as error:
            raise Refused("NO_SEALING_KEY", str(error), "Let the registrar publish the province's key.") from error
        return encode(message.model_copy(update={"data": sealed}))

    def _signer(self, record: Received) -> str | None:
        """Whose signature covers the bytes, or None."""
        try:
            return self._handler.verifier.signed(record).service
        except Unverified:
            return None

    @staticmethod
    def _result(decision: _Decision, quarantine_id: str, outcome: Outcome, **more: Any) -> Result:
        return Result(
            decision.decision_id,
            quarantine_id,
            decision.verb,
            outcome,
            rejection_id=decision.rejection_id,
            amended_digest=decision.amended_digest,
            **more,
        )


def _kind(record: Received) -> type[Fact] | None:
    """Of a record's fact; None where nobody can tell."""
    return type(record.envelope.data) if record.envelope is not None else None


def _invalid(field: str, why: str) -> Refused:
    return Refused("AMENDMENT_INVALID", f"{field}: {why}", "Correct the named field and propose again.", field=field, status=422)


def _short(type_name: str) -> str | None:
    return type_name.removeprefix(PREFIX) or None


def _decision_shown(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("decision_id", "verb", "state", "maker", "reason", "checker", "approval", "amended_digest", "content_digest")
    return {name: row[name] for name in (*names, "code", "remedy", "outcome", "rejection_id", "made_at", "decided_at")}
