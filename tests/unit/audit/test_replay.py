"""Folding exports again: every measure that must stay true has a mutation that turns it red, at its place."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest

from contracts import events
from contracts.base import Fact, Items
from contracts.documents import ContactLetterDocument, LetterReturnDocument, RejectionToOriginDocument
from services.audit.archive import ArchiveRefused
from services.audit.replay import Area, Difference, ReplayReport, replay
from services.audit.verify import Outcome
from services.ledger.journal import Head
from tests.builders import a
from tests.unit.audit.builders import (
    CASE,
    ITEMS,
    LI,
    LI_IN_33,
    SEALED,
    World,
    a_correction,
    a_form,
    a_recall,
    a_transfer,
    an_account,
    an_amendment,
    an_application,
    completion,
    edit,
    form_in,
    given_up,
    money_back,
    money_in,
    money_out,
    settlement,
    taken_back,
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


MORE = ITEMS.model_copy(update={"this_year_fen": 84_000, "account_fen": 784_000, "pool_fen": 1_090_000, "total_fen": 1_874_000})
FEWER = ITEMS.model_copy(update={"this_year_fen": 76_000, "account_fen": 776_000, "pool_fen": 1_080_000, "total_fen": 1_856_000})


def an_amended_form_arrives(world: World, items: Items, version: int = 2) -> None:
    world.receive("33/destination-agency", "44/origin-agency", an_amendment(world, items, version=version), LI_IN_33)
    held = events.InformationFormReceived(
        case_id=CASE, person_ref=LI_IN_33, origin="44", form_version=version, items=items, months=170
    )
    world.say("33/destination-agency", CASE, held)


def a_corrected_transfer(world: World | None = None, items: Items = MORE) -> World:
    """A normal transfer, and afterwards the difference that a second version of the form makes, either way."""
    world = a_transfer(world)
    an_amended_form_arrives(world, items)
    difference = items.total_fen - ITEMS.total_fen
    if difference > 0:
        money_out(world, amount_fen=difference)
        money_in(world, line="2", amount_fen=difference)
    a_correction(world, items)
    if difference < 0:
        came_back(world, -difference)
    return world


def came_back(world: World, fen: int) -> None:
    """Province 33 says that it got more than the form says, gives it back, and 44 finds it."""
    raised = events.DiscrepancyRaised(
        case_id=CASE,
        person_ref=LI_IN_33,
        origin="44",
        kind="OVERPAID",
        expected_fen=0,
        found_fen=fen,
        difference_fen=fen,
    )
    world.say("33/destination-agency", CASE, raised)
    money_back(world, amount_fen=fen)
    returned = events.FundsReturned(
        case_id=CASE, person_ref=LI, destination="33", remittance_id="R1", line_id="B1", amount_fen=fen, reason="sent back"
    )
    world.say("44/origin-agency", CASE, returned)


def a_recalled_transfer(world: World | None = None) -> World:
    world = a_transfer(world)
    a_recall(world)
    given_up(world)
    money_back(world)
    taken_back(world)
    return world


@pytest.mark.parametrize("items", [MORE, FEWER], ids=["more", "less"])
def test_a_corrected_transfer_agrees_with_itself_with_the_ledgers_and_across_the_provinces(tmp_path: Path, items: Items) -> None:
    world = a_corrected_transfer(items=items)

    report = replayed(world, tmp_path, live=world.heads, holdings={})

    assert differences(report) == []
    assert report.verdict is Outcome.AGREES
    assert report.held_in_suspense == {}
    assert world.heads["33"][f"individual:{LI_IN_33}"].balance_fen == items.account_fen
    assert world.heads["44"]["transfers_payable:33"].balance_fen == 0


def test_a_recalled_transfer_agrees_with_itself_with_the_ledgers_and_across_the_provinces(tmp_path: Path) -> None:
    world = a_recalled_transfer()

    report = replayed(world, tmp_path, live=world.heads, holdings={})

    assert differences(report) == []
    assert report.verdict is Outcome.AGREES
    assert report.held_in_suspense == {}
    assert world.heads["33"][f"individual:{LI_IN_33}"].balance_fen == 0
    assert world.heads["44"][f"individual:{LI}"].balance_fen == ITEMS.account_fen


def test_money_of_a_recalled_transfer_is_held_in_suspense_until_it_goes_back(tmp_path: Path) -> None:
    world = a_transfer()
    a_recall(world)
    given_up(world)

    report = replayed(world, tmp_path)

    assert [each.kind for each in differences(report)] == ["MONEY_ABOVE_FORM"]
    raised = events.DiscrepancyRaised(
        case_id=CASE, person_ref=LI_IN_33, origin="44", kind="OVERPAID", expected_fen=0, found_fen=1, difference_fen=1
    )
    world.say("33/destination-agency", CASE, raised)
    said = replayed(world, tmp_path / "said")
    assert said.verdict is Outcome.AGREES
    assert said.held_in_suspense == {f"33:{CASE}": ITEMS.total_fen}


def test_a_correction_without_its_money_is_found(tmp_path: Path) -> None:
    world = a_transfer()
    an_amended_form_arrives(world, MORE)
    a_correction(world, MORE)

    report = replayed(world, tmp_path)

    assert kinds(report) == ["MONEY_SHORT"]
    assert differences(report)[0].expected == f"{MORE.total_fen} fen"


def test_a_correction_of_something_else_than_what_stands_is_found(tmp_path: Path) -> None:
    world = altering(events.Corrected, with_(supersedes=LESS))

    report = replayed(a_corrected_transfer(world), tmp_path)

    assert "SUPERSEDES_DIFFERS" in kinds(report)
    assert next(each for each in differences(report) if each.kind == "SUPERSEDES_DIFFERS").province == "33"


def test_a_version_that_replaces_something_else_than_what_was_issued_is_found(tmp_path: Path) -> None:
    world = World()
    world.alter = lambda fact: (
        fact.model_copy(update={"supersedes": LESS})
        if isinstance(fact, events.InformationFormIssued) and fact.form_version == 2
        else fact
    )

    report = replayed(a_corrected_transfer(world), tmp_path)

    found = [each for each in differences(report) if each.kind == "SUPERSEDES_DIFFERS"]
    assert [(each.province, each.subject) for each in found] == [("44", f"case {CASE} form 2")]


def test_a_correction_otherwise_than_its_form_is_found_on_both_sides(tmp_path: Path) -> None:
    world = altering(events.Corrected, with_(items=ITEMS))

    report = replayed(a_corrected_transfer(world), tmp_path)

    found = [each for each in differences(report) if each.kind == "FORM_DIFFERS"]
    assert [each.subject for each in found] == [f"case {CASE} form 2", f"case {CASE} form 2 of 44"]


def test_giving_up_something_else_than_what_stands_is_found(tmp_path: Path) -> None:
    world = altering(events.Recalled, with_(items=LESS))

    report = replayed(a_recalled_transfer(world), tmp_path)

    assert {"SUPERSEDES_DIFFERS", "RECALL_DIFFERS"} <= set(kinds(report))


def test_a_form_that_is_taken_back_and_was_never_given_up_is_found(tmp_path: Path) -> None:
    world = altering(events.Recalled, lost)

    report = replayed(a_recalled_transfer(world), tmp_path)

    assert "RECALL_DIFFERS" in kinds(report)


def test_taking_back_something_else_than_what_was_owed_is_found(tmp_path: Path) -> None:
    world = altering(events.InformationFormRevoked, with_(items=LESS))

    report = replayed(a_recalled_transfer(world), tmp_path)

    assert {"REVOKED_DIFFERS", "RECALL_DIFFERS"} <= set(kinds(report))


def test_a_version_that_is_still_under_way_after_the_completion_is_no_difference(tmp_path: Path) -> None:
    world = a_transfer()
    an_amendment(world, MORE)

    report = replayed(world, tmp_path)

    assert report.verdict is Outcome.AGREES, report.first
    assert [each.document_type for each in report.in_transit] == ["document.information_form"]


def test_a_booked_version_that_was_never_received_is_found(tmp_path: Path) -> None:
    world = a_transfer()
    world.alter = lambda fact: None if isinstance(fact, events.DocumentReceived) else fact
    an_amended_form_arrives(world, MORE)
    money_out(world, amount_fen=MORE.total_fen - ITEMS.total_fen)
    money_in(world, line="2", amount_fen=MORE.total_fen - ITEMS.total_fen)
    a_correction(world, MORE)

    report = replayed(world, tmp_path)

    assert kinds(report) == ["DOCUMENT_NEVER_RECEIVED"]


def a_readdressed_case(world: World) -> None:
    """The letter went to 41 first, which has no such relationship; the corrected one goes to 44 and all is done there."""
    service, who = "33/destination-agency", {"case_id": CASE, "person_ref": LI_IN_33}
    first = ContactLetterDocument(case_id=CASE, sender="33", addressee="41", sealed=SEALED)
    applied = a(events.Applied, **who, origin="41")
    accepted = a(events.Accepted, **who)
    sent = a(events.ContactLetterSent, **who, origin="41", letter_version=1)
    world.say(service, CASE, applied, accepted, sent)
    letter_id = world.send(service, first, LI_IN_33)
    world.receive("41/origin-agency", service, letter_id, CASE)
    nobody = {"case_id": CASE, "person_ref": CASE, "destination": "33"}
    world.say(
        "41/origin-agency",
        CASE,
        a(events.ContactLetterReceived, **nobody),
        a(events.ContactLetterReturned, **nobody, code="NO_RELATIONSHIP"),
    )
    back = LetterReturnDocument(case_id=CASE, sender="41", addressee="33", sealed=SEALED)
    world.receive(service, "41/origin-agency", world.send("41/origin-agency", back, CASE), LI_IN_33)
    world.say(
        service,
        CASE,
        a(events.TransferReturned, **who, origin="41"),
        a(events.TransferReaddressed, **who, origin="44", was_origin="41"),
        a(events.ContactLetterSent, **who, origin="44", letter_version=2),
    )
    second = ContactLetterDocument(case_id=CASE, sender="33", addressee="44", document_version=2, sealed=SEALED)
    form_id = a_form(world, world.send(service, second, LI_IN_33))
    money_out(world)
    form_in(world, form_id)
    money_in(world)
    settlement(world, completion(world))


def test_a_case_that_was_readdressed_agrees_with_both_agencies_that_had_it(tmp_path: Path) -> None:
    world = World("33", "41", "44")
    an_account(world)
    a_readdressed_case(world)

    report = replayed(world, tmp_path, live=world.heads, holdings={})

    assert differences(report) == []
    assert [pair.agrees for pair in report.pairs if {pair.payer, pair.payee} <= {"33", "41", "44"}] == [True] * 4
    assert report.in_transit == ()


def test_the_letter_that_a_readdressed_case_was_completed_with_must_have_been_received(tmp_path: Path) -> None:
    world = World("33", "41", "44")
    world.alter = lambda fact: (
        None
        if isinstance(fact, events.DocumentReceived) and fact.document_type == "document.contact_letter" and fact.person_ref == LI
        else fact
    )
    an_account(world)
    a_readdressed_case(world)

    report = replayed(world, tmp_path)

    assert kinds(report) == ["DOCUMENT_NEVER_RECEIVED"]
    assert differences(report)[0].pair == ("33", "44")


def test_a_return_that_the_first_agency_never_sent_is_found(tmp_path: Path) -> None:
    world = World("33", "41", "44")
    world.alter = lambda fact: (
        None if isinstance(fact, events.DocumentSent) and fact.document_type == "document.letter_return" else fact
    )
    an_account(world)
    a_readdressed_case(world)

    assert kinds(replayed(world, tmp_path)) == ["DOCUMENT_NOT_TOLD"]


CLOSED = events.AccountClosed(person_ref=LI, reason="moved")
REOPENED = events.AccountReopened(person_ref=LI, reason="taken back")
A_YEAR = events.ContributionRecorded(person_ref=LI, year=2024, months=1, account_fen=40_000, pool_fen=60_000, rule_set="r")
INTEREST = events.InterestCredited(person_ref=LI, year=2024, interest_fen=7, rule_set="r")


def test_an_account_that_is_closed_and_reopened_takes_entries_again(tmp_path: Path) -> None:
    world = a_recalled_transfer()
    world.say("44/origin-agency", LI, CLOSED, REOPENED, A_YEAR, INTEREST)

    assert replayed(world, tmp_path, live=world.heads).verdict is Outcome.AGREES


def test_an_account_that_the_paying_place_opens_again_bears_interest_though_the_other_service_closed_it(tmp_path: Path) -> None:
    """Art. 6 (3): the destination agency opens what the origin agency closed; the year's end is the origin agency's again."""
    world = a_recalled_transfer()
    opened = events.AccountOpened(person_ref=LI, kind="normal", opened_on=date(2024, 5, 6))
    world.say("44/origin-agency", LI, CLOSED)
    world.say("44/destination-agency", LI, opened)
    world.say("44/origin-agency", LI, INTEREST)

    assert replayed(world, tmp_path, live=world.heads).verdict is Outcome.AGREES


@pytest.mark.parametrize("booked", [A_YEAR, INTEREST], ids=["contribution", "interest"])
def test_what_is_booked_to_a_closed_account_is_found(tmp_path: Path, booked: Fact) -> None:
    world = a_transfer()
    world.say("44/origin-agency", LI, CLOSED, booked)

    report = replayed(world, tmp_path)

    assert kinds(report) == ["CLOSED_ACCOUNT_BOOKED", "CLOSED_ACCOUNT_HOLDS"]
    assert differences(report)[0].found == booked.type_name


def test_an_account_that_is_closed_with_something_in_it_is_found(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    world.say("44/origin-agency", LI, CLOSED)

    report = replayed(world, tmp_path)

    assert kinds(report) == ["CLOSED_ACCOUNT_HOLDS"]
    assert differences(report)[0].found == "780000 fen"


def test_an_account_that_is_reopened_and_was_never_closed_is_found(tmp_path: Path) -> None:
    world = World()
    an_account(world)
    world.say("44/origin-agency", LI, REOPENED)

    report = replayed(world, tmp_path)

    assert kinds(report) == ["NO_PREDECESSOR"]
    assert differences(report)[0].expected == "account.reopened before it: account.closed"


def test_a_correction_passes_through_an_account_that_is_closed(tmp_path: Path) -> None:
    world = a_transfer()
    world.say("44/origin-agency", LI, CLOSED)
    corrected = a(events.ContributionCorrected, person_ref=LI, account_difference_fen=4_000, pool_difference_fen=6_000)
    world.say("44/origin-agency", LI, corrected)

    assert replayed(world, tmp_path, live=world.heads).verdict is Outcome.AGREES


def test_an_account_of_somebody_who_died_is_settled_and_closed(tmp_path: Path) -> None:
    world = a_transfer()
    service, who = "33/destination-agency", {"case_id": CASE, "person_ref": LI_IN_33}
    settled = a(events.AccountSettled, person_ref=LI_IN_33, reason="death", amount_fen=ITEMS.account_fen)
    world.say(service, CASE, a(events.DeathReported, **who), settled, events.AccountClosed(person_ref=LI_IN_33, reason="death"))

    report = replayed(world, tmp_path, live=world.heads, holdings={})

    assert report.verdict is Outcome.AGREES
    assert world.heads["33"]["refunds_payable"].balance_fen == ITEMS.account_fen


LIMIT = "policy:automatic-approvals?limit_fen=1000"
CLEARED = a(events.DuplicatesCleared, case_id=CASE, person_ref=LI_IN_33, refund_principal_fen=1_000, checker=LIMIT)


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ([CLEARED], []),
        ([CLEARED.model_copy(update={"refund_interest_fen": 1})], ["ABOVE_LIMIT"]),
        ([a(events.AccountSettled, person_ref=LI_IN_33, amount_fen=1_001, checker=LIMIT)], ["ABOVE_LIMIT"]),
    ],
    ids=["a refund at the limit", "a refund above it", "a settlement above it"],
)
def test_a_limit_holds_for_refunds_and_settlements_too(tmp_path: Path, facts: list[Fact], found: list[str]) -> None:
    world = a_transfer()
    overlap = a(events.DuplicatesFound, case_id=CASE, person_ref=LI_IN_33)
    world.say("33/destination-agency", CASE, overlap, *facts)

    assert kinds(replayed(world, tmp_path)) == found


def test_a_limit_holds_for_corrections_and_recalls_too(tmp_path: Path) -> None:
    beyond = by_policy(f"policy:automatic-approvals?limit_fen={ITEMS.total_fen - 1}")
    corrected = a_corrected_transfer(altering(events.Corrected, beyond))
    recalled = a_recalled_transfer(altering(events.Recalled, beyond))

    assert "ABOVE_LIMIT" in kinds(replayed(corrected, tmp_path / "corrected"))
    assert "ABOVE_LIMIT" in kinds(replayed(recalled, tmp_path / "recalled"))
