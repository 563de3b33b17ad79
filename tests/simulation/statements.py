"""Our statements as the simulated database runs them, one function each, and the tables that they work on.

Each is what the SQL of the same name in the module's `queries.sql` says; `tests/integration/simulation/test_statements.py` runs
both and compares. Within one function a row that several statements want is waited for where PostgreSQL waits.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from services import bank, destination_agency, ledger, messaging, notification, origin_agency, records
from services.runtime.database import queries
from tests.simulation.postgres import Answer, Implementation, Index, Query, Row, Table

IMPLEMENTATIONS: dict[tuple[str, str], Implementation] = {}
MODULES = {
    "bank": bank,
    "destination_agency": destination_agency,
    "ledger": ledger,
    "messaging": messaging,
    "notification": notification,
    "origin_agency": origin_agency,
    "records": records,
}
SCHEMAS = ("origin_agency", "destination_agency", "notification")  # which have messaging's tables, each its own

OPEN = ("waiting", "parked", "behind")

# ---- tables -------------------------------------------------------------------------------------------------------------------


def _clock(q: Query) -> Any:
    return q.clock()


def messaging_tables(schema: str) -> list[Table]:
    """messaging/migrations, once a service."""
    return [
        Table(
            f"{schema}.outbox",
            "seq! event_id! topic! key! role type! subject! payload! created_at!",
            "seq",
            "event_id",
            serial="seq",
            defaults={"created_at": _clock},
            kept=lambda row: True,
        ),
        Table(f"{schema}.numbered", "number! seq! proof! checkpoint!", "number", "seq", kept=lambda row: True),
        Table(f"{schema}.pending", "seq!", "seq"),
        Table(f"{schema}.checkpoints", "last! first! checkpoint! signature! digest!", "last", "first", "digest"),
        Table(f"{schema}.relay", "only_one! sent_through!", "only_one", defaults={"only_one": True, "sent_through": 0}),
        Table(
            f"{schema}.inbox",
            "consumer! event_id! digest! received_at!",
            "consumer,event_id",
            defaults={"received_at": _clock},
        ),
        Table(
            f"{schema}.quarantine",
            "quarantine_id! topic! partition! offset! case_key! event_id reason! detail! value! headers! attempts! state!"
            " parked_at! record_key accepted! told! next_try_at closed_at",
            "quarantine_id",
            "topic,partition,offset",
            defaults={"attempts": 0, "state": "parked", "parked_at": _clock, "accepted": False, "told": True},
            checks=[
                lambda row: row["state"] in (*OPEN, "retried", "amended", "skipped", "rejected"),
                lambda row: (row["state"] == "waiting") == (row["next_try_at"] is not None),
            ],
        ),
        Table(
            f"{schema}.quarantine_decisions",
            "decision_id! quarantine_id! verb! state! maker! reason! checker approval amendment amended_digest content_digest"
            " code remedy outcome rejection_id made_at! decided_at",
            "decision_id",
            indexes=[Index("one_proposal", lambda row: row["quarantine_id"] if row["state"] == "proposed" else None)],
            defaults={"made_at": _clock},
            references={"quarantine_id": f"{schema}.quarantine"},
            checks=[
                lambda row: row["verb"] in ("retry", "amend", "skip", "reject"),
                lambda row: row["state"] in ("proposed", "done", "failed", "withdrawn", "lapsed"),
                lambda row: (row["verb"] == "amend") == (row["amendment"] is not None),
                lambda row: row["checker"] != row["maker"],
            ],
        ),
        Table(
            f"{schema}.rejections",
            "rejection_id! case_id! rejected_by! document_type! number! digest! code! remedy! received_at!",
            "rejection_id",
        ),
    ]


def _idempotency(schema: str) -> Table:
    return Table(f"{schema}.idempotency_keys", "key! sub! digest! answer! kept_at!", "key,sub", defaults={"kept_at": _clock})


_RULE_IMPORT = (
    "number import_id table_name form content source digest effective_from rows replaces reason rule_set_before rule_set_after"
    " actor imported_at"
)
_UNENDED = ("proposed", "running", "stopped")


def _proposed_year(row: dict[str, Any]) -> Any:
    return (row["person_ref"], row["year"]) if row["state"] == "proposed" else None


def _open_key(row: dict[str, Any]) -> Any:
    return row["open_key"] if row["open"] else None


def province_tables() -> list[Table]:
    """Every table of a province's database."""
    return [
        *(table for schema in SCHEMAS for table in messaging_tables(schema)),
        Table(
            "origin_agency.cases",
            "case_id! state! destination! known_as! person_ref received_on! due_on! remind_on! reminded! breached! escalate_on"
            " remittance_id body! letter! changed_at!",
            "case_id",
            defaults={"changed_at": _clock},
        ),
        Table(
            "origin_agency.remittances",
            "remittance_id! destination! payee! total_fen! lines! maker! checker! state! bank_reference ordered_at!",
            "remittance_id",
            defaults={"ordered_at": _clock},
            checks=[lambda row: row["state"] in ("ordered", "accepted")],
        ),
        Table("origin_agency.bank_cursor", "only_one! after!", "only_one", defaults={"only_one": True, "after": 0}),
        Table(
            "origin_agency.vouchers",
            "voucher_no! check_code! person_ref! issued_at! body!",
            "voucher_no",
            defaults={"issued_at": _clock},
        ),
        _idempotency("origin_agency"),
        Table(
            "destination_agency.cases",
            "case_id! serial! person_ref! state! status! origin! since! due_on! remind_on! reminded! breached! open! surplus!"
            " open_key! applicant! body! personal! form changed_at!",
            "case_id",
            indexes=[Index("cases_open", _open_key)],
            defaults={"changed_at": _clock},
        ),
        Table("destination_agency.bank_cursor", "only_one! after!", "only_one", defaults={"only_one": True, "after": 0}),
        Table(
            "destination_agency.returns",
            "return_id! case_id! remittance_id! amount_fen! maker! checker! state! ordered_at!",
            "return_id",
            defaults={"ordered_at": _clock},
            checks=[lambda row: row["state"] in ("ordered", "accepted")],
        ),
        Table(
            "destination_agency.batches",
            "batch_id! sub! applied_by! total! handled! refused! rows! taken_at! relocation",
            "batch_id",
            defaults={"handled": 0, "refused": 0, "taken_at": _clock},
        ),
        Table(
            "destination_agency.batch_rows",
            "batch_id! row_no! case_id result! code detail",
            "batch_id,row_no",
            references={"batch_id": "destination_agency.batches"},
        ),
        Table(
            "destination_agency.gatherings",
            "gathering_id! person_ref! rule! cases! state! opened_at! claimed_on! category months minimum_months found_place",
            "gathering_id",
            defaults={"opened_at": _clock},
            checks=[lambda row: row["state"] in ("open", "completed", "place_differs")],
        ),
        _idempotency("destination_agency"),
        Table("notification.contacts", "contact_id! person_ref! language! personal!", "contact_id"),
        Table("notification.deceased", "person_ref! event_id! kept_at!", "person_ref", defaults={"kept_at": _clock}),
        Table(
            "notification.notices",
            "notice_id! seq! event_id! channel! case_id! person_ref! contact_id! template! template_version! said! message_id!"
            " occurred_at! queued_at! state! attempts! not_before! claimed_by evidence reason ended_at",
            "notice_id",
            "message_id",
            "event_id,channel",
            serial="seq",
            defaults={"queued_at": _clock, "state": "queued", "attempts": 0, "not_before": _clock},
            checks=[
                lambda row: row["state"] in ("queued", "delivered", "failed"),
                lambda row: (row["state"] == "queued") == (row["ended_at"] is None),
                lambda row: (row["state"] == "failed") == (row["reason"] is not None),
            ],
        ),
        Table(
            "records.persons",
            "person_ref! id_hash! state! scheme! account_kind! has_paid! first_insured_on stopped_on drawing_since"
            " interest_through! died_on held_since left_with personal! segments! left_segments version! changed_at!",
            "person_ref",
            "id_hash",
            defaults={"version": 1, "changed_at": _clock},
            checks=[
                lambda row: row["state"] in ("active", "stopped", "moved", "settled"),
                lambda row: row["account_kind"] in ("normal", "temporary"),
            ],
        ),
        Table(
            "records.imports",
            "import_id! digest! actor! state! persons! persons_done! rows! refused_rows! errors! started_at!",
            "import_id",
            "digest",
            defaults={"persons_done": 0, "started_at": _clock},
            checks=[lambda row: row["state"] in ("running", "done")],
        ),
        Table(
            "records.corrections",
            "correction_id! person_ref! year! state! maker! checker reason! rows! made_at! decided_at",
            "correction_id",
            indexes=[Index("corrections_once", _proposed_year)],
            defaults={"made_at": _clock},
            checks=[lambda row: row["state"] in ("proposed", "approved", "dropped")],
        ),
        Table(
            "records.rule_imports",
            f"{_RULE_IMPORT.replace(' ', '! ')}!",
            "number",
            "import_id",
            "digest",
            defaults={"imported_at": _clock},
            checks=[lambda row: row["form"] in ("toml", "csv")],
        ),
        Table(
            "records.year_ends",
            "run_id! year! state! maker! checker after! due! looked_at! credited! interest_fen! reason! proposed_at! began_at"
            " ended_at",
            "run_id",
            indexes=[Index("year_ends_open", lambda row: row["year"] if row["state"] in _UNENDED else None)],
            defaults={
                "after": "",
                "reason": "",
                "proposed_at": _clock,
                **dict.fromkeys(("due", "looked_at", "credited", "interest_fen"), 0),
            },
            checks=[lambda row: row["state"] in (*_UNENDED, "done", "dropped")],
        ),
        Table("ledger.accounts", "account! sequence! balance_fen!", "account", defaults={"sequence": 0, "balance_fen": 0}),
        Table(
            "ledger.postings",
            "event_id! line! debit! debit_sequence! credit! credit_sequence! amount_fen! recorded_at!",
            "event_id,line",
            defaults={"recorded_at": _clock},
            checks=[lambda row: row["amount_fen"] > 0],
        ),
    ]


