"""The clock of the origin's leg: counted again, reminded of, breached, escalated. Pure."""

from dataclasses import replace
from datetime import date

from contracts.events import DeadlineBreached, DeadlineEscalated, DeadlineRecomputed, DeadlineReminded
from contracts.statuses import Leg
from services.origin_agency.case import OPEN_LEG, Case, NotNow, Outcome
from services.records.decisions import Due, refuse_escalation
from services.rules.back_payments import NOTICE_LIMIT

CLOCK = "clock"  # stands where a person's `sub` would: nobody acted


def count_again(case: Case, due: Due, *, rule_set: str) -> Outcome:
    """The calendar of the year is known now: the due date is what it says, and no longer provisional.

    Raises:
        NotNow: when the leg is over.
    """
    leg, holder = Leg.ORIGIN, case.letter_province
    if case.state not in OPEN_LEG:
        raise NotNow("counting the due date again", case.state)
    if due == case.due:
        return Outcome(case)
    fact = DeadlineRecomputed(
        case_id=case.case_id,
        person_ref=case.known_as,
        leg=leg,
        holder=holder,
        was_due_on=case.due.due_on,
        due_on=due.due_on,
        rule_set=rule_set,
    )
    return Outcome(replace(case, due=due), (fact,))


def look_at_clock(case: Case, *, today: date, escalate_on: date) -> Outcome:
    """Remind at ten working days, raise the breach after fifteen, and tell the supervisors some days later, each once.

    The written notice of what stays has a limit of its own, ten working days, and is raised once as well when it is over.

    Args:
        escalate_on: when the supervisors are told, if the leg is breached today and stays so.

    Raises:
        NotNow: when the leg is over.
    """
    if case.state not in OPEN_LEG:
        raise NotNow("the clock", case.state)
    if not case.breached and today > case.due.due_on:
        breach = DeadlineBreached(
            case_id=case.case_id,
            person_ref=case.known_as,
            leg=Leg.ORIGIN,
            holder=case.letter_province,
            due_on=case.due.due_on,
        )
        return Outcome(replace(case, reminded=True, breached=True, escalate_on=escalate_on), (breach,))
    if case.notice_until is not None and not case.notice_late and today > case.notice_until:
        late = DeadlineBreached(
            case_id=case.case_id,
            person_ref=case.known_as,
            leg=Leg.ORIGIN,
            holder=case.letter_province,
            due_on=case.notice_until,
            limit=NOTICE_LIMIT,
        )
        return Outcome(replace(case, notice_late=True), (late,))
    if case.escalate_on is not None and today >= case.escalate_on:
        return _escalated(case, CLOCK)
    if not case.reminded and today >= case.due.remind_on:
        reminder = DeadlineReminded(
            case_id=case.case_id,
            person_ref=case.known_as,
            leg=Leg.ORIGIN,
            holder=case.letter_province,
            due_on=case.due.due_on,
        )
        return Outcome(replace(case, reminded=True), (reminder,))
    return Outcome(case)


def escalate(case: Case, actor: str) -> Outcome:
    """A clerk tells the supervisors before the clock does.

    Raises:
        NotNow: when the leg is over.
        Refused: when it is not overdue, or the supervisors know.
    """
    if case.state not in OPEN_LEG:
        raise NotNow("an escalation", case.state)
    refuse_escalation(case.due, breached=case.breached, escalated=case.escalated)
    return _escalated(case, actor)


def _escalated(case: Case, actor: str) -> Outcome:
    fact = DeadlineEscalated(
        case_id=case.case_id,
        person_ref=case.known_as,
        leg=Leg.ORIGIN,
        holder=case.letter_province,
        due_on=case.due.due_on,
        actor=actor,
    )
    return Outcome(replace(case, escalate_on=None, escalated=True), (fact,))
