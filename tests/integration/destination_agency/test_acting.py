"""What every desk does with a list: a result a row, good rows are not held back, and the relay hears of it once."""

from services.destination_agency.acting import Acting
from services.destination_agency.case import Case, NotNow, Outcome, Refused, SamePerson
from services.records.commands import FOUR_EYES, NO_SUCH_CASE, NOT_NOW, SAME_PERSON
from tests.integration.destination_agency.conftest import Destination, know, someone, wish

UNKNOWN = "018f4c1e-0000-7000-8000-00000000ffff"


class Desk(Acting):
    """Does with each case what a test says."""

    async def act(
        self, case_ids: list[str], errors: dict[str, Exception]
    ) -> list[tuple[str, str | None, str | None, str | None]]:
        def decide(case: Case) -> Outcome:
            if case.case_id in errors:
                raise errors[case.case_id]
            return Outcome(case)

        result = await self._each("test", case_ids, decide)
        assert (result.done, result.refused) == (
            sum(row.result == "done" for row in result.rows),
            sum(row.result == "refused" for row in result.rows),
        )
        return [(row.case_id, row.code, row.legal_basis, row.remedy) for row in result.rows]


async def test_each_row_has_its_answer_and_a_refusal_its_name_its_basis_and_its_remedy(here: Destination) -> None:
    await know(here, *(someone(serial) for serial in (1, 3, 5)))
    good, late, same, named = (
        *await here.applied(),
        *await here.applied(*(wish(someone(serial).person) for serial in (1, 3, 5))),
    )
    desk = Desk(here.at.database, here.at.agency, here.at.ring)
    rung = len(here.at.rung)
    case = await here.case(late)

    rows = await desk.act(
        [good, late, UNKNOWN, same, named, good],
        {
            late: NotNow("this", case.state),
            same: SamePerson("maker-33"),
            named: Refused("BY_NAME", "because", legal_basis="Art. 8", remedy="do otherwise"),
        },
    )

    assert rows == [
        (good, "REVIEWING", None, None),
        (late, NOT_NOW, None, "Look at the case's state first."),
        (UNKNOWN, NO_SUCH_CASE, None, "Check the case id."),
        (same, SAME_PERSON, FOUR_EYES, "Let a second person check the case."),
        (named, "BY_NAME", "Art. 8", "do otherwise"),
    ]
    assert len(here.at.rung) == rung + 1
