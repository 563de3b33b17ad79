"""The letters that the destination writes: what stands in the first one, and what a corrected one says otherwise."""

from dataclasses import replace

from contracts.documents import PersonIdentity
from services.destination_agency.case import Proposal
from services.destination_agency.writing import contact_letter
from tests.agencies import payee_of
from tests.integration.destination_agency.conftest import ID_NUMBER, NAME, Destination


async def test_the_first_letter_has_a_number_of_its_own_and_says_what_the_application_says(here: Destination) -> None:
    [case_id] = await here.applied()
    case = await here.case(case_id)

    letter = contact_letter(here.at.agency, case)

    assert letter.letter_no == f"LXH-330100-20240506-{case.serial:06d}"
    assert (letter.letter_version, letter.correction) == (1, "")
    assert (letter.person.id_number, letter.person.name) == (ID_NUMBER, NAME)
    assert letter.payee == payee_of("33")


async def test_a_corrected_letter_keeps_its_number_and_says_what_was_proposed(here: Destination) -> None:
    [case_id] = await here.admitted()
    there = PersonIdentity(id_number=ID_NUMBER, name="陈志源")
    case = replace(
        await here.case(case_id),
        proposal=Proposal("letter", "maker-33", "another character", division="410100"),
        proposed_there=there,
    )

    first, second = await here.letter(case_id), contact_letter(here.at.agency, case, correcting=True)
    plain = contact_letter(here.at.agency, replace(case, proposed_there=None), correcting=True)

    assert (second.letter_no, second.letter_version) == (first.letter_no, 2)
    assert (second.person, second.origin_division, second.correction) == (there, "410100", "another character")
    assert plain.person == first.person
