"""The simulated database beside a real one: the same statements in the same order, the same answers, the same tables at the end.

Every statement that the simulation knows is in `CALLS`, and a test keeps it so. What a clock says is compared as there or not.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import asyncpg
import pytest

from deploy.postgres.provision import owner_role
from services.runtime.clock import SHANGHAI
from services.runtime.database import Transaction
from services.runtime.database import together as real_together
from tests.integration.conftest import UrlOf
from tests.simulation import postgres, statements
from tests.simulation.nature import Nature, Weather

Answer = Any
NOON = datetime(2024, 5, 6, 12, tzinfo=SHANGHAI)
DAYS = [date(2024, 5, day) for day in (6, 13, 20, 27)]
TIMES = [datetime(2024, 5, day, tzinfo=SHANGHAI) for day in (6, 7, 8)]
# What a server's own clock says.
CLOCKS = {
    *("created_at", "changed_at", "received_at", "parked_at", "queued_at", "taken_at", "ordered_at", "issued_at", "kept_at"),
    *("made_at", "recorded_at", "started_at", "closed_at", "decided_at", "not_before", "next_try_at"),
    *("imported_at", "proposed_at", "began_at", "opened_at"),
}
UNORDERED = {
    *(
        "by_hash",
        "known_digests",
        "accept",
        "heads",
        "open_cases",
        "busy_persons",
        "person_keys",
        "add_keys",
        "park",
        "tell_behind",
        "use_faults",
    ),
    *("hold_cases", "append", "book_lines", "open_payments", "record", "shortfall", "quarantined"),
    "due_quarantined",  # among rows that are due in the same microseconds
}


def _ids(prefix: str, r: random.Random, most: int = 3) -> list[str]:
    return [f"{prefix}{n}" for n in r.sample(range(8), r.randint(1, most))]


def _one(prefix: str, r: random.Random) -> str:
    return f"{prefix}{r.randrange(8)}"


def _many(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _outgoing(r: random.Random) -> tuple[Any, ...]:
    return (
        f"ev{r.randrange(400)}",
        "journal.44",
        _one("case", r),
        r.choice([None, "origin-agency"]),
        "t",
        _one("case", r),
        b"{}",
    )


def _quarantined(r: random.Random) -> tuple[Any, ...]:
    waits = r.random() < 0.4
    state = "waiting" if waits else r.choice(["parked", "behind"])
    return (
        f"q{r.randrange(60)}",
        "exchange.44",
        r.randrange(2),
        r.randrange(20),
        _one("case", r),
        r.choice([None, _one("ev", r)]),
        "unexpected",
        "why",
        b"{}",
        json.dumps({"ce_type": "74"}),
        r.randrange(3),
        state,
        _one("case", r),
        r.random() < 0.5,
        r.random() < 0.5,
        r.choice([0.0, 5000.0]) if waits else None,
    )


def _origin_case(r: random.Random, case_id: str) -> tuple[Any, ...]:
    body = json.dumps({"provisional": r.random() < 0.3, "limit": "X", "transfer_on": r.choice([None, "2024-05-06"])})
    states = ["LETTER_HELD", "FORM_ISSUED", "SETTLED"]
    return (
        *(case_id, r.choice(states), "33", _one("p", r), r.choice([None, _one("p", r)]), r.choice(DAYS), r.choice(DAYS)),
        *(r.choice(DAYS), r.random() < 0.5, r.random() < 0.5, r.choice([None, *DAYS]), r.choice([None, _one("rem", r)])),
        *(body, "letter"),
    )


def _destination_case(r: random.Random, case_id: str) -> tuple[Any, ...]:
    body = json.dumps({"provisional": r.random() < 0.3})
    return (
        *(case_id, _one("p", r), "REVIEWING", "SUBMITTED", "44", r.choice(DAYS), r.choice(DAYS), r.choice(DAYS)),
        *(
            r.random() < 0.5,
            r.random() < 0.5,
            r.random() < 0.7,
            r.random() < 0.3,
            _one("key", r).encode(),
            "clerk",
            body,
            "sealed",
        ),
        *(r.choice([None, "form"]), r.choice([None, None, 900 + r.randrange(50)])),
    )


def _person(r: random.Random, ref: str) -> tuple[Any, ...]:
    day = r.choice([None, *DAYS])
    return (ref, f"hash{r.randrange(8)}".encode(), "active", "110", "normal", True, day, day, None, 2023, "sealed", "rows")


def _notice(r: random.Random, nth: int) -> tuple[Any, ...]:
    notice, event = f"n{r.randrange(30)}", f"ev{r.randrange(30)}"
    return (
        notice,
        event,
        _one("case", r),
        _one("p", r),
        _one("case", r),
        "status",
        1,
        "{}",
        f"<{notice}.{nth}@x>",
        NOON,
        r.choice(["email", "employer_email"]),
    )


@dataclass(frozen=True)
class Call:
    """One statement with what it is sent: `how` is fetch, execute or defer."""

    module: str
    name: str
    how: str
    values: Callable[[random.Random], Sequence[Any]]
    together: tuple[str, ...] = ()  # what is deferred behind it


def _bank_payments(r: random.Random) -> list[list[Any]]:
    rows = [
        (_one("ord", r), _one("case", r), "44", r.choice(["33", "41"]), r.randint(1, 9), kind, "", r.choice([None, *TIMES]))
        for kind in r.choices(["payment", "returned"], k=r.randint(1, 3))
    ]
    return _many(rows)


def _recorded(r: random.Random) -> list[Any]:
    chosen = sorted(r.sample(range(30), 4))
    facts = [(f"n{n}", f"ev{400 + r.randrange(900)}", "journal.44", "k", "t", "s", b"{}") for n in chosen]
    return [
        r.choice(["m1", "m2"]),
        *_many([(f"n{n}", "delivered", 1, 0.0, "250", None) for n in chosen]),
        NOON,
        *_many(facts),
    ]


M, ORIGIN, D, N, R, L, B = "messaging", "origin_agency", "destination_agency", "notification", "records", "ledger", "bank"

PROVINCE = [
    Call(M, "append", "defer", lambda r: _many([_outgoing(r) for _ in range(r.randint(1, 3))]), ("append_pending",)),
    Call(M, "append_pending", "none", lambda r: []),
    Call(M, "unnumbered", "fetch", lambda r: [r.randint(1, 5)]),
    Call(M, "head", "fetch", lambda r: []),
    Call(M, "add_checkpoint", "execute", lambda r: [(n := r.randrange(40)), n + 1, "c", "s", f"digest{r.randrange(60)}"]),
    Call(M, "not_pending", "execute", lambda r: [r.sample(range(1, 60), 3)]),
    Call(M, "number", "execute", lambda r: [[r.randint(1, 60)], [r.randrange(40)], [b"p"], r.randrange(1, 41)]),
    Call(M, "unsent", "fetch", lambda r: [r.randrange(10), 5]),
    Call(M, "sent_through", "fetch", lambda r: []),
    Call(M, "mark_sent", "execute", lambda r: [r.randrange(20)]),
    Call(M, "any_unnumbered", "fetch", lambda r: []),
    Call(M, "unpublished", "fetch", lambda r: []),
    Call(
        *(M, "accept", "fetch"),
        lambda r: ["c", (ids := sorted(_ids("ev", r))), [b"d" for _ in ids], [_one("case", r) for _ in ids]],
    ),
    Call(M, "known_digests", "fetch", lambda r: ["c", _ids("ev", r)]),
    Call(M, "hold_cases", "fetch", lambda r: [sorted(_ids("case", r))]),
    Call(M, "take_over", "fetch", lambda r: ["c", _one("ev", r), b"d"]),
    Call(M, "park", "fetch", lambda r: _many([_quarantined(r) for _ in range(r.randint(1, 3))])),
    Call(M, "case_of_quarantined", "fetch", lambda r: [f"q{r.randrange(60)}"]),
    Call(M, "hold_case", "fetch", lambda r: [_one("case", r)]),
    Call(M, "open_of_case", "fetch", lambda r: [_one("case", r)]),
    Call(M, "quarantined", "fetch", lambda r: [f"q{r.randrange(60)}"]),
    Call(M, "release", "execute", lambda r: [f"q{r.randrange(60)}", r.choice(["retried", "skipped"]), 4]),
    Call(
        *(M, "keep_waiting", "execute"),
        lambda r: [
            *(f"q{r.randrange(60)}", (state := r.choice(["waiting", "parked"])), "handler_failed", "d", 2, _one("case", r)),
            *(r.random() < 0.5, r.choice([0.0, 5000.0]) if state == "waiting" else None),
        ],
    ),
    Call(M, "accept_quarantined", "execute", lambda r: [f"q{r.randrange(60)}"]),
    Call(M, "tell_behind", "fetch", lambda r: [_one("case", r)]),
    Call(M, "due_quarantined", "fetch", lambda r: [50]),
    Call(
        *(M, "decide", "execute"),
        lambda r: [
            *(f"dec{r.randrange(90)}", f"q{r.randrange(60)}", "retry", r.choice(["proposed", "done"]), "operator-1", "why"),
            *(None, None, None, None, None, None, None),
        ],
    ),
    Call(M, "decisions_of", "fetch", lambda r: [f"q{r.randrange(60)}"]),
    Call(M, "lapse_proposals", "execute", lambda r: [f"q{r.randrange(60)}"]),
    Call(M, "keep_rejections", "execute", lambda r: _many([(_one("rej", r), "c", "33/x", "t", 1, "d", "C", "r", NOON)])),
    Call(L, "lock_accounts", "fetch", lambda r: [sorted(_ids("acc", r))]),
    Call(L, "add_postings", "execute", lambda r: _many([(_one("ev", r), r.randrange(3), "a", 1, "b", 1, r.randint(0, 5))])),
    Call(L, "move_accounts", "execute", lambda r: [(ids := _ids("acc", r)), [r.randrange(9) for _ in ids], [7 for _ in ids]]),
    Call(L, "heads", "fetch", lambda r: [_ids("acc", r)]),
    Call(R, "by_hash", "fetch", lambda r: [[f"hash{r.randrange(8)}".encode()]]),
    Call(R, "by_hash_locked", "fetch", lambda r: [[f"hash{n}".encode() for n in range(4)]]),
    Call(R, "by_ref", "fetch", lambda r: [sorted(_ids("p", r))]),
    Call(R, "add_persons", "execute", lambda r: _many([_person(r, _one("p", r))])),
    Call(
        *(R, "change_persons", "execute"),
        lambda r: _many([(ref, "stopped", True, r.choice(DAYS), None, 2024, None, "c", "x", "y", "z") for ref in _ids("p", r)]),
    ),
    Call(R, "close_persons", "execute", lambda r: _many([(ref, "moved", "c", "empty") for ref in _ids("p", r)])),
    Call(R, "note_holds", "execute", lambda r: _many([(ref, r.choice([None, *DAYS])) for ref in _ids("p", r)])),
    Call(R, "add_import", "execute", lambda r: [_one("imp", r), _one("dig", r), "op", 1, 2, 0, "[]"]),
    Call(R, "advance_import", "execute", lambda r: [_one("imp", r), r.randrange(9), "done"]),
    Call(R, "import_by_digest", "fetch", lambda r: [_one("dig", r)]),
    Call(
        *(R, "add_correction", "fetch"),
        lambda r: [f"cor{r.randrange(40)}", _one("p", r), r.randrange(2022, 2024), "operator-1", "why", "sealed"],
    ),
    Call(R, "hold_corrections", "fetch", lambda r: [[f"cor{n}" for n in sorted(r.sample(range(40), 3), key=str)]]),
    Call(
        *(R, "decide_corrections", "execute"),
        lambda r: [[f"cor{n}" for n in r.sample(range(40), 2)], r.choice(["approved", "dropped"]), "checker-1"],
    ),
    Call(R, "rule_imports", "fetch", lambda r: [r.randrange(4)]),
    Call(R, "rule_import_by_digest", "fetch", lambda r: [_one("dig", r)]),
    Call(
        *(R, "add_rule_import", "fetch"),
        lambda r: [
            *(
                r.randrange(1, 9),
                f"imp{r.randrange(99)}",
                "limits",
                r.choice(["toml", "csv"]),
                "text",
                "",
                f"dig{r.randrange(99)}",
            ),
            *(r.choice(DAYS), 1, False, "", "before", "after", "op"),
        ],
    ),
    Call(R, "add_year_end", "fetch", lambda r: [f"run{r.randrange(99)}", r.randrange(2020, 2026), "maker"]),
    Call(R, "begin_year_end", "fetch", lambda r: [f"run{r.randrange(99)}", "checker"]),
    Call(R, "running_year_end", "fetch", lambda r: []),
    Call(ORIGIN, "load", "fetch", lambda r: [sorted(_ids("case", r))]),
    Call(ORIGIN, "form_day", "value", lambda r: [_one("case", r)]),
    Call(ORIGIN, "save", "execute", lambda r: _many([_origin_case(r, case_id) for case_id in _ids("case", r)])),
    Call(ORIGIN, "due", "fetch", lambda r: [["LETTER_HELD", "FORM_ISSUED"], r.choice(DAYS), 3]),
    Call(ORIGIN, "provisional", "fetch", lambda r: [["LETTER_HELD", "FORM_ISSUED"]]),
    Call(ORIGIN, "add_remittances", "execute", lambda r: _many([(_one("rem", r), "33", "payee", 5, "[]", "m", "c")])),
    Call(ORIGIN, "ordered", "fetch", lambda r: []),
    Call(ORIGIN, "accept_remittances", "execute", lambda r: [(ids := _ids("rem", r)), ["B1" for _ in ids]]),
    Call(ORIGIN, "cursor", "fetch", lambda r: []),
    Call(ORIGIN, "lock_cursor", "fetch", lambda r: []),
    Call(ORIGIN, "move_cursor", "execute", lambda r: [r.randrange(20)]),
    Call(ORIGIN, "voucher_number", "fetch", lambda r: []),
    Call(ORIGIN, "add_voucher", "execute", lambda r: [_one("v", r), "ABC", _one("p", r), "sealed"]),
    Call(D, "load", "fetch", lambda r: [sorted(_ids("case", r))]),
    Call(D, "save", "execute", lambda r: _many([_destination_case(r, case_id) for case_id in _ids("case", r)])),
    Call(D, "serials", "fetch", lambda r: [r.randint(1, 3)]),
    Call(D, "busy_persons", "fetch", lambda r: [_ids("p", r)]),
    Call(D, "open_cases", "fetch", lambda r: [[key.encode() for key in _ids("key", r)]]),
    Call(D, "due", "fetch", lambda r: [r.choice(DAYS), 3]),
    Call(D, "provisional", "fetch", lambda r: []),
    Call(D, "cursor", "fetch", lambda r: []),
    Call(D, "lock_cursor", "fetch", lambda r: []),
    Call(D, "move_cursor", "execute", lambda r: [r.randrange(20)]),
    Call(D, "add_return", "execute", lambda r: [_one("ret", r), _one("case", r), "rem", 5, "m", "c"]),
    Call(D, "ordered_returns", "fetch", lambda r: []),
    Call(D, "accept_return", "fetch", lambda r: [_one("ret", r)]),
    Call(D, "open_return", "fetch", lambda r: [_one("case", r)]),
    Call(
        *(D, "add_gathering", "execute"),
        lambda r: [
            *(_one("gat", r), _one("p", r), "HUKOU_GATHERS", _ids("case", r), r.choice(DAYS)),
            r.choice([None, "male", "female_50"]),
        ],
    ),
    Call(D, "ended_gatherings", "fetch", lambda r: [r.choice([["COMPLETED"], ["COMPLETED", "REVIEWING"]])]),
    Call(D, "lock_ended_gatherings", "fetch", lambda r: [r.choice([["COMPLETED"], ["COMPLETED", "REVIEWING"]])]),
    Call(
        *(D, "complete_gatherings", "execute"),
        lambda r: _many(
            [
                (gathering_id, r.choice(["completed", "place_differs"]), 180, r.choice([None, 240]), r.choice([None, "44"]))
                for gathering_id in _ids("gat", r)
            ]
        ),
    ),
    Call(D, "list_gatherings", "fetch", lambda r: [r.choice([None, "open", "completed"]), r.randint(1, 5)]),
    Call(D, "gathering", "fetch", lambda r: [_one("gat", r)]),
    Call(D, "states", "fetch", lambda r: [_ids("case", r)]),
    Call(
        D,
        "add_batch",
        "execute",
        lambda r: [_one("bat", r), "sub", "clerk", r.randint(1, 4), "sealed", r.choice([None, json.dumps({"kind": "whole"})])],
    ),
    Call(D, "open_batches", "fetch", lambda r: []),
    Call(D, "submission", "fetch", lambda r: [_one("bat", r)]),
    Call(D, "take_batch", "fetch", lambda r: [_one("bat", r)]),
    Call(D, "advance_batch", "execute", lambda r: [_one("bat", r), r.randrange(5), r.randrange(2)]),
    Call(D, "add_batch_rows", "execute", lambda r: [_one("bat", r), [r.randrange(9)], ["case1"], ["accepted"], [None], [None]]),
    Call(N, "keep_contacts", "execute", lambda r: _many([(case_id, "p1", "zh-CN", "sealed") for case_id in _ids("case", r)])),
    Call(N, "keep_deaths", "execute", lambda r: _many([(ref, f"ev{n}") for n, ref in enumerate(_ids("p", r))])),
    Call(
        *(N, "queue", "fetch"),
        lambda r: [r.choice([None, "m1"]), 5000.0, *_many([_notice(r, r.randrange(9)) for _ in range(r.randint(1, 3))])],
    ),
    Call(N, "claim", "fetch", lambda r: [r.choice(["m1", "m2"]), r.choice([0.0, 5000.0]), r.randint(1, 4)]),
    Call(
        *(N, "record", "fetch"),
        _recorded,
    ),
    Call(N, "release", "execute", lambda r: [r.choice(["m1", "m2"])]),
]
KEYS = [
    Call(R, "add_keys", "fetch", lambda r: [(ids := _ids("p", r)), [b"key" for _ in ids]]),
    Call(R, "person_keys", "fetch", lambda r: [sorted(_ids("p", r))]),
]
BANK = [
    Call(
        *(B, "take_order", "fetch"),
        lambda r: [_one("ord", r), r.choice(["remittance", "return"]), _one("dig", r), "B1", "44", "33", 5, NOON],
    ),
    Call(B, "order", "fetch", lambda r: [_one("ord", r)]),
    Call(B, "order_parties", "fetch", lambda r: [_one("ord", r)]),
    Call(B, "use_faults", "fetch", lambda r: [_ids("case", r)]),
    Call(B, "add_payments", "execute", _bank_payments),
    Call(B, "wait_for_due", "fetch", lambda r: [r.choice(TIMES)]),
    Call(B, "book_lines", "fetch", lambda r: [r.choice(TIMES), DAYS[0]]),
    Call(B, "paid_in", "fetch", lambda r: [r.choice(["33", "41"]), r.randrange(5)]),
    Call(B, "returned_to", "fetch", lambda r: ["44", r.randrange(5)]),
    Call(B, "next_paid_in", "fetch", lambda r: [r.choice(["33", "41"])]),
    Call(B, "next_returned_to", "fetch", lambda r: ["44"]),
    Call(B, "add_faults", "execute", lambda r: _many([(_one("case", r), "lose", 0, 0)])),
    Call(B, "alone_with_case", "execute", lambda r: [_one("case", r)]),
    Call(B, "open_payments", "fetch", lambda r: [_one("case", r)]),
    Call(B, "find_payments", "execute", lambda r: [r.sample(range(1, 20), 3), NOON]),
    Call(B, "shortfall", "fetch", lambda r: [_one("case", r), "late"]),
    Call(B, "given_back", "fetch", lambda r: [_one("case", r), *r.choice([("44", "33"), ("33", "44")]), "late"]),
    Call(B, "add_order_lines", "execute", lambda r: [_one("ord", r), (ids := _ids("case", r)), [3 for _ in ids]]),
]
CALLS = {"province": PROVINCE, "keys": KEYS, "bank": BANK}


class _Ticking:
    """In the place of a loop: a clock that never says the same twice."""

    def __init__(self) -> None:
        self._now = 0.0

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        self._now += 0.001
        return self._now


class _Real(Transaction):
    """Our transaction on a real connection, whatever stands in for `together`."""

    async def flush(self) -> str:
        """Run what was deferred, as one statement."""
        noted, self._deferred = self._deferred, []
        if not noted:
            return ""
        text = real_together(tuple(statement for statement, _ in noted))
        done: str = await self._connection.execute(text, *(value for _, values in noted for value in values))
        return done


class _Quiet(Nature):
    """A nature in which nothing happens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weather = Weather()

    async def step(self, where: str, most_s: float = 0.02) -> None:
        """Take no time."""


