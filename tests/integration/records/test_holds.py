"""A court or an audit holds an account: two persons note it and release it, and nothing of it moves in between."""

from collections.abc import Mapping, Sequence
from datetime import date

import pytest

from contracts.events import AccountHeld, AccountReleased
from services.records.commands import ListResult
from services.records.decisions import Refused, Told
from services.records.endings import refuse_unless_kept_here
from services.records.holds import HOLD, Holds
from services.records.model import Record
from services.rules.deadlines import Pause
from services.runtime.database import Transaction
from tests.agencies import InProcess, known_in, tables

HE = known_in("44")
TODAY = date(2024, 5, 6)
WHY = "order 12 of the people's court"


class Desk(Holds):
    """Holds, and what was told of the cases that ran on."""

    def __init__(self, at: InProcess) -> None:
        super().__init__(at.database, at.agency, at.ring, self._run_on)
        self.freed: list[Mapping[str, Pause]] = []

    async def _run_on(self, _: Transaction, released: Mapping[str, Pause]) -> Sequence[Told]:
        self.freed.append(released)
        return ()


def codes(result: ListResult) -> list[tuple[str, str | None]]:
    return [(row.result, row.code) for row in result.rows]


async def his(at: InProcess) -> Record:
    await at.importing(HE)
    return await at.record(HE.person.id_number)


async def held(at: InProcess, holds: Holds) -> str:
    record = await his(at)
    hold_id = await holds.propose(record.person_ref, "maker-1", ordered_by="court", reason=WHY)
    assert codes(await holds.approve([hold_id], "checker-1")) == [("done", "HELD")]
    return hold_id


async def test_an_account_is_held_and_released_by_two_persons_each_with_a_reason(at: InProcess) -> None:
    holds = Desk(at)
    record = await his(at)

    hold_id = await holds.propose(record.person_ref, "maker-1", ordered_by="audit", reason=WHY)
    not_yet = (await at.record(HE.person.id_number)).held_since
    alone = await holds.approve([hold_id], "maker-1")
    await holds.approve([hold_id], "checker-1")
    since = (await at.record(HE.person.id_number)).held_since
    at.clock.move(at.clock.now().replace(day=16))
    await holds.propose_release([hold_id], "maker-2", reason="the audit is done")
    still = (await at.record(HE.person.id_number)).held_since
    alone_again = await holds.approve_release([hold_id], "maker-2")
    released = await holds.approve_release([hold_id], "checker-1")

    assert (not_yet, since, still) == (None, TODAY, TODAY)
    assert codes(alone) == codes(alone_again) == [("refused", "SAME_PERSON")]
    assert codes(released) == [("done", "RELEASED")]
    [fact] = await at.facts(AccountHeld)
    assert (fact.ordered_by, fact.held_since, fact.reason, fact.maker, fact.checker) == (
        "audit",
        TODAY,
        WHY,
        "maker-1",
        "checker-1",
    )
    assert fact.legal_basis == tables().refusal(HOLD, TODAY).legal_basis
    [free] = await at.facts(AccountReleased)
    assert (free.released_on, free.reason, free.maker) == (date(2024, 5, 16), "the audit is done", "maker-2")
    assert await at.record(HE.person.id_number) == record
    # The cases of the person hear for which time their clocks stood.
    assert holds.freed == [{record.person_ref: Pause(HOLD, TODAY, date(2024, 5, 16))}]
    assert await holds.holds() == []
    assert [hold.state for hold in await holds.holds(open_only=False)] == ["released"]


async def test_an_account_has_one_hold_at_a_time_and_must_be_here(at: InProcess) -> None:
    holds = Desk(at)
    hold_id = await held(at, holds)
    record = await at.record(HE.person.id_number)

    for person_ref, code in ((record.person_ref, "HOLD_OPEN"), ("0" * 36, "NO_RELATIONSHIP")):
        with pytest.raises(Refused, match=code):
            await holds.propose(person_ref, "maker-1", ordered_by="court", reason=WHY)

    assert codes(await holds.approve([hold_id], "checker-2")) == [("refused", "NOT_NOW")]
    assert codes(await holds.approve_release([hold_id], "checker-2")) == [("refused", "NOT_NOW")]
    assert codes(await holds.approve(["0" * 36], "checker-2")) == [("refused", "NO_SUCH_HOLD")]


async def test_while_it_is_held_no_account_is_paid_out(at: InProcess) -> None:
    await held(at, Desk(at))

    with pytest.raises(Refused, match=HOLD):
        refuse_unless_kept_here(await at.record(HE.person.id_number), tables(), on=TODAY)
