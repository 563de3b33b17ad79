"""Tables that change while services run: kept, told on the journal, taken over by every service, and the past left as it was."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from contracts.events import ContributionRecorded, InterestCredited, RulesImported
from services.origin_agency import store
from services.records.agency import Agency
from services.records.rulebook import MeanwhileImported, Rulebook
from services.records.year_end import YearEnd
from services.rules.amounts import compute
from services.rules.loader import RateNotPublished, Tables, TablesInvalid, read_contents
from services.rules.table_import import ImportRefused
from services.world.plan import segment_of
from tests.agencies import MONDAY, InProcess, in_process, known_in, tables
from tests.integration.conftest import UrlOf

HE = known_in("44")
JULY = MONDAY.replace(year=2027, month=7)
RATE = """[[recording_rate]]
year = 2026
province = "*"
rate = "0.0260"
effective_from = 2026-01-01
effective_to = 2026-12-31
source = "the notice of 2027"
confidence = "found"
"""
RATIO = """[[pool_ratio]]
ratio = "0.14"
wages_from = 1998-01-01
effective_from = 2028-01-01
effective_to = "open"
source = "a new law"
confidence = "found"
"""
DUPLICATE = """[[refusal]]
code = "DUPLICATE_APPLICATION"
rule = "R05"
uses = ["admission"]
curable = false
legal_basis = "a new law"
reason_zh = "同一关系的转移申请正在办理。"
reason_en = "A transfer of the same relationship is open."
remedy_zh = "请查询进度。"
remedy_en = "Ask for its progress."
effective_from = 2028-01-01
effective_to = "open"
source = "a new law"
confidence = "found"
"""
NEXT_EVE = date(2027, 12, 31)


def a_rulebook(at: InProcess, agency: Agency | None = None) -> Rulebook:
    return Rulebook(at.database, agency or at.agency, read_contents())


@pytest.fixture
async def at(province_database: UrlOf, keys_database: UrlOf) -> AsyncIterator[InProcess]:
    async with in_process(province_database, keys_database, at=JULY) as found:
        yield found


async def test_an_import_is_an_event_with_the_digest_and_the_rule_sets_before_and_after(at: InProcess) -> None:
    rulebook, before = a_rulebook(at), at.agency.tables.version

    taken, fresh = await rulebook.take(RATE, "toml", actor="operator-1")

    [said] = await at.facts(RulesImported)
    assert fresh
    assert (said.import_id, said.table, said.rows, said.actor) == (taken.import_id, "recording_rates", 1, "operator-1")
    assert (said.effective_from, said.replaces, said.reason) == (date(2026, 1, 1), False, "")
    assert said.digest == hashlib.sha256(RATE.encode()).hexdigest()
    assert (said.rule_set_before, said.rule_set_after) == (before, at.agency.tables.version)
    assert said.rule_set_after != before
    assert [message.subject for message in await at.told()] == [taken.import_id]
    assert await rulebook.imports() == [taken]


async def test_the_service_decides_with_the_new_rows_at_once_and_says_so(at: InProcess) -> None:
    await at.importing(HE)
    rulebook, run = a_rulebook(at), YearEnd(at.database, at.agency, at.ring, store.leaving)
    before = at.agency.tables.version

    await rulebook.take(RATE, "toml", actor="operator-1")
    proposed = await run.propose(2026, "operator-1")
    await run.approve(proposed.run_id, "checker-1")
    while await run.work():
        pass

    credited = {fact.year: fact.rule_set for fact in await at.facts(InterestCredited)}
    assert credited[2025] == before
    assert credited[2026] == at.agency.tables.version != before
    assert {fact.rule_set for fact in await at.facts(ContributionRecorded)} == {before}


async def test_another_service_takes_the_rows_over_without_a_restart(at: InProcess) -> None:
    other = replace(at.agency, service="destination-agency", tables=tables())
    theirs, rung = a_rulebook(at, other), []
    theirs.when_changed(lambda: rung.append(other.tables.version))
    assert await theirs.refresh() == 0
    assert rung == []

    await a_rulebook(at).take(RATE, "toml", actor="operator-1")
    await a_rulebook(at).take(RATIO, "toml", actor="operator-1")
    await theirs.refresh()
    await theirs.refresh()

    assert other.tables.version == at.agency.tables.version
    assert rung == [other.tables.version]
    assert other.tables.recording_rate(2026, "33").rate == Decimal("0.0260")
    assert other.tables.pool_ratio(date(2028, 1, 1)).ratio == Decimal("0.14")


async def test_a_service_that_starts_again_finds_them(at: InProcess) -> None:
    taken, _ = await a_rulebook(at).take(RATE, "toml", actor="operator-1")
    at.agency.tables = tables()

    await a_rulebook(at).refresh()

    assert at.agency.tables.version == taken.rule_set_after


async def test_a_release_that_brings_the_imported_row_itself_changes_nothing(at: InProcess) -> None:
    await a_rulebook(at).take(RATE, "toml", actor="operator-1")
    merged = dict(read_contents())
    row = {
        "year": 2026,
        "province": "*",
        "rate": "0.0260",
        "effective_from": date(2026, 1, 1),
        "effective_to": date(2026, 12, 31),
        "source": "the notice of 2027, as released",
        "confidence": "found",
    }
    merged["recording_rates"] = {"recording_rate": [*merged["recording_rates"]["recording_rate"], row]}

    await Rulebook(at.database, at.agency, merged).refresh()

    assert at.agency.tables.recording_rate(2026, "44").rate == Decimal("0.0260")
    assert at.agency.tables.recording_rate(2026, "44").source == "the notice of 2027"


async def test_an_old_case_is_computed_with_the_rows_of_its_date(at: InProcess) -> None:
    before = compute([segment_of(HE)], transfer_on=MONDAY.date(), province="44", tables=at.agency.tables)

    for text in (RATE, RATIO):
        await a_rulebook(at).take(text, "toml", actor="operator-1")

    after = compute([segment_of(HE)], transfer_on=MONDAY.date(), province="44", tables=at.agency.tables)
    later = compute([segment_of(HE)], transfer_on=date(2028, 3, 1), province="44", tables=_with_2027(at.agency))
    assert (after.total_fen, after.pool_fen, after.years) == (before.total_fen, before.pool_fen, before.years)
    assert after.rule_set != before.rule_set
    assert later.pool_fen == before.pool_fen * 14 // 12


def _with_2027(agency: Agency) -> Tables:
    rate = replace(agency.tables.recording_rate(2026, "44"), year=2027)
    return replace(agency.tables, _rate_index={**agency.tables._rate_index, (2027, "*"): rate})


async def test_a_refusal_is_told_in_the_words_of_its_day_by_every_service(at: InProcess) -> None:
    other = replace(at.agency, service="destination-agency", tables=tables())
    old = at.agency.tables.refusal("DUPLICATE_APPLICATION", NEXT_EVE)

    await a_rulebook(at).take(DUPLICATE, "toml", actor="operator-1")
    await a_rulebook(at, other).refresh()

    for agency in (at.agency, other):
        assert agency.tables.refusal("DUPLICATE_APPLICATION", NEXT_EVE) == replace(old, effective_to=NEXT_EVE)
        assert agency.tables.refusal("DUPLICATE_APPLICATION", date(2028, 1, 1)).legal_basis == "a new law"
    [said] = await at.facts(RulesImported)
    assert (said.table, said.effective_from, said.replaces) == ("refusals", date(2028, 1, 1), False)


async def test_the_same_text_again_is_the_same_import(at: InProcess) -> None:
    rulebook = a_rulebook(at)
    first, _ = await rulebook.take(RATE, "toml", actor="operator-1")

    again, fresh = await rulebook.take(RATE, "toml", actor="operator-2")
    from_another, _ = await a_rulebook(at).take(RATE, "toml", actor="operator-3")

    assert not fresh
    assert first == again == from_another
    assert len(await at.facts(RulesImported)) == 1


async def test_rows_that_cannot_be_taken_leave_nothing_behind(at: InProcess) -> None:
    rulebook, before = a_rulebook(at), at.agency.tables

    with pytest.raises(TablesInvalid) as invalid:
        await rulebook.take(RATE.replace("0.0260", "2.6"), "toml", actor="operator-1")
    with pytest.raises(ImportRefused) as refused:
        await rulebook.take(RATIO.replace("2028", "2020"), "toml", actor="operator-1")

    assert invalid.value.problems == ("row 1 of the file: rate = '2.6' is not a number from 0 to 1, like \"0.08\"",)
    assert refused.value.code == "CHANGES_THE_PAST"
    assert at.agency.tables is before
    assert await rulebook.imports() == []
    assert await at.told() == []


async def test_rows_that_replace_others_say_so_on_the_journal_with_the_reason(at: InProcess) -> None:
    rulebook = a_rulebook(at)

    await rulebook.take(
        RATIO.replace("2028", "2020"), "toml", replace=True, reason="the notice of 2020 was never entered", actor="operator-1"
    )

    [said] = await at.facts(RulesImported)
    assert (said.replaces, said.reason) == (True, "the notice of 2020 was never entered")
    assert at.agency.tables.pool_ratio(date(2021, 1, 1)).ratio == Decimal("0.14")


async def test_of_two_imports_in_one_moment_the_second_looks_again(at: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, fast = a_rulebook(at), a_rulebook(at)
    catching_up = slow._catch_up

    async def is_overtaken() -> None:
        await catching_up()
        await fast.take(RATIO, "toml", actor="operator-2")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(slow, "_catch_up", is_overtaken)
        with pytest.raises(MeanwhileImported):
            await slow.take(RATE, "toml", actor="operator-1")
    taken, _ = await slow.take(RATE, "toml", actor="operator-1")

    assert [each.number for each in await slow.imports()] == [1, 2]
    assert taken.rule_set_before == (await slow.imports())[0].rule_set_after
    assert len(await at.facts(RulesImported)) == 2


async def test_the_rows_of_a_day_are_read_from_what_is_in_force(at: InProcess) -> None:
    rulebook = a_rulebook(at)
    with pytest.raises(RateNotPublished):
        at.agency.tables.recording_rate(2026, "44")

    await rulebook.take(RATIO, "toml", actor="operator-1")

    assert [row["ratio"] for row in rulebook.rows("pool_ratios", date(2027, 12, 31))] == ["0.12"]
    assert [row["ratio"] for row in rulebook.rows("pool_ratios", date(2028, 1, 1))] == ["0.14"]
    assert rulebook.rule_set == at.agency.tables.version