def simulated(kind: str) -> postgres.Server:
    """A simulated database as the migrations leave it."""
    made = {"province": statements.province_tables, "keys": statements.keys_tables, "bank": statements.bank_tables}[kind]()
    ticking: Any = _Ticking()
    server = postgres.Server(kind, _Quiet(0, ticking), made, statements.statements(kind))
    statements.first_rows(server.tables)
    return server


def text_of(kind: str, call: Call, schema: str | None = None) -> str:
    """The SQL of a statement; messaging's in the schema of a service."""
    wanted = schema or ("origin_agency" if call.module == M else call.module)
    for text, (name, known, _) in statements.statements(kind).items():
        if name == f"{call.module}.{call.name}" and known == wanted:
            return text
    raise AssertionError(call)


def plain(name: str, answer: Answer) -> Answer:
    """An answer as it can be compared: without what a clock says, and in an order where PostgreSQL promises none."""
    if isinstance(answer, str):
        return answer
    rows = []
    for row in answer:
        found = {}
        for key, value in dict(row).items():
            if key in CLOCKS:
                value = value is not None
            elif key in ("age_s", "in_s"):
                value = value > 1000
            elif isinstance(value, Decimal):
                value = int(value)
            found[key] = value
        rows.append(found)
    return sorted(rows, key=repr) if name in UNORDERED else rows


