"""Applications come in: what becomes a case, what is refused at the window, and what is kept of a person."""

import pytest

from contracts.events import Applied
from contracts.statuses import Status
from services.destination_agency.case import State
from services.destination_agency.intake import Applicant
from tests.integration.destination_agency.conftest import ID_NUMBER, NAME, Destination, know, number_of, someone, wish


async def test_an_application_becomes_a_case_with_a_clock_of_fifteen_working_days(here: Destination) -> None:
    [case_id] = await here.applied()

    case = await here.case(case_id)
    [fact] = await here.at.facts(Applied)
    assert (case.state, case.status, case.origin) == (State.REVIEWING, Status.SUBMITTED, "44")
    assert case.due.due_on.isoformat() == fact.due_on.isoformat() == "2024-05-24"
    assert case.due.remind_on.isoformat() == "2024-05-17"
    assert case.personal.id_number == ID_NUMBER


async def test_a_person_who_is_on_record_keeps_the_pseudonym_of_the_record(here: Destination) -> None:
    [case_id] = await here.applied()

    assert (await here.case(case_id)).person_ref == (await here.at.record(ID_NUMBER)).person_ref


async def test_one_stranger_with_two_origins_in_one_list_is_one_person(bare: Destination) -> None:
    first, second = await bare.applied(wish(), wish(origin_division="410100"))

    assert (await bare.case(first)).person_ref == (await bare.case(second)).person_ref


async def test_a_second_application_is_answered_with_the_open_case(here: Destination) -> None:
    [case_id] = await here.applied()

    [again] = await here.take(wish())

    assert (again.result, again.code, again.case_id) == ("refused", "DUPLICATE_APPLICATION", case_id)
    assert len(await here.at.facts(Applied)) == 1


async def test_an_old_number_of_fifteen_digits_is_the_same_person(here: Destination) -> None:
    [case_id] = await here.applied()

    [again] = await here.take(wish(id_number=ID_NUMBER[:6] + ID_NUMBER[8:17]))

    assert (again.code, again.case_id) == ("DUPLICATE_APPLICATION", case_id)


async def test_the_same_person_may_bring_relationships_from_two_provinces(here: Destination) -> None:
    both = await here.applied(wish(), wish(origin_division="410100"))

    assert [(await here.case(case_id)).origin for case_id in both] == ["44", "41"]


async def test_a_relationship_whose_case_has_ended_can_be_applied_for_again(here: Destination) -> None:
    [case_id] = await here.applied()
    await here.desk.withdraw(case_id, "maker-33")

    [again] = await here.take(wish())

    assert again.result == "accepted"
    assert again.case_id != case_id


@pytest.mark.parametrize(
    ("changed", "code", "field"),
    [
        ({"id_number": "41010519900315999"}, "ID_NUMBER_INVALID", "id_number"),
        ({"id_number": number_of(7)[:17] + ("0" if number_of(7)[17] != "0" else "1")}, "ID_NUMBER_INVALID", "id_number"),
        ({"id_number": "410105199013159993"}, "ID_NUMBER_INVALID", "id_number"),
        ({"origin_division": "990000"}, "UNKNOWN_PROVINCE", "origin_division"),
        ({"origin_division": "710000"}, "UNKNOWN_PROVINCE", "origin_division"),
        ({"destination_division": "440100"}, "WRONG_DESTINATION", "destination_division"),
        ({"origin_division": "110000"}, "PROVINCE_NOT_CONNECTED", "origin_division"),
    ],
)
async def test_what_cannot_be_an_application_is_refused_by_name_and_field(
    here: Destination, changed: dict[str, str], code: str, field: str
) -> None:
    [taken] = await here.take(wish(None, **changed))

    assert (taken.result, taken.code, taken.field) == ("refused", code, field)
    assert taken.detail
    assert changed[field] not in taken.detail or code != "ID_NUMBER_INVALID"
    assert await here.at.told() == []


async def test_a_bad_row_holds_no_good_row_back(here: Destination) -> None:
    await know(here, someone(1))

    taken = await here.take(wish(id_number="41010519900315999"), wish(), wish(someone(1).person))

    assert [each.result for each in taken] == ["refused", "accepted", "accepted"]
    assert len(await here.at.facts(Applied)) == 2


async def test_a_person_applies_for_the_own_relationship_alone(here: Destination) -> None:
    record = await here.at.record(ID_NUMBER)

    [own] = await here.take(wish(), by=Applicant("insured-1", "person", record.person_ref))
    [foreign] = await here.take(wish(origin_division="410100"), by=Applicant("insured-2", "person", "somebody-else"))

    assert own.result == "accepted"
    assert (foreign.result, foreign.code, foreign.case_id) == ("refused", "NOT_YOUR_RECORD", None)


async def test_no_table_holds_a_name_a_number_or_an_address_in_clear(here: Destination) -> None:
    await here.admitted()

    stored = await here.everything_stored()

    secrets = [ID_NUMBER, ID_NUMBER[:17], NAME, str(wish()["email"]), str(wish()["phone"]), str(wish()["employer_name"])]
    assert [secret for secret in secrets if secret in stored] == []
    assert len(stored) > 1000


async def test_contacts_that_the_application_leaves_out_come_from_the_record(here: Destination) -> None:
    [case_id] = await here.applied(wish(phone=None, email=None))

    personal = (await here.case(case_id)).personal
    record = await here.at.record(ID_NUMBER)
    assert record.personal.email is not None
    assert (personal.email, personal.phone) == (record.personal.email, record.personal.phone)
