"""A case as the origin's work list and its detail show it; amounts, no names."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

import orjson

from services.origin_agency.case import OPEN_LEG, UNDECIDED, Case, State
from services.records.agency import Agency
from services.records.holds import HOLD
from services.records.showing import RATE_PENDING, clocks_shown, interim_shown, ready, waits_for_rate
from services.rules.deadlines import Pause


def shown(agency: Agency, case: Case, *, held_since: date | None = None) -> dict[str, Any]:
    """A case in detail, with both clocks of the leg while it runs, and RATE_PENDING while a rate is waited for.

    Args:
        held_since: when a court or an audit began to hold the account; while nothing is approved the clock stands.
    """
    today = agency.clock.today()
    rates = {each.year: each.rate for each in case.interim}
    pending = interim_shown(agency.tables, rates, province=agency.province, today=today)
    if pending is None and case.state in UNDECIDED:
        pending = waits_for_rate(agency.tables, province=agency.province, today=today)
    running = case.state in OPEN_LEG
    stands = Pause(HOLD, max(held_since, case.received_on)) if held_since and case.state in UNDECIDED else None
    return {
        "case_id": case.case_id,
        "state": str(case.state),
        "destination": case.destination,
        "letter_no": case.letter.letter_no,
        "received_on": case.received_on.isoformat(),
        "due_on": case.due.due_on.isoformat(),
        "service_target_on": case.due.target_on.isoformat() if case.due.target_on else None,
        "clocks": clocks_shown(agency.tables, case.due, holder=agency.province, today=today, stands=stands) if running else None,
        "held_since": held_since.isoformat() if held_since else None,
        "reminded": case.reminded,
        "breached": case.breached,
        "form_version": case.form_version,
        "items": case.items.model_dump() if case.items else None,
        "remittance_id": case.remittance_id,
        "remitted_fen": case.remitted_fen,
        "to_remit_fen": case.to_remit_fen,
        "letter_version": case.letter.letter_version,
        "account_wanted": case.account_wanted,
        "sent_back": case.sent_back,
        "rate_pending": pending,
        "escalated": case.escalated,
        "not_movable": case.not_movable.model_dump(mode="json") if case.not_movable else None,
        "not_movable_notice": _notice(case),
        "arrears_until": case.arrears_until.isoformat() if case.arrears_until else None,
        "died_on": case.died_on.isoformat() if case.died_on else None,
        "unanswered": [question.question_id for question in case.unanswered],
        "proposal": asdict(case.proposal) if case.proposal else None,
        "wish": asdict(case.wish) if case.wish else None,
    }


def _notice(case: Case) -> dict[str, Any] | None:
    """Of the written notice of what stays: until when it must be out, whether that is over, whether the person was told."""
    told = case.told_stays is not None or case.not_movable is not None
    if case.notice_until is None and not told:
        return None
    due_on = case.notice_until.isoformat() if case.notice_until else None
    return {"due_on": due_on, "late": case.notice_late, "told": told}


def listed(agency: Agency, row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the work list: `target_missed` is the warning before the breach, `rate_ready` that a rate has come."""
    found, today = dict(row), agency.clock.today()
    interim = {each["year"]: each["rate"] for each in orjson.loads(found.pop("interim") or "[]")}
    pending = interim_shown(agency.tables, interim, province=agency.province, today=today)
    running = State(found["state"]) in OPEN_LEG
    target_on = found["service_target_on"]
    return {
        **found,
        "target_missed": running and target_on is not None and today > target_on,
        "rate_pending": RATE_PENDING if pending else None,
        "rate_ready": ready(pending),
    }
