"""What the origin tells operators of its cases and of money that has not arrived: by stage, state and province, never by case."""

from collections.abc import Sequence

import asyncpg

from services.ledger.chart import transfers_payable
from services.messaging.figures import Asked, rows_as_readings
from services.origin_agency.case import ENDED, OPEN_LEG, State
from services.origin_agency.store import SQL
from services.records.agency import Agency
from services.records.figures import CASES, cases_by_stage
from services.runtime.metrics import Figure, Readings

# What a case waits for, in the order of the procedure.
STAGES: dict[State, str] = {
    State.LETTER_HELD: "handling",
    State.HANDLING_PROPOSED: "handling",
    State.FORM_ISSUED: "remittance",
    State.REMITTANCE_PROPOSED: "remittance",
    State.REMITTANCE_ORDERED: "remittance",
    State.REMITTED: "settlement",
    State.PAYMENT_RETURNED: "remittance",
    State.RECALL_ASKED: "recall",
    State.RECALL_AGREED: "recall",
}

MONEY = (
    Figure("jiexu_transit_fen", "Money ordered or remitted, and not known to have arrived.", ("what",)),
    Figure("jiexu_transit_payments", "Remittances ordered, and cases remitted, that are not known to have arrived.", ("what",)),
    Figure("jiexu_transfers_payable_fen", "What the books owe to a province for approved transfers.", ("destination",)),
)


def asked(agency: Agency) -> Asked:
    """The origin's own figures."""
    payable = [transfers_payable(province) for province in sorted(agency.tables.provinces)]
    open_states = [str(state) for state in State if state not in ENDED]
    running = [str(state) for state in OPEN_LEG]

    def read(rows: Sequence[asyncpg.Record]) -> Readings:
        by_stage = cases_by_stage(rows, {str(state): stage for state, stage in STAGES.items()}, agency)
        return {**rows_as_readings(row for row in rows if not row["figure"].startswith("case_")), **by_stage}

    def values() -> tuple[object, ...]:
        return (open_states, running, agency.clock.today(), payable)

    return Asked(SQL["figures"], values, (*CASES, *MONEY), read)


assert STAGES.keys() == {state for state in State if state not in ENDED}, STAGES
