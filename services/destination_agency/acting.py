"""What every desk of the destination has: lists of its cases with a result a row."""

from collections.abc import Callable, Mapping, Sequence

from services.destination_agency import store
from services.destination_agency.case import Case, Outcome
from services.ledger.journal import Head
from services.records import acting
from services.records.acting import decide_each
from services.records.commands import ListResult, in_log
from services.runtime.database import Transaction


def _state(case: Case) -> str | None:
    return str(case.state)


class Acting(acting.Acting):
    """Where clerks act."""

    async def _each(
        self,
        purpose: str,
        case_ids: Sequence[str],
        decide: Callable[[Case], Outcome],
        *,
        says: Callable[[Case], str | None] = _state,
    ) -> ListResult:
        """Decide each case of a list in a transaction of its own, by nothing but the case."""
        async with self._deciding(purpose) as tx:
            cases = await store.load(tx, self._agency.vault, self._agency.province, case_ids)
            return await self._act(tx, case_ids, cases, decide, says=says)

    async def _act(
        self,
        tx: Transaction,
        case_ids: Sequence[str],
        cases: Mapping[str, Case],
        decide: Callable[[Case], Outcome],
        *,
        says: Callable[[Case], str | None] = _state,
        held: Mapping[str, Head] | None = None,
    ) -> ListResult:
        """Decide each row, write what changed, tell what happened. A refused row holds no other back.

        Args:
            says: what the result of a row that was done says was decided.
            held: where accounts stand that were locked for the decision.
        """
        rows, changed, told = decide_each(case_ids, cases, decide, says=says)
        await self._agency.tell(tx, told, held=held)
        await store.save(tx, self._agency.vault, changed)
        result = ListResult.of(rows)
        tx.after_commit(lambda: in_log(tx.purpose, result))
        return result
