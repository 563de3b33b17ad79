"""Contribution vouchers: issued as often as somebody asks, and checked by anybody who learns nothing else."""

import pytest

from contracts.envelope import new_id
from contracts.events import BalanceStated, VoucherIssued
from services.origin_agency.vouchers import NoRecord, Voucher, check, issue
from services.records.model import Personal
from services.records.vault import Vault
from tests.agencies import known_in, somebody
from tests.integration.origin_agency.conftest import Origin

HE = known_in("44")


async def issued(origin: Origin) -> Voucher:
    record = await origin.at.record(HE.person.id_number)
    return await issue(origin.at.database, origin.at.agency, record.person_ref)


async def test_a_voucher_says_what_the_person_has_here(origin: Origin) -> None:
    await origin.at.importing(HE)

    voucher = await issued(origin)

    assert (voucher.name, voucher.id_number_masked) == ("陈志远", "410***********9995")
    assert (voucher.first_month, voucher.last_month, voucher.months, voucher.balance_fen) == ("2022-01", "2024-03", 27, 1_247_986)
    assert voucher.voucher_no == "PZ-440000-20240506-000001"
    assert (voucher.province, voucher.agency, voucher.phone, voucher.scheme) == ("44", "agency of 44", "0440-12333", "110")
    assert voucher.issued_at.date() == origin.at.clock.today()


async def test_the_balance_on_a_voucher_is_stated_on_the_journal_and_the_books_confirm_it(origin: Origin) -> None:
    await origin.at.importing(HE)

    voucher = await issued(origin)

    [told] = await origin.at.facts(VoucherIssued)
    [stated] = [fact for fact in await origin.at.facts(BalanceStated) if fact.reason == "voucher"]
    assert (told.voucher_no, told.months, told.balance_fen) == (voucher.voucher_no, 27, 1_247_986)
    assert stated.balance_fen == 1_247_986
    assert (await origin.at.replayed()).problems() == []
    keys = await origin.at.vault.keys([told.person_ref])
    assert Personal.model_validate_json(Vault.open(keys, told.person_ref, told.personal)).name == "陈志远"
    assert await origin.at.places_of("陈志远", HE.person.id_number) == {}


async def test_a_lost_voucher_is_issued_again_under_a_number_of_its_own(origin: Origin) -> None:
    await origin.at.importing(HE)

    first, second = await issued(origin), await issued(origin)

    assert first.voucher_no != second.voucher_no
    assert first.check_code != second.check_code
    for voucher in (first, second):
        assert (await check(origin.at.database, voucher.voucher_no, voucher.check_code) or {})["genuine"]


async def test_a_check_says_that_it_is_genuine_and_nothing_about_the_person(origin: Origin) -> None:
    await origin.at.importing(HE)
    voucher = await issued(origin)

    found = await check(origin.at.database, voucher.voucher_no, voucher.check_code.lower())

    assert found is not None
    assert found.keys() == {"voucher_no", "genuine", "issued_at"}


@pytest.mark.parametrize("code", ["00000000", "", "ÄÖÜ", "真伪真伪真伪真伪"])
async def test_a_wrong_check_code_is_not_genuine(origin: Origin, code: str) -> None:
    await origin.at.importing(HE)
    voucher = await issued(origin)
    assert code != voucher.check_code

    assert await check(origin.at.database, voucher.voucher_no, code) is None


async def test_a_code_fits_its_own_voucher_alone(origin: Origin) -> None:
    await origin.at.importing(HE)
    first, second = await issued(origin), await issued(origin)

    assert await check(origin.at.database, first.voucher_no, second.check_code) is None
    assert await check(origin.at.database, "PZ-440000-20240506-999999", first.check_code) is None


async def test_who_is_not_on_record_gets_no_voucher(origin: Origin) -> None:
    with pytest.raises(NoRecord):
        await issue(origin.at.database, origin.at.agency, new_id())

    assert await origin.at.told() == []


async def test_who_has_never_paid_gets_a_voucher_of_nothing(origin: Origin) -> None:
    known = somebody(rows=[])
    await origin.at.importing(known)
    record = await origin.at.record(known.person.id_number)

    voucher = await issue(origin.at.database, origin.at.agency, record.person_ref)

    assert (voucher.months, voucher.balance_fen, voucher.first_month, voucher.last_month) == (0, 0, None, None)
