"""The fund desk: every statement line is booked once, money without a case is kept by name, and surplus goes back."""

from typing import Literal

import pytest

from contracts.banking import StatementLine
from contracts.envelope import new_id
from contracts.events import DiscrepancyRaised, DiscrepancyResolved, FundsReceived, FundsSentBack
from services.destination_agency.case import State
from services.destination_agency.funds import FundDesk
from services.ledger.chart import BANK, suspense
from services.records.bank import BankAway
from services.records.commands import NO_SUCH_CASE, NOT_NOW, SAME_PERSON
from tests.agencies import BankDouble, known_in
from tests.integration.destination_agency.conftest import Destination, corrected

TOTAL = 3_047_986


async def test_money_before_the_form_stands_in_suspense(here: Destination) -> None:
    [case_id] = await here.admitted()
    before = await here.balance(BANK)

    await here.money_comes(case_id, TOTAL)

    assert await here.balance(suspense("44")) == TOTAL
    assert await here.balance(BANK) - before == TOTAL
    assert (await here.case(case_id)).state is State.MONEY_HELD


async def test_a_line_is_booked_once_however_often_the_desk_looks(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.money_comes(case_id, TOTAL)

    for _ in range(3):
        await here.funds.collect()

    assert len(await here.at.facts(FundsReceived)) == 1
    assert await here.balance(suspense("44")) == TOTAL


async def test_a_statement_whose_end_comes_again_is_booked_once(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.money_comes(case_id, 100)
    await here.at.rows("UPDATE destination_agency.bank_cursor SET after = 0")  # as if the statement were read again

    await here.funds.collect()

    assert len(await here.at.facts(FundsReceived)) == 1
    assert (await here.case(case_id)).received_fen == 100


class Slow(BankDouble):
    """A bank whose answer is overtaken: while it is on its way, another replica has looked and booked more."""

    async def lines(
        self, province: str, kind: Literal["payment", "returned"], after: int, *, wait_s: float = 0
    ) -> tuple[StatementLine, ...]:
        found = await super().lines(province, kind, after, wait_s=wait_s)
        if self.faster is not None:
            faster, self.faster = self.faster, None
            self.book(self.other, 700)
            await faster.collect()
        return found

    faster: FundDesk | None = None
    other: str = ""


async def test_a_slow_replica_does_not_turn_the_statement_back(here: Destination) -> None:
    slow = Slow()
    slow.other = new_id()
    here.bank = slow
    faster = FundDesk(here.at.database, here.at.agency, slow, here.at.ring)
    behind = FundDesk(here.at.database, here.at.agency, slow, here.at.ring)
    slow.book(new_id(), 300)
    slow.faster = faster

    await behind.collect()
    await faster.collect()
    await behind.collect()

    assert [fact.amount_fen for fact in await here.at.facts(FundsReceived)] == [300, 700]
    assert await here.balance(suspense("44")) == 1000


async def test_money_for_a_case_that_nobody_knows_is_kept_in_suspense_by_name(here: Destination) -> None:
    unknown = new_id()

    await here.money_comes(unknown, 700, payer="41")

    [received], [raised] = await here.at.facts(FundsReceived), await here.at.facts(DiscrepancyRaised)
    assert (received.case_id, received.origin, received.amount_fen) == (unknown, "41", 700)
    assert (raised.kind, raised.found_fen) == ("CASE_UNKNOWN", 700)
    assert await here.balance(suspense("41")) == 700


async def test_many_lines_of_several_cases_are_booked_in_one_look(here: Destination) -> None:
    [case_id] = await here.admitted()
    here.bank.book(case_id, 1000)
    here.bank.book(new_id(), 5)
    here.bank.book(case_id, TOTAL - 1000)

    await here.funds.collect()

    assert (await here.case(case_id)).received_fen == TOTAL
    assert len(await here.at.facts(FundsReceived)) == 3
    assert await here.balance(suspense("44")) == TOTAL + 5


async def test_short_money_is_asked_about_and_the_rest_resolves_it(here: Destination) -> None:
    [case_id] = await here.admitted()
    await here.form_comes(case_id)
    await here.money_comes(case_id, TOTAL - 180_000)
    short = await here.case(case_id)

    await here.money_comes(case_id, 180_000)

    [raised] = await here.at.facts(DiscrepancyRaised)
    assert (short.state, raised.kind, raised.difference_fen) == (State.DISCREPANCY, "SHORT", -180_000)
    assert len(await here.at.facts(DiscrepancyResolved)) == 1
    assert (await here.case(case_id)).state is State.BOOKING


async def test_a_payment_made_twice_is_named_and_goes_back_by_two_persons(here: Destination) -> None:
    case_id = await here.booking()
    [first] = here.bank.booked
    await here.money_comes(case_id, TOTAL, remittance_id=first.remittance_id)
    await here.completed(case_id)

    proposed = await here.desk.propose_sending_back([case_id], "fund-33")
    alone = await here.desk.approve_sending_back([case_id], "fund-33")
    approved = await here.desk.approve_sending_back([case_id], "checker-33")
    again = await here.desk.approve_sending_back([case_id], "checker-33")
    await here.funds.give_back()

    received = await here.at.facts(FundsReceived)
    [back] = await here.at.facts(FundsSentBack)
    [order] = here.bank.returns.values()
    assert [fact.duplicate for fact in received] == [False, True]
    assert (proposed.done, approved.done) == (1, 1)
    assert [row.code for row in (*alone.rows, *again.rows)] == [SAME_PERSON, NOT_NOW]
    assert (order.amount_fen, order.remittance_id, order.case_id) == (TOTAL, first.remittance_id, case_id)
    assert (back.amount_fen, back.maker, back.checker) == (TOTAL, "fund-33", "checker-33")
    assert await here.balance(suspense("44")) == 0
    assert (await here.case(case_id)).surplus_fen == 0


async def test_a_lost_answer_of_the_bank_gives_the_money_back_once(here: Destination) -> None:
    case_id = await here.booking()
    await here.money_comes(case_id, 700)
    await here.desk.propose_sending_back([case_id], "fund-33")
    await here.desk.approve_sending_back([case_id], "checker-33")
    here.bank.loses_answers = 1

    with pytest.raises(BankAway):
        await here.funds.give_back()
    await here.funds.give_back()
    await here.funds.give_back()

    assert len(here.bank.returns) == 1
    assert [fact.amount_fen for fact in await here.at.facts(FundsSentBack)] == [700]


async def test_nothing_goes_back_that_is_not_too_much(here: Destination) -> None:
    case_id = await here.booking()

    proposed = await here.desk.propose_sending_back([case_id, new_id()], "fund-33")
    approved = await here.desk.approve_sending_back([case_id, new_id()], "checker-33")

    assert [row.code for row in proposed.rows] == [row.code for row in approved.rows] == [NOT_NOW, NO_SUCH_CASE]
    await here.funds.give_back()
    assert here.bank.returns == {}


async def test_what_a_later_form_needs_does_not_go_back_though_it_was_proposed(here: Destination) -> None:
    case_id = await here.booking()
    await here.money_comes(case_id, 700)
    await here.desk.propose_sending_back([case_id], "fund-33")
    await here.form_comes(case_id, corrected(known_in("44")), version=2)

    approved = await here.desk.approve_sending_back([case_id], "checker-33")

    assert [row.code for row in approved.rows] == [NOT_NOW]
    assert (await here.case(case_id)).surplus_fen == 0


async def test_money_of_a_refused_case_is_surplus_on_the_work_list(here: Destination) -> None:
    [case_id] = await here.applied()
    await here.desk.withdraw(case_id, "maker-33")

    await here.money_comes(case_id, 700)

    [row] = await here.at.rows("SELECT case_id FROM destination_agency.cases WHERE surplus")
    assert row["case_id"] == case_id
    assert (await here.case(case_id)).surplus_fen == 700
