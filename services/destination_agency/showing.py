"""A case as its owner and the staff see it: the same words on every channel."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.destination_agency import store
from services.destination_agency.case import AFTERWARDS, BEFORE_LETTER, PAUSES, WITH_ORIGIN, WITH_US, Case, State
from services.records.agency import Agency
from services.records.showing import RATE_PENDING, clocks_shown, interim_shown, waits_for_rate
from services.rules.admission import wrong_scheme
from services.rules.deadlines import Pause, working_days_between
from services.rules.loader import RefusalText, RefusalUnknown, RuleNotInForce
from services.rules.material_tables import Worded
from services.rules.statuses import Status, StatusCode


def shown(agency: Agency, case: Case, *, amounts: bool) -> dict[str, Any]:
    """Where a transfer is, what the person is to do, until when and by whom; amounts for the owner and the staff alone."""
    public = case.public()
    status = agency.tables.status(StatusCode(str(public.status)))
    now = agency.clock.now()
    entry = agency.directory.entry(public.holder)
    left = None
    if public.due_on is not None and public.due_on >= now.date():
        left = working_days_between(now.date(), public.due_on, agency.tables.calendar)
    found: dict[str, Any] = {
        "case_id": case.case_id,
        "person_ref": case.person_ref,
        "status": str(public.status),
        **(_ENDED_OTHERWISE.get(case.state) or _status(status)),
        "step": status.step,
        "steps": 5,
        "since": public.since.isoformat(),
        "holder": public.holder,
        "holder_name": entry.agency_name if entry else None,
        "holder_phone": entry.phone if entry else None,
        "due_on": public.due_on.isoformat() if public.due_on else None,
        "due_provisional": public.due_provisional,
        "service_target_on": public.service_target_on.isoformat() if public.service_target_on else None,
        "working_days_left": left,
        "overdue": public.overdue,
        "paused": public.paused,
        "clocks": _clocks(agency, case),
        "rate_pending": _rate_pending(agency, case),
        "part_not_movable": public.part_not_movable,
        "code": public.code,
        "state": str(case.state),
        "origin": case.origin,
        "destination": case.province,
        "letter_no": case.letter_no,
        "letter_version": case.letter_version,
        "applied_on": case.applied_on.isoformat(),
        "as_of": now.isoformat(),
    }
    if public.paused:
        found["pause"] = _worded(agency.tables.material.pause(public.paused, now.date()))
    if case.state is State.NEED_MATERIAL:
        day = case.paused_on or now.date()
        wanted = [agency.tables.material.material(code, day) for code in case.asked]
        found["material"] = [{"code": row.code, "text": _worded(row), "legal_basis": row.legal_basis} for row in wanted]
    if public.overdue:
        # Whom to complain to: the holder's agency, whose supervisors know of it once the case is escalated.
        flag = agency.tables.status(StatusCode.OVERDUE)
        phone = entry.phone if entry else None
        found["complaint"] = {**_status(flag), "phone": phone, "escalated": case.escalated}
    if case.form is not None and case.form.not_movable is not None:
        codes = case.form.not_movable.reasons
        texts = [text for code in codes if (text := _words(agency, code, case.form.transfer_on)) is not None]
        found["not_movable"] = [{"code": text.code, **_explained(text)} for text in texts]
    if public.arrears_lost:
        lost = _explained(agency.tables.refusal("ARREARS_REFUSED", public.since))
        found["arrears"] = {"code": "ARREARS_REFUSED", "months": case.arrears_months, **lost}
    text = _words(agency, public.code, public.since) if public.code else None
    if text is not None and case.decision is not None and case.decision.scheme and case.code == case.decision.code:
        text = wrong_scheme(case.decision.scheme, public.since, agency.tables)
    if text is not None:
        found |= _explained(text)
    if amounts:
        found["items"] = case.form.items.model_dump() if case.form else None
        found["months"] = case.form.months if case.form else None
        found["form_version"] = case.form.form_version if case.form else None
        found["papers"] = [paper.model_dump(mode="json") for paper in case.form.papers] if case.form else []
        found["booked_version"] = case.booked.form_version if case.booked else None
        found["received_fen"] = case.received_fen
        found["discrepancy"] = case.discrepancy
        found["surplus_fen"] = case.surplus_fen
    return found


def listed(agency: Agency, row: Mapping[str, Any]) -> dict[str, Any]:
    """A line of the work list: why its clock stands, and `target_missed`, the warning before the breach."""
    stands, target_on = row["due_on"] == store.NEVER, row["service_target_on"]
    running = not stands and State(row["state"]) in _RUNNING
    return {
        **row,
        "due_on": None if stands else row["due_on"],
        "paused": PAUSES.get(State(row["state"])) if stands else None,
        "target_missed": running and target_on is not None and agency.clock.today() > target_on,
        "rate_pending": RATE_PENDING if row["rate_pending"] else None,
    }


# CANCELLED is what the person's status says of these as well; its words are of a case that ended before the origin approved.
_ENDED_OTHERWISE: Mapping[State, Mapping[str, Any]] = {
    State.CLOSED: {
        "text": {"zh-CN": "已结案（联系函已退回）", "en": "Closed: the origin returned the letter, and nobody went on with it"},
        "to_do": {
            "zh-CN": "原参保地的关系保持不变；如仍需转移，可重新申请",
            "en": "Nothing; what you have at the old place stays, and you may apply again",
        },
    },
    State.RECALLED: {
        "text": {"zh-CN": "已退回转出地", "en": "Taken back by the origin after it was done"},
        "to_do": {
            "zh-CN": "无需操作；原参保地的关系和个人账户随资金退回恢复",
            "en": "Nothing; relationship and account go on at the old place",
        },
    },
}
_RUNNING = BEFORE_LETTER | WITH_ORIGIN | WITH_US | AFTERWARDS


def _clocks(agency: Agency, case: Case) -> dict[str, Any] | None:
    """Both clocks of the leg that runs, or that stands until the person has done something."""
    reason = PAUSES.get(case.state)
    if case.leg is None and reason is None:
        return None
    stands = Pause(reason, case.paused_on) if reason is not None and case.paused_on is not None else None
    return clocks_shown(agency.tables, case.due, holder=case.holder, today=agency.clock.today(), stands=stands)


def _rate_pending(agency: Agency, case: Case) -> dict[str, Any] | None:
    """That the form stands on a rate which is not its year's own, or that the origin waits for one before it makes the form."""
    today = agency.clock.today()
    if case.form is not None:
        rates = {each.year: each.rate for each in case.form.interim_rates}
        return interim_shown(agency.tables, rates, province=case.origin, today=today)
    if case.state not in WITH_ORIGIN:
        return None
    return waits_for_rate(agency.tables, province=case.origin, today=today)


def _status(status: Status) -> dict[str, Any]:
    return {
        "text": {"zh-CN": status.text("zh-CN"), "en": status.text("en")},
        "to_do": {"zh-CN": status.to_do("zh-CN"), "en": status.to_do("en")},
    }


def _worded(row: Worded) -> dict[str, str]:
    return {"zh-CN": row.text_zh, "en": row.text_en}


def _words(agency: Agency, code: str, on: date) -> RefusalText | None:
    """Why something was refused on the day; None for a code that is another table's, or the other province's own."""
    try:
        return agency.tables.refusal(code, on)
    except (RefusalUnknown, RuleNotInForce):
        return None


def _explained(text: RefusalText) -> dict[str, Any]:
    return {
        "reason": {"zh-CN": text.reason_zh, "en": text.reason_en},
        "legal_basis": text.legal_basis,
        "remedy": {"zh-CN": text.remedy_zh, "en": text.remedy_en},
    }
