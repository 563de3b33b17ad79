"""Fifty transfers between two provinces that approve automatically: nobody sits at a desk, and what has a doubt waits."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from contracts.base import Fact
from contracts.envelope import decode
from contracts.events import Accepted, Completed, FundsRemitted, InformationFormIssued
from deploy.local.exchange import database_url, root_fingerprint
from deploy.postgres.provision import owner_role
from services.audit.export import from_kafka
from services.audit.replay import ReplayReport, replay
from services.audit.verify import Outcome
from services.cli.demo.proof import Books, live_books
from services.cli.demo.story import form_of
from services.cli.play import DESTINATION, ORIGIN, Stage
from services.ledger.chart import suspense, transfers_payable
from services.runtime.broker import KafkaAccess
from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.identity import Role, is_person
from services.world.plan import Ending, PlannedApplication, World, plan
from tests.e2e.conftest import Country, a_country, bring_records

PROVINCES = ("44", "33")
AUTOMATIC = {"*": {"APPROVALS": "automatic"}, "bank": {"DELAY_MINUTES": "0"}}
COMPLETE = 48

DOUBTS = {
    Ending.REFUSED_IDENTITY_MISMATCH: ("REVIEWING", None),
    Ending.REFUSED_NOT_INSURED_AT_DESTINATION: ("REVIEWING", None),
    Ending.RETURNED_NO_RELATIONSHIP: ("LETTER_SENT", "LETTER_HELD"),
    Ending.RETURNED_STILL_CONTRIBUTING: ("LETTER_SENT", "LETTER_HELD"),
}


@dataclass(frozen=True)
class Run:
    """What is there when all provinces are idle again. States are by the ending that the case was meant to have."""

    at_destination: Counter[tuple[Ending, str]]
    at_origin: Counter[tuple[Ending, str]]
    waiting: int
    report: ReplayReport
    books: Books
    facts: list[Fact]


def chosen(world: World) -> list[PlannedApplication]:
    """Cases that have no doubt, and one of each doubt."""
    clear = [each for each in world.applications if each.ending is Ending.COMPLETED and not each.approved_transfer]
    doubtful = [next(each for each in world.applications if each.ending is ending) for ending in DOUBTS]
    return [*clear[:COMPLETE], *doubtful]


async def apply(stage: Stage, applications: list[PlannedApplication]) -> dict[str, PlannedApplication]:
    """Hand the applications in as lists, one a province; returns them by case."""
    found: dict[str, PlannedApplication] = {}
    for province in PROVINCES:
        there = [each for each in applications if each.destination == province]
        rows = {"rows": [form_of(each) for each in there]}
        batch = await stage.call("POST", province, DESTINATION, "/application-batches", Role.EMPLOYER, json=rows)
        await stage.idle()
        path = f"/application-batches/{batch['batch_id']}/rows"
        for row in await stage.call("GET", province, DESTINATION, path, Role.EMPLOYER):
            found[row["case_id"]] = there[row["row_no"] - 1]
    return found


async def states(stage: Stage, service: str) -> dict[str, str]:
    """The state of every case at one of the agencies of all provinces."""
    found = [await stage.call("GET", province, service, "/cases", Role.MAKER) for province in PROVINCES]
    return {row["case_id"]: row["state"] for rows in found for row in rows}


async def said(country: Country) -> list[Fact]:
    """Every fact of every agency, from its outbox."""
    found: list[Fact] = []
    for province in PROVINCES:
        database = Database(database_url(country.stack, f"province_{province}", owner_role(province)), name="e2e", size=1)
        async with database.transaction("test") as tx:
            for schema in ("origin_agency", "destination_agency"):
                rows = await tx.fetch(f"SELECT payload FROM {schema}.outbox ORDER BY seq")
                found.extend(decode(row["payload"]).data for row in rows)
        await database.close()
    return found


@pytest.fixture(scope="module")
async def run() -> AsyncIterator[Run]:
    world = plan(11, 260, provinces=PROVINCES)
    with a_country("automatic", PROVINCES, overrides=AUTOMATIC) as country:
        country.services.wait_ready(90)
        stage, stack = country.stage(), country.stack
        try:
            await bring_records(stage, world)
            cases = await apply(stage, chosen(world))
            await stage.idle()
            here, there = await states(stage, DESTINATION), await states(stage, ORIGIN)
            access = KafkaAccess(stack.kafka.bootstrap, "00.audit", stack.secrets.password("kafka-00.audit"), "00.audit")
            out = stack.home / "audit"
            folders = [(await from_kafka(access, province, out, now=Clock().now())).folder for province in PROVINCES]
            rows = await stage.bank("GET", "/holdings", "00", Role.AUDITOR)
            holdings = {(row["payer"], row["payee"]): row["in_hands_fen"] for row in rows}
            books = await live_books(stack, PROVINCES)
            root = root_fingerprint(stack.secrets)
            yield Run(
                Counter((cases[case_id].ending, state) for case_id, state in here.items()),
                Counter((cases[case_id].ending, state) for case_id, state in there.items()),
                len([state for state in here.values() if state != "COMPLETED"]),
                await asyncio.to_thread(replay, folders, root, live=books, holdings=holdings),
                books,
                await said(country),
            )
        finally:
            await stage.close()


async def test_what_has_no_doubt_is_completed_and_settled_without_anybody(run: Run) -> None:
    assert run.at_destination[Ending.COMPLETED, "COMPLETED"] == COMPLETE
    assert run.at_origin[Ending.COMPLETED, "SETTLED"] == COMPLETE


async def test_what_has_a_doubt_waits_for_two_persons(run: Run) -> None:
    assert run.waiting == len(DOUBTS)
    for ending, (at_destination, at_origin) in DOUBTS.items():
        assert run.at_destination[ending, at_destination] == 1, ending
        if at_origin is not None:
            assert run.at_origin[ending, at_origin] == 1, ending


async def test_the_books_of_both_sides_are_equal_and_the_replay_agrees(run: Run) -> None:
    assert run.report.verdict is Outcome.AGREES, run.report.first
    assert {pair.in_hands_fen for pair in run.report.pairs} == {0}
    for here, other in (PROVINCES, PROVINCES[::-1]):
        assert run.books[here][suspense(other)].balance_fen == 0
        assert run.books[here][transfers_payable(other)].balance_fen == 0


async def test_every_decision_names_the_rule_and_the_policy_in_the_place_of_two_persons(run: Run) -> None:
    deciding = (Accepted, InformationFormIssued, FundsRemitted, Completed)
    decided = [fact for fact in run.facts if isinstance(fact, deciding)]

    # The returned ones were accepted, too.
    assert Counter(type(fact).__name__ for fact in decided) == {
        "Accepted": COMPLETE + 2,
        "InformationFormIssued": COMPLETE,
        "FundsRemitted": COMPLETE,
        "Completed": COMPLETE,
    }
    assert not [fact for fact in decided if is_person(fact.maker) or fact.checker != "policy:automatic-approvals"]


async def test_the_auditor_counts_what_rules_and_what_persons_approved(run: Run) -> None:
    by_rules = sum(books.approved_by_rules for books in run.report.provinces)

    assert by_rules == 4 * COMPLETE + 2
    assert sum(books.approved_by_persons for books in run.report.provinces) == 0