FIRST_ROWS = (
    *(f"{schema}.relay" for schema in SCHEMAS),
    "origin_agency.bank_cursor",
    "destination_agency.bank_cursor",
)


def keys_tables() -> list[Table]:
    """The keys' database."""
    return [Table("keys.person_keys", "person_ref! key made_at! destroyed_at", "person_ref", defaults={"made_at": _clock})]


def bank_tables() -> list[Table]:
    """The bank's database."""
    return [
        Table(
            "bank.orders",
            "order_id! kind! digest! reference! payer! payee! total_fen! taken_at!",
            "order_id",
            checks=[lambda row: row["kind"] in ("remittance", "return")],
        ),
        Table("bank.order_lines", "order_id! case_id! amount_fen!", "order_id,case_id", references={"order_id": "bank.orders"}),
        Table(
            "bank.payments",
            "payment_id! remittance_id! case_id! payer! payee! amount_fen! kind! reason! available_at booked!",
            "payment_id",
            serial="payment_id",
            defaults={"reason": "", "booked": False},
            checks=[lambda row: row["kind"] in ("payment", "returned")],
        ),
        Table(
            "bank.lines",
            "line_no! payment_id! line_id! kind! remittance_id! case_id! payer! payee! amount_fen! booked_on! reason!",
            "line_no",
            "payment_id",
            "line_id",
            serial="line_no",
        ),
        Table(
            "bank.faults",
            "fault_id! case_id! kind! days! amount_fen! used!",
            "fault_id",
            serial="fault_id",
            defaults={"used": False},
        ),
    ]


# ---- how a statement is found -------------------------------------------------------------------------------------------------


StatementT = TypeVar("StatementT", bound=Callable[..., Awaitable[Answer]])


def says(module: str, *names: str) -> Callable[[StatementT], StatementT]:
    """Note an implementation under the module and the name that the statement has in its `queries.sql`."""

    def noted(implementation: StatementT) -> StatementT:
        for name in names or (implementation.__name__.rstrip("_"),):
            IMPLEMENTATIONS[module, name] = implementation
        return implementation

    return noted


def statements(database: str) -> dict[str, tuple[str, str, Implementation]]:
    """The statements that may be sent to a `province`, `keys` or `bank` database, by their exact text."""
    found: dict[str, tuple[str, str, Implementation]] = {}
    for module, package in MODULES.items():
        assert package.__file__ is not None
        for schema in SCHEMAS if module == "messaging" else (module,):
            for name, text in queries(package.__file__, schema=schema).items():
                implementation = IMPLEMENTATIONS.get((module, name)) or _unknown(module, name)
                if _database_of(module, name) == database:
                    found[text] = (f"{module}.{name}", schema, implementation)
    for schema in ("origin_agency", "destination_agency"):
        if database == "province":
            find, keep = idempotency_texts(schema)
            found[find] = ("idempotency.find", schema, find_key)
            found[keep] = ("idempotency.keep", schema, keep_key)
    found["SELECT true"] = ("runtime.answers", "", answers)
    return found


def idempotency_texts(schema: str) -> tuple[str, str]:
    """The two statements of `services.runtime.idempotency`."""
    from services.runtime.idempotency import IdempotencyKeys

    keys: Any = IdempotencyKeys(schema)
    return keys._find, keys._keep


def _database_of(module: str, name: str) -> str:
    if module == "bank":
        return "bank"
    return "keys" if name in ("person_keys", "add_keys") else "province"


def _unknown(module: str, name: str) -> Implementation:
    async def unknown(q: Query, *_: Any) -> Answer:
        raise AssertionError(f"the simulated database does not know {module}/queries.sql `{name}`; add it to statements.py")

    unknown.__name__ = f"unknown_{name}"
    return unknown


def _row(row: dict[str, Any], names: str, **more: Any) -> Row:
    return Row({name: row[name] for name in names.split()} | more)


def _columns(names: str, values: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(names.split(), row, strict=True)) for row in zip(*values, strict=True)]


async def answers(q: Query) -> Answer:
    """SELECT true."""
    return [Row(bool=True)]


async def find_key(q: Query, key: str, sub: str) -> Answer:
    """An answer that was kept."""
    return [_row(row, "digest answer") for _, row in q.find("idempotency_keys", [(key, sub)])]


async def keep_key(q: Query, key: str, sub: str, digest: str, answer: str) -> Answer:
    """Keep an answer."""
    row = {"key": key, "sub": sub, "digest": digest, "answer": answer}
    return f"INSERT 0 {int(await q.insert('idempotency_keys', row, on_conflict='nothing') is not None)}"


# ---- messaging ----------------------------------------------------------------------------------------------------------------


@says("messaging")
async def append(q: Query, *columns: list[Any]) -> Answer:
    found = []
    for row in _columns("event_id topic key role type subject payload", columns):
        slot = await q.insert("outbox", row)
        assert slot is not None
        assert slot.pending is not None
        found.append(_row(slot.pending, "seq"))
    return found


@says("messaging")
async def append_pending(q: Query) -> Answer:
    for row in q.before:
        await q.insert("pending", {"seq": row["seq"]})
    return f"INSERT 0 {len(q.before)}"


@says("messaging")
async def unnumbered(q: Query, limit: int) -> Answer:
    waiting = sorted(row["seq"] for _, row in q.scan("pending"))[:limit]
    return [_row(row, "seq topic key role type payload") for _, row in q.find("outbox", waiting)]


