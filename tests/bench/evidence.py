"""The replay that each figure needs: export both logs as the auditor, verify, fold again, compare with the live ledgers."""

import asyncio
import resource
import shutil
import time
from dataclasses import dataclass

from deploy.local.exchange import root_fingerprint
from services.audit.export import from_kafka
from services.audit.replay import replay
from services.audit.verify import Outcome
from services.cli.demo.proof import live_books
from services.cli.play import Stage
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.identity import Role
from tests.bench.country import PROVINCES, Country


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the replay of everything that was published says."""

    agrees: bool
    facts: int
    completed: int
    first: str | None
    """The first difference, in words."""
    seconds: float
    peak_mib: int
    """The most memory that the bench has had until then, in MiB."""


async def prove(stage: Stage, country: Country, provinces: tuple[str, ...] = PROVINCES) -> Evidence:
    """Replay everything that this country, or these provinces of it, has published until now."""
    began = time.monotonic()
    stack = country.stack
    out = stack.home / "audit"
    shutil.rmtree(out, ignore_errors=True)
    access = KafkaAccess(stack.kafka.bootstrap, "00.audit", stack.secrets.password("kafka-00.audit"), "00.audit")
    folders = [(await from_kafka(access, code, out, now=Clock().now())).folder for code in provinces]
    rows = await stage.bank("GET", "/holdings", "00", Role.AUDITOR)
    holdings = {(row["payer"], row["payee"]): int(row["in_hands_fen"]) for row in rows}
    live = await live_books(stack, provinces)
    report = await asyncio.to_thread(replay, folders, root_fingerprint(stack.secrets), live=live, holdings=holdings)
    shutil.rmtree(out)
    return Evidence(
        report.verdict is Outcome.AGREES,
        report.facts,
        max(each.completed for each in report.provinces),
        report.first,
        time.monotonic() - began,
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
