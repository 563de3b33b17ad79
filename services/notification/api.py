"""What the agencies' staff and auditors may ask: which notices of a case were sent, and what became of them."""

from typing import Annotated

from fastapi import Depends, FastAPI, Query

from services.notification import store
from services.notification.store import Shown
from services.runtime.database import Database
from services.runtime.http import require
from services.runtime.identity import Caller, Role


def add_routes(api: FastAPI, database: Database, province: str) -> None:
    """Add the service's routes."""
    reader = require(province, [Role.OPERATOR, Role.AUDITOR, Role.MAKER, Role.CHECKER])

    @api.get("/notices")
    async def notices(
        case_id: Annotated[str, Query(min_length=36, max_length=36, description="the case, or a voucher's person_ref")],
        _: Annotated[Caller, Depends(reader)],
    ) -> list[Shown]:
        """The notices of a case in their order, without addresses."""
        async with database.transaction("notices") as tx:
            return await store.of_case(tx, case_id)
