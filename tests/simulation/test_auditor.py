"""The auditor stands apart: it imports nothing of ours, and it sees what a world must not hold."""

import ast
import sys
from pathlib import Path

import pytest

from tests.simulation import auditor, mutants
from tests.simulation.auditor import Mail, audit
from tests.simulation.loop import VirtualLoop
from tests.simulation.world import World, run, stand_ins, until_done

ALLOWED = sys.stdlib_module_names | {"cryptography"}


def test_the_auditor_shares_no_code_with_those_whom_it_audits() -> None:
    tree = ast.parse(Path(auditor.__file__).read_text("utf-8"))

    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported <= ALLOWED


@pytest.fixture(scope="module")
def evidence() -> auditor.Evidence:
    """What one whole and peaceful world shows."""
    loop = VirtualLoop()
    world = World(7, loop)
    with stand_ins(world):
        world.build()
        main = loop.start(None, world.main())
        until_done(loop, main)
        world.over = True
        loop.end()
    found = world.evidence()
    assert not audit(found).violations
    return found


def but(evidence: auditor.Evidence, **changes: object) -> set[str]:
    """The measures that are broken when something of the evidence is otherwise."""
    changed = auditor.Evidence(**{**vars(evidence), **changes})
    return {violation.split(":")[0] for violation in audit(changed).violations}


def test_a_lost_record_is_seen(evidence: auditor.Evidence) -> None:
    journal = next(record for record in evidence.records if record.topic.startswith("journal."))
    twins = [record for record in evidence.records if record.value != journal.value]

    assert "numbers" in but(evidence, records=twins)


def test_a_balance_that_no_event_explains_is_seen(evidence: auditor.Evidence) -> None:
    province, accounts = next(iter(evidence.accounts.items()))
    sequence, balance = accounts["bank"]

    changed = {**evidence.accounts, province: {**accounts, "bank": (sequence, balance + 1)}}

    assert "books" in but(evidence, accounts=changed)


def test_a_posting_too_many_is_seen(evidence: auditor.Evidence) -> None:
    province, postings = next(iter(evidence.postings.items()))

    assert "books" in but(evidence, postings={**evidence.postings, province: [*postings, {**postings[0], "line": 9}]})


def test_money_that_vanishes_at_the_bank_is_seen(evidence: auditor.Evidence) -> None:
    order = next(order for order in evidence.orders if order["kind"] == "remittance")
    orders = [{**known, "total_fen": known["total_fen"] + 1} if known is order else known for known in evidence.orders]

    assert "conservation" in but(evidence, orders=orders)


def test_a_mail_that_is_missing_or_came_too_early_is_seen(evidence: auditor.Evidence) -> None:
    first, *others = evidence.mails
    rest = [mail for mail in others if mail.message_id != first.message_id]

    assert "notices" in but(evidence, mails=rest)
    assert "notices" in but(evidence, mails=[*evidence.mails, Mail(first.message_id, first.to, False)])


def test_a_persons_data_in_clear_is_seen(evidence: auditor.Evidence) -> None:
    shown = next(record.key for record in evidence.records if record.topic.startswith("journal."))

    assert "persons" in but(evidence, secrets=[*evidence.secrets, shown.decode()])


def test_a_row_of_an_outbox_that_never_came_out_is_seen(evidence: auditor.Evidence) -> None:
    service, rows = next(iter(evidence.outbox.items()))

    assert "numbers" in but(evidence, outbox={**evidence.outbox, service: rows + 1})


def test_the_measure_that_a_planted_bug_breaks_is_named() -> None:
    with mutants.planted("mail before commit"):
        outcome = run(1)

    assert any(violation.startswith("notices:") and "before its commit" in violation for violation in outcome.violations)
