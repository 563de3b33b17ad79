"""The bank's HTTP interface: for fund desks, and for whoever runs a scenario."""

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Query, Request

from contracts.banking import Fault, Holding, OrderTaken, RemittanceOrder, ReturnOrder, Statement, StatementLine
from contracts.base import Command
from services.bank.standing import Standing
from services.bank.store import Account, BankStore
from services.runtime.clock import Clock, ScenarioClock
from services.runtime.database import COUNTS
from services.runtime.http import MoveClock, Problem, any_caller
from services.runtime.identity import Caller, Role

LONGEST_S = 60.0  # how long a question may stand

Anybody = Annotated[Caller, Depends(any_caller)]


class Faults(Command):
    """Faults to be kept for the next payments of their cases."""

    faults: tuple[Fault, ...]


def _of_province(caller: Caller, province: str) -> None:
    if Role.FUND_DESK not in caller.roles:
        raise Problem(403, "WRONG_ROLE", "This needs the role fund-desk.", remedy="Ask the fund desk.")
    if caller.province != province:
        raise Problem(403, "WRONG_PROVINCE", f"The token is of province {caller.province}, the account of {province}.")


async def _unless_gone(request: Request, answer: Coroutine[Any, Any, tuple[StatementLine, ...]]) -> tuple[StatementLine, ...]:
    """Wait for an answer as long as there is somebody to give it to."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    asking, leaving = asyncio.ensure_future(answer), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return await asking if asking.done() else ()
    finally:
        asking.cancel()
        leaving.cancel()


def add_routes(api: FastAPI, store: BankStore, clock: Clock) -> None:
    """Add the bank's routes; `api.state.standing` are the questions that stand there, to be closed when the bank stops."""
    standing = api.state.standing = Standing(store, clock)

    @api.post("/remittances", status_code=201)
    async def remit(order: RemittanceOrder, caller: Anybody) -> OrderTaken:
        """Take a remittance of the caller's province."""
        _of_province(caller, order.payer)
        return await store.take(order, clock.now())

    @api.post("/returns", status_code=201)
    async def give_back(order: ReturnOrder, caller: Anybody) -> OrderTaken:
        """Take money back."""
        _of_province(caller, order.payer)
        return await store.give_back(order, clock.now())

    @api.get("/statement")
    async def statement(
        province: str,
        kind: Literal["payment", "returned"],
        caller: Anybody,
        request: Request,
        after: int = 0,
        wait_s: Annotated[float, Query(ge=0, le=LONGEST_S, allow_inf_nan=False)] = 0,
    ) -> Statement:
        """A province's statement lines of one kind after a number. With `wait_s` an answer without lines is held back so long."""
        _of_province(caller, province)
        return Statement(lines=await _unless_gone(request, standing.lines(Account(province, kind), after, wait_s)))

    @api.get("/holdings")
    async def holdings(caller: Anybody) -> list[Holding]:
        """What the bank holds between each pair of provinces; for auditors and fund desks."""
        if not caller.roles & {Role.AUDITOR, Role.FUND_DESK, Role.OPERATOR}:
            raise Problem(403, "WRONG_ROLE", "This needs the role auditor, fund-desk or operator.")
        return await store.holdings()

    @api.post("/investigations/{case_id}")
    async def investigate(case_id: str, caller: Anybody) -> dict[str, int]:
        """A fund desk asks the bank to look for a payment; what was lost or left out is paid."""
        if Role.FUND_DESK not in caller.roles:
            raise Problem(403, "WRONG_ROLE", "This needs the role fund-desk.")
        return {"payments_found": await store.investigate(case_id, clock.now())}

    if not isinstance(clock, ScenarioClock):
        return

    @api.put("/scenario/faults", include_in_schema=False)
    async def faults(wish: Faults, caller: Anybody) -> dict[str, int]:
        """Tell the bank what to do wrong; only where the clock is a scenario's."""
        if Role.OPERATOR not in caller.roles:
            raise Problem(403, "WRONG_ROLE", "This needs the role operator.")
        await store.tell_faults(wish.faults)
        return {"faults": len(wish.faults)}

    @api.put("/scenario/clock", include_in_schema=False)
    async def move(wish: MoveClock, caller: Anybody, _: Request) -> dict[str, str]:
        """Move the bank's clock."""
        if Role.OPERATOR not in caller.roles:
            raise Problem(403, "WRONG_ROLE", "This needs the role operator.")
        if wish.back and wish.now < clock.now() and (in_hand := await standing.unread()) is not None:
            raise Problem(
                409, "CLOCK_NOT_MOVED", f"the clock does not go back while something is in hand: {in_hand}", field="now"
            )
        try:
            clock.move(wish.now, back=wish.back)
        except ValueError as error:
            raise Problem(409, "CLOCK_NOT_MOVED", str(error), field="now") from error
        standing.look_again()
        return {"now": clock.now().isoformat()}

    @api.get("/scenario/counts", include_in_schema=False)
    async def counts() -> dict[str, list[int]]:
        """Statements and commits by purpose since the start."""
        return COUNTS.by_purpose

    @api.get("/scenario/idle", include_in_schema=False)
    async def idle() -> dict[str, str | None]:
        """The bank works when it is asked, and is done when whoever follows a statement has asked beyond its last line."""
        return {"in_hand": await standing.unread(), "now": clock.now().isoformat()}
