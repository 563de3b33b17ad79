"""Files come into a province: every fen of them is in the books, nothing of a bad file is, and nothing comes in twice."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.envelope import new_id
from contracts.events import AccountOpened, ContributionRecorded, InterestCredited, RecordsImported
from services.ledger.replay import trial_balance
from services.records.csv_import import ParsedFiles
from services.records.importing import CHUNK, Import, Importer, without_numbers
from services.records.vault import PersonForgotten
from services.rules.amounts import compute
from services.rules.identity import mask_id_number
from services.world.files import write_provinces
from services.world.people import Contribution
from services.world.plan import ProvinceRecord, World, plan, segment_of
from tests.agencies import MONDAY, InProcess, contributions_csv, in_process, known_in, parsed, persons_csv, somebody, tables
from tests.integration.conftest import UrlOf

HE = known_in("44")
DIGEST = "d" * 64


def people_of(world: World, province: str = "44") -> list[ProvinceRecord]:
    return [record for case in world.cases() for record in case.records if record.province == province]


def with_rows(known: ProvinceRecord, *rows: Contribution) -> ProvinceRecord:
    return replace(known, contributions=rows)


def a_job(files: ParsedFiles, digest: str = DIGEST) -> Import:
    return Import(new_id(), digest, "operator-1", files)


async def the_log_and_the_ledger_agree(at: InProcess) -> None:
    heads = await at.heads()
    replay = await at.replayed()
    assert replay.problems() == []
    assert replay.compare(heads) == []
    assert trial_balance(heads) == 0


async def test_each_account_of_an_imported_world_is_item_four_of_the_form_to_the_fen(at: InProcess, tmp_path: Path) -> None:
    world = plan(7, 120, protagonist=True)
    paths = write_provinces(world, tmp_path)["44"]

    job = await at.importing_files(paths.persons.read_bytes(), paths.contributions.read_bytes())

    people = people_of(world)
    assert len(job.parsed.persons) == len(people) > 30
    for known in people:
        record = await at.record(known.person.id_number)
        amounts = compute([segment_of(known)], transfer_on=MONDAY.date(), province="44", tables=tables())
        computed = compute(record.segments, transfer_on=MONDAY.date(), province="44", tables=tables())
        assert await at.balance_fen(record.person_ref) == amounts.account_fen
        assert computed.total_fen == amounts.total_fen
    await the_log_and_the_ledger_agree(at)


async def test_the_story_s_person_has_what_example_three_says(at: InProcess) -> None:
    await at.importing(HE)

    record = await at.record(HE.person.id_number)
    assert await at.balance_fen(record.person_ref) == 1_247_986
    assert (record.state, record.interest_through, record.personal.name) == ("stopped", 2023, "陈志远")
    told = [message.data for message in await at.told()]
    assert [fact.account_fen for fact in told if isinstance(fact, ContributionRecorded)] == [480_000, 576_000, 144_000]
    assert [fact.year for fact in told if isinstance(fact, InterestCredited)] == [2022, 2023]
    assert [fact.kind for fact in told if isinstance(fact, AccountOpened)] == ["normal"]
    [imported] = [fact for fact in told if isinstance(fact, RecordsImported)]
    assert (imported.persons, imported.rows, imported.refused_rows, imported.actor) == (1, 3, 0, "operator-1")


async def test_what_stood_in_an_account_before_1998_opens_it(at: InProcess) -> None:
    old = replace(HE, person=replace(HE.person, first_insured_on=date(1995, 1, 1), personal_balance_1997_fen=123_456))

    await at.importing(old)

    [opened] = await at.facts(AccountOpened)
    record = await at.record(HE.person.id_number)
    amounts = compute([segment_of(old)], transfer_on=MONDAY.date(), province="44", tables=tables())
    assert opened.opening_fen == 123_456
    assert await at.balance_fen(record.person_ref) == amounts.account_fen
    assert amounts.before_1998_fen > 123_456


async def test_nothing_of_a_bad_file_is_taken_unless_the_good_rows_are_asked_for() -> None:
    bad = replace(HE, person=replace(HE.person, hukou="99"))
    good = somebody()
    files = persons_csv([bad, good]), contributions_csv([bad, good])

    strict, lenient = parsed(*files), parsed(*files, accept_good_rows=True)

    assert (strict.persons, dict(strict.contributions_by_id_number)) == ((), {})
    assert [person.id_number for person in lenient.persons] == [good.person.id_number]
    assert [(error.file, error.line, error.column) for error in strict.errors] == [("persons", 2, "hukou")]


async def test_good_rows_come_in_and_the_import_says_how_many_did_not(at: InProcess) -> None:
    bad, good = replace(HE, person=replace(HE.person, hukou="99")), somebody()
    files = parsed(persons_csv([bad, good]), contributions_csv([bad, good]), accept_good_rows=True)
    importer, job = Importer(at.database, at.agency), a_job(files)

    await importer.begin(job)
    await importer.run(job)

    assert await at.person(bad.person.id_number) is None
    assert await at.person(good.person.id_number) is not None
    state = await importer.state(job.import_id)
    assert state is not None
    assert (state["state"], state["persons"], state["persons_done"], state["rows"], state["refused_rows"]) == ("done", 1, 1, 3, 1)
    assert [(error["line"], error["column"]) for error in state["errors"]] == [(2, "hukou")]


async def test_the_same_file_again_is_the_same_import(at: InProcess) -> None:
    importer, job = Importer(at.database, at.agency), a_job(parsed(persons_csv([HE]), contributions_csv([HE])))
    await importer.begin(job)
    await importer.run(job)

    assert await importer.begun(DIGEST) == (job.import_id, 1, "done")
    assert await importer.begun("e" * 64) is None
    assert await importer.state(new_id()) is None


async def test_a_broken_off_import_goes_on_where_it_was(at: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [somebody(nth) for nth in range(CHUNK + 2)]
    importer, job = Importer(at.database, at.agency), a_job(parsed(persons_csv(people), contributions_csv(people)))
    whole = importer._chunk

    async def breaks_off(of: Import, persons: object, at_person: int) -> None:
        if at_person >= CHUNK:
            raise ConnectionError("gone")
        await whole(of, persons, at_person)  # type: ignore[arg-type]

    await importer.begin(job)
    with monkeypatch.context() as broken:
        broken.setattr(importer, "_chunk", breaks_off)
        with pytest.raises(ConnectionError):
            await importer.run(job)
    half = await importer.begun(DIGEST)
    again = await importer.known(job.parsed, after=CHUNK)
    await importer.run(job, after=CHUNK)

    assert half == (job.import_id, CHUNK, "running")
    assert again.errors == ()
    assert await importer.begun(DIGEST) == (job.import_id, CHUNK + 2, "done")
    assert len(await at.facts(AccountOpened)) == len(people)
    assert {head.balance_fen for account, head in (await at.heads()).items() if account.startswith("individual:")} == {1_247_986}
    assert len(await at.facts(RecordsImported)) == 1
    await the_log_and_the_ledger_agree(at)


async def test_a_chunk_of_an_import_is_whole_or_not_there(at: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    importer, job = Importer(at.database, at.agency), a_job(parsed(persons_csv([HE]), contributions_csv([HE])))

    async def cannot_tell(*_: object) -> None:
        raise ConnectionError("gone")

    await importer.begin(job)
    with monkeypatch.context() as broken:
        broken.setattr(type(at.agency), "tell", cannot_tell)
        with pytest.raises(ConnectionError):
            await importer.run(job)

    assert await at.person(HE.person.id_number) is None
    assert await at.heads() == {}
    assert await importer.begun(DIGEST) == (job.import_id, 0, "running")


async def test_an_import_of_nobody_is_done_at_once(at: InProcess) -> None:
    importer, job = Importer(at.database, at.agency), a_job(parsed(persons_csv([]), None))

    await importer.begin(job)
    await importer.run(job)

    assert await importer.begun(DIGEST) == (job.import_id, 0, "done")


async def test_rows_that_overlap_months_on_record_are_named_with_a_masked_number(at: InProcess) -> None:
    await at.importing(HE)
    again = with_rows(HE, replace(HE.contributions[2], start="2024-03", end="2024-04"))

    checked = await Importer(at.database, at.agency).known(parsed(persons_csv([again]), contributions_csv([again])))

    [error] = checked.errors
    assert (error.file, error.column, error.reason) == ("contributions", "start", "overlaps months on record")
    assert error.value == mask_id_number(HE.person.id_number)
    assert checked.persons == ()


async def test_rows_of_a_year_whose_interest_is_booked_are_named(at: InProcess) -> None:
    await at.importing(with_rows(HE, HE.contributions[0], HE.contributions[2]))
    late = with_rows(HE, replace(HE.contributions[1], start="2023-01", end="2023-12"))

    checked = await Importer(at.database, at.agency).known(parsed(persons_csv([late]), contributions_csv([late])))

    assert [error.reason for error in checked.errors] == ["lies in a year whose interest is booked"]


async def test_rows_whose_rates_do_not_even_pay_for_the_account_are_named(at: InProcess) -> None:
    # In 1998 eleven percent went to the account, of which persons paid five.
    poor = with_rows(HE, replace(HE.contributions[0], start="1998-01", end="1998-12", employer_rate="0.01"))
    old = replace(poor, person=replace(poor.person, first_insured_on=date(1998, 1, 1)))

    checked = await Importer(at.database, at.agency).known(parsed(persons_csv([old]), contributions_csv([old])))

    assert [(error.column, error.line) for error in checked.errors] == [("employer_rate", 0)]


async def test_a_temporary_account_is_one_by_the_rules_or_its_rows_are_refused_by_name(at: InProcess) -> None:
    def on_a_temporary_account(born: str, **person: Any) -> ProvinceRecord:
        return somebody(born=born, rows=[replace(row, kind="temporary") for row in HE.contributions], **person)

    # Insured here since 2022: at 58, at 32, and at 58 where the household register is.
    old, young = on_a_temporary_account("19640315"), on_a_temporary_account("19900315")
    at_home = on_a_temporary_account("19640316", hukou="44")
    people = [old, young, at_home]

    checked = await Importer(at.database, at.agency).known(parsed(persons_csv(people), contributions_csv(people)))

    assert [person.id_number for person in checked.persons] == [old.person.id_number]
    assert [(error.column, error.value) for error in checked.errors] == [
        ("kind", mask_id_number(person.person.id_number)) for person in (young, at_home)
    ]
    assert ["K4" in checked.errors[0].reason, "K1" in checked.errors[1].reason] == [True, True]
    assert all("ACCOUNT_KIND_DIFFERS" in error.reason for error in checked.errors)


async def test_who_is_left_out_for_contradicting_the_records_takes_nobody_else_along(at: InProcess) -> None:
    one = somebody()
    mask = mask_id_number(one.person.id_number)
    days = (somebody(born=f"199004{day:02d}") for day in range(1, 31))
    other = next(found for found in days if mask_id_number(found.person.id_number) == mask)
    await at.importing(one)
    files = parsed(persons_csv([one, other]), contributions_csv([one, other]), accept_good_rows=True)

    checked = await Importer(at.database, at.agency).known(files)

    assert [person.id_number for person in checked.persons] == [other.person.id_number]
    assert list(checked.contributions_by_id_number) == [other.person.id_number]
    assert len(checked.errors) == 1


async def test_months_since_the_last_import_are_added_to_the_record_and_the_account(at: InProcess) -> None:
    await at.importing(with_rows(HE, *HE.contributions[:2]))

    await at.importing(with_rows(HE, HE.contributions[2]))

    record = await at.record(HE.person.id_number)
    assert await at.balance_fen(record.person_ref) == 1_247_986
    assert [row.months for segment in record.segments for row in segment.rows] == [12, 12, 3]
    assert len(await at.facts(AccountOpened)) == 1
    await the_log_and_the_ledger_agree(at)


async def test_an_import_books_the_interest_of_all_published_years(at: InProcess) -> None:
    at.clock.move(MONDAY.replace(year=2027, month=2))

    await at.importing(HE)

    record = await at.record(HE.person.id_number)
    assert record.interest_through == 2025
    assert [fact.year for fact in await at.facts(InterestCredited)] == [2022, 2023, 2024, 2025]
    await the_log_and_the_ledger_agree(at)


async def test_a_forgotten_person_cannot_be_read_any_more_and_the_books_still_balance(
    province_database: UrlOf, keys_database: UrlOf
) -> None:
    async with in_process(province_database, keys_database, keys_kept_s=0) as at:
        await at.importing(HE)
        record = await at.record(HE.person.id_number)

        await at.forget(record.person_ref)

        assert await at.person(HE.person.id_number) is None
        with pytest.raises(PersonForgotten):
            at.vault.seal(await at.vault.keys([record.person_ref]), record.person_ref, b"anything")
        assert await at.balance_fen(record.person_ref) == 1_247_986
        await the_log_and_the_ledger_agree(at)


def test_an_identity_number_in_the_wrong_column_is_masked_before_it_is_kept() -> None:
    kept = without_numbers("somebody 41010119900315123X, 5000.00, DEU0000000G0123456")

    assert kept == "somebody 410***********123X, 5000.00, DEU***********3456"
