"""The destination's figures on the real database: open cases and money without a home, however many cases have ended."""

from collections.abc import AsyncIterator

import pytest

from services.destination_agency.figures import STAGES, asked
from services.messaging.figures import ask_database
from services.runtime.metrics import Figures
from tests.agencies import InProcess, in_process
from tests.integration.conftest import UrlOf
from tests.integration.messaging.test_figures import as_owner, read, rows_read

COLUMNS = """case_id, person_ref, state, status, origin, since, due_on, remind_on, reminded, breached, open, surplus, open_key,
             applicant, body, personal"""
CASES = f"""
INSERT INTO destination_agency.cases ({COLUMNS})
SELECT state || n, 'x', state, 'x', '44', date '2024-05-06' - n,
       CASE WHEN n = 2 THEN date '2024-05-01' ELSE date '2024-05-27' END,
       date '2024-05-20', false, false, true, state = 'BOOKING' AND n = 1, (state || n)::bytea, 'x', '{{}}', ''
  FROM unnest(ARRAY['REVIEWING', 'LETTER_SENT', 'BOOKING']) AS state, generate_series(0, 2) AS n
"""
ENDED = f"""
INSERT INTO destination_agency.cases ({COLUMNS})
SELECT 'ended' || n, 'x', 'COMPLETED', 'x', '44', date '2020-01-06', date '2020-01-27', date '2020-01-20', true, true,
       false, false, 'x', 'x', '{{}}', ''
  FROM generate_series(1, 20000) AS n
"""
RETURNS = """
INSERT INTO destination_agency.returns (return_id, case_id, remittance_id, amount_fen, maker, checker, state)
SELECT 'r' || n, 'x', 'x', 700, 'a', 'b', CASE WHEN n = 1 THEN 'ordered' ELSE 'accepted' END FROM generate_series(1, 20000) AS n
"""
HELD = "INSERT INTO ledger.accounts (account, balance_fen) VALUES ('suspense:44', 1234)"


@pytest.fixture
async def destination(province_database: UrlOf, keys_database: UrlOf) -> AsyncIterator[InProcess]:
    async with in_process(province_database, keys_database, province="33", service="destination-agency") as found:
        yield found


async def test_open_cases_and_money_are_told_by_stage_state_and_province(
    destination: InProcess, province_database: UrlOf
) -> None:
    figures = Figures("destination-agency", "33")
    ask_database(figures, destination.database, "destination_agency", asked(destination.agency))
    await as_owner(province_database, CASES, ENDED, RETURNS, HELD, "SELECT 1")

    found = await read(figures)

    assert found['jiexu_figures_unknown{source="database"}'] == 0
    assert found['jiexu_cases_open{stage="admission",state="REVIEWING"}'] == 3
    assert found['jiexu_cases_open{stage="origin",state="LETTER_SENT"}'] == 3
    assert found['jiexu_cases_open{stage="booking",state="BOOKING"}'] == 3
    assert [found[f'jiexu_cases_overdue{{stage="{stage}"}}'] for stage in ("admission", "origin", "booking")] == [1, 1, 1]
    assert found['jiexu_suspense_fen{origin="44"}'] == 1234
    assert (found["jiexu_giving_back_fen"], found["jiexu_giving_back_orders"]) == (700, 1)
    assert found["jiexu_cases_with_surplus"] == 1


async def test_what_has_ended_is_not_read(destination: InProcess, province_database: UrlOf) -> None:
    more = asked(destination.agency)
    today, accounts = more.values()
    await as_owner(province_database, CASES, ENDED, RETURNS, HELD, "SELECT 1")
    sql = more.sql.rstrip(";").replace("$1::date", f"date '{today}'").replace("$2::text[]", f"ARRAY{accounts}")

    analysed = ("ANALYZE destination_agency.cases", "ANALYZE destination_agency.returns")
    [plan] = await as_owner(province_database, *analysed, f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")

    assert rows_read(plan[0]) < 50


def test_every_open_state_has_its_stage() -> None:
    assert set(STAGES.values()) == {"admission", "person", "cure", "origin", "booking", "afterwards"}
