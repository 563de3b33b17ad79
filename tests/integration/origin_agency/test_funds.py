"""The origin's money: paid once however often it is tried, booked when the bank has it, owed again when it comes back."""

import asyncio
from datetime import date

import pytest

from contracts.banking import OrderTaken, RemittanceOrder, StatementLine
from contracts.documents import CompletionDocument, CompletionNotice, PaymentReturned, PaymentReturnedDocument
from contracts.events import FundsRemitted, FundsReturned, RelationshipClosed
from services.ledger.chart import BANK, transfers_payable
from services.ledger.replay import trial_balance
from services.origin_agency.case import State
from services.origin_agency.funds import FundDesk
from services.records.bank import BankAway, BankRefused
from tests.agencies import a_letter, known_in, payee_of, somebody
from tests.builders import CASE, a
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")
SIX_FEN = 3_047_986


async def the_books_agree(origin: Origin) -> None:
    heads = await origin.at.heads()
    replay = await origin.at.replayed()
    assert replay.problems() == []
    assert replay.compare(heads) == []
    assert trial_balance(heads) == 0


async def payable_fen(origin: Origin, destination: str = "33") -> int:
    return (await origin.at.heads())[transfers_payable(destination)].balance_fen


async def test_an_approved_remittance_is_paid_booked_and_ends_the_relationship(origin: Origin) -> None:
    await origin.at.importing(HE)
    bank_before = (await origin.at.heads())[BANK].balance_fen
    [case_id] = await origin.ordered(HE)

    await origin.funds.pay()

    [order] = origin.bank.orders.values()
    assert (order.payer, order.payee_province, order.total_fen) == ("44", "33", SIX_FEN)
    assert order.payee == payee_of("33")
    [paid] = await origin.at.facts(FundsRemitted)
    assert (paid.case_id, paid.amount_fen, paid.remittance_id) == (case_id, SIX_FEN, order.remittance_id)
    assert (paid.maker, paid.checker) == ("fund-1", "checker-1")
    assert [fact.case_id for fact in await origin.at.facts(RelationshipClosed)] == [case_id]
    assert (await origin.case(case_id)).state is State.REMITTED
    record = await origin.at.record(HE.person.id_number)
    assert (record.state, record.segments) == ("moved", ())
    heads = await origin.at.heads()
    assert heads[transfers_payable("33")].balance_fen == 0
    assert heads[BANK].balance_fen == bank_before - SIX_FEN
    await the_books_agree(origin)


async def test_the_cases_of_one_payee_are_one_order(origin: Origin) -> None:
    people = [somebody(nth) for nth in range(6)]
    await origin.at.importing(*people)
    to_33 = [await origin.holding(a_letter(person)) for person in people[:4]]
    to_41 = [await origin.holding(a_letter(person, destination="41"), sender="41") for person in people[4:]]
    await origin.desk.propose([*to_33, *to_41], "maker-1")
    await origin.desk.approve([*to_33, *to_41], "checker-1")
    await origin.order(*to_33, *to_41)

    await origin.funds.pay()

    orders = {order.payee_province: order for order in origin.bank.orders.values()}
    assert len(origin.bank.orders) == 2
    assert {line.case_id for line in orders["33"].lines} == set(to_33)
    assert {line.case_id for line in orders["41"].lines} == set(to_41)
    assert (orders["33"].total_fen, orders["41"].total_fen) == (4 * SIX_FEN, 2 * SIX_FEN)
    assert set((await origin.states()).values()) == {"REMITTED"}
    assert (await payable_fen(origin), await payable_fen(origin, "41")) == (0, 0)
    await the_books_agree(origin)


async def test_each_payment_of_one_order_names_the_maker_who_proposed_it(origin: Origin) -> None:
    people = [somebody(1), somebody(2)]
    await origin.at.importing(*people)
    first, second = await origin.issued(*people)
    await origin.desk.propose_remittances([first], "fund-1")
    await origin.desk.propose_remittances([second], "fund-2")
    await origin.desk.approve_remittances([first, second], "checker-1")

    await origin.funds.pay()

    assert {fact.case_id: fact.maker for fact in await origin.at.facts(FundsRemitted)} == {first: "fund-1", second: "fund-2"}


