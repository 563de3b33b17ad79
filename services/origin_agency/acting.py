"""What every desk of the origin has: lists of its cases with a result a row."""

from collections.abc import Callable, Mapping, Sequence

from services.ledger.journal import Head
from services.origin_agency import store
from services.origin_agency.case import Case, Outcome
from services.records import acting
from services.records.acting import decide_each
from services.records.commands import ListResult, in_log
from services.runtime.database import Transaction


class Acting(acting.Acting):
    """Where clerks act."""

    async def _each(self, purpose: str, case_ids: Sequence[str], decide: Callable[[Case], Outcome]) -> ListResult:
        """Decide each case of a list in a transaction of its own."""
        async with self._deciding(purpose) as tx:
            cases = await store.load(tx, self._agency.vault, case_ids)
            return await self._act(tx, case_ids, cases, decide)

    async def _act(
        self,
        tx: Transaction,
        case_ids: Sequence[str],
        cases: Mapping[str, Case],
        decide: Callable[[Case], Outcome],
        *,
        held: Mapping[str, Head] | None = None,
    ) -> ListResult:
        """Decide each row, write what changed, tell what happened. A refused row holds no other back."""
        rows, changed, told = decide_each(case_ids, cases, decide, says=decided)
        await self._agency.tell(tx, told, held=held)
        await store.save(tx, self._agency.vault, changed)
        result = ListResult.of(rows)
        tx.after_commit(lambda: in_log(tx.purpose, result))
        return result


def decided(case: Case) -> str:
    """What a row's result says was decided: the code of a return, or the state."""
    proposal = case.proposal
    return proposal.code if proposal and proposal.outcome == "return" and proposal.code else str(case.state)