async def send(tx: Transaction, kind: str, call: Call, values: Sequence[Any]) -> Answer:
    """Send one call; an error of PostgreSQL is an answer, too."""
    text = text_of(kind, call)
    try:
        match call.how:
            case "fetch":
                return plain(call.name, await tx.fetch(text, *values))
            case "execute":
                return await tx.execute(text, *values)
            case _:
                tx.defer(text, *values)
                for name in call.together:
                    tx.defer(text_of(kind, Call(call.module, name, "defer", call.values)))
                return await tx.flush()
    except asyncpg.PostgresError as error:
        return type(error).__name__


async def contents(connection: Any, server: postgres.Server) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands in every table, really and simulated."""
    real, made = {}, {}
    for name, table in server.tables.items():
        columns = ", ".join(f'"{column}"' for column in table.columns)
        rows = await connection.fetch(f"SELECT {columns} FROM {name}")
        real[name] = sorted(plain("park", rows), key=repr)
        made[name] = sorted(plain("park", [postgres.Row(row) for row in table.rows()]), key=repr)
    return real, made


@asynccontextmanager
async def real(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url, server_settings={"timezone": "Asia/Shanghai"})
    try:
        yield connection
    finally:
        await connection.close()


async def compare(kind: str, url: str, seed: int, steps: int) -> None:
    """Send random calls to both in transactions that are committed or not; compare answers, then tables."""
    r = random.Random(seed)
    server = simulated(kind)
    calls = [call for call in CALLS[kind] if call.how != "none"]
    order = [*calls, *r.choices(calls, k=max(0, steps - len(calls)))]
    r.shuffle(order)
    with patch("services.runtime.database.together", postgres.together):
        async with real(url) as connection:
            simulated_connection: Any = postgres.Connection(server)
            at = 0
            while at < len(order):
                chunk = order[at : at + r.randint(1, 6)]
                at += len(chunk)
                ends = r.random() < 0.8
                true, made = connection.transaction(), server_transaction(simulated_connection)
                await true.start()
                await made.start()
                failed = False
                for call in chunk:
                    values = call.values(r)
                    first = await send(_Real(connection), kind, call, values)
                    second = await send(Transaction(simulated_connection), kind, call, values)
                    assert second == first, (seed, call.name, values)
                    failed = isinstance(first, str) and first.endswith("Error")
                    if failed:
                        break
                commit = ends and not failed
                await (true.commit() if commit else true.rollback())
                made.end(commit=commit)
            found, expected = await contents(connection, server)
            for name in found:
                assert expected[name] == found[name], (seed, name)


class server_transaction:
    """A transaction of the simulated connection that the test ends itself."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def start(self) -> None:
        self._connection.work = postgres.Work(self._connection.server, self._connection)

    def end(self, *, commit: bool) -> None:
        work, self._connection.work = self._connection.work, None
        if commit:
            work.commit()
        else:
            work.rollback()


