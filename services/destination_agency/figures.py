"""What the destination tells operators of its cases and of money without a home: by stage, state and province, never by case."""

from collections.abc import Sequence

import asyncpg

from services.destination_agency.case import AFTERWARDS, BEFORE_LETTER, ENDED, PAUSES, WITH_ORIGIN, WITH_US, State
from services.destination_agency.store import SQL
from services.ledger.chart import suspense
from services.messaging.figures import Asked, rows_as_readings
from services.records.agency import Agency
from services.records.figures import CASES, cases_by_stage
from services.runtime.metrics import Figure, Readings

# What a case waits for, in the order of the procedure.
STAGES: dict[State, str] = {
    **dict.fromkeys(BEFORE_LETTER, "admission"),
    **dict.fromkeys(WITH_ORIGIN, "origin"),
    **dict.fromkeys(WITH_US, "booking"),
    **dict.fromkeys(PAUSES, "person"),
    State.RETURNED_CURABLE: "cure",
    **dict.fromkeys(sorted(AFTERWARDS), "afterwards"),
}

MONEY = (
    Figure("jiexu_suspense_fen", "Money of a province that has come and is not booked to anybody.", ("origin",)),
    Figure("jiexu_giving_back_fen", "Money whose return is approved and not taken by the bank."),
    Figure("jiexu_giving_back_orders", "Returns of money that are approved and not taken by the bank."),
    Figure("jiexu_cases_with_surplus", "Cases that were paid twice, or above their form."),
)


def asked(agency: Agency) -> Asked:
    """The destination's own figures."""
    accounts = [suspense(province) for province in sorted(agency.tables.provinces)]

    def read(rows: Sequence[asyncpg.Record]) -> Readings:
        by_stage = cases_by_stage(rows, {str(state): stage for state, stage in STAGES.items()}, agency)
        return {**rows_as_readings(row for row in rows if not row["figure"].startswith("case_")), **by_stage}

    return Asked(SQL["figures"], lambda: (agency.clock.today(), accounts), (*CASES, *MONEY), read)


assert STAGES.keys() == {state for state in State if state not in ENDED}, STAGES
