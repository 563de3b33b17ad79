"""The origin's figures on the real database: open cases and money under way, however many cases have ended."""

from collections.abc import AsyncIterator

import pytest

from services.messaging.figures import ask_database
from services.origin_agency.figures import STAGES, asked
from services.runtime.metrics import Figures
from tests.agencies import InProcess, in_process
from tests.integration.conftest import UrlOf
from tests.integration.messaging.test_figures import as_owner, read, rows_read

COLUMNS = "case_id, state, destination, known_as, received_on, due_on, remind_on, reminded, breached, body, letter"
CASES = f"""
INSERT INTO origin_agency.cases ({COLUMNS})
SELECT state || n, state, '33', 'x', date '2024-05-06' - n, CASE WHEN n = 2 THEN date '2024-05-01' ELSE date '2024-05-27' END,
       date '2024-05-20', false, false, '{{"remitted_fen": 300}}', ''
  FROM unnest(ARRAY['LETTER_HELD', 'FORM_ISSUED', 'REMITTED']) AS state, generate_series(0, 2) AS n
"""
ENDED = f"""
INSERT INTO origin_agency.cases ({COLUMNS})
SELECT 'ended' || n, 'SETTLED', '33', 'x', date '2020-01-06', date '2020-01-27', date '2020-01-20', true, true, '{{}}', ''
  FROM generate_series(1, 20000) AS n
"""
ORDERED = """
INSERT INTO origin_agency.remittances (remittance_id, destination, payee, total_fen, lines, maker, checker, state)
SELECT 'r' || n, '33', '{}', 700, '[]', 'a', 'b', CASE WHEN n = 1 THEN 'ordered' ELSE 'accepted' END
  FROM generate_series(1, 20000) AS n
"""
OWED = "INSERT INTO ledger.accounts (account, balance_fen) VALUES ('transfers_payable:33', 1234)"


@pytest.fixture
async def origin(province_database: UrlOf, keys_database: UrlOf) -> AsyncIterator[InProcess]:
    async with in_process(province_database, keys_database) as found:
        yield found


async def test_open_cases_and_money_are_told_by_stage_state_and_province(origin: InProcess, province_database: UrlOf) -> None:
    figures = Figures("origin-agency", "44")
    ask_database(figures, origin.database, "origin_agency", asked(origin.agency))
    await as_owner(province_database, CASES, ENDED, ORDERED, OWED, "SELECT 1")

    found = await read(figures)

    assert found['jiexu_figures_unknown{source="database"}'] == 0
    assert found['jiexu_cases_open{stage="handling",state="LETTER_HELD"}'] == 3
    assert found['jiexu_cases_open{stage="remittance",state="FORM_ISSUED"}'] == 3
    assert found['jiexu_cases_open{stage="settlement",state="REMITTED"}'] == 3
    assert found['jiexu_cases_open{stage="handling",state="HANDLING_PROPOSED"}'] == 0
    assert [found[f'jiexu_cases_overdue{{stage="{stage}"}}'] for stage in ("handling", "remittance", "settlement")] == [1, 1, 0]
    assert found['jiexu_oldest_case_working_days{stage="handling"}'] == 1  # Monday; 4 May was a holiday
    assert found['jiexu_transit_fen{what="remitted"}'] == 900
    assert found['jiexu_transit_payments{what="remitted"}'] == 3
    assert found['jiexu_transit_fen{what="ordered"}'] == 700
    assert found['jiexu_transit_payments{what="ordered"}'] == 1
    assert found['jiexu_transfers_payable_fen{destination="33"}'] == 1234


async def test_what_has_ended_is_not_read(origin: InProcess, province_database: UrlOf) -> None:
    more = asked(origin.agency)
    states, running, today, accounts = more.values()
    await as_owner(province_database, CASES, ENDED, ORDERED, OWED, "SELECT 1")
    names = {
        "$1::text[]": f"ARRAY{states}",
        "$2::text[]": f"ARRAY{running}",
        "$3::date": f"date '{today}'",
        "$4::text[]": f"ARRAY{accounts}",
    }
    sql = more.sql.rstrip(";")
    for name, value in names.items():
        sql = sql.replace(name, value)

    [plan] = await as_owner(
        province_database,
        "ANALYZE origin_agency.cases",
        "ANALYZE origin_agency.remittances",
        f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}",
    )

    assert rows_read(plan[0]) < 50


def test_every_open_state_has_its_stage() -> None:
    assert set(STAGES.values()) == {"handling", "remittance", "settlement", "recall"}