@pytest.mark.parametrize("seed", range(1, 9))
async def test_a_provinces_statements_are_answered_alike(province_database: UrlOf, seed: int) -> None:
    await compare("province", province_database(owner_role("44")), seed, 400)


@pytest.mark.parametrize("seed", range(1, 3))
async def test_the_vaults_statements_are_answered_alike(keys_database: UrlOf, seed: int) -> None:
    await compare("keys", keys_database(owner_role("44")), seed, 60)


@pytest.mark.parametrize("seed", range(1, 5))
async def test_the_banks_statements_are_answered_alike(bank_database: UrlOf, seed: int) -> None:
    await compare("bank", bank_database("bank_owner"), seed, 200)


def test_every_statement_that_the_simulation_knows_is_compared() -> None:
    compared = {(call.module, call.name) for calls in CALLS.values() for call in calls}

    assert compared == set(statements.IMPLEMENTATIONS)


@asynccontextmanager
async def two(engine: str, url: str) -> AsyncIterator[tuple[Any, Any]]:
    """Two connections to one database, real or simulated."""
    async with AsyncExitStack() as stack:
        if engine == "real":
            yield await stack.enter_async_context(real(url)), await stack.enter_async_context(real(url))
        else:
            server = simulated("province")
            yield postgres.Connection(server), postgres.Connection(server)