@says("messaging")
async def head(q: Query) -> Answer:
    rows = sorted((row for _, row in q.scan("checkpoints")), key=lambda row: row["last"], reverse=True)
    return [_row(row, "last digest") for row in rows[:1]]


@says("messaging")
async def not_pending(q: Query, seqs: list[int]) -> Answer:
    done = 0
    for slot, _ in list(q.find("pending", seqs)):
        if await q.lock(slot) is not None:
            await q.delete(slot)
            done += 1
    return f"DELETE {done}"


@says("messaging")
async def number(q: Query, seqs: list[int], numbers: list[int], proofs: list[bytes], checkpoint: int) -> Answer:
    for seq, at, proof in zip(seqs, numbers, proofs, strict=True):
        await q.insert("numbered", {"seq": seq, "number": at, "proof": proof, "checkpoint": checkpoint})
    return f"INSERT 0 {len(seqs)}"


@says("messaging")
async def add_checkpoint(q: Query, first: int, last: int, checkpoint: str, signature: str, digest: str) -> Answer:
    row = {"first": first, "last": last, "checkpoint": checkpoint, "signature": signature, "digest": digest}
    await q.insert("checkpoints", row)
    return "INSERT 0 1"


@says("messaging")
async def unsent(q: Query, after: int, limit: int) -> Answer:
    heads = {row["last"]: row for _, row in q.scan("checkpoints")}
    given = sorted((row for _, row in q.scan("numbered", lambda row: row["number"] > after)), key=lambda row: row["number"])
    found: list[dict[str, Any]] = []
    for row in given:
        head_ = heads.get(row["checkpoint"])
        if head_ is None or len(found) == limit:
            continue
        for _, written in q.find("outbox", [row["seq"]]):
            more = {name: head_[name] for name in ("checkpoint", "signature", "last")}
            found.append(Row(number=row["number"]) | _row(written, "topic key role type payload", proof=row["proof"], **more))
    return [Row(row) for row in found]


@says("messaging")
async def sent_through(q: Query) -> Answer:
    return [_row(row, "sent_through") for _, row in q.scan("relay")]


@says("messaging")
async def mark_sent(q: Query, through: int) -> Answer:
    def behind(row: dict[str, Any]) -> bool:
        return bool(row["sent_through"] < through)

    done = 0
    for slot, _ in list(q.scan("relay", behind)):
        if await q.lock(slot, behind) is not None:
            await q.update("relay", slot, sent_through=through)
            done += 1
    return f"UPDATE {done}"


@says("messaging")
async def any_unnumbered(q: Query) -> Answer:
    return [Row(exists=any(True for _ in q.scan("pending")))]


@says("messaging")
async def unpublished(q: Query) -> Answer:
    [(_, relay)] = q.scan("relay")
    unsent_ = q.scan("numbered", lambda row: row["number"] > relay["sent_through"])
    return [Row({"?column?": sum(1 for _ in q.scan("pending")) + sum(1 for _ in unsent_)})]


@says("messaging")
async def accept(q: Query, consumer: str, ids: list[str], digests: list[bytes], keys: list[str]) -> Answer:
    parked = {row["case_key"] for _, row in q.scan("quarantine", lambda row: row["state"] in OPEN)}
    found = []
    for event_id, digest, key in zip(ids, digests, keys, strict=True):
        row = {"consumer": consumer, "event_id": event_id, "digest": digest}
        if await q.insert("inbox", row, on_conflict="nothing") is not None:
            found.append(Row(event_id=event_id, waits=key in parked))
    return found


@says("messaging")
async def known_digests(q: Query, consumer: str, ids: list[str]) -> Answer:
    return [_row(row, "event_id digest") for _, row in q.find("inbox", [(consumer, event_id) for event_id in ids])]


_LOG_ORDER = ("case_key", "topic", "partition", "offset")


def _in_log_order(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in _LOG_ORDER)


async def _hold_open(q: Query, keys: Sequence[str]) -> list[dict[str, Any]]:
    def is_open(row: dict[str, Any]) -> bool:
        return row["case_key"] in keys and row["state"] in OPEN

    found = [
        await q.lock(slot, is_open) for slot, _ in sorted(q.scan("quarantine", is_open), key=lambda item: _in_log_order(item[1]))
    ]
    return [row for row in found if row is not None]


@says("messaging")
async def hold_cases(q: Query, keys: list[str]) -> Answer:
    found: dict[str, bool] = {}
    for row in await _hold_open(q, keys):
        found[row["case_key"]] = found.get(row["case_key"], False) or row["state"] == "parked"
    return [Row(case_key=key, parked=parked) for key, parked in found.items()]


@says("messaging")
async def take_over(q: Query, consumer: str, event_id: str, digest: bytes) -> Answer:
    row = {"consumer": consumer, "event_id": event_id, "digest": digest}
    return [Row(event_id=event_id)] if await q.insert("inbox", row, on_conflict="nothing") is not None else []


@says("messaging")
async def park(q: Query, *columns: list[Any]) -> Answer:
    names = (
        "quarantine_id topic partition offset case_key event_id reason detail value headers attempts state record_key accepted"
        " told pause_s"
    )
    found = []
    for row in _columns(names, columns):
        pause_s = row.pop("pause_s")
        row["headers"] = json.dumps(json.loads(row["headers"]))
        row["next_try_at"] = None if pause_s is None else q.clock() + timedelta(seconds=pause_s)
        if await q.insert("quarantine", row, on_conflict="nothing:topic,partition,offset") is not None:
            found.append(_row(row, "quarantine_id"))
    return found


@says("messaging")
async def case_of_quarantined(q: Query, quarantine_id: str) -> Answer:
    return [_row(row, "case_key") for _, row in q.find("quarantine", [quarantine_id])]


@says("messaging")
async def hold_case(q: Query, key: str) -> Answer:
    return [_row(row, "quarantine_id") for row in await _hold_open(q, [key])]


@says("messaging")
async def open_of_case(q: Query, key: str) -> Answer:
    rows = [row for _, row in q.scan("quarantine", lambda row: row["case_key"] == key and row["state"] in OPEN)]
    return [_row(row, "quarantine_id state") for row in sorted(rows, key=_in_log_order)]


@says("messaging")
async def quarantined(q: Query, quarantine_id: str) -> Answer:
    rows = [row for _, row in q.find("quarantine", [quarantine_id])]
    return [Row(row, too_early=row["next_try_at"] > q.clock() if row["next_try_at"] else None) for row in rows]


async def _change_quarantined(q: Query, quarantine_id: str, *, only_open: bool = False, **changes: Any) -> Answer:
    def wanted(row: dict[str, Any]) -> bool:
        return not only_open or row["state"] in OPEN

    for slot, row in list(q.find("quarantine", [quarantine_id])):
        if wanted(row) and await q.lock(slot, wanted) is not None:
            await q.update("quarantine", slot, **changes)
            return "UPDATE 1"
    return "UPDATE 0"


@says("messaging", "release")
async def release_quarantined(q: Query, quarantine_id: str, state: str, attempts: int) -> Answer:
    return await _change_quarantined(
        q, quarantine_id, only_open=True, state=state, closed_at=q.clock(), next_try_at=None, attempts=attempts
    )


@says("messaging")
async def keep_waiting(
    q: Query, quarantine_id: str, state: str, reason: str, detail: str, attempts: int, key: str, told: bool, pause_s: float | None
) -> Answer:
    for slot, _ in list(q.find("quarantine", [quarantine_id])):
        row = await q.lock(slot)
        if row is not None:
            await q.update(
                "quarantine",
                slot,
                state=state,
                reason=reason,
                detail=detail,
                attempts=attempts,
                case_key=key,
                told=row["told"] or told,
                next_try_at=None if pause_s is None else q.clock() + timedelta(seconds=pause_s),
            )
            return "UPDATE 1"
    return "UPDATE 0"


