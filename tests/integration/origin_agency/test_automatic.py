"""Where the province approves automatically: a letter without a problem is answered at once by rule; all else waits."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from contracts.documents import ContactLetter, InformationFormDocument, LetterReturnDocument, Withdrawal, WithdrawalDocument
from contracts.envelope import new_id
from contracts.events import ContactLetterReturned, FundsRemitted, InformationFormIssued
from services.ledger.chart import individual, transfers_payable
from services.ledger.replay import trial_balance
from services.messaging.received import Received
from services.origin_agency import store
from services.origin_agency.app import HEARS
from services.origin_agency.case import State
from services.origin_agency.funds import FundDesk
from services.origin_agency.handlers import Handlers
from services.records.approvals import Approvals
from services.records.bank import BankAway
from services.records.holds import Holds
from services.rules.loader import load_tables
from services.runtime.database import COUNTS
from services.world.plan import ProvinceRecord
from tests.agencies import a_letter, arriving_letter, known_in, payee_of, somebody
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")
SIX_FEN = 3_047_986
POLICY = "policy:automatic-approvals"
VERSION = load_tables().version


@dataclass
class Automatic(Origin):
    """The same agency, of a province that approves automatically; `rung` counts how often its fund desk was woken."""

    wakes: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        handlers = Handlers(self.at.agency, self.at.opener, ordered=lambda: self.wakes.append(True))
        self.handler = self.at.handler(handlers.documents, HEARS)


def automatic(origin: Origin, limit_fen: int | None = None) -> Automatic:
    """The same agency, of a province that approves automatically."""
    approvals = Approvals("automatic", limit_fen)
    return Automatic(replace(origin.at, agency=replace(origin.at.agency, approvals=approvals)), origin.bank)


def many(count: int) -> list[ProvinceRecord]:
    """So many men whom 44 knows."""
    return [somebody(at % 40, born=f"1990{1 + at // 40 % 12:02d}15", name=f"李{at:04d}") for at in range(count)]


def letters(at: Automatic, people: list[ProvinceRecord], destination: str = "33") -> dict[str, Received]:
    """A contact letter for each of them, by case."""
    found = {}
    for person in people:
        case_id = new_id()
        body = a_letter(person, destination=destination)
        found[case_id] = arriving_letter(at.at, body, case_id=case_id, sender=destination)
    return found


async def the_books_agree(origin: Origin) -> None:
    heads = await origin.at.heads()
    replay = await origin.at.replayed()
    assert replay.problems() == []
    assert replay.compare(heads) == []
    assert trial_balance(heads) == 0


async def test_a_letter_without_a_problem_is_answered_and_its_money_ordered_in_the_same_transaction(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    before = COUNTS.by_purpose.get("handler", [0, 0])[1]

    case_id = await auto.holding()

    case = await auto.case(case_id)
    [issued] = await auto.at.facts(InformationFormIssued)
    assert COUNTS.by_purpose["handler"][1] - before == 1
    assert case.state is State.REMITTANCE_ORDERED
    assert (issued.maker, issued.checker) == (f"rule:no-reason-to-return@{VERSION}", POLICY)
    assert len(await auto.at.facts(InformationFormDocument)) == 1
    assert auto.wakes == [True]
    [order] = await auto.at.rows("SELECT total_fen, maker, checker, state FROM origin_agency.remittances")
    assert dict(order) == {"total_fen": SIX_FEN, "maker": f"rule:form-issued@{VERSION}", "checker": POLICY, "state": "ordered"}


async def test_what_was_ordered_without_a_person_is_paid_and_booked_with_the_names_of_rule_and_policy(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    case_id = await auto.holding()

    await auto.funds.pay()

    [paid] = await auto.at.facts(FundsRemitted)
    assert (paid.maker, paid.checker, paid.amount_fen) == (f"rule:form-issued@{VERSION}", POLICY, SIX_FEN)
    assert (await auto.case(case_id)).state is State.REMITTED
    assert (await auto.at.heads())[transfers_payable("33")].balance_fen == 0
    await the_books_agree(auto)


def named(name: str) -> ContactLetter:
    """The letter about the story's person under another name."""
    usual = a_letter()
    return usual.model_copy(update={"person": usual.person.model_copy(update={"name": name})})


DOUBTS: dict[str, tuple[ProvinceRecord | None, ContactLetter | None, str]] = {
    "stranger": (None, None, "NO_RELATIONSHIP"),
    "wrong name": (HE, named("另一人"), "IDENTITY_MISMATCH"),
    "still contributing": (replace(HE, person=replace(HE.person, stopped_on=None)), None, "STILL_CONTRIBUTING"),
    "another scheme": (replace(HE, person=replace(HE.person, scheme="120")), None, "WRONG_SCHEME"),
    "no account": (
        HE,
        a_letter(payee=payee_of("33").model_copy(update={"account_no": ""})),
        "LETTER_INCOMPLETE",
    ),
}