def _text(module: str, name: str) -> str:
    return text_of("province", next(call for call in PROVINCE if (call.module, call.name) == (module, name)))


async def _waits(task: "asyncio.Task[Any]") -> bool:
    await asyncio.sleep(0.2)
    return not task.done()


ENGINES = pytest.mark.parametrize("engine", ["real", "simulated"])


@ENGINES
@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled-back"])
async def test_whoever_accepts_the_same_id_waits_for_the_first(province_database: UrlOf, engine: str, commits: bool) -> None:
    accept = _text(M, "accept")
    values = ("c", ["ev1"], [b"d"], ["case1"])
    async with two(engine, province_database(owner_role("44"))) as (one, other):
        first = one.transaction()
        await first.__aenter__()
        assert len(await one.fetch(accept, *values)) == 1

        second = asyncio.create_task(other.fetch(accept, *values))

        assert await _waits(second)
        error = None if commits else RuntimeError("no")
        await first.__aexit__(type(error) if error else None, error, None)
        assert len(await second) == (0 if commits else 1)


@ENGINES
async def test_whoever_loads_a_locked_case_waits_and_sees_what_was_written(province_database: UrlOf, engine: str) -> None:
    r = random.Random(1)
    case = _origin_case(r, "case1")
    changed = (case[0], "SETTLED", *case[2:])
    async with two(engine, province_database(owner_role("44"))) as (one, other):
        await one.execute(_text(ORIGIN, "save"), *_many([case]))
        first = one.transaction()
        await first.__aenter__()
        await one.execute(_text(ORIGIN, "save"), *_many([changed]))

        second = asyncio.create_task(other.fetch(_text(ORIGIN, "load"), ["case1"]))

        assert await _waits(second)
        await first.__aexit__(None, None, None)
        assert [row["state"] for row in await second] == ["SETTLED"]


