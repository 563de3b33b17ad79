"""Contribution vouchers: issued as often as somebody asks, and checked by anybody who learns nothing else."""

from dataclasses import replace

import pytest

from contracts.envelope import new_id
from contracts.events import BalanceStated, ContributionCorrected, VoucherIssued
from services.origin_agency.vouchers import CorrectionUnderWay, NoRecord, NoVoucher, Voucher, check, issue, shown
from services.records import store as records
from services.records.model import Personal
from services.records.vault import Vault
from services.rules.amounts import RowKind
from tests.agencies import known_in, somebody
from tests.builders import a
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


async def test_months_that_other_provinces_sent_are_not_told_as_paid_here(origin: Origin) -> None:
    """Whoever gathers copies them: a place is made by the months that belong to it, and the letter goes to who holds them."""
    await origin.at.importing(HE)
    record = await origin.at.record(HE.person.id_number)
    [segment] = record.segments
    [first, second, *rest] = segment.rows
    sent = replace(first, division="410100"), replace(second, division="310100", kind=RowKind.TEMPORARY)
    async with origin.at.database.transaction("test") as tx:
        await records.change(tx, origin.at.vault, [replace(record, segments=(replace(segment, rows=(*sent, *rest)),))])

    voucher = await issued(origin)

    assert (voucher.months, voucher.months_in_all, voucher.deemed_months) == (3, 27, 0)
    assert (voucher.first_month, voucher.last_month) == ("2024-01", "2024-03")
    assert [(each.province, each.account_kind, each.months, each.first_month, each.last_month) for each in voucher.elsewhere] == [
        ("31", "temporary", 12, "2023-01", "2023-12"),
        ("41", "normal", 12, "2022-01", "2022-12"),
    ]


async def test_a_voucher_has_every_field_of_its_form_and_can_be_shown_again_as_it_was_issued(origin: Origin) -> None:
    await origin.at.importing(HE)
    record = await origin.at.record(HE.person.id_number)

    voucher = await issue(origin.at.database, origin.at.agency, record.person_ref, handled_by="maker-44")
    again = await shown(origin.at.database, origin.at.agency, voucher.voucher_no, person_ref=record.person_ref)

    assert again == voucher
    assert (voucher.sex, voucher.hukou, voucher.account_kind, voucher.division) == ("male", "41", "normal", "440000")
    assert voucher.agency_address
    assert voucher.agency_postcode
    assert (voucher.handled_by, str(voucher.print_valid_until), voucher.elsewhere) == ("maker-44", "2024-08-06", ())
    with pytest.raises(NoVoucher):
        await shown(origin.at.database, origin.at.agency, voucher.voucher_no, person_ref=new_id())
    with pytest.raises(NoVoucher):
        await shown(origin.at.database, origin.at.agency, "PZ-440000-20240506-999999")


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


async def test_unpaid_months_are_named_on_the_voucher(origin: Origin) -> None:
    last = replace(HE.contributions[2], status="arrears", paid_on=None)
    person = somebody(8, rows=(*HE.contributions[:2], last))
    await origin.at.importing(person)
    record = await origin.at.record(person.person.id_number)

    voucher = await issue(origin.at.database, origin.at.agency, record.person_ref)

    assert (voucher.months, voucher.arrears_months) == (24, 3)


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


async def test_while_a_correction_leaves_the_account_below_zero_no_voucher_can_say_what_stands_there(origin: Origin) -> None:
    await origin.at.importing(HE)
    record = await origin.at.record(HE.person.id_number)
    correction = a(ContributionCorrected, person_ref=record.person_ref, account_difference_fen=-1_247_987)
    async with origin.at.database.transaction("test") as tx:
        await origin.at.agency.tell(tx, [correction])

    with pytest.raises(CorrectionUnderWay):
        await issued(origin)

    assert await origin.at.facts(VoucherIssued) == []


async def test_who_has_never_paid_gets_a_voucher_of_nothing(origin: Origin) -> None:
    known = somebody(rows=[])
    await origin.at.importing(known)
    record = await origin.at.record(known.person.id_number)

    voucher = await issue(origin.at.database, origin.at.agency, record.person_ref)

    assert (voucher.months, voucher.balance_fen, voucher.first_month, voucher.last_month) == (0, 0, None, None)