@pytest.mark.parametrize("doubt", DOUBTS)
async def test_what_would_be_returned_waits_for_two_persons(origin: Origin, doubt: str) -> None:
    person, letter, code = DOUBTS[doubt]
    auto = automatic(origin)
    if person is not None:
        await auto.at.importing(person)

    case_id = await auto.holding(letter)

    case = await auto.case(case_id)
    assert (case.state, case.proposal) == (State.LETTER_HELD, None)
    assert auto.wakes == []
    assert [*await auto.at.facts(InformationFormIssued), *await auto.at.facts(LetterReturnDocument)] == []
    await auto.desk.propose([case_id], "maker-1")
    assert (await auto.desk.approve([case_id], "checker-1")).done == 1
    assert [fact.code for fact in await auto.at.facts(ContactLetterReturned)] == [code]


async def test_an_account_that_a_court_holds_is_answered_by_nobody_until_it_is_released(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    holds = Holds(auto.at.database, auto.at.agency, auto.at.ring, auto.desk.run_on)
    person_ref = (await auto.at.record(HE.person.id_number)).person_ref
    hold_id = await holds.propose(person_ref, "maker-1", ordered_by="court", reason="order 12")
    await holds.approve([hold_id], "checker-1")

    case_id = await auto.holding(a_letter(HE))

    assert ((await auto.case(case_id)).state, auto.wakes) == (State.LETTER_HELD, [])
    await holds.propose_release([hold_id], "maker-1", reason="order 13")
    await holds.approve_release([hold_id], "checker-1")
    await auto.desk.propose([case_id], "maker-1")
    assert (await auto.desk.approve([case_id], "checker-1")).done == 1
    assert (await auto.case(case_id)).state is State.FORM_ISSUED


async def test_a_form_that_differs_from_the_ledger_waits_for_persons_and_holds_nobody_back(origin: Origin) -> None:
    auto = automatic(origin)
    odd, sound = somebody(1), somebody(2)
    await auto.at.importing(odd, sound)
    ref = (await auto.at.record(odd.person.id_number)).person_ref
    await auto.at.rows("UPDATE ledger.accounts SET balance_fen = balance_fen + 1 WHERE account = $1", individual(ref))
    arriving = letters(auto, [odd, sound])

    await auto.hear(*arriving.values())

    states = await auto.states()
    assert [states[case_id] for case_id in arriving] == ["LETTER_HELD", "REMITTANCE_ORDERED"]
    [row] = (await auto.desk.propose([next(iter(arriving))], "maker-1")).rows
    assert row.result == "done"
    [row] = (await auto.desk.approve([next(iter(arriving))], "checker-1")).rows
    assert (row.result, row.code) == ("refused", "FORM_DIFFERS_FROM_LEDGER")


async def test_two_letters_about_one_person_in_one_batch_are_not_both_answered(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    first, second = letters(auto, [HE]), letters(auto, [HE], "41")

    await auto.hear(*first.values(), *second.values())

    states = await auto.states()
    assert sorted(states.values()) == ["LETTER_HELD", "REMITTANCE_ORDERED"]
    assert len(await auto.at.facts(InformationFormIssued)) == 1
    await the_books_agree(auto)


@pytest.mark.parametrize("above", [False, True], ids=["at the limit", "above the limit"])
async def test_above_the_limit_the_form_leaves_and_persons_order_the_money(origin: Origin, above: bool) -> None:
    auto = automatic(origin, limit_fen=SIX_FEN - above)
    await auto.at.importing(HE)

    case_id = await auto.holding()

    assert len(await auto.at.facts(InformationFormIssued)) == 1
    assert (await auto.case(case_id)).state is (State.FORM_ISSUED if above else State.REMITTANCE_ORDERED)
    assert auto.wakes == ([] if above else [True])
    if above:
        await auto.order(case_id)
        await auto.funds.pay()
        assert [fact.checker for fact in await auto.at.facts(FundsRemitted)] == ["checker-1"]


async def test_money_for_another_account_than_the_directory_names_is_ordered_by_persons(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)

    case_id = await auto.holding(a_letter(payee=payee_of("33").model_copy(update={"account_no": "666"})))

    assert (await auto.case(case_id)).state is State.FORM_ISSUED
    assert auto.wakes == []


async def test_a_hundred_letters_cost_as_many_statements_as_ten_and_each_payee_gets_one_list(origin: Origin) -> None:
    auto = automatic(origin)
    people = many(120)
    await auto.at.importing(*people)
    spent = []

    for some in (people[:10], people[10:110]):
        half = len(some) // 2
        arriving = {**letters(auto, some[:half]), **letters(auto, some[half:], "41")}
        before = COUNTS.statements, COUNTS.commits
        await auto.hear(*arriving.values())
        spent.append((COUNTS.statements - before[0], COUNTS.commits - before[1]))

    assert list((await auto.states()).values()).count("REMITTANCE_ORDERED") == 110
    orders = await auto.at.rows("SELECT destination, lines FROM origin_agency.remittances ORDER BY ordered_at, destination")
    assert [row["destination"] for row in orders] == ["33", "41", "33", "41"]
    assert spent[0] == spent[1]
    assert spent[1][0] <= 9
    before_pay = COUNTS.by_purpose.get("remitted", [0, 0])[1]
    await auto.funds.pay()
    assert COUNTS.by_purpose["remitted"][1] - before_pay == 1
    assert len(await auto.at.facts(FundsRemitted)) == 110
    await the_books_agree(auto)


async def test_a_letter_that_is_withdrawn_in_the_same_batch_gets_no_form(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    [(case_id, letter)] = letters(auto, [HE]).items()
    wish = Withdrawal(letter_no=a_letter().letter_no, requested_on=auto.at.clock.today())

    await auto.hear(letter, auto.at.arriving(WithdrawalDocument, wish, case_id=case_id, sender="33"))

    assert (await auto.case(case_id)).state is State.CANCELLED
    assert await auto.at.facts(InformationFormIssued) == []


async def test_two_replicas_with_the_same_letters_answer_once(origin: Origin) -> None:
    auto, other = automatic(origin), automatic(origin)
    people = many(5)
    await auto.at.importing(*people)
    arriving = letters(auto, people)

    await asyncio.gather(auto.hear(*arriving.values()), other.hear(*arriving.values()))

    assert len(await auto.at.facts(InformationFormIssued)) == 5
    assert len(await auto.at.rows("SELECT remittance_id FROM origin_agency.remittances")) == 1
    assert len(auto.wakes) + len(other.wakes) == 1


async def test_a_crash_before_the_commit_answers_nothing_and_wakes_nobody(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    arriving = letters(auto, [HE])

    async def crash(*_: Any, **__: Any) -> None:
        raise OSError("the connection was lost here")

    with monkeypatch.context() as dying:
        dying.setattr(store, "save", crash)
        with pytest.raises(OSError, match="lost here"):
            await auto.hear(*arriving.values())
    in_between = (await auto.states(), await auto.at.facts(InformationFormIssued), list(auto.wakes))
    await auto.hear(*arriving.values())

    assert in_between == ({}, [], [])
    assert list((await auto.states()).values()) == ["REMITTANCE_ORDERED"]


async def test_a_crash_between_the_order_and_the_payment_pays_once(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    case_id = await auto.holding()
    auto.bank.loses_answers = 1

    with pytest.raises(BankAway):
        await auto.funds.pay()
    await FundDesk(auto.at.database, auto.at.agency, auto.bank, auto.at.ring).pay()

    assert auto.bank.paid_fen == {case_id: SIX_FEN}
    assert len(await auto.at.facts(FundsRemitted)) == 1


async def test_an_answer_that_got_lost_holds_up_no_other_order(origin: Origin) -> None:
    auto = automatic(origin)
    people = many(2)
    await auto.at.importing(*people)
    for person in people:
        await auto.hear(*letters(auto, [person]).values())
    auto.bank.loses_answers = 1

    with pytest.raises(BankAway):
        await auto.funds.pay()
    booked = len(await auto.at.facts(FundsRemitted))
    await auto.funds.pay()

    assert booked == 1
    assert len(await auto.at.facts(FundsRemitted)) == 2


async def test_what_the_bank_gave_back_is_paid_again_by_persons_alone(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    case_id = await auto.holding()
    auto.bank.fault(case_id, "return")
    await auto.funds.pay()

    await auto.funds.collect()
    await auto.funds.pay()

    assert (await auto.case(case_id)).state is State.PAYMENT_RETURNED
    assert len(auto.bank.orders) == 1


async def test_a_return_that_the_bank_shows_before_the_payment_is_booked_waits_for_it(origin: Origin) -> None:
    auto = automatic(origin)
    await auto.at.importing(HE)
    case_id = await auto.holding()
    auto.bank.fault(case_id, "return")
    auto.bank.loses_answers = 1
    with pytest.raises(BankAway):
        await auto.funds.pay()

    too_early = await auto.funds.collect(), (await auto.case(case_id)).state
    await auto.funds.pay()
    await auto.funds.collect()

    assert too_early == (1, State.REMITTANCE_ORDERED)
    assert (await auto.case(case_id)).state is State.PAYMENT_RETURNED
    await the_books_agree(auto)


async def test_a_province_that_says_nothing_answers_nothing_by_itself(origin: Origin) -> None:
    await origin.at.importing(HE)

    case_id = await origin.holding()

    assert (await origin.case(case_id)).state is State.LETTER_HELD
    assert await origin.at.facts(InformationFormIssued) == []