@ENGINES
async def test_a_second_open_case_of_a_relationship_waits_and_is_refused(province_database: UrlOf, engine: str) -> None:
    r = random.Random(1)
    one_case, other_case = ([*_destination_case(r, case_id)] for case_id in ("case1", "case2"))
    for case in (one_case, other_case):
        case[10], case[12] = True, b"the same"
    async with two(engine, province_database(owner_role("44"))) as (one, other):
        first = one.transaction()
        await first.__aenter__()
        await one.execute(_text(D, "save"), *_many([one_case]))

        second = asyncio.create_task(other.execute(_text(D, "save"), *_many([other_case])))

        assert await _waits(second)
        await first.__aexit__(None, None, None)
        with pytest.raises(asyncpg.UniqueViolationError):
            await second


@ENGINES
async def test_whoever_waits_for_accounts_sees_where_they_stand_then(province_database: UrlOf, engine: str) -> None:
    async with two(engine, province_database(owner_role("44"))) as (one, other):
        first = one.transaction()
        await first.__aenter__()
        await one.fetch(_text(L, "lock_accounts"), ["bank"])
        await one.execute(_text(L, "move_accounts"), ["bank"], [1], [500])

        second = asyncio.create_task(other.fetch(_text(L, "lock_accounts"), ["bank"]))

        assert await _waits(second)
        await first.__aexit__(None, None, None)
        assert [(row["sequence"], row["balance_fen"]) for row in await second] == [(1, 500)]


