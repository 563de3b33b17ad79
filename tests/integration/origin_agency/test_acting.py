"""What every desk has: a result for each row of a list, and a relay that is woken after the commit and not before."""

from contracts.envelope import new_id
from services.origin_agency.acting import Acting, decided
from services.origin_agency.case import Case, NotNow, Outcome, Proposal, Refused, SamePerson, State
from tests.integration.origin_agency.conftest import Origin
from tests.unit.origin_agency.builders import RETURN, a_case


async def test_each_row_of_a_list_has_its_result_and_a_refused_one_holds_no_other_back(origin: Origin) -> None:
    cases = [await origin.holding() for _ in range(4)]
    unknown = new_id()
    origin.at.rung.clear()
    woken: list[int] = []

    def decide(case: Case) -> Outcome:
        woken.append(len(origin.at.rung))
        match cases.index(case.case_id):
            case 0:
                raise NotNow("this", case.state)
            case 1:
                raise SamePerson("maker-1")
            case 2:
                raise Refused("BY_NAME", "because", legal_basis="Art. 1", remedy="do that")
            case _:
                return Outcome(case)

    result = await Acting(origin.at.database, origin.at.agency, origin.at.ring)._each("test", [*cases, unknown, cases[3]], decide)

    assert [(row.case_id, row.result, row.code) for row in result.rows] == [
        (cases[0], "refused", "NOT_NOW"),
        (cases[1], "refused", "SAME_PERSON"),
        (cases[2], "refused", "BY_NAME"),
        (cases[3], "done", "LETTER_HELD"),
        (unknown, "refused", "NO_SUCH_CASE"),
    ]
    assert (result.rows[2].legal_basis, result.rows[2].remedy) == ("Art. 1", "do that")
    assert (woken, len(origin.at.rung)) == ([0, 0, 0, 0], 1)


def test_a_row_says_the_code_of_a_return_and_the_state_of_anything_else() -> None:
    assert decided(a_case(State.RETURNED, proposal=RETURN)) == "STILL_CONTRIBUTING"
    assert decided(a_case(State.HANDLING_PROPOSED, proposal=Proposal("maker-1", "form"))) == "HANDLING_PROPOSED"