@says("messaging")
async def accept_quarantined(q: Query, quarantine_id: str) -> Answer:
    return await _change_quarantined(q, quarantine_id, accepted=True)


@says("messaging")
async def tell_behind(q: Query, key: str) -> Answer:
    def untold(row: dict[str, Any]) -> bool:
        return bool(row["case_key"] == key and row["state"] == "behind" and not row["told"])

    found = []
    for slot, _ in list(q.scan("quarantine", untold)):
        if await q.lock(slot, untold) is not None:
            changed = await q.update("quarantine", slot, told=True)
            found.append(_row(changed, "quarantine_id topic partition offset reason value"))
    return found


@says("messaging")
async def due_quarantined(q: Query, limit: int) -> Answer:
    now = q.clock()
    first: dict[str, dict[str, Any]] = {}
    for _, row in sorted(q.scan("quarantine", lambda row: row["state"] in OPEN), key=lambda item: _in_log_order(item[1])):
        first.setdefault(row["case_key"], row)
    found = [
        _row(
            row,
            "quarantine_id state",
            in_s=0.0 if row["state"] == "behind" else max(0.0, (row["next_try_at"] - now).total_seconds()),
        )
        for row in first.values()
        if row["state"] != "parked"
    ]
    return sorted(found, key=lambda row: row["in_s"])[:limit]


@says("messaging")
async def decide(q: Query, *values: Any) -> Answer:
    names = (
        "decision_id quarantine_id verb state maker reason amendment amended_digest content_digest code remedy outcome"
        " rejection_id"
    )
    row = dict(zip(names.split(), values, strict=True))
    await q.insert("quarantine_decisions", {**row, "decided_at": None if row["state"] == "proposed" else q.clock()})
    return "INSERT 0 1"


@says("messaging")
async def decisions_of(q: Query, quarantine_id: str) -> Answer:
    rows = [row for _, row in q.scan("quarantine_decisions", lambda row: row["quarantine_id"] == quarantine_id)]
    return [Row(row) for row in sorted(rows, key=lambda row: (row["made_at"], row["decision_id"]))]


@says("messaging")
async def lapse_proposals(q: Query, quarantine_id: str) -> Answer:
    def proposed(row: dict[str, Any]) -> bool:
        return bool(row["quarantine_id"] == quarantine_id and row["state"] == "proposed")

    done = 0
    for slot, _ in list(q.scan("quarantine_decisions", proposed)):
        if await q.lock(slot, proposed) is not None:
            await q.update("quarantine_decisions", slot, state="lapsed", decided_at=q.clock())
            done += 1
    return f"UPDATE {done}"


@says("messaging")
async def keep_rejections(q: Query, *columns: list[Any]) -> Answer:
    names = "rejection_id case_id rejected_by document_type number digest code remedy received_at"
    added = 0
    for row in _columns(names, columns):
        added += await q.insert("rejections", row, on_conflict="nothing") is not None
    return f"INSERT 0 {added}"


# ---- ledger -------------------------------------------------------------------------------------------------------------------


@says("ledger")
async def lock_accounts(q: Query, accounts: list[str]) -> Answer:
    found = []
    for account in sorted(accounts):
        slot = await q.insert("ledger.accounts", {"account": account}, on_conflict="account")
        assert slot is not None
        assert slot.pending is not None
        found.append(_row(slot.pending, "account sequence balance_fen"))
    return found


@says("ledger")
async def add_postings(q: Query, *columns: list[Any]) -> Answer:
    rows = _columns("event_id line debit debit_sequence credit credit_sequence amount_fen", columns)
    for row in rows:
        await q.insert("ledger.postings", row)
    return f"INSERT 0 {len(rows)}"


@says("ledger")
async def move_accounts(q: Query, accounts: list[str], sequences: list[int], balances: list[int]) -> Answer:
    given = {account: (sequence, fen) for account, sequence, fen in zip(accounts, sequences, balances, strict=True)}
    done = 0
    for slot, row in list(q.find("ledger.accounts", accounts)):
        if await q.lock(slot) is not None:
            sequence, fen = given[row["account"]]
            await q.update("ledger.accounts", slot, sequence=sequence, balance_fen=fen)
            done += 1
    return f"UPDATE {done}"


@says("ledger")
async def heads(q: Query, accounts: list[str]) -> Answer:
    return [_row(row, "account sequence balance_fen") for _, row in q.find("ledger.accounts", accounts)]


# ---- records ------------------------------------------------------------------------------------------------------------------

_PERSON = (
    "person_ref id_hash state scheme account_kind has_paid first_insured_on stopped_on drawing_since interest_through died_on"
    " held_since left_with personal segments left_segments version"
)


@says("records")
async def by_hash(q: Query, hashes: list[bytes]) -> Answer:
    wanted = set(hashes)
    return [_row(row, _PERSON) for _, row in q.scan("records.persons", lambda row: row["id_hash"] in wanted)]


@says("records")
async def by_hash_locked(q: Query, hashes: list[bytes]) -> Answer:
    wanted = set(hashes)

    def ours(row: dict[str, Any]) -> bool:
        return row["id_hash"] in wanted

    found = [
        await q.lock(slot, ours)
        for slot, _ in sorted(q.scan("records.persons", ours), key=lambda item: str(item[1]["person_ref"]))
    ]
    return [_row(row, _PERSON) for row in found if row is not None]


@says("records")
async def by_ref(q: Query, refs: list[str]) -> Answer:
    found = []
    for slot, _ in sorted(q.find("records.persons", refs), key=lambda item: str(item[1]["person_ref"])):
        row = await q.lock(slot)
        if row is not None:
            found.append(_row(row, _PERSON))
    return found


@says("records")
async def add_persons(q: Query, *columns: list[Any]) -> Answer:
    names = (
        "person_ref id_hash state scheme account_kind has_paid first_insured_on stopped_on drawing_since interest_through"
        " personal segments"
    )
    rows = _columns(names, columns)
    for row in rows:
        await q.insert("records.persons", row)
    return f"INSERT 0 {len(rows)}"


async def _change(
    q: Query, rows: list[dict[str, Any]], more: Callable[[dict[str, Any]], dict[str, Any]] = lambda row: {}
) -> Answer:
    given = {row["person_ref"]: row for row in rows}
    done = 0
    for slot, _ in list(q.find("records.persons", given)):
        row = await q.lock(slot)
        if row is not None:
            changes = {**given[row["person_ref"]], **more(row), "version": row["version"] + 1, "changed_at": q.clock()}
            await q.update("records.persons", slot, **changes)
            done += 1
    return f"UPDATE {done}"


@says("records")
async def change_persons(q: Query, *columns: list[Any]) -> Answer:
    names = (
        "person_ref state has_paid stopped_on drawing_since interest_through died_on left_with personal segments left_segments"
    )
    return await _change(q, _columns(names, columns))


@says("records")
async def close_persons(q: Query, *columns: list[Any]) -> Answer:
    def kept_aside(row: dict[str, Any]) -> dict[str, Any]:
        return {"left_segments": row["segments"], "has_paid": False}

    return await _change(q, _columns("person_ref state left_with segments", columns), kept_aside)


@says("records")
async def note_holds(q: Query, refs: list[str], since: list[date | None]) -> Answer:
    done = 0
    for ref, held_since in zip(refs, since, strict=True):
        for slot, _ in list(q.find("persons", [ref])):
            row = await q.lock(slot)
            if row is not None:
                await q.update("persons", slot, held_since=held_since, version=row["version"] + 1, changed_at=q.clock())
                done += 1
    return f"UPDATE {done}"


@says("records")
async def add_import(
    q: Query, import_id: str, digest: str, actor: str, persons: int, rows: int, refused_rows: int, errors: str
) -> Answer:
    row = {
        "import_id": import_id,
        "digest": digest,
        "actor": actor,
        "state": "running",
        "persons": persons,
        "rows": rows,
        "refused_rows": refused_rows,
        "errors": errors,
    }
    await q.insert("records.imports", row)
    return "INSERT 0 1"


