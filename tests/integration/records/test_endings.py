"""A relationship ends on the person's written wish alone, after written notice and written confirmation; or it is kept."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest

from contracts.events import AccountClosed, AccountSettled, EndingApplied, EndingConfirmed, EndingNotified, EndingWithdrawn
from services.ledger.chart import POOLED_FUND, REFUNDS_PAYABLE, individual
from services.ledger.replay import trial_balance
from services.records import store
from services.records.commands import ListResult
from services.records.decisions import Refused
from services.records.endings import Endings, decide, refuse_unless_kept_here
from services.records.model import Record
from services.records.vault import Vault
from services.rules.endings import EndingStep, Ground
from services.rules.identity import check_character
from services.rules.pension_tables import Category
from services.runtime.database import Transaction
from tests.agencies import InProcess, known_in, tables
from tests.unit.records.test_model import a_record
from tests.unit.rules.builders import a_row, own

HE = known_in("44")  # Example 3, stopped: 12,479.86 on 2024-05-06
TODAY = date(2024, 5, 6)
BALANCE_FEN = 1_247_986


def desk(at: InProcess, *busy: str) -> Endings:
    async def transferring(_: Transaction, persons: Sequence[str]) -> set[str]:
        return {*busy} & {*persons}

    return Endings(at.database, at.agency, at.ring, transferring)


async def his(at: InProcess) -> Record:
    await at.importing(HE)
    return await at.record(HE.person.id_number)


def codes(result: ListResult) -> list[tuple[str, str | None]]:
    return [(row.result, row.code) for row in result.rows]


async def applied(at: InProcess, ground: Ground = Ground.NATIONALITY_LOST) -> str:
    record = await his(at)
    return (await desk(at).apply(record.person_ref, ground, "maker-1", applied_on=TODAY)).ending_id


async def confirmed(at: InProcess) -> str:
    ending_id = await applied(at)
    assert codes(await desk(at).notify([ending_id], "maker-1")) == [("done", "NOTIFIED")]
    await desk(at).confirm(ending_id, "maker-1", confirmed_on=TODAY)
    return ending_id


def stopped(*years: str, **fields: object) -> Record:
    rows = [a_row(f"{year}-01", f"{year}-12") for year in years]
    record = a_record(own(*rows))
    personal = record.personal.model_copy(update={"id_number": HE.person.id_number, "sex": HE.person.sex})
    return replace(record, personal=personal, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ground", "applied_on", "step", "code"),
    [
        (Ground.SETTLED_ABROAD, None, EndingStep.KEEP, "ABROAD_ACCOUNT_KEPT"),
        (Ground.SETTLED_ABROAD, TODAY, EndingStep.REFUSED, "NATIONALITY_KEPT"),
        (Ground.INACTIVITY, TODAY, EndingStep.REFUSED, "CLOSING_FOR_INACTIVITY_NOT_ALLOWED"),
        (Ground.WISH, TODAY, EndingStep.REFUSED, "SURRENDER_NOT_ALLOWED"),
        (Ground.TOO_FEW_YEARS, TODAY, EndingStep.REFUSED, "SURRENDER_NOT_ALLOWED"),  # he is 34
        (Ground.NATIONALITY_LOST, TODAY, EndingStep.NOTICE, "NATIONALITY_LOST"),
    ],
)
def test_what_a_wish_comes_to_is_what_the_law_says_of_its_ground(
    ground: Ground, applied_on: date | None, step: EndingStep, code: str
) -> None:
    found = decide(ground, stopped("2022", "2023"), tables(), on=TODAY, applied_on=applied_on)

    assert (found.step, found.reasons[0].code) == (step, code)


def test_too_few_years_are_counted_over_all_places_and_at_the_age_alone() -> None:
    woman = stopped("2022", "2023")
    born = "44010519740315002"
    hers = woman.personal.model_copy(update={"id_number": born + check_character(born), "sex": "female"})
    woman = replace(woman, personal=hers)

    def step(months: int | None, category: Category | None) -> EndingStep:
        return decide(Ground.TOO_FEW_YEARS, woman, tables(), on=TODAY, months=months, category=category).step

    # Born 1974-03-15: 50 on 2024-03-15, 55 long after. In 2024 it takes 180 months.
    assert step(None, Category.FEMALE_50) is EndingStep.APPLICATION
    assert step(179, Category.FEMALE_50) is EndingStep.APPLICATION
    assert step(180, Category.FEMALE_50) is EndingStep.REFUSED
    assert step(None, None) is EndingStep.REFUSED


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (None, "NO_RELATIONSHIP"),
        (stopped("2023", state="settled"), "NO_RELATIONSHIP"),
        (stopped("2023", state="moved"), "ALREADY_TRANSFERRED_OUT"),
        (stopped("2023", died_on=TODAY), "PERSON_DECEASED"),
        (stopped("2023", drawing_since=TODAY), "ALREADY_DRAWING"),
        (replace(stopped("2023"), stopped_on=None), "STILL_CONTRIBUTING"),
        (stopped("2023", held_since=TODAY), "JUDICIAL_OR_AUDIT_HOLD"),
    ],
    ids=["unknown", "paid out", "moved", "dead", "drawing", "paying", "held by a court"],
)
def test_only_a_relationship_that_is_here_and_stopped_can_end(record: Record | None, code: str) -> None:
    with pytest.raises(Refused) as refused:
        refuse_unless_kept_here(record, tables(), on=date(2024, 3, 1))

    assert refused.value.code == code


async def test_notice_and_confirmation_come_first_then_two_persons_pay_the_account_out_once(at: InProcess) -> None:
    record = await his(at)
    before = await at.heads()
    wish = await desk(at).apply(record.person_ref, Ground.NATIONALITY_LOST, "person-1", applied_on=TODAY)
    ids = [wish.ending_id]
    too_early = codes(await desk(at).propose(ids, "maker-1"))
    with pytest.raises(Refused, match="END_NOTICE_NEEDED"):
        await desk(at).confirm(wish.ending_id, "person-1", confirmed_on=TODAY)
    noticed = codes(await desk(at).notify(ids, "maker-1"))
    unconfirmed = codes(await desk(at).propose(ids, "maker-1"))
    at.move(days=3)
    with pytest.raises(Refused, match="STEPS_OUT_OF_ORDER"):
        await desk(at).confirm(wish.ending_id, "person-1", confirmed_on=date(2024, 5, 5))
    await desk(at).confirm(wish.ending_id, "person-1", confirmed_on=date(2024, 5, 9))
    unproposed = codes(await desk(at).approve(ids, "checker-1"))
    proposed = codes(await desk(at).propose(ids, "maker-1"))
    alone = codes(await desk(at).approve(ids, "maker-1"))
    kept = await at.heads()
    paid = codes(await desk(at).approve(ids, "checker-1"))
    again = codes(await desk(at).approve(ids, "checker-2"))

    assert (too_early, unconfirmed) == ([("refused", "END_NOTICE_NEEDED")], [("refused", "END_CONFIRMATION_NEEDED")])
    assert (noticed, proposed, paid) == ([("done", "NOTIFIED")], [("done", "PROPOSED")], [("done", "PAID")])
    assert (unproposed, alone, again) == ([("refused", "NOT_NOW")], [("refused", "SAME_PERSON")], [("refused", "NOT_NOW")])
    account = individual(record.person_ref)
    heads = await at.heads()
    assert kept[account].balance_fen == BALANCE_FEN
    assert (heads[account].balance_fen, heads[REFUNDS_PAYABLE].balance_fen) == (0, BALANCE_FEN)
    assert heads[POOLED_FUND] == before[POOLED_FUND]
    assert trial_balance(heads) == 0
    assert (await at.replayed()).compare(heads) == []
    [settled] = await at.facts(AccountSettled)
    assert (settled.reason, settled.amount_fen, settled.maker, settled.checker) == (
        "nationality_lost",
        BALANCE_FEN,
        "maker-1",
        "checker-1",
    )
    assert "第13号" in settled.legal_basis
    assert len(await at.facts(AccountClosed)) == 1
    after = await at.record(HE.person.id_number)
    assert (after.state, after.here, after.segments) == ("settled", False, ())
    [said] = await at.facts(EndingApplied)
    [answered] = await at.facts(EndingConfirmed)
    assert (said.ending_id, said.applied_on, answered.confirmed_on) == (wish.ending_id, TODAY, date(2024, 5, 9))


async def test_the_written_notice_goes_to_the_person_and_names_nobody_in_clear(at: InProcess) -> None:
    ending_id = await applied(at)

    await desk(at).notify([ending_id], "maker-1")
    once_more = codes(await desk(at).notify([ending_id], "maker-1"))

    [told] = await at.facts(EndingNotified)
    assert (told.ground, told.notified_on, told.language, told.actor) == ("nationality_lost", TODAY, "zh-CN", "maker-1")
    keys = await at.vault.keys([told.person_ref])
    assert HE.person.name.encode() in Vault.open(keys, told.person_ref, told.personal)
    assert await at.places_of(HE.person.name, HE.person.id_number) == {}
    assert once_more == [("refused", "END_CONFIRMATION_NEEDED")]


async def test_whoever_changes_their_mind_keeps_everything_and_may_apply_again(at: InProcess) -> None:
    ending_id = await confirmed(at)
    await desk(at).propose([ending_id], "maker-1")
    record = await at.record(HE.person.id_number)
    with pytest.raises(Refused, match="NO_SUCH_ENDING"):
        await desk(at).withdraw(ending_id, "somebody", person_ref="018f4c1e-0000-7000-8000-00000000ffff")

    await desk(at).withdraw(ending_id, "person-1", person_ref=record.person_ref)

    assert codes(await desk(at).approve([ending_id], "checker-1")) == [("refused", "NOT_NOW")]
    with pytest.raises(Refused, match="NOT_NOW"):
        await desk(at).withdraw(ending_id, "person-1")
    assert await at.balance_fen(record.person_ref) == BALANCE_FEN
    assert len(await at.facts(EndingWithdrawn)) == 1
    assert await desk(at).wishes() == []
    again = await desk(at).apply(record.person_ref, Ground.NATIONALITY_LOST, "person-1", applied_on=TODAY)
    assert [each.ending_id for each in await desk(at).wishes()] == [again.ending_id]
    assert {each.state for each in await desk(at).wishes(open_only=False)} == {"applied", "withdrawn"}
    assert (await desk(at).look(ending_id)) is not None
    assert (await desk(at).look("none")) is None


@pytest.mark.parametrize(
    ("ground", "code"),
    [
        (Ground.SETTLED_ABROAD, "NATIONALITY_KEPT"),
        (Ground.INACTIVITY, "CLOSING_FOR_INACTIVITY_NOT_ALLOWED"),
        (Ground.WISH, "SURRENDER_NOT_ALLOWED"),
        (Ground.TOO_FEW_YEARS, "SURRENDER_NOT_ALLOWED"),
        (Ground.FOREIGNER_LEFT, "GROUND_NOT_PAID_HERE"),
    ],
)
async def test_what_ends_nothing_is_refused_by_name_and_the_account_stays(at: InProcess, ground: Ground, code: str) -> None:
    record = await his(at)

    with pytest.raises(Refused) as refused:
        await desk(at).apply(record.person_ref, ground, "maker-1", applied_on=TODAY)

    assert refused.value.code == code
    assert await at.balance_fen(record.person_ref) == BALANCE_FEN
    assert await at.facts(EndingApplied) == []
    assert (await at.record(HE.person.id_number)).here


async def test_a_person_has_one_open_wish_and_an_application_of_tomorrow_is_none(at: InProcess) -> None:
    await applied(at)
    record = await at.record(HE.person.id_number)

    for applied_on, code in ((TODAY, "ENDING_OPEN"), (date(2024, 5, 7), "STEPS_OUT_OF_ORDER")):
        with pytest.raises(Refused, match=code):
            await desk(at).apply(record.person_ref, Ground.NATIONALITY_LOST, "maker-1", applied_on=applied_on)
    with pytest.raises(Refused, match="NO_RELATIONSHIP"):
        await desk(at).assess("018f4c1e-0000-7000-8000-00000000ffff", Ground.WISH)
    assert codes(await desk(at).notify(["none"], "maker-1")) == [("refused", "NO_SUCH_ENDING")]
    kept = await desk(at).assess(record.person_ref, Ground.SETTLED_ABROAD)
    assert (kept.step, kept.pays_out) == (EndingStep.KEEP, False)


async def test_whoever_has_moved_or_died_since_is_not_paid(at: InProcess) -> None:
    ending_id = await confirmed(at)
    await desk(at).propose([ending_id], "maker-1")
    record = await at.record(HE.person.id_number)
    async with at.database.transaction("test") as tx:
        await store.close(tx, at.vault, {record.person_ref: "case"})

    assert codes(await desk(at).approve([ending_id], "checker-1")) == [("refused", "ALREADY_TRANSFERRED_OUT")]
    assert await at.facts(AccountSettled) == []


async def test_last_year_s_interest_is_in_the_account_before_it_is_paid_out(at: InProcess) -> None:
    ending_id = await confirmed(at)
    await desk(at).propose([ending_id], "maker-1")
    at.clock.move(at.clock.now().replace(year=2025))

    assert codes(await desk(at).approve([ending_id], "checker-1")) == [("refused", "INTEREST_PENDING")]


async def test_a_break_in_work_closes_nothing_and_the_account_goes_on_earning(at: InProcess) -> None:
    record = await his(at)
    at.clock.move(at.clock.now().replace(year=2026))

    with pytest.raises(Refused, match="CLOSING_FOR_INACTIVITY_NOT_ALLOWED"):
        await desk(at).apply(record.person_ref, Ground.INACTIVITY, "maker-1", applied_on=TODAY)

    assert (await at.record(HE.person.id_number)).state == "stopped"
    assert await at.balance_fen(record.person_ref) == BALANCE_FEN


async def test_while_a_transfer_of_the_person_goes_on_nothing_is_paid_out_and_the_wish_can_be_taken_back(at: InProcess) -> None:
    ending_id = await confirmed(at)
    record = await at.record(HE.person.id_number)
    busy = desk(at, record.person_ref)

    proposed = await busy.propose([ending_id], "maker-1")
    await desk(at).propose([ending_id], "maker-1")
    approved = await busy.approve([ending_id], "checker-1")

    assert codes(proposed) == codes(approved) == [("refused", "TRANSFER_OPEN")]
    assert (await at.heads())[individual(record.person_ref)].balance_fen == BALANCE_FEN
    assert await at.facts(AccountClosed) == []
    assert (await at.record(HE.person.id_number)).state == "stopped"
    await busy.withdraw(ending_id, "maker-1")
