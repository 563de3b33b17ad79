"""The clocks of a case's legs at the destination: counted again, reminded of, breached, escalated. Pure."""

from dataclasses import replace
from datetime import date

from contracts.documents import Reminder, ReminderDocument
from contracts.events import DeadlineBreached, DeadlineEscalated, DeadlineRecomputed, DeadlineReminded
from contracts.statuses import Leg
from services.destination_agency.case import (
    AFTERWARDS,
    BEFORE_LETTER,
    WITH_ORIGIN,
    WITH_US,
    Case,
    NotNow,
    Outcome,
    Refused,
    State,
)
from services.destination_agency.letters import close
from services.records.decisions import Due, Letter, Told, refuse_escalation

CLOCK = "clock"  # stands where a person's `sub` would: nobody acted
NOT_CURED = "nobody corrected the letter until the last day"

RUNS = BEFORE_LETTER | WITH_ORIGIN | WITH_US | AFTERWARDS


def count_again(case: Case, due: Due, *, rule_set: str) -> Outcome:
    """The calendar of the year is known now: the due date is what it says, and no longer provisional."""
    leg = case.leg
    if leg is None or due == case.due:
        return Outcome(case)
    fact = DeadlineRecomputed(
        case_id=case.case_id,
        person_ref=case.person_ref,
        leg=leg,
        holder=case.holder,
        was_due_on=case.due.due_on,
        due_on=due.due_on,
        rule_set=rule_set,
    )
    return Outcome(replace(case, due=due), (fact,))


def look_at_clock(case: Case, *, today: date, escalate_on: date | None = None) -> Outcome:
    """Remind at ten working days, raise the breach after fifteen, and tell the supervisors some days later, each once a leg.

    The origin is written to where the leg is its own. A letter that could be cured and was not closes its case.

    Args:
        escalate_on: when the supervisors are told, if the leg is breached today and stays so.
    """
    if case.state is State.RETURNED_CURABLE and today > case.due.due_on:
        return close(case, CLOCK, NOT_CURED, today=today)
    leg = case.leg
    if leg is None:
        return Outcome(case)
    if not case.breached and today > case.due.due_on:
        changed = replace(case, reminded=True, breached=True, escalate_on=escalate_on)
        breach = DeadlineBreached(
            case_id=case.case_id,
            person_ref=case.person_ref,
            public=None if case.state in AFTERWARDS else changed.public(),
            leg=leg,
            holder=case.holder,
            due_on=case.due.due_on,
        )
        return Outcome(changed, (breach, *_reminder(case, breached=True)))
    if case.escalate_on is not None and today >= case.escalate_on:
        return _escalated(case, CLOCK)
    if not case.reminded and today >= case.due.remind_on:
        return _reminded(case)
    return Outcome(case)


def remind(case: Case, *, today: date) -> Outcome:
    """A clerk reminds the origin before the clock does, or again: once a day.

    Raises:
        NotNow: when the origin has nothing to do.
        Refused: REMINDED_TODAY.
    """
    if case.state not in WITH_ORIGIN:
        raise NotNow("a reminder", case.state)
    if case.reminded_on == today:
        raise Refused("REMINDED_TODAY", "The origin was reminded today.", remedy="Remind again tomorrow, or telephone.")
    outcome = _reminded(case)
    # The clock's own reminder comes in its time all the same.
    return Outcome(replace(outcome.case, reminded=case.reminded, reminded_on=today), outcome.told)


def _reminded(case: Case) -> Outcome:
    assert case.leg is not None, case.state
    reminded = DeadlineReminded(
        case_id=case.case_id, person_ref=case.person_ref, leg=case.leg, holder=case.holder, due_on=case.due.due_on
    )
    return Outcome(replace(case, reminded=True), (reminded, *_reminder(case, breached=case.breached)))


def escalate(case: Case, actor: str) -> Outcome:
    """A clerk tells the supervisors before the clock does.

    Raises:
        NotNow: when no clock runs.
        Refused: NOT_OVERDUE, ALREADY_ESCALATED.
    """
    if case.state not in RUNS:
        raise NotNow("an escalation", case.state)
    refuse_escalation(case.due, breached=case.breached, escalated=case.escalated)
    return _escalated(case, actor)


def _escalated(case: Case, actor: str) -> Outcome:
    assert case.leg is not None, case.state
    changed = replace(case, escalate_on=None, escalated=True)
    fact = DeadlineEscalated(
        case_id=case.case_id,
        person_ref=case.person_ref,
        public=None if case.state in AFTERWARDS else changed.public(),
        leg=case.leg,
        holder=case.holder,
        due_on=case.due.due_on,
        actor=actor,
    )
    return Outcome(changed, (fact, *_reminder(case, breached=True, escalated=True)))


def _reminder(case: Case, *, breached: bool, escalated: bool = False) -> tuple[Told, ...]:
    if case.leg is not Leg.ORIGIN or case.letter_no is None:
        return ()
    body = Reminder(letter_no=case.letter_no, due_on=case.due.due_on, breached=breached, escalated=escalated)
    return (Letter(ReminderDocument, body, case.case_id, case.person_ref, case.origin),)
