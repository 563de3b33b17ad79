"""A province's books over HTTP, for auditors: where accounts stand, and what was entered. Nothing here writes."""

from typing import Annotated

from fastapi import Depends, FastAPI, Query

from contracts.base import Contract
from services.ledger import store
from services.runtime.database import Database
from services.runtime.http import require
from services.runtime.identity import Caller, Role

AccountName = Annotated[str, Query(min_length=1, max_length=100)]


class AccountShown(Contract):
    """Where an account stands: its last sequence number, and its balance on the side on which it grows."""

    account: str
    sequence: int
    balance_fen: int


class PostingShown(Contract):
    """One amount from one account (debit) to another (credit), with its place in the order of each."""

    event_id: str
    line: int
    debit: str
    debit_sequence: int
    credit: str
    credit_sequence: int
    amount_fen: int


def add_routes(api: FastAPI, database: Database, province: str) -> None:
    """Add the routes to the service that shows its province's books."""
    Auditor = Annotated[Caller, Depends(require(province, [Role.AUDITOR]))]

    @api.get("/ledger/accounts")
    async def accounts(
        _: Auditor, account: Annotated[list[AccountName], Query(min_length=1, max_length=500)]
    ) -> list[AccountShown]:
        """Where the named accounts stand; one that was never used is not in the answer."""
        async with database.transaction("books") as tx:
            heads = await store.balances(tx, account)
        return [AccountShown(account=name, sequence=head.sequence, balance_fen=head.balance_fen) for name, head in heads.items()]

    @api.get("/ledger/entries")
    async def entries(
        _: Auditor,
        account: AccountName,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 500,
    ) -> list[PostingShown]:
        """What was entered in an account after a sequence number of it, in its order."""
        async with database.transaction("books") as tx:
            return [PostingShown.model_validate(dict(row)) for row in await tx.fetch(store.SQL["entries"], account, after, limit)]
