"""The bare saga, on real servers: what it moves is exact, and what is not exact is named."""

import asyncpg

from deploy.local.stack import Stack
from tests.bench.saga.rounds import LEDGER, ORCHESTRATOR, Saga


async def test_sums_that_are_not_exact_are_named(stack: Stack) -> None:
    saga = Saga(stack)
    await saga.prepare()
    with saga.running([150, 50], {"MAX_RECORDS": "20"}):
        runs = [await saga.carry(150, {}), await saga.carry(50, {})]
    exact = await saga.sums()
    for name, harm in (
        (LEDGER, "UPDATE accounts SET balance_fen = balance_fen + 1 WHERE account = 7"),
        (ORCHESTRATOR, "UPDATE transfers SET state = 'CREDITING' WHERE payer = 3"),
    ):
        access = stack.postgres
        connection = await asyncpg.connect(access.url_of(f"saga_{name}", access.username, access.password))
        await connection.execute(harm)
        await connection.close()

    wrong = await saga.sums()

    assert [run.records for run in runs] == [6 * 150, 6 * 50]
    assert all(run.cpu_s["saga orchestrator"] > 0 for run in runs)
    assert exact == []
    assert len(wrong) == 3, wrong
    assert wrong[0] == "orchestrator: SELECT count(*) FROM transfers WHERE state = 'DONE': expected 200, found 199"
    assert wrong[1].startswith("ledger: SELECT sum(balance_fen)::bigint FROM accounts: expected")
    assert wrong[2].startswith("ledger: SELECT count(*) FROM accounts AS a WHERE balance_fen <> opening_fen")
