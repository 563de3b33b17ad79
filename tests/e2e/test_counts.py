"""What a case costs in SQL, counted in the provinces' running services; never in seconds.

A statement is one round trip of ours to PostgreSQL, BEGIN and COMMIT aside; a commit is a transaction, or a statement beside one.
Looks that find nothing to do cost the same whether there is a case or not, and are left out, as are the questions of the test
itself; so is the bank, which stands for the world outside. The safety-net polls are slowed down to a minute: what carries a case
is the in-process wake-up.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from deploy.local.exchange import prepare
from deploy.local.native import CHECKOUT
from deploy.local.services import Provinces, forget, tokens
from deploy.local.stack import Stack
from services.cli.demo.story import day, form_of
from services.cli.play import DESTINATION, Stage
from services.runtime.identity import Role
from services.world.files import write_provinces
from services.world.plan import Ending, PlannedApplication, plan

PROVINCES = ("44", "33")
SLOW = {"*": {"RELAY_POLL_S": "60", "BANK_POLL_S": "60", "TIMER_POLL_S": "60"}}
NOT_A_CASES = ("poll", "idle", "readiness", "list", "look", "import", "batch-state", "batch-rows")

BATCH = 200

Counts = Mapping[str, tuple[int, int]]


@asynccontextmanager
async def a_stage() -> AsyncIterator[Stage]:
    home = CHECKOUT / ".jiexu" / f"test-{os.getpid()}-counts"
    try:
        stack = Stack.up(home, tell=lambda _: None)
        prepare(stack, PROVINCES)
        services = Provinces(stack, PROVINCES, clock="scenario", scenario_start=day("2024-05-06"), overrides=SLOW)
        endpoints = services.start()
        services.wait_ready(90)
        stage = Stage(endpoints, tokens(home))
        yield stage
        await stage.close()
    finally:
        Stack(home).down(wipe=True)
        forget(home)
        shutil.rmtree(home, ignore_errors=True)


async def an_import(stage: Stage) -> list[PlannedApplication]:
    """People of two provinces; those who are to complete a transfer from 44 to 33."""
    world = plan(7, 420, provinces=PROVINCES)
    with tempfile.TemporaryDirectory() as folder:
        for province, paths in write_provinces(world, Path(folder)).items():
            import_id = await stage.import_records(
                province, paths.persons.read_text("utf-8"), paths.contributions.read_text("utf-8")
            )
            for _ in range(600):
                if (await stage.import_state(province, import_id))["state"] == "done":
                    break
                await asyncio.sleep(0.1)
    await stage.idle()
    return [
        application
        for application in world.applications
        if application.ending is Ending.COMPLETED and (application.origin, application.destination) == ("44", "33")
    ]


async def carry(stage: Stage, applications: list[PlannedApplication], *, arrives: str) -> int:
    """From application to completion; returns how many were completed."""
    if len(applications) == 1:
        await stage.call("POST", "33", DESTINATION, "/applications", Role.MAKER, json=form_of(applications[0]))
    else:
        rows = {"rows": [form_of(application) for application in applications]}
        await stage.call("POST", "33", DESTINATION, "/application-batches", Role.EMPLOYER, json=rows)
    await stage.idle()
    await stage.decide_admissions("33")
    await stage.idle()
    await stage.handle_letters("44")
    await stage.idle()
    await stage.remit("44")
    await stage.idle()
    await stage.move(day(arrives))
    done = await stage.complete("33")
    await stage.idle()
    return done


def cost(before: Counts, after: Counts) -> tuple[int, int]:
    """Statements and commits of the provinces' services in between."""
    rows = [
        (statements - before.get(name, (0, 0))[0], commits - before.get(name, (0, 0))[1])
        for name, (statements, commits) in after.items()
        if not name.startswith("bank ") and name.split(" ", 1)[1] not in NOT_A_CASES
    ]
    return sum(statements for statements, _ in rows), sum(commits for _, commits in rows)


@pytest.mark.timeout(240)
async def test_a_case_costs_few_statements_and_commits_alone_and_very_few_among_two_hundred() -> None:
    async with a_stage() as stage:
        applications = await an_import(stage)
        start = await stage.counts()

        alone = await carry(stage, applications[:1], arrives="2024-05-07")
        between = await stage.counts()
        together = await carry(stage, applications[1 : 1 + BATCH], arrives="2024-05-08")
        end = await stage.counts()

    assert (alone, together) == (1, BATCH)
    statements, commits = cost(start, between)
    assert statements <= 90, statements
    assert commits <= 60, commits
    statements, commits = cost(between, end)
    assert statements / BATCH <= 3, statements
    assert commits / BATCH <= 0.4, commits
