"""A whole enterprise moves: ten thousand applications in one submission, worked off in the background, resumed after a crash."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal

import asyncpg
import orjson
import structlog

from contracts.base import SealedForPerson
from contracts.envelope import new_id
from services.destination_agency import store
from services.destination_agency.intake import Applicant, Taken, take
from services.destination_agency.relocations import Decided, fact
from services.records.agency import Agency
from services.records.vault import Vault
from services.runtime.database import TRANSIENT, Database, Transaction, pause

log = structlog.get_logger()

# A window may be faster with one of the rows; then the chunk is looked at again.
_AGAIN: tuple[type[BaseException], ...] = (*TRANSIENT, asyncpg.UniqueViolationError)

CHUNK = 200  # applications a transaction: the knee of the measured curve


class Batches:
    """Keeps submissions and works them off.

    Args:
        poll_s: after so many seconds it looks without being woken: of a submission whose commit was not heard of nobody tells it.
    """

    def __init__(self, database: Database, agency: Agency, told: Callable[[], None], *, poll_s: float = 5.0) -> None:
        self._database = database
        self._agency = agency
        self._told = told
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._working = False

    @property
    def busy(self) -> bool:
        """Whether a submission is being worked off."""
        return self._working or self._wake.is_set()

    async def keep(
        self,
        tx: Transaction,
        rows: Sequence[dict[str, Any]],
        sub: str,
        applied_by: Literal["employer", "clerk"],
        relocation: Decided | None = None,
    ) -> str:
        """Keep a submission under a key of its own, for it holds persons' data; returns its id.

        Args:
            relocation: by which rules the people of an enterprise that relocates move.
        """
        batch_id = new_id()
        keys = await self._agency.vault.make([batch_id])
        sealed = Vault.seal(keys, batch_id, orjson.dumps(list(rows)))
        said = orjson.dumps(relocation.shown()).decode() if relocation is not None else None
        tx.defer(store.SQL["add_batch"], batch_id, sub, applied_by, len(rows), sealed.model_dump_json(), said)
        if relocation is not None:
            await self._agency.tell(tx, [fact(relocation, batch_id, len(rows), sub, self._agency)])
        return batch_id

    def wake(self) -> None:
        """Say that a submission was committed."""
        self._wake.set()

    async def run(self) -> None:
        """Work submissions off for as long as the service lives; what was begun before a crash goes on."""
        await self._database.open_when_there()
        self._wake.set()
        attempt = 0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s):
                    await self._wake.wait()
            self._working = self._wake.is_set()  # a look of the safety net alone is not work
            self._wake.clear()
            try:
                async with self._database.transaction("poll") as tx:
                    waiting = [row["batch_id"] for row in await tx.fetch(store.SQL["open_batches"])]
                self._working = bool(waiting)
                for batch_id in waiting:
                    await self._work_off(batch_id)
                attempt = 0
            except _AGAIN as error:
                log.warning("batch.waits", error=type(error).__name__)
                await pause(attempt)
                attempt += 1
                self._wake.set()
            finally:
                self._working = False

    async def _submission(self, batch_id: str) -> list[dict[str, Any]]:
        """The rows of a submission: opened once, however many chunks it is worked off in."""
        async with self._database.transaction("batch-intake") as tx:
            sealed = SealedForPerson.model_validate_json(await tx.value(store.SQL["submission"], batch_id))
        keys = await self._agency.vault.keys([batch_id])
        rows: list[dict[str, Any]] = orjson.loads(Vault.open(keys, batch_id, sealed))
        return rows

    async def _work_off(self, batch_id: str) -> None:
        rows = await self._submission(batch_id)
        while True:
            async with self._database.transaction("batch-intake") as tx:
                row = await tx.one(store.SQL["take_batch"], batch_id)
                assert row is not None, batch_id
                if row["handled"] >= row["total"]:
                    break
                chunk = rows[row["handled"] : row["handled"] + CHUNK]
                applicant = Applicant(row["sub"], row["applied_by"])
                taken = await take(tx, self._agency, chunk, applicant, channel="batch")
                self._note(tx, batch_id, row["handled"], taken)
            self._told()
        log.info("batch.done", batch=batch_id)

    def _note(self, tx: Transaction, batch_id: str, handled: int, taken: Sequence[Taken]) -> None:
        tx.defer(
            store.SQL["add_batch_rows"],
            batch_id,
            list(range(handled + 1, handled + len(taken) + 1)),
            [item.case_id for item in taken],
            [item.result for item in taken],
            [item.code for item in taken],
            [item.detail for item in taken],
        )
        refused = sum(item.result == "refused" for item in taken)
        tx.defer(store.SQL["advance_batch"], batch_id, handled + len(taken), refused)