async def test_paying_again_and_again_pays_once(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.ordered(HE)

    for _ in range(3):
        await origin.funds.pay()

    assert origin.bank.paid_fen == {case_id: SIX_FEN}
    assert len(await origin.at.facts(FundsRemitted)) == 1


async def test_a_crash_between_the_banks_answer_and_the_booking_pays_nothing_twice(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.ordered(HE)
    origin.bank.loses_answers = 1

    with pytest.raises(BankAway):
        await origin.funds.pay()
    in_between = await origin.case(case_id)
    restarted = FundDesk(origin.at.database, origin.at.agency, origin.bank, origin.at.ring)
    await restarted.pay()

    assert in_between.state is State.REMITTANCE_ORDERED
    assert not origin.funds.busy
    assert origin.bank.asked == 2
    assert origin.bank.paid_fen == {case_id: SIX_FEN}
    assert len(await origin.at.facts(FundsRemitted)) == 1
    assert (await origin.case(case_id)).state is State.REMITTED
    await the_books_agree(origin)


async def test_two_replicas_that_pay_at_once_book_once(origin: Origin) -> None:
    people = [somebody(nth) for nth in range(3)]
    await origin.at.importing(*people)
    cases = await origin.ordered(*people)
    other = FundDesk(origin.at.database, origin.at.agency, origin.bank, origin.at.ring)

    await asyncio.gather(origin.funds.pay(), other.pay())

    assert origin.bank.paid_fen == dict.fromkeys(cases, SIX_FEN)
    assert len(await origin.at.facts(FundsRemitted)) == 3
    await the_books_agree(origin)


async def test_a_completion_that_overtakes_the_booking_of_the_payment_hides_no_money(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.ordered(HE)
    origin.bank.loses_answers = 1
    with pytest.raises(BankAway):
        await origin.funds.pay()
    notice = a(CompletionNotice, letter_no=a_letter().letter_no)

    await origin.hear(origin.at.arriving(CompletionDocument, notice, case_id=case_id, sender="33"))
    await origin.funds.pay()
    await origin.funds.pay()

    assert (await origin.case(case_id)).state is State.SETTLED
    assert [fact.amount_fen for fact in await origin.at.facts(FundsRemitted)] == [SIX_FEN]
    assert await payable_fen(origin) == 0
    await the_books_agree(origin)


async def test_what_the_bank_returns_is_owed_again_and_paid_again_once(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.ordered(HE)
    origin.bank.fault(case_id, "return")
    await origin.funds.pay()

    await origin.funds.collect()
    await origin.funds.collect()
    owed_fen = await payable_fen(origin)
    [early] = (await origin.desk.propose_remittances([case_id], "fund-1")).rows
    await origin.correct_letter(case_id)
    await origin.order(case_id)
    await origin.funds.pay()
    await origin.funds.collect()

    assert (early.result, early.code) == ("refused", "CORRECTED_LETTER_NEEDED")
    assert "第八条" in (early.legal_basis or "")
    [word] = await origin.at.letters(PaymentReturnedDocument)
    assert isinstance(word, PaymentReturned)
    assert (word.amount_fen, word.reason) == (SIX_FEN, "payee account refused")
    one, other = origin.bank.orders.values()
    assert (one.payee.account_no + "2", one.payee.account_name) == (other.payee.account_no, other.payee.account_name)
    [back] = await origin.at.facts(FundsReturned)
    first, second = await origin.at.facts(FundsRemitted)
    assert (back.amount_fen, back.reason, back.remittance_id) == (SIX_FEN, "payee account refused", first.remittance_id)
    assert owed_fen == SIX_FEN
    assert first.remittance_id != second.remittance_id
    assert (await origin.case(case_id)).state is State.REMITTED
    assert await payable_fen(origin) == 0
    assert len(await origin.at.facts(RelationshipClosed)) == 1
    await the_books_agree(origin)


async def test_a_payment_that_came_back_cannot_be_paid_again_without_two_persons(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.ordered(HE)
    origin.bank.fault(case_id, "return")
    await origin.funds.pay()
    await origin.funds.collect()

    await origin.funds.pay()

    assert (await origin.case(case_id)).state is State.PAYMENT_RETURNED
    assert len(origin.bank.orders) == 1


async def test_one_case_of_an_order_may_come_back_while_the_others_stay_paid(origin: Origin) -> None:
    people = [somebody(nth) for nth in range(3)]
    await origin.at.importing(*people)
    cases = await origin.ordered(*people)
    origin.bank.fault(cases[1], "return")

    await origin.funds.pay()
    await origin.funds.collect()

    states = await origin.states()
    assert [states[case] for case in cases] == ["REMITTED", "PAYMENT_RETURNED", "REMITTED"]
    assert await payable_fen(origin) == SIX_FEN
    await the_books_agree(origin)


async def test_two_replicas_that_read_the_statement_at_once_book_a_return_once(origin: Origin) -> None:
    await origin.at.importing(HE)
    [case_id] = await origin.ordered(HE)
    origin.bank.fault(case_id, "return")
    await origin.funds.pay()
    other = FundDesk(origin.at.database, origin.at.agency, origin.bank, origin.at.ring)

    await asyncio.gather(origin.funds.collect(), other.collect())

    assert len(await origin.at.facts(FundsReturned)) == 1
    await the_books_agree(origin)


async def test_with_nothing_to_do_nothing_is_told(origin: Origin) -> None:
    assert await origin.funds.pay() == 0
    assert await origin.funds.collect() == 0
    assert await origin.at.told() == []
    assert origin.at.rung == []


async def test_an_order_that_the_bank_refuses_holds_no_other_up(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [somebody(nth) for nth in range(2)]
    await origin.at.importing(*people)
    bad = await origin.holding(a_letter(people[0]))
    good = await origin.holding(a_letter(people[1], destination="41"), sender="41")
    await origin.desk.propose([bad, good], "maker-1")
    await origin.desk.approve([bad, good], "checker-1")
    await origin.order(bad)
    await origin.order(good)
    really = origin.bank.remit

    async def refusing(order: RemittanceOrder) -> OrderTaken:
        if order.payee_province == "33":
            raise BankRefused("payee account closed")
        return await really(order)

    monkeypatch.setattr(origin.bank, "remit", refusing)

    await origin.funds.pay()

    assert {case: await origin.case(case) for case in (bad, good)}[good].state is State.REMITTED
    assert (await origin.case(bad)).state is State.REMITTANCE_ORDERED
    await the_books_agree(origin)


async def test_money_that_comes_back_for_a_case_nobody_knows_is_booked_and_stops_nothing(origin: Origin) -> None:
    origin.bank.booked.append(
        StatementLine(
            line_no=1,
            line_id="L1",
            kind="returned",
            remittance_id="R-lost",
            case_id=CASE,
            payer="44",
            payee="33",
            amount_fen=700,
            booked_on=date(2024, 5, 8),
            reason="payee account refused",
        )
    )

    await origin.funds.collect()
    await origin.funds.collect()

    [returned] = await origin.at.facts(FundsReturned)
    assert (returned.case_id, returned.amount_fen, returned.destination) == (CASE, 700, "33")
    assert await payable_fen(origin) == 700
    await the_books_agree(origin)