@ENGINES
async def test_one_of_two_who_wait_for_each_other_is_refused(province_database: UrlOf, engine: str) -> None:
    lock = _text(L, "lock_accounts")
    async with two(engine, province_database(owner_role("44"))) as (one, other):
        await one.fetch(lock, ["a", "b"])
        transactions = [one.transaction(), other.transaction()]
        for transaction in transactions:
            await transaction.__aenter__()
        await one.fetch(lock, ["a"])
        await other.fetch(lock, ["b"])

        found = await _both(one, other, lock)

        assert sorted(found) == ["DeadlockDetectedError", "done"]


async def _both(one: Any, other: Any, lock: str) -> list[str]:
    """Each wants what the other has; whoever is refused lets go."""

    async def want(connection: Any, account: str, after_s: float) -> str:
        await asyncio.sleep(after_s)
        try:
            await connection.fetch(lock, [account])
        except asyncpg.DeadlockDetectedError as error:
            await _let_go(connection)
            return type(error).__name__
        return "done"

    return list(await asyncio.gather(want(one, "b", 0), want(other, "a", 0.1)))


async def _let_go(connection: Any) -> None:
    if isinstance(connection, postgres.Connection):
        assert connection.work is not None
        connection.work.rollback()
    else:
        await connection.execute("ROLLBACK")