@says("records")
async def advance_import(q: Query, import_id: str, done: int, state: str) -> Answer:
    for slot, _ in list(q.find("records.imports", [import_id])):
        if await q.lock(slot) is not None:
            await q.update("records.imports", slot, persons_done=done, state=state)
            return "UPDATE 1"
    return "UPDATE 0"


@says("records")
async def import_by_digest(q: Query, digest: str) -> Answer:
    rows = q.scan("records.imports", lambda row: row["digest"] == digest)
    return [_row(row, "import_id persons_done state") for _, row in rows]


@says("records")
async def add_correction(q: Query, *values: Any) -> Answer:
    row = dict(zip(["correction_id", "person_ref", "year", "maker", "reason", "rows"], values, strict=True))
    added = await q.insert("records.corrections", {**row, "state": "proposed"}, on_conflict="nothing:corrections_once")
    return [] if added is None else [_row(row, "correction_id")]


@says("records")
async def hold_corrections(q: Query, ids: list[str]) -> Answer:
    names = "correction_id person_ref year state maker reason rows"
    found = [await q.lock(slot) for slot, _ in list(q.find("records.corrections", sorted(ids)))]
    return [_row(row, names) for row in found if row is not None]


@says("records")
async def decide_corrections(q: Query, ids: list[str], state: str, checker: str) -> Answer:
    done = 0
    for slot, _ in list(q.find("records.corrections", ids)):
        if await q.lock(slot) is not None:
            await q.update("records.corrections", slot, state=state, checker=checker, decided_at=q.clock())
            done += 1
    return f"UPDATE {done}"


@says("records")
async def rule_imports(q: Query, after: int) -> Answer:
    found = q.scan("records.rule_imports", lambda row: row["number"] > after)
    return [_row(row, _RULE_IMPORT) for row in sorted((row for _, row in found), key=lambda row: int(row["number"]))]


@says("records")
async def rule_import_by_digest(q: Query, digest: str) -> Answer:
    return [_row(row, _RULE_IMPORT) for _, row in q.scan("records.rule_imports", lambda row: row["digest"] == digest)]


@says("records")
async def add_rule_import(q: Query, *values: Any) -> Answer:
    row = dict(zip(_RULE_IMPORT.split()[:-1], values, strict=True))
    added = await q.insert("records.rule_imports", row, on_conflict="nothing:number")
    return [] if added is None else [Row(number=row["number"])]


@says("records")
async def add_year_end(q: Query, run_id: str, year: int, maker: str) -> Answer:
    row = {"run_id": run_id, "year": year, "state": "proposed", "maker": maker}
    slot = await q.insert("records.year_ends", row, on_conflict="nothing:year_ends_open")
    return [] if slot is None or slot.pending is None else [Row(slot.pending)]


@says("records")
async def begin_year_end(q: Query, run_id: str, checker: str) -> Answer:
    for slot, _ in list(q.find("records.year_ends", [run_id])):
        row = await q.lock(slot)
        if row is None:
            continue
        here = (person for _, person in q.scan("records.persons", lambda person: person["state"] in ("active", "stopped")))
        changes = {
            "state": "running",
            "checker": checker,
            "reason": "",
            "began_at": row["began_at"] or q.clock(),
            "due": row["due"] if row["after"] else sum(person["interest_through"] < row["year"] for person in here),
        }
        return [Row(await q.update("records.year_ends", slot, **changes))]
    return []


@says("records")
async def running_year_end(q: Query) -> Answer:
    running = sorted(q.scan("records.year_ends", lambda row: row["state"] == "running"), key=lambda item: int(item[1]["year"]))
    for slot, _ in running:
        if slot.owner is not None and slot.owner is not q.work:
            continue  # SKIP LOCKED
        row = await q.lock(slot, lambda row: row["state"] == "running")
        if row is not None:
            return [_row(row, "run_id year after")]
    return []


@says("records")
async def person_keys(q: Query, refs: list[str]) -> Answer:
    return [_row(row, "person_ref key") for _, row in q.find("keys.person_keys", refs) if row["key"] is not None]


@says("records")
async def add_keys(q: Query, refs: list[str], keys: list[bytes]) -> Answer:
    found = []
    for ref, key in zip(refs, keys, strict=True):
        if await q.insert("keys.person_keys", {"person_ref": ref, "key": key}, on_conflict="nothing") is not None:
            found.append(Row(person_ref=ref))
    return found


# ---- origin agency ------------------------------------------------------------------------------------------------------------

_ORIGIN_CASE = (
    "case_id state destination known_as person_ref received_on due_on remind_on reminded breached escalate_on remittance_id body"
    " letter"
)


async def _load(q: Query, table: str, names: str, case_ids: list[str]) -> Answer:
    found = []
    for slot, _ in sorted(q.find(table, case_ids), key=lambda item: str(item[1]["case_id"])):
        row = await q.lock(slot)
        if row is not None:
            found.append(_row(row, names))
    return found


async def _save(q: Query, table: str, rows: Iterable[dict[str, Any]], changed: str) -> Answer:
    saved = 0
    for row in rows:
        saved += 1
        slot = await q.insert(table, row, on_conflict="case_id")
        assert slot is not None
        assert slot.pending is not None
        if not q.added:
            changes = {name: row[name] for name in changed.split()}
            await q.update(table, slot, **changes, changed_at=q.clock())
    return f"INSERT 0 {saved}"


@says("origin_agency", "load")
async def origin_load(q: Query, case_ids: list[str]) -> Answer:
    return await _load(q, "cases", _ORIGIN_CASE, case_ids)


@says("origin_agency", "save")
async def origin_save(q: Query, *columns: list[Any]) -> Answer:
    changed = "state known_as person_ref received_on due_on remind_on reminded breached escalate_on remittance_id body letter"
    return await _save(q, "cases", _columns(_ORIGIN_CASE, columns), changed)


@says("origin_agency", "form_day")
async def origin_form_day(q: Query, case_id: str) -> Answer:
    for _, row in q.scan("cases", lambda row: row["case_id"] == case_id):
        day = json.loads(row["body"]).get("transfer_on")
        return [Row(transfer_on=date.fromisoformat(day) if day else None)]
    return []


@says("origin_agency", "due")
async def origin_due(q: Query, states: list[str], today: Any, limit: int) -> Answer:
    def due(row: dict[str, Any]) -> bool:
        late = (not row["breached"] and row["due_on"] < today) or (not row["reminded"] and row["remind_on"] <= today)
        silent = row["escalate_on"] is not None and row["escalate_on"] <= today
        return row["state"] in states and (late or silent) and row["person_ref"] not in held

    held = {row["person_ref"] for _, row in q.scan("records.persons", lambda row: row["held_since"] is not None)}
    return [Row(case_id=case_id) for case_id in sorted(row["case_id"] for _, row in q.scan("cases", due))[:limit]]


def _is_provisional(row: dict[str, Any]) -> bool:
    return bool(json.loads(row["body"]).get("provisional"))


@says("origin_agency", "provisional")
async def origin_provisional(q: Query, states: list[str]) -> Answer:
    rows = q.scan("cases", lambda row: row["state"] in states and _is_provisional(row))
    return [Row(case_id=case_id) for case_id in sorted(row["case_id"] for _, row in rows)[:500]]


@says("origin_agency")
async def add_remittances(q: Query, *columns: list[Any]) -> Answer:
    rows = _columns("remittance_id destination payee total_fen lines maker checker", columns)
    for row in rows:
        await q.insert("remittances", {**row, "state": "ordered"})
    return f"INSERT 0 {len(rows)}"


