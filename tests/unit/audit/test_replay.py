"""Folding exports again: every measure that must stay true has a mutation that turns it red, at its place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from contracts import events
from contracts.base import Fact, Items
from contracts.documents import RejectionToOriginDocument
from services.audit.archive import ArchiveRefused
from services.audit.replay import Area, Difference, ReplayReport, replay
from services.audit.verify import Outcome
from services.ledger.journal import Head
from tests.unit.audit.builders import (
    CASE,
    ITEMS,
    LI,
    LI_IN_33,
    SEALED,
    World,
    a_form,
    a_transfer,
    an_account,
    an_application,
    completion,
    edit,
    form_in,
    money_back,
    money_in,
    money_out,
)

LESS = ITEMS.model_copy(update={"account_fen": 779_999, "total_fen": 1_863_999})


def replayed(world: World, out: Path, *provinces: str, **given: Any) -> ReplayReport:
    folders = world.write(out)
    return replay([folders[province] for province in provinces or world.provinces], world.root_fingerprint, **given)


def differences(report: ReplayReport) -> list[Difference]:
    return [*(each for books in report.provinces for each in books.differences), *report.differences]


def kinds(report: ReplayReport) -> list[str]:
    return [each.kind for each in differences(report)]


def altering(kind: type[Fact], change: Callable[[Any], Fact | None]) -> World:
    """A world where every fact of a kind is written otherwise than it was booked, by somebody who holds the key."""
    world = World()
    world.alter = lambda fact: change(fact) if isinstance(fact, kind) else fact
    return world


def by_policy(policy: str) -> Callable[[Any], Fact]:
    """Approved by the system under a policy."""
    return with_(maker="rule:form-and-money-agree@2026-09", checker=policy)


def with_(**changes: Any) -> Callable[[Any], Fact]:
    return lambda fact: fact.model_copy(update=changes)


def lost(_: Any) -> None:
    """Nothing is written."""


def test_a_normal_transfer_agrees_with_itself_with_the_ledgers_and_across_the_provinces(tmp_path: Path) -> None:
    world = a_transfer()

    report = replayed(world, tmp_path, live=world.heads, holdings={})

    assert differences(report) == []
    assert report.verdict is Outcome.AGREES
    assert report.reconciliation is Outcome.AGREES
    assert report.first is None
    assert [(books.province, books.cases, books.completed) for books in report.provinces] == [("33", 1, 1), ("44", 1, 0)]
    assert [books.trial_balance_fen for books in report.provinces] == [0, 0]
    assert [books.accounts for books in report.provinces] == [4, 4]
    pair = next(pair for pair in report.pairs if pair.payer == "44")
    assert (pair.remitted_fen, pair.received_fen, pair.in_hands_fen, pair.agrees) == (1_864_000, 1_864_000, 0, True)
    assert (pair.documents_sent, pair.documents_received, pair.documents_in_transit) == (1, 1, 0)


def test_a_report_is_machine_readable(tmp_path: Path) -> None:
    world = altering(events.BalanceStated, with_(balance_fen=1))

    answer = orjson.loads(orjson.dumps(replayed(a_transfer(world), tmp_path).as_json()))

    assert answer["verdict"] == "disagrees"
    assert answer["first"].startswith("STATEMENT_DIFFERS")
    assert answer["provinces"][0]["differences"][0]["area"] == "books"


def test_the_order_of_the_exports_does_not_matter(tmp_path: Path) -> None:
    world = a_transfer()
    folders = world.write(tmp_path)

    assert replay([folders["33"], folders["44"]], world.root_fingerprint) == replay(
        [folders["44"], folders["33"]], world.root_fingerprint
    )


def test_one_province_alone_is_folded_and_its_pairs_are_not_judged(tmp_path: Path) -> None:
    report = replayed(a_transfer(), tmp_path, "44")

    assert report.verdict is Outcome.AGREES
    assert [(pair.payer, pair.payee, pair.agrees) for pair in report.pairs] == [("33", "44", None), ("44", "33", None)]


def test_two_exports_of_one_province_are_refused(tmp_path: Path) -> None:
    world = a_transfer()
    folder = world.write(tmp_path)["44"]

    with pytest.raises(ArchiveRefused, match="two exports of province 44"):
        replay([folder, folder], world.root_fingerprint)


def test_an_altered_balance_statement_is_named_with_its_account_and_number(tmp_path: Path) -> None:
    world = World()
    world.alter = lambda fact: (
        fact.model_copy(update={"balance_fen": 780_001})
        if isinstance(fact, events.BalanceStated) and fact.sequence == 2
        else fact
    )

    report = replayed(a_transfer(world), tmp_path, "44")

    assert report.verdict is Outcome.DISAGREES
    [found] = differences(report)
    assert (found.area, found.kind, found.subject) == (Area.BOOKS, "STATEMENT_DIFFERS", f"account individual:{LI} at 2")
    assert (found.expected, found.found) == ("780000", "780001")


def test_an_altered_amount_under_a_good_signature_is_found_by_the_next_statement(tmp_path: Path) -> None:
    world = altering(events.ContributionRecorded, with_(account_fen=280_001))

    report = replayed(a_transfer(world), tmp_path, "44")

    assert report.verdict is Outcome.DISAGREES
    assert differences(report)[0].kind == "STATEMENT_DIFFERS"
    assert differences(report)[0].subject == f"account individual:{LI} at 2"


def test_a_lost_booking_leaves_a_gap_in_each_account_that_it_touched(tmp_path: Path) -> None:
    world = altering(events.ContributionRecorded, lost)

    report = replayed(a_transfer(world), tmp_path, "44")

    assert [each.subject for each in differences(report) if each.kind == "SEQUENCE_GAP"] == [
        "account bank at 2",
        f"account individual:{LI} at 2",
        "account pooled_fund at 1",
    ]


def test_an_event_recorded_twice_is_counted_once_and_named(tmp_path: Path) -> None:
    world = a_transfer()
    log = world.logs["44/origin-agency"]
    again = next(record for record in log.records if b"funds.remitted" in record.value)
    log.waiting.append(_outgoing_again(again))

    report = replayed(world, tmp_path)

    assert kinds(report) == ["EVENT_TWICE"]


def _outgoing_again(record: Any) -> Any:
    from services.messaging.outbox import Outgoing

    return Outgoing("again", record.topic, record.key, record.role, "", record.key, record.value)


def test_a_live_ledger_that_differs_is_named_with_its_account(tmp_path: Path) -> None:
    world = a_transfer()
    bank = world.heads["44"]["bank"]
    live = {"44": {**world.heads["44"], "bank": Head(bank.sequence, bank.balance_fen - 1)}}

    report = replayed(world, tmp_path, live=live)

    assert [(each.area, each.kind, each.province) for each in differences(report)] == [
        (Area.LIVE, "LEDGER_DIFFERS", "44"),
        (Area.LIVE, "TRIAL_BALANCE", "44"),
    ]
    assert differences(report)[0].subject.startswith("account bank")
    assert [books.compared_with_live for books in report.provinces] == [False, True]


def test_an_event_without_its_predecessor_is_found(tmp_path: Path) -> None:
    world = altering(events.Accepted, lost)

    report = replayed(a_transfer(world), tmp_path)

    assert kinds(report) == ["NO_PREDECESSOR"]
    assert differences(report)[0].expected == "contact_letter.sent before it: transfer.accepted"
    assert differences(report)[0].subject == f"case {CASE}"


def test_a_case_completed_twice_in_one_province_is_found(tmp_path: Path) -> None:
    world = a_transfer()
    completion(world)

    report = replayed(world, tmp_path)

    assert "HAPPENED_TWICE" in kinds(report)


def test_a_case_completed_in_two_provinces_is_found(tmp_path: Path) -> None:
    world = a_transfer(World("33", "41", "44"))
    completed = events.Completed(
        case_id=CASE, person_ref=LI, origin="44", form_version=1, items=ITEMS, months=170, maker="m", checker="c"
    )
    world.say("41/destination-agency", CASE, completed)

    report = replayed(world, tmp_path)

    [found] = [each for each in differences(report) if each.kind == "COMPLETED_TWICE"]
    assert (found.province, found.subject) == ("41", f"case {CASE}")


def test_a_case_completed_without_money_is_found(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    form_in(world, a_form(world, an_application(world)))
    completion(world)

    report = replayed(world, tmp_path)

    assert kinds(report) == ["NO_PREDECESSOR", "MONEY_SHORT"]
    assert differences(report)[1].expected == "1864000 fen"


def test_a_case_whose_form_is_of_nothing_needs_no_money(tmp_path: Path) -> None:
    nothing = Items(before_1998_fen=0, until_last_year_fen=0, this_year_fen=0, account_fen=0, pool_fen=0, total_fen=0)
    world = World()
    form_in(world, a_form(world, an_application(world), items=nothing), items=nothing)
    completion(world, items=nothing)

    assert replayed(world, tmp_path).verdict is Outcome.AGREES


def test_money_that_came_twice_is_held_in_suspense_until_it_goes_back(tmp_path: Path) -> None:
    world = a_transfer()
    money_in(world, line="2", again=True)

    held = replayed(world, tmp_path / "held", holdings={("44", "33"): -ITEMS.total_fen})
    money_back(world)
    returned = replayed(world, tmp_path / "returned", holdings={})

    assert held.verdict is Outcome.AGREES
    assert held.held_in_suspense == {f"33:{CASE}": ITEMS.total_fen}
    assert returned.verdict is Outcome.AGREES
    assert returned.held_in_suspense == {}


def test_money_above_the_form_that_nobody_raised_is_found(tmp_path: Path) -> None:
    world = a_transfer()
    money_out(world, amount_fen=5)
    money_in(world, line="2", amount_fen=5)

    report = replayed(world, tmp_path)

    assert kinds(report) == ["MONEY_ABOVE_FORM"]


def test_more_money_than_was_remitted_is_found_with_its_pair(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    form_id = a_form(world, an_application(world))
    money_out(world)
    form_in(world, form_id)
    money_in(world, amount_fen=ITEMS.total_fen + 1)

    report = replayed(world, tmp_path)

    assert report.verdict is report.reconciliation is Outcome.DISAGREES
    [found] = differences(report)
    assert (found.area, found.kind, found.pair) == (Area.MONEY, "RECEIVED_MORE_THAN_REMITTED", ("44", "33"))
    assert [pair.agrees for pair in report.pairs if pair.payer == "44"] == [False]


def test_money_that_the_payers_export_is_too_old_to_show_cannot_be_told(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    form_in(world, a_form(world, an_application(world)))
    money_in(world)

    report = replayed(world, tmp_path)

    assert report.verdict is Outcome.NOT_COMPLETE
    assert kinds(report) == ["PAYER_ENDS_BEFORE"]


def test_money_under_way_is_in_the_banks_hands(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    form_id = a_form(world, an_application(world))
    money_out(world)
    form_in(world, form_id)

    agrees = replayed(world, tmp_path / "agrees", holdings={("44", "33"): ITEMS.total_fen})
    differs = replayed(world, tmp_path / "differs", holdings={("44", "33"): ITEMS.total_fen - 1})

    assert agrees.verdict is Outcome.AGREES
    assert [pair.in_hands_fen for pair in agrees.pairs if pair.payer == "44"] == [ITEMS.total_fen]
    assert kinds(differs) == ["BANK_DIFFERS"]
    assert differs.reconciliation is Outcome.DISAGREES


def test_a_form_booked_otherwise_than_it_was_issued_is_found_on_both_sides(tmp_path: Path) -> None:
    world = altering(events.Completed, with_(items=LESS))

    report = replayed(a_transfer(world), tmp_path)

    found = [each for each in differences(report) if each.kind == "FORM_DIFFERS"]
    assert [each.subject for each in found] == [f"case {CASE} form 1", f"case {CASE} form 1 of 44"]


def test_a_document_under_way_is_listed_and_no_difference(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    a_form(world, an_application(world))

    report = replayed(world, tmp_path)

    assert report.verdict is Outcome.AGREES
    assert [(each.document_type, each.sender, each.addressee) for each in report.in_transit] == [
        ("document.information_form", "44/origin-agency", "33/destination-agency")
    ]
    assert [pair.documents_in_transit for pair in report.pairs] == [0, 1]


def test_a_completed_case_whose_form_was_never_received_is_found(tmp_path: Path) -> None:
    world = altering(events.DocumentReceived, lambda fact: None if "form" in fact.document_type else fact)

    report = replayed(a_transfer(world), tmp_path)

    assert kinds(report) == ["DOCUMENT_NEVER_RECEIVED"]
    assert differences(report)[0].pair == ("44", "33")


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"digest": "0" * 64}, "DOCUMENT_DIFFERS"),
        ({"checkpoint_digest": "0" * 64}, "HISTORY_DIFFERS"),
        ({"number": 1}, "DOCUMENT_NEVER_SENT"),
    ],
)
def test_a_receipt_that_does_not_fit_the_senders_log_is_found(tmp_path: Path, change: dict[str, Any], kind: str) -> None:
    world = altering(
        events.DocumentReceived,
        lambda fact: fact.model_copy(update=change) if "form" in fact.document_type else fact,
    )

    report = replayed(a_transfer(world), tmp_path)

    assert report.reconciliation is Outcome.DISAGREES
    assert kinds(report) == [kind]
    assert differences(report)[0].province == "33"


def test_a_receipt_of_a_record_after_the_senders_export_cannot_be_told(tmp_path: Path) -> None:
    world = altering(events.DocumentReceived, lambda fact: fact.model_copy(update={"number": fact.number + 1000}))

    report = replayed(a_transfer(world), tmp_path)

    assert report.verdict is Outcome.NOT_COMPLETE
    assert set(kinds(report)) == {"SENDER_ENDS_BEFORE"}


def test_a_document_that_the_senders_journal_keeps_silent_about_is_found(tmp_path: Path) -> None:
    world = altering(events.DocumentSent, lambda fact: None if "form" in fact.document_type else fact)

    report = replayed(a_transfer(world), tmp_path)

    assert kinds(report) == ["DOCUMENT_NOT_TOLD"]


def test_a_document_noted_twice_is_found(tmp_path: Path) -> None:
    world = World()
    letter_id = an_application(world)
    world.receive("44/origin-agency", "33/destination-agency", letter_id, LI)
    world.receive("44/origin-agency", "33/destination-agency", letter_id, LI)

    assert kinds(replayed(world, tmp_path)) == ["DOCUMENT_TWICE"]


def test_what_is_missing_in_an_export_is_not_held_against_the_other_province(tmp_path: Path) -> None:
    world = a_transfer()
    folders = world.write(tmp_path)
    number = next(each.number for each in world.logs["44/origin-agency"].records if each.topic == "exchange.33")
    edit(folders["44"], "origin-agency", lambda records: [record for record in records if record.number != number])

    report = replay(list(folders.values()), world.root_fingerprint)

    assert report.verdict is Outcome.NOT_COMPLETE
    assert kinds(report) == ["DOCUMENT_NEVER_SENT"]


def test_zero_records_are_never_green(tmp_path: Path) -> None:
    assert replayed(World(), tmp_path).verdict is Outcome.NOT_COMPLETE


def test_money_for_a_case_that_nobody_knows_stands_in_suspense_and_breaks_no_order(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    received = events.FundsReceived(case_id=CASE, person_ref=LI_IN_33, origin="41", remittance_id="R9", line_id="9", amount_fen=7)
    world.say("33/destination-agency", CASE, received)

    assert replayed(world, tmp_path).verdict is Outcome.AGREES


def test_what_persons_and_what_rules_approved_is_counted_apart(tmp_path: Path) -> None:
    world = altering(events.Completed, by_policy("policy:automatic-approvals"))
    a_transfer(world)

    report = replayed(world, tmp_path)

    counted = {each.province: (each.approved_by_persons, each.approved_by_rules) for each in report.provinces}
    assert report.verdict is Outcome.AGREES, report.first
    assert counted == {"33": (1, 1), "44": (2, 0)}


@pytest.mark.parametrize("kind", [events.Completed, events.FundsRemitted], ids=["completed", "remitted"])
@pytest.mark.parametrize(
    ("limit_fen", "found"), [(ITEMS.total_fen, []), (ITEMS.total_fen - 1, ["ABOVE_LIMIT"])], ids=["at", "above"]
)
def test_a_policy_that_named_a_limit_and_did_not_keep_to_it_is_found(
    tmp_path: Path, kind: type[Fact], limit_fen: int, found: list[str]
) -> None:
    world = altering(kind, by_policy(f"policy:automatic-approvals?limit_fen={limit_fen}"))
    a_transfer(world)

    assert kinds(replayed(world, tmp_path)) == found


def test_a_document_that_was_rejected_and_the_rejection_agree_across_the_provinces(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    form_id = a_form(world, an_application(world))
    rejection = RejectionToOriginDocument(case_id=CASE, sender="33", addressee="44", sealed=SEALED)
    rejection_id = world.send("33/destination-agency", rejection, LI_IN_33)
    world.receive("44/origin-agency", "33/destination-agency", rejection_id, LI)
    told = events.DocumentRejected(
        case_id=CASE,
        person_ref=LI,
        rejected_by="33/destination-agency",
        document_id=form_id,
        document_type="document.information_form",
        number=1,
        digest="ab" * 32,
        code="invalid",
        remedy="send it again",
    )
    world.say("44/origin-agency", CASE, told)

    report = replayed(world, tmp_path, live=world.heads, holdings={})

    assert differences(report) == []
