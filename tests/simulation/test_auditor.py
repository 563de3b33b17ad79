"""The auditor stands apart: it imports nothing of ours, and it sees what a world must not hold."""

import ast
import sys
from pathlib import Path
from typing import Any

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


def said(kind: str, *, service: str = "33/destination-agency", number: int = 1, **data: Any) -> auditor.Said:
    """One message of a case, as the auditor reads it."""
    told = {"case_id": "case-1", "person_ref": "p", **data}
    return auditor.Said(service, number, f"journal.{service[:2]}", f"{service}-{number}", kind, "case-1", told, "", None)


def items(account_fen: int, pool_fen: int) -> dict[str, int]:
    return {
        "before_1998_fen": 0,
        "until_last_year_fen": account_fen,
        "this_year_fen": 0,
        "account_fen": account_fen,
        "pool_fen": pool_fen,
        "total_fen": account_fen + pool_fen,
    }


@pytest.mark.parametrize(
    ("message", "lines"),
    [
        (
            said("transfer.corrected", origin="44", items=items(400, 600), supersedes=items(300, 700)),
            [("suspense:44", "individual:p", 100), ("pooled_fund", "suspense:44", 100)],
        ),
        (
            said("transfer.recalled", origin="44", items=items(300, 700)),
            [("individual:p", "suspense:44", 300), ("pooled_fund", "suspense:44", 700)],
        ),
        (
            said("information_form.revoked", destination="33", items=items(300, 700)),
            [("transfers_payable:33", "individual:p", 300), ("transfers_payable:33", "pooled_fund", 700)],
        ),
        (
            said("duplicates.cleared", refund_principal_fen=120_000, refund_interest_fen=794),
            [("individual:p", "refunds_payable", 120_794)],
        ),
        (said("account.settled", amount_fen=5), [("individual:p", "refunds_payable", 5)]),
        (
            said("contribution.corrected", account_difference_fen=-8, interest_difference_fen=2, pool_difference_fen=0),
            [("individual:p", "bank", 8), ("interest_paid", "individual:p", 2)],
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, auditor.Said) else "lines",
)
def test_the_auditors_own_books_know_what_corrects_clears_and_takes_back(
    message: auditor.Said, lines: list[tuple[str, str, int]]
) -> None:
    assert auditor._entry(message) == lines


def found_in(*messages: auditor.Said) -> set[str]:
    """The measures that these messages of one case break."""
    found = auditor.Findings()
    auditor._cases(messages, found)
    return {violation.split(":")[0] for violation in found.violations}


WHO: dict[str, Any] = {"maker": "a", "checker": "b"}
FORM: dict[str, Any] = {"form_version": 1, "months": 3, "destination": "33", "supersedes": None, "items": items(300, 700), **WHO}
ORIGIN = "44/origin-agency"


def a_completed_case(*more: auditor.Said) -> tuple[auditor.Said, ...]:
    """What both agencies say of one smooth case, and more."""
    return (
        said("transfer.applied", public=None),
        said("transfer.accepted", number=2, public=None, **WHO),
        said("contact_letter.sent", number=3, public=None, letter_version=1),
        said("information_form.received", number=4, public=None, form_version=1, items=items(300, 700), months=3),
        said("funds.received", number=5, public=None, amount_fen=1000),
        said("transfer.completed", number=6, public=None, form_version=1, items=items(300, 700), months=3, **WHO),
        said("contact_letter.received", service=ORIGIN, letter_version=1),
        said("information_form.issued", service=ORIGIN, number=2, **FORM),
        said("funds.remitted", service=ORIGIN, number=3, amount_fen=1000, **WHO),
        said("transfer.settled", service=ORIGIN, number=4),
        *more,
    )


def test_a_smooth_case_breaks_no_measure() -> None:
    assert found_in(*a_completed_case()) == set()


@pytest.mark.parametrize(
    ("message", "measure"),
    [
        pytest.param(
            said("transfer.recalled", number=8, origin="44", items=items(300, 700), months=3, **WHO), "predecessor", id="unasked"
        ),
        pytest.param(
            said(
                "transfer.corrected",
                number=8,
                origin="44",
                form_version=1,
                months=3,
                items=items(300, 700),
                supersedes=items(299, 701),
                **WHO,
            ),
            "versions",
            id="corrects what does not stand",
        ),
        pytest.param(
            said(
                "transfer.corrected",
                number=8,
                origin="44",
                form_version=2,
                months=3,
                items=items(400, 700),
                supersedes=items(300, 700),
                **WHO,
            ),
            "conservation",
            id="corrects without money",
        ),
        pytest.param(
            said("information_form.issued", service=ORIGIN, number=8, **{**FORM, "form_version": 2, "items": items(1, 2)}),
            "versions",
            id="a form that replaces nothing",
        ),
        pytest.param(
            said("contact_letter.sent", number=8, public=None, letter_version=1), "versions", id="a letter's version again"
        ),
        pytest.param(said("transfer.settled", service=ORIGIN, number=8), "predecessor", id="settled once too often"),
        pytest.param(said("duplicates.cleared", number=8, **WHO), "predecessor", id="cleared and never found"),
        pytest.param(said("question.answered", number=8), "predecessor", id="answered and never asked"),
        pytest.param(said("recall.declined", number=8, maker="a", checker="a"), "two persons", id="one person alone"),
        pytest.param(said("deadline.escalated", number=8, leg="origin", due_on="2024-05-27"), "predecessor", id="never breached"),
    ],
)
def test_what_must_not_follow_on_a_completed_case_is_seen(message: auditor.Said, measure: str) -> None:
    assert measure in found_in(*a_completed_case(message))


def test_an_account_may_dip_only_where_a_smaller_form_or_a_correction_explains_it() -> None:
    smaller = said(
        "information_form.issued", service=ORIGIN, destination="33", items=items(1, 2), supersedes=items(300, 700), **WHO
    )
    larger = said("information_form.issued", service=ORIGIN, destination="33", items=items(300, 700), supersedes=None, **WHO)

    assert auditor._may_dip([smaller]) == {("44", "transfers_payable:33")}
    assert auditor._may_dip([larger]) == set()


def test_a_letter_to_somebody_who_had_died_is_seen(evidence: auditor.Evidence) -> None:
    death = said("death.reported", number=1)
    after = said("transfer.cancelled", number=2, public={"status": "CANCELLED"})

    def notices(kind: str, **more: Any) -> list[str]:
        told = said(kind, service="33/notification", event_id=after.id, notice_id="n", message_id="<n@x>", **more)
        found = auditor.Findings()
        auditor._notices(auditor.Evidence(**{**vars(evidence), "mails": [Mail("<n@x>", "a", True)]}), [death, after, told], found)
        return found.violations

    assert notices("notice.failed", reason="PERSON_DECEASED") == []
    assert notices("notice.failed", reason="NO_CONTACT") != []
    assert any("had died" in violation for violation in notices("notice.delivered"))