@says("origin_agency")
async def ordered(q: Query) -> Answer:
    rows = sorted(
        (row for _, row in q.scan("remittances", lambda row: row["state"] == "ordered")), key=lambda row: row["ordered_at"]
    )
    return [_row(row, "remittance_id destination payee total_fen lines maker checker") for row in rows[:20]]


async def _accepted(q: Query, table: str, key: str, **changes: Any) -> list[dict[str, Any]]:
    def waits(row: dict[str, Any]) -> bool:
        return bool(row["state"] == "ordered")

    found = []
    for slot, row in list(q.find(table, [key])):
        if waits(row) and await q.lock(slot, waits) is not None:
            found.append(await q.update(table, slot, state="accepted", **changes))
    return found


@says("origin_agency")
async def accept_remittances(q: Query, ids: list[str], references: list[str]) -> Answer:
    done = 0
    for remittance_id, reference in zip(ids, references, strict=True):
        done += len(await _accepted(q, "remittances", remittance_id, bank_reference=reference))
    return f"UPDATE {done}"


@says("origin_agency", "cursor")
async def origin_cursor(q: Query) -> Answer:
    return [_row(row, "after") for _, row in q.scan("bank_cursor")]


@says("destination_agency", "cursor")
async def destination_cursor(q: Query) -> Answer:
    return [_row(row, "after") for _, row in q.scan("bank_cursor")]


async def _lock_cursor(q: Query) -> Answer:
    return [_row(row, "after") for slot, _ in list(q.scan("bank_cursor")) if (row := await q.lock(slot)) is not None]


async def _move_cursor(q: Query, after: int) -> Answer:
    for slot, _ in list(q.scan("bank_cursor")):
        row = await q.lock(slot)
        if row is not None:
            await q.update("bank_cursor", slot, after=max(row["after"], after))
    return "UPDATE 1"


for _agency in ("origin_agency", "destination_agency"):
    says(_agency, "lock_cursor")(_lock_cursor)
    says(_agency, "move_cursor")(_move_cursor)


@says("origin_agency")
async def voucher_number(q: Query) -> Answer:
    return [Row(nextval=q.server.nextval("voucher_numbers"))]


@says("origin_agency")
async def add_voucher(q: Query, voucher_no: str, check_code: str, person_ref: str, body: str) -> Answer:
    await q.insert("vouchers", {"voucher_no": voucher_no, "check_code": check_code, "person_ref": person_ref, "body": body})
    return "INSERT 0 1"


# ---- destination agency -------------------------------------------------------------------------------------------------------

_DESTINATION_CASE = (
    "case_id serial person_ref state status origin since due_on remind_on reminded breached open_key applicant body personal form"
)


@says("destination_agency", "load")
async def destination_load(q: Query, case_ids: list[str]) -> Answer:
    return await _load(q, "cases", _DESTINATION_CASE, case_ids)


@says("destination_agency", "save")
async def destination_save(q: Query, *columns: list[Any]) -> Answer:
    names = (
        "case_id person_ref state status origin since due_on remind_on reminded breached open surplus open_key applicant body"
        " personal form serial"
    )

    def drawn() -> Iterator[dict[str, Any]]:
        """Each row draws its number when its turn comes: what a failure cuts off has drawn none."""
        for row in _columns(names, columns):
            serial = row["serial"]
            yield {**row, "serial": q.server.nextval("cases_serial") if serial is None else serial}

    changed = "state status since due_on remind_on reminded breached open surplus origin open_key body personal form"
    return await _save(q, "cases", drawn(), changed)


@says("destination_agency")
async def serials(q: Query, count: int) -> Answer:
    return [Row(serial=q.server.nextval("cases_serial")) for _ in range(count)]


@says("destination_agency")
async def busy_persons(q: Query, refs: list[str]) -> Answer:
    busy = {row["person_ref"] for _, row in q.scan("cases", lambda row: row["open"] and row["person_ref"] in refs)}
    return [Row(person_ref=ref) for ref in sorted(busy)]


@says("destination_agency")
async def open_cases(q: Query, open_keys: list[bytes]) -> Answer:
    wanted = set(open_keys)
    rows = q.scan("cases", lambda row: row["open"] and row["open_key"] in wanted)
    return [_row(row, "case_id open_key applicant") for _, row in rows]


@says("destination_agency", "due")
async def destination_due(q: Query, today: Any, limit: int) -> Answer:
    def due(row: dict[str, Any]) -> bool:
        late = (not row["breached"] and row["due_on"] < today) or (not row["reminded"] and row["remind_on"] <= today)
        return row["open"] and late

    return [Row(case_id=case_id) for case_id in sorted(row["case_id"] for _, row in q.scan("cases", due))[:limit]]


@says("destination_agency", "provisional")
async def destination_provisional(q: Query) -> Answer:
    rows = q.scan("cases", lambda row: row["open"] and _is_provisional(row))
    return [Row(case_id=case_id) for case_id in sorted(row["case_id"] for _, row in rows)[:500]]


@says("destination_agency")
async def add_return(
    q: Query, return_id: str, case_id: str, remittance_id: str, amount_fen: int, maker: str, checker: str
) -> Answer:
    row = {
        "return_id": return_id,
        "case_id": case_id,
        "remittance_id": remittance_id,
        "amount_fen": amount_fen,
        "maker": maker,
        "checker": checker,
        "state": "ordered",
    }
    await q.insert("returns", row)
    return "INSERT 0 1"


@says("destination_agency")
async def ordered_returns(q: Query) -> Answer:
    rows = sorted((row for _, row in q.scan("returns", lambda row: row["state"] == "ordered")), key=lambda row: row["ordered_at"])
    return [_row(row, "return_id case_id remittance_id amount_fen maker checker") for row in rows[:50]]


@says("destination_agency")
async def accept_return(q: Query, return_id: str) -> Answer:
    return [Row(return_id=row["return_id"]) for row in await _accepted(q, "returns", return_id)]


@says("destination_agency")
async def open_return(q: Query, case_id: str) -> Answer:
    found = q.scan("returns", lambda row: row["case_id"] == case_id and row["state"] == "ordered")
    return [Row(exists=any(True for _ in found))]


@says("destination_agency")
async def add_gathering(
    q: Query, gathering_id: str, person_ref: str, rule: str, cases: list[str], claimed_on: date, category: str | None
) -> Answer:
    row = {"gathering_id": gathering_id, "person_ref": person_ref, "rule": rule, "cases": list(cases), "state": "open"}
    await q.insert("gatherings", {**row, "claimed_on": claimed_on, "category": category})
    return "INSERT 0 1"


def _ended(q: Query, final: list[str]) -> list[tuple[Any, dict[str, Any]]]:
    open_cases = {row["case_id"] for _, row in q.scan("cases", lambda row: row["state"] not in final)}
    found = q.scan("gatherings", lambda row: row["state"] == "open" and not open_cases & set(row["cases"]))
    return sorted(found, key=lambda each: each[1]["gathering_id"])


@says("destination_agency")
async def ended_gatherings(q: Query, final: list[str]) -> Answer:
    return [_row(row, "gathering_id") for _, row in _ended(q, final)[:1]]


@says("destination_agency")
async def lock_ended_gatherings(q: Query, final: list[str]) -> Answer:
    locked = [await q.lock(slot) for slot, _ in _ended(q, final)[:50]]
    return [
        _row(row, "gathering_id person_ref cases claimed_on category")
        for row in locked
        if row is not None and row["state"] == "open"
    ]


@says("destination_agency")
async def complete_gatherings(
    q: Query,
    gathering_ids: list[str],
    states: list[str],
    months: list[int],
    minimum_months: list[int | None],
    found_places: list[str | None],
) -> Answer:
    done = 0
    ends = zip(states, months, minimum_months, found_places, strict=True)
    given = dict(zip(gathering_ids, ends, strict=True))
    for slot, found in list(q.find("gatherings", gathering_ids)):
        row = await q.lock(slot)
        if row is not None and row["state"] == "open":
            state, count, least, place = given[found["gathering_id"]]
            await q.update("gatherings", slot, state=state, months=count, minimum_months=least, found_place=place)
            done += 1
    return f"UPDATE {done}"


