"""The bank's figures on the real database: what is under way or lost, however much was booked."""

import asyncpg

from services.bank.figures import ask_bank
from services.bank.store import SQL
from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.metrics import Figures
from tests.integration.conftest import UrlOf
from tests.integration.messaging.test_figures import read, rows_read

PAYMENTS = """
INSERT INTO bank.payments (remittance_id, case_id, payer, payee, amount_fen, kind, available_at, booked)
SELECT 'r', 'c' || n, '44', '33', 100, 'payment',
       CASE WHEN n <= 2 THEN NULL WHEN n <= 5 THEN now() + interval '1 hour' ELSE now() - interval '1 hour' END, n > 5
  FROM generate_series(1, 20000) AS n
"""


async def test_what_is_under_way_or_lost_is_told_and_what_was_booked_is_not_read(bank_database: UrlOf) -> None:
    figures, database, clock = Figures("bank", "00"), Database(bank_database("bank"), name="bank", size=2), Clock()
    ask_bank(figures, database, clock)
    owner = await asyncpg.connect(bank_database("bank_owner"))
    await owner.execute(PAYMENTS)
    await owner.execute("ANALYZE bank.payments")
    at = clock.now()
    plan = await owner.fetchval(
        "EXPLAIN (ANALYZE, FORMAT JSON) " + SQL["figures"].replace("$1::timestamptz", f"timestamptz '{at}'")
    )
    await owner.close()

    found = await read(figures)
    await database.close()

    assert found['jiexu_bank_payments{what="lost"}'] == 2
    assert found['jiexu_bank_payments_fen{what="lost"}'] == 200
    assert found['jiexu_bank_payments{what="under_way"}'] == 3
    assert rows_read(plan) < 50
