"""What both agencies show of a case beside its state: the two clocks of its leg with their pauses, and rates that are late."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from services.records.decisions import Due
from services.rules.amount_tables import PendingPolicy
from services.rules.clocks import Clock, leg_clocks
from services.rules.deadlines import Pause
from services.rules.loader import LimitUnknown, RateNotPublished, RuleNotInForce, Tables
from services.rules.reasons import because

RATE_PENDING = "RATE_PENDING"


def clocks_shown(tables: Tables, due: Due, *, holder: str, today: date, stands: Pause | None = None) -> dict[str, Any] | None:
    """Both clocks of a leg: what the law allows, what the holder's province promises, and every pause with its reason.

    Args:
        due: of the leg; one that an early release counted does not say what started it, and shows nothing here.
        holder: the province that has to act.
        stands: the pause that is open, while the clock stands.
    """
    if due.started_on is None:
        return None
    pauses = due.pauses if stands is None else (*due.pauses, stands)
    on = max(today, due.started_on)
    try:
        found = leg_clocks(due.limit, due.started_on, province=holder, today=on, tables=tables, pauses=pauses)
    except (LimitUnknown, RuleNotInForce):
        return None
    promised = tables.exceptions.service_target(due.limit, holder, due.started_on) is not None
    return {
        "leg": found.code,
        "started_on": found.started_on.isoformat(),
        "state": str(found.state),
        "used_wd": found.used_wd,
        "legal_limit": _clock(found.limit),
        "service_target": {**_clock(found.target), "promised": promised},
        "stands": found.stands.pause.reason if found.stands else None,
        "pauses": [
            {
                "reason": stop.pause.reason,
                "text": {"zh-CN": stop.reason.text_zh, "en": stop.reason.text_en},
                "legal_basis": stop.reason.legal_basis,
                "since": stop.pause.since.isoformat(),
                "until": stop.pause.until.isoformat() if stop.pause.until else None,
                "working_days": stop.working_days,
            }
            for stop in found.stops
        ],
    }


def _clock(clock: Clock) -> dict[str, Any]:
    return {
        "working_days": clock.working_days,
        "due_on": clock.due.on.isoformat(),
        "provisional": clock.due.provisional,
        "passed": clock.passed,
        "left_wd": clock.left_wd,
        "source": clock.source,
    }


def interim_shown(tables: Tables, interim: Mapping[int, str], *, province: str, today: date) -> dict[str, Any] | None:
    """That amounts stand on rates which are not their years' own, year by year, and which of those are published by now.

    Args:
        interim: by year, the rate that the form was computed with; None comes of none.
        province: of the origin.
    """
    if not interim:
        return None
    years = [
        {"year": year, "interim_rate": rate, "published_rate": _text(_published(tables, year, province))}
        for year, rate in sorted(interim.items())
    ]
    return {**_told(tables, "RATE_PENDING_INTERIM", today), "years": years}


def waits_for_rate(tables: Tables, *, province: str, today: date) -> dict[str, Any] | None:
    """The years whose rate a form of today would need, in a province that waits for it; None where nothing is waited for."""
    try:
        policy = tables.amounts.pending_rate(today, province)
    except RuleNotInForce:
        return None
    late = [year for year in range(today.year - policy.years, today.year) if _published(tables, year, province) is None]
    if policy.policy is not PendingPolicy.WAIT or not late:
        return None
    years = [{"year": year, "interim_rate": None, "published_rate": None} for year in late]
    return {**_told(tables, "RATE_PENDING_WAITS", today), "years": years}


def ready(shown: Mapping[str, Any] | None) -> bool:
    """Whether every rate that a case goes without is published by now, so that its form can be replaced."""
    return shown is not None and all(each["published_rate"] is not None for each in shown["years"])


def _published(tables: Tables, year: int, province: str) -> Decimal | None:
    try:
        return tables.recording_rate(year, province).rate
    except RateNotPublished:
        return None


def _text(rate: Decimal | None) -> str | None:
    return None if rate is None else str(rate)


def _told(tables: Tables, code: str, today: date) -> dict[str, Any]:
    reason = because(code, today, tables)
    words = {"zh-CN": reason.text_zh, "en": reason.text_en}
    return {"code": RATE_PENDING, "waits": code == "RATE_PENDING_WAITS", "text": words, "legal_basis": reason.legal_basis}