@says("destination_agency")
async def gathering(q: Query, gathering_id: str) -> Answer:
    names = "person_ref rule cases state claimed_on months minimum_months found_place"
    return [_row(row, names) for _, row in q.find("gatherings", [gathering_id])]


@says("destination_agency")
async def list_gatherings(q: Query, state: str | None, limit: int) -> Answer:
    found = q.scan("gatherings", lambda row: state is None or row["state"] == state)
    rows = sorted((row for _, row in found), key=lambda row: (row["claimed_on"], row["gathering_id"]))
    return [_row(row, "gathering_id state rule claimed_on months minimum_months found_place") for row in rows[:limit]]


@says("destination_agency")
async def states(q: Query, case_ids: list[str]) -> Answer:
    rows = sorted((row for _, row in q.find("cases", case_ids)), key=lambda row: row["case_id"])
    return [_row(row, "case_id origin state") for row in rows]


@says("destination_agency")
async def add_batch(q: Query, batch_id: str, sub: str, applied_by: str, total: int, rows: str, relocation: str | None) -> Answer:
    found = {"batch_id": batch_id, "sub": sub, "applied_by": applied_by, "total": total, "rows": rows}
    await q.insert("batches", {**found, "relocation": relocation})
    return "INSERT 0 1"


@says("destination_agency")
async def open_batches(q: Query) -> Answer:
    rows = sorted(
        (row for _, row in q.scan("batches", lambda row: row["handled"] < row["total"])), key=lambda row: row["taken_at"]
    )
    return [_row(row, "batch_id") for row in rows]


@says("destination_agency")
async def submission(q: Query, batch_id: str) -> Answer:
    return [_row(row, "rows") for _, row in q.find("batches", [batch_id])]


@says("destination_agency")
async def take_batch(q: Query, batch_id: str) -> Answer:
    names = "batch_id sub applied_by total handled refused"
    found = [await q.lock(slot) for slot, _ in list(q.find("batches", [batch_id]))]
    return [_row(row, names) for row in found if row is not None]


@says("destination_agency")
async def advance_batch(q: Query, batch_id: str, handled: int, refused: int) -> Answer:
    for slot, _ in list(q.find("batches", [batch_id])):
        row = await q.lock(slot)
        if row is not None:
            await q.update("batches", slot, handled=handled, refused=row["refused"] + refused)
            return "UPDATE 1"
    return "UPDATE 0"


@says("destination_agency")
async def add_batch_rows(q: Query, batch_id: str, *columns: list[Any]) -> Answer:
    rows = _columns("row_no case_id result code detail", columns)
    for row in rows:
        await q.insert("batch_rows", {"batch_id": batch_id, **row})
    return f"INSERT 0 {len(rows)}"


# ---- notification -------------------------------------------------------------------------------------------------------------

_CLAIMED = "seq notice_id event_id case_id person_ref template template_version said message_id occurred_at attempts"


@says("notification")
async def keep_contacts(q: Query, *columns: list[Any]) -> Answer:
    added = 0
    for row in _columns("contact_id person_ref language personal", columns):
        added += await q.insert("contacts", row, on_conflict="nothing") is not None
    return f"INSERT 0 {added}"


@says("notification")
async def keep_deaths(q: Query, *columns: list[Any]) -> Answer:
    added = 0
    for row in _columns("person_ref event_id", columns):
        added += await q.insert("deceased", row, on_conflict="nothing") is not None
    return f"INSERT 0 {added}"


def _with_contact(q: Query, row: dict[str, Any], age_s: float) -> Row:
    contact = next((contact for _, contact in q.find("contacts", [row["contact_id"]])), None)
    return _row(
        row,
        _CLAIMED,
        age_s=age_s,
        contact_ref=contact["person_ref"] if contact else None,
        language=contact["language"] if contact else None,
        personal=contact["personal"] if contact else None,
        deceased=any(True for _ in q.find("deceased", [row["person_ref"]])),
    )


@says("notification")
async def queue(q: Query, mailer: str | None, lease_s: float, *columns: list[Any]) -> Answer:
    names = "notice_id event_id case_id person_ref contact_id template template_version said message_id occurred_at channel"
    waiting = {row["case_id"] for _, row in q.scan("notices", lambda row: row["state"] == "queued")}
    added = []
    for row in _columns(names, columns):
        free = row["case_id"] not in waiting
        claim_ = {
            "claimed_by": mailer if free else None,
            "not_before": q.now + timedelta(seconds=lease_s) if free else q.now,
        }
        slot = await q.insert("notices", {**row, **claim_}, on_conflict="nothing")
        if slot is not None and slot.pending is not None and mailer is not None and slot.pending["claimed_by"] == mailer:
            added.append(slot.pending)
    return [_with_contact(q, row, 0.0) for row in sorted(added, key=lambda row: row["seq"])]


@says("notification")
async def claim(q: Query, mailer: str, lease_s: float, limit: int) -> Answer:
    rows = sorted(q.scan("notices", lambda row: row["state"] == "queued"), key=lambda item: item[1]["seq"])
    held: dict[str, int] = {}  # the first notice of a case that must not be taken yet
    for _, row in rows:
        if row["not_before"] > q.now:
            held.setdefault(row["case_id"], row["seq"])

    def ready(row: dict[str, Any]) -> bool:
        return bool(row["state"] == "queued" and row["not_before"] <= q.now)

    taken: list[dict[str, Any]] = []
    for slot, row in rows:
        if len(taken) == limit:
            break
        if not ready(row) or held.get(row["case_id"], row["seq"]) < row["seq"]:
            continue
        if slot.owner is not None and slot.owner is not q.work:
            continue  # SKIP LOCKED
        if await q.lock(slot, ready) is not None:
            changed = await q.update("notices", slot, claimed_by=mailer, not_before=q.now + timedelta(seconds=lease_s))
            taken.append(changed)
    return [_with_contact(q, row, (q.now - row["queued_at"]).total_seconds()) for row in taken]


@says("notification")
async def record(
    q: Query,
    mailer: str,
    ids: list[str],
    states: list[str],
    tried: list[int],
    delays: list[float],
    evidence: list[str | None],
    reasons: list[str | None],
    ended_at: Any,
    *told: list[Any],
) -> Answer:
    def ours(row: dict[str, Any]) -> bool:
        return bool(row["state"] == "queued" and row["claimed_by"] == mailer)

    done = []
    for notice_id, state, tries, delay_s, proof, reason in zip(ids, states, tried, delays, evidence, reasons, strict=True):
        for slot, row in list(q.find("notices", [notice_id])):
            if not ours(row):
                continue
            locked = await q.lock(slot, ours)
            if locked is not None:
                await q.update(
                    "notices",
                    slot,
                    state=state,
                    attempts=locked["attempts"] + tries,
                    not_before=q.now + timedelta(seconds=delay_s),
                    claimed_by=None,
                    evidence=proof if proof is not None else locked["evidence"],
                    reason=reason,
                    ended_at=None if state == "queued" else ended_at,
                )
                done.append(notice_id)
    for row in _columns("notice_id event_id topic key type subject payload", told):
        if row.pop("notice_id") in done:
            slot_ = await q.insert("outbox", row)
            assert slot_ is not None
            assert slot_.pending is not None
            await q.insert("pending", {"seq": slot_.pending["seq"]})
    return [Row(notice_id=notice_id) for notice_id in done]


