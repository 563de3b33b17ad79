"""A court or an audit holds an account: two persons note it and release it, and nothing of the account moves in between.

While it is held a letter goes back with JUDICIAL_OR_AUDIT_HOLD, or waits with its clock standing (domain § 1.6.1).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Literal

import asyncpg

from contracts.envelope import new_id
from contracts.events import AccountHeld, AccountReleased
from services.records import store
from services.records.agency import Agency
from services.records.commands import ListResult, RowResult, done, one_person, refused_by
from services.records.decisions import Refused, Told
from services.rules.deadlines import Pause
from services.runtime.database import Database, Transaction, queries

SQL = queries(__file__)
HOLD = "JUDICIAL_OR_AUDIT_HOLD"

OrderedBy = Literal["court", "audit"]
# What is told of the cases of persons whose accounts are released: their clocks run on.
Released = Callable[[Transaction, Mapping[str, Pause]], Awaitable[Sequence[Told]]]


@dataclass(frozen=True, slots=True)
class Hold:
    """One order of a court or an audit, and how far it is."""

    hold_id: str
    person_ref: str
    state: str
    ordered_by: OrderedBy
    reason: str
    maker: str
    checker: str | None = None
    held_since: date | None = None
    release_reason: str | None = None
    release_maker: str | None = None
    release_checker: str | None = None
    released_on: date | None = None


class Holds:
    """Holds of accounts, as transactions.

    Args:
        told: called after a commit, to wake the relay.
        released: takes up the clocks of cases that stood meanwhile.
    """

    def __init__(self, database: Database, agency: Agency, told: Callable[[], None], released: Released) -> None:
        self._database = database
        self._agency = agency
        self._told = told
        self._released = released

    async def propose(self, person_ref: str, maker: str, *, ordered_by: OrderedBy, reason: str) -> str:
        """A maker proposes to hold an account; returns the hold's id.

        Raises:
            Refused: NO_RELATIONSHIP, NOTHING_TO_HOLD where the relationship is not here, HOLD_OPEN where one is open.
        """
        async with self._database.transaction("propose-hold") as tx:
            record = (await store.by_ref(tx, self._agency.vault, [person_ref])).get(person_ref)
            if record is None:
                raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
            if not record.here:
                raise Refused("NOTHING_TO_HOLD", "The relationship is not here any more.", remedy="Look at the person's record.")
            hold_id = new_id()
            if await tx.value(SQL["add_hold"], hold_id, person_ref, ordered_by, reason, maker) is None:
                raise Refused("HOLD_OPEN", "A hold of the account is open.", remedy="Look at the list of holds.")
        return hold_id

    async def approve(self, hold_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: nothing of the account moves from now on."""
        agency = self._agency
        today = agency.clock.today()
        legal_basis = agency.tables.refusal(HOLD, today).legal_basis

        def step(hold: Hold) -> tuple[Hold, Told]:
            _second(hold, "proposed", hold.maker, checker)
            fact = AccountHeld(
                person_ref=hold.person_ref,
                hold_id=hold.hold_id,
                ordered_by=hold.ordered_by,
                held_since=today,
                reason=hold.reason,
                legal_basis=legal_basis,
                maker=hold.maker,
                checker=checker,
            )
            return replace(hold, state="held", checker=checker, held_since=today), fact

        return await self._each("approve-hold", hold_ids, step)

    async def propose_release(self, hold_ids: Sequence[str], maker: str, *, reason: str) -> ListResult:
        """A maker proposes to release accounts, for the court or the audit says so."""

        def step(hold: Hold) -> tuple[Hold, None]:
            if hold.state not in ("held", "release_proposed"):
                raise _not_now(hold)
            return replace(hold, state="release_proposed", release_reason=reason, release_maker=maker), None

        return await self._each("propose-release", hold_ids, step)

    async def approve_release(self, hold_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: the account is free again, and the clocks that stood run on."""
        today = self._agency.clock.today()

        def step(hold: Hold) -> tuple[Hold, Told]:
            _second(hold, "release_proposed", hold.release_maker, checker)
            fact = AccountReleased(
                person_ref=hold.person_ref,
                hold_id=hold.hold_id,
                released_on=today,
                reason=hold.release_reason or "",
                maker=hold.release_maker or "",
                checker=checker,
            )
            return replace(hold, state="released", release_checker=checker, released_on=today), fact

        return await self._each("approve-release", hold_ids, step)

    async def holds(self, *, open_only: bool = True) -> list[Hold]:
        """Holds, the oldest first; only those that are open, or all."""
        async with self._database.transaction("look") as tx:
            return [_hold(row) for row in await tx.fetch(SQL["holds"], open_only)]

    async def _each(self, purpose: str, hold_ids: Sequence[str], step: Callable[[Hold], tuple[Hold, Told | None]]) -> ListResult:
        """Decide each row, write what changed, tell what happened. A refused row holds no other back."""
        rows: list[RowResult] = []
        changed: list[Hold] = []
        told: list[Told] = []
        async with self._database.transaction(purpose) as tx:
            found = [_hold(row) for row in await tx.fetch(SQL["hold_holds"], sorted(set(hold_ids)))]
            # Locked in the order of all writers, so that no form leaves while its account is being held.
            await store.by_ref(tx, self._agency.vault, [hold.person_ref for hold in found])
            known = {hold.hold_id: hold for hold in found}
            for hold_id in dict.fromkeys(hold_ids):
                try:
                    if hold_id not in known:
                        raise Refused("NO_SUCH_HOLD", "There is no hold of this id.", remedy="Look at the list of holds.")
                    after, fact = step(known[hold_id])
                except Refused as error:
                    rows.append(refused_by(hold_id, error))
                    continue
                rows.append(done(hold_id, after.state.upper()))
                changed.append(after)
                told.extend([fact] if fact is not None else [])
            free = {
                hold.person_ref: Pause(HOLD, hold.held_since, hold.released_on)
                for hold in changed
                if hold.state == "released" and hold.held_since
            }
            told.extend(await self._released(tx, free) if free else ())
            await self._agency.tell(tx, told)
            if changed:
                columns = [
                    (
                        hold.hold_id,
                        hold.state,
                        hold.checker,
                        hold.held_since,
                        hold.release_reason,
                        hold.release_maker,
                        hold.release_checker,
                        hold.released_on,
                    )
                    for hold in changed
                ]
                tx.defer(SQL["change_holds"], *(list(column) for column in zip(*columns, strict=True)))
                since = [None if hold.state == "released" else hold.held_since for hold in changed]
                tx.defer(SQL["note_holds"], [hold.person_ref for hold in changed], since)
        self._told()
        return ListResult.of(rows)


def _hold(row: asyncpg.Record) -> Hold:
    return Hold(**{each.name: row[each.name] for each in fields(Hold)})


def _second(hold: Hold, state: str, maker: str | None, checker: str) -> None:
    if hold.state != state:
        raise _not_now(hold)
    if maker == checker:
        raise one_person("check the hold")


def _not_now(hold: Hold) -> Refused:
    return Refused("NOT_NOW", f"The hold is {hold.state}.", remedy="Look at the list of holds.")