@ENGINES
async def test_a_mailer_passes_over_what_another_has_just_claimed(province_database: UrlOf, engine: str) -> None:
    r = random.Random(3)
    rows = [
        ("n1", "ev1", "case1", "p", "case1", "status", 1, "{}", "<1>", NOON, "email"),
        ("n2", "ev2", "case2", *_notice(r, 1)[3:8], "<2>", NOON, "employer_email"),
    ]
    async with two(engine, province_database(owner_role("44"))) as (one, other):
        await one.fetch(_text(N, "queue"), None, 0.0, *_many(rows))
        first = one.transaction()
        await first.__aenter__()
        taken = await one.fetch(_text(N, "claim"), "m1", 60.0, 1)

        others = await other.fetch(_text(N, "claim"), "m2", 60.0, 5)

        assert [row["notice_id"] for row in taken] == ["n1"]
        assert [row["notice_id"] for row in others] == ["n2"]
        await first.__aexit__(None, None, None)


@ENGINES
async def test_the_relays_lock_goes_to_the_next_when_its_session_ends(province_database: UrlOf, engine: str) -> None:
    async with two(engine, province_database(owner_role("44"))) as (one, other):
        await one.fetchval(postgres.LOCK, 7)

        second = asyncio.create_task(other.fetchval(postgres.LOCK, 7))

        assert await _waits(second)
        await one.close()
        await asyncio.wait_for(second, 5)


async def test_an_unknown_statement_fails_with_its_name() -> None:
    connection = postgres.Connection(simulated("province"))
    unheard = next(text for text, (name, *_) in statements.statements("province").items() if name == "origin_agency.look")

    with pytest.raises(AssertionError, match=r"origin_agency/queries.sql `look`"):
        await connection.fetch(unheard, "case1")
    with pytest.raises(postgres.UnknownStatement, match="SELECT 42"):
        await connection.fetch("SELECT 42")


async def test_two_writes_of_one_row_that_go_out_together_are_refused() -> None:
    connection: Any = postgres.Connection(simulated("province"))
    with patch("services.runtime.database.together", postgres.together):
        tx = Transaction(connection)
        tx.defer(_text(M, "mark_sent"), 5)
        tx.defer(_text(M, "mark_sent"), 6)

        with pytest.raises(postgres.WrittenTwice):
            await tx.flush()