@says("notification")
async def release(q: Query, mailer: str) -> Answer:
    def ours(row: dict[str, Any]) -> bool:
        return bool(row["state"] == "queued" and row["claimed_by"] == mailer)

    done = 0
    for slot, _ in list(q.scan("notices", ours)):
        if await q.lock(slot, ours) is not None:
            await q.update("notices", slot, claimed_by=None, not_before=q.now)
            done += 1
    return f"UPDATE {done}"


# ---- bank ---------------------------------------------------------------------------------------------------------------------


@says("bank")
async def take_order(q: Query, *values: Any) -> Answer:
    row = dict(zip(["order_id", "kind", "digest", "reference", "payer", "payee", "total_fen", "taken_at"], values, strict=True))
    return [_row(row, "order_id")] if await q.insert("orders", row, on_conflict="nothing") is not None else []


@says("bank")
async def order(q: Query, order_id: str) -> Answer:
    return [_row(row, "digest reference") for _, row in q.find("orders", [order_id])]


@says("bank")
async def order_parties(q: Query, order_id: str) -> Answer:
    return [_row(row, "payer payee") for _, row in q.find("orders", [order_id]) if row["kind"] == "remittance"]


@says("bank")
async def use_faults(q: Query, cases: list[str]) -> Answer:
    first: dict[str, int] = {}
    for _, row in q.scan("faults", lambda row: not row["used"] and row["case_id"] in cases):
        first[row["case_id"]] = min(first.get(row["case_id"], row["fault_id"]), row["fault_id"])
    found = []
    for slot, _ in list(q.find("faults", sorted(first.values()))):
        if await q.lock(slot) is not None:
            found.append(_row(await q.update("faults", slot, used=True), "case_id kind days amount_fen"))
    return found


@says("bank")
async def add_payments(q: Query, *columns: list[Any]) -> Answer:
    rows = _columns("remittance_id case_id payer payee amount_fen kind reason available_at", columns)
    for row in rows:
        await q.insert("payments", row)
    return f"INSERT 0 {len(rows)}"


def _is_due(now: Any) -> Any:
    return lambda row: row["available_at"] is not None and row["available_at"] <= now and not row["booked"]


@says("bank")
async def wait_for_due(q: Query, now: Any) -> Answer:
    if not any(True for _ in q.scan("payments", _is_due(now))):
        return []
    await q.alone("bank.lines")
    return [Row({"?column?": True})]


@says("bank")
async def book_lines(q: Query, now: Any, booked_on: Any) -> Answer:
    due = []
    for slot, _ in list(q.scan("payments", _is_due(now))):
        if await q.lock(slot, _is_due(now)) is not None:
            due.append(await q.update("payments", slot, booked=True))
    for row in sorted(due, key=lambda row: row["payment_id"]):
        line = _row(row, "payment_id kind remittance_id case_id payer payee amount_fen reason")
        await q.insert("lines", {**line, "line_id": f"L{row['payment_id']}", "booked_on": booked_on})
    return [_row(row, "kind payer payee") for row in sorted(due, key=lambda row: row["payment_id"])]


def _lines(q: Query, kind: str, side: str, province: str, after: int) -> Answer:
    rows = q.scan("lines", lambda row: row["kind"] == kind and row[side] == province and row["line_no"] > after)
    names = "line_no line_id kind remittance_id case_id payer payee amount_fen booked_on reason"
    return [_row(row, names) for row in sorted((row for _, row in rows), key=lambda row: row["line_no"])[:500]]


@says("bank")
async def paid_in(q: Query, province: str, after: int) -> Answer:
    return _lines(q, "payment", "payee", province, after)


@says("bank")
async def returned_to(q: Query, province: str, after: int) -> Answer:
    return _lines(q, "returned", "payer", province, after)


def _next(q: Query, kind: str, side: str, province: str) -> Answer:
    rows = q.scan("payments", lambda row: not row["booked"] and row["kind"] == kind and row[side] == province)
    return [Row(min=min((row["available_at"] for _, row in rows if row["available_at"] is not None), default=None))]


@says("bank")
async def next_paid_in(q: Query, province: str) -> Answer:
    return _next(q, "payment", "payee", province)


@says("bank")
async def next_returned_to(q: Query, province: str) -> Answer:
    return _next(q, "returned", "payer", province)


@says("bank")
async def add_faults(q: Query, *columns: list[Any]) -> Answer:
    rows = _columns("case_id kind days amount_fen", columns)
    for row in rows:
        await q.insert("faults", row)
    return f"INSERT 0 {len(rows)}"


@says("bank")
async def alone_with_case(q: Query, case_id: str) -> Answer:
    await q.alone("bank.investigations", case_id)
    return [Row(pg_advisory_xact_lock=None)]


@says("bank")
async def open_payments(q: Query, case_id: str) -> Answer:
    def lost(row: dict[str, Any]) -> bool:
        return bool(row["case_id"] == case_id and row["available_at"] is None)

    found = [await q.lock(slot, lost) for slot, _ in list(q.scan("payments", lost))]
    return [_row(row, "payment_id") for row in found if row is not None]


@says("bank")
async def find_payments(q: Query, ids: list[int], now: Any) -> Answer:
    done = 0
    for slot, _ in list(q.find("payments", ids)):
        if await q.lock(slot) is not None:
            await q.update("payments", slot, available_at=now)
            done += 1
    return f"UPDATE {done}"


@says("bank")
async def shortfall(q: Query, case_id: str, sent_back: str) -> Answer:
    found = []
    for _, order_ in q.scan("orders", lambda row: row["kind"] == "remittance"):
        lines = [row for _, row in q.find("order_lines", [(order_["order_id"], case_id)])]
        if lines:
            order_id = order_["order_id"]
            planned = [
                row
                for _, row in q.scan("payments")
                if (row["remittance_id"], row["case_id"]) == (order_id, case_id) and row["reason"] != sent_back
            ]
            found.append(
                _row(
                    order_,
                    "order_id payer payee",
                    ordered_fen=Decimal(sum(row["amount_fen"] for row in lines)),
                    planned_fen=Decimal(sum(row["amount_fen"] for row in planned)),
                )
            )
    return found


@says("bank")
async def given_back(q: Query, case_id: str, payer: str, payee: str, sent_back: str) -> Answer:
    def ordered_by(kind: str, by: str, to: str) -> Decimal:
        orders = {row["order_id"] for _, row in q.scan("orders") if (row["kind"], row["payer"], row["payee"]) == (kind, by, to)}
        lines = (row for _, row in q.scan("order_lines") if row["case_id"] == case_id and row["order_id"] in orders)
        return Decimal(sum(row["amount_fen"] for row in lines))

    between = [row for _, row in q.scan("payments") if (row["case_id"], row["payer"], row["payee"]) == (case_id, payer, payee)]
    return [
        Row(
            ordered_fen=ordered_by("remittance", payer, payee),
            planned_fen=Decimal(sum(row["amount_fen"] for row in between if row["kind"] == "payment")),
            given_back_fen=ordered_by("return", payee, payer),
            passed_on_fen=Decimal(
                sum(row["amount_fen"] for row in between if (row["kind"], row["reason"]) == ("returned", sent_back))
            ),
        )
    ]


@says("bank")
async def add_order_lines(q: Query, order_id: str, *columns: list[Any]) -> Answer:
    rows = _columns("case_id amount_fen", columns)
    for row in rows:
        await q.insert("order_lines", {"order_id": order_id, **row})
    return f"INSERT 0 {len(rows)}"


def first_rows(tables: dict[str, Table], schemas: Sequence[str] = FIRST_ROWS) -> None:
    """The rows that the migrations put in."""
    from tests.simulation.postgres import Slot

    for name in schemas:
        if name in tables:
            table = tables[name]
            row = {column: table.defaults[column] for column in table.columns}
            slot = Slot()
            slot.versions.append((1, row))
            table.slots.append(slot)
            table.file(slot, row)
