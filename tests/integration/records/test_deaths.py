"""A death where no transfer goes on is noted on the record, and two persons settle the account with the heirs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from contracts.events import AccountClosed, AccountSettled, DeathNoted
from services.ledger.chart import REFUNDS_PAYABLE, individual
from services.ledger.replay import trial_balance
from services.records.commands import ListResult
from services.records.deaths import Deaths, note, refuse_unless_settled_here
from services.records.decisions import Refused
from services.records.model import Record
from services.runtime.database import Transaction
from tests.agencies import InProcess, known_in, tables
from tests.unit.records.test_model import a_record
from tests.unit.rules.builders import a_row, own, with_death

HE = known_in("44")  # Example 3, stopped: 12,479.86 on 2024-05-06
TODAY, SUNDAY = date(2024, 5, 6), date(2024, 5, 5)
BALANCE_FEN = 1_247_986


def desk(at: InProcess, *busy: str) -> Deaths:
    async def transferring(_: Transaction, persons: Sequence[str]) -> set[str]:
        return {*busy} & {*persons}

    return Deaths(at.database, at.agency, at.ring, transferring)


async def his(at: InProcess) -> Record:
    await at.importing(HE)
    return await at.record(HE.person.id_number)


def codes(result: ListResult) -> list[tuple[str, str | None]]:
    return [(row.result, row.code) for row in result.rows]


def stands(**fields: object) -> Record:
    return replace(a_record(own(a_row("2023-01", "2023-12"))), **fields)  # type: ignore[arg-type]


async def test_who_dies_without_a_transfer_is_settled_by_the_agency_that_holds_the_account(at: InProcess) -> None:
    record = await his(at)
    deaths = desk(at)

    await deaths.report(record.person_ref, "maker-1", died_on=SUNDAY, reported_by="family")
    proposed = await deaths.propose([record.person_ref], "maker-1")
    waiting = await deaths.settlements()
    alone = await deaths.approve([record.person_ref], "maker-1")
    settled = await deaths.approve([record.person_ref], "checker-1")
    again = await deaths.approve([record.person_ref], "checker-1")

    [noted] = await at.facts(DeathNoted)
    assert (noted.died_on, noted.reported_on, noted.reported_by) == (SUNDAY, TODAY, "family")
    assert noted.report_due_on == date(2024, 5, 30)  # twenty working days; 11 May was worked
    assert [each.person_ref for each in waiting] == [record.person_ref]
    assert [codes(result) for result in (proposed, alone, settled, again)] == [
        [("done", "PROPOSED")],
        [("refused", "SAME_PERSON")],
        [("done", "SETTLED")],
        [("refused", "NOT_NOW")],
    ]
    [fact] = await at.facts(AccountSettled)
    assert (fact.reason, fact.amount_fen, fact.maker, fact.checker) == ("death", BALANCE_FEN, "maker-1", "checker-1")
    assert fact.legal_basis == tables().refusal("PERSON_DECEASED", TODAY).legal_basis
    assert len(await at.facts(AccountClosed)) == 1
    heads = await at.heads()
    assert (heads[individual(record.person_ref)].balance_fen, heads[REFUNDS_PAYABLE].balance_fen) == (0, BALANCE_FEN)
    after = await at.record(HE.person.id_number)
    assert (after.state, after.died_on, after.segments) == ("settled", SUNDAY, ())
    assert [each.state for each in await deaths.settlements(open_only=False)] == ["settled"]
    assert trial_balance(heads) == 0


async def test_while_a_transfer_goes_on_its_case_is_where_the_death_is_reported(at: InProcess) -> None:
    record = await his(at)
    busy = desk(at, record.person_ref)

    with pytest.raises(Refused, match="TRANSFER_OPEN"):
        await busy.report(record.person_ref, "maker-1", died_on=SUNDAY, reported_by="clerk")
    await desk(at).report(record.person_ref, "maker-1", died_on=SUNDAY, reported_by="clerk")
    proposed = await busy.propose([record.person_ref], "maker-1")
    await desk(at).propose([record.person_ref], "maker-1")
    approved = await busy.approve([record.person_ref], "checker-1")

    assert codes(proposed) == codes(approved) == [("refused", "TRANSFER_OPEN")]
    assert await at.facts(AccountSettled) == []


async def test_a_year_whose_interest_is_not_in_the_books_is_credited_first(at: InProcess) -> None:
    record = await his(at)
    deaths = desk(at)
    await deaths.report(record.person_ref, "maker-1", died_on=SUNDAY, reported_by="clerk")
    await deaths.propose([record.person_ref], "maker-1")
    at.clock.move(at.clock.now().replace(year=2025))

    assert codes(await deaths.approve([record.person_ref], "checker-1")) == [("refused", "INTEREST_PENDING")]


def test_a_death_is_noted_once_and_not_before_it_was() -> None:
    record = stands()

    changed, fact = note(record, "maker-1", died_on=SUNDAY, reported_on=TODAY, reported_by="registry", tables=tables())

    assert (changed.died_on, fact.reported_by) == (SUNDAY, "registry")
    for given, died_on, code in (
        (changed, SUNDAY, "DEATH_KNOWN"),
        (record, date(2024, 5, 7), "DEATH_IN_THE_FUTURE"),
        (None, SUNDAY, "NO_RELATIONSHIP"),
    ):
        with pytest.raises(Refused, match=code):
            note(given, "maker-1", died_on=died_on, reported_on=TODAY, reported_by="clerk", tables=tables())


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (None, "NO_RELATIONSHIP"),
        (stands(), "NO_DEATH_REPORTED"),
        (stands(died_on=SUNDAY, state="moved"), "NOTHING_TO_SETTLE"),
        (stands(died_on=SUNDAY, state="settled"), "NOTHING_TO_SETTLE"),
        (stands(died_on=SUNDAY, held_since=SUNDAY), "JUDICIAL_OR_AUDIT_HOLD"),
    ],
    ids=["unknown", "alive", "moved", "settled", "held"],
)
def test_only_an_account_that_is_here_and_free_is_settled(record: Record | None, code: str) -> None:
    with pytest.raises(Refused) as refused:
        refuse_unless_settled_here(record, today=TODAY, tables=tables())

    assert refused.value.code == code


def test_that_the_holder_settles_is_a_row_of_the_table(tmp_path: Path) -> None:
    dead = stands(died_on=SUNDAY)

    assert refuse_unless_settled_here(dead, today=TODAY, tables=tables()) is dead
    with pytest.raises(Refused, match="SETTLED_ELSEWHERE"):
        refuse_unless_settled_here(
            dead, today=TODAY, tables=with_death(tmp_path, "no_transfer", "settler", "holder", "destination")
        )
