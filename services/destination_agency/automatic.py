"""What the destination approves by itself where its province lets it: what the rules accept and what agrees, without a doubt.

The steps are those of two persons; a rule stands in the maker's place and the policy in the checker's. Whatever has a doubt is
left untouched, as if nobody had looked at it yet, and waits for two persons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from contracts.events import CaseFact, DiscrepancyRaised, DiscrepancyResolved
from contracts.statuses import Status
from services.destination_agency.application import propose_admission, send_letter
from services.destination_agency.case import Case, Outcome, Refused, State
from services.destination_agency.completion import propose_completion
from services.destination_agency.desk import book, decision, refuse_another_kind
from services.destination_agency.writing import contact_letter
from services.records import store as records
from services.records.agency import Agency
from services.records.approvals import by_rule
from services.records.decisions import Told
from services.records.model import Record
from services.rules.admission import BirthAfterInsurance
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown, SchemeUnknown
from services.runtime.database import Transaction

AGREES = "form-and-money-agree"  # domain § 1.6.15: nothing of what is compared differs


def admit(agency: Agency, case: Case, record: Record | None) -> Outcome | None:
    """Accept an application that R01–R07 and the K-rules accept, or None where the province or a doubt wants two persons.

    Args:
        case: under review, with the serial number of its letter.
        record: what the province itself knows of the person.
    """
    if not agency.approvals.automatic:
        return None
    try:
        # That an authority approved the transfer (K2) stands on a paper which somebody has to see.
        found = decision(agency, replace(case, approved_transfer=False), record)
    except (BirthAfterInsurance, ProvinceUnknown, ProvinceOutOfScope, SchemeUnknown):
        return None
    if found.outcome == "refuse" or case.personal.proxy is not None:
        return None  # a power of attorney is a paper that somebody has to see, too
    today, rule_set = agency.clock.today(), agency.tables.version
    proposed = propose_admission(case, by_rule(found.rule, rule_set), found).case
    try:
        refuse_another_kind(proposed, record)
    except Refused:
        return None
    due = agency.due("LETTER_TO_FORM", today, holder=case.origin)
    letter = contact_letter(agency, proposed)
    return send_letter(proposed, agency.approvals.policy, letter, today=today, due=due, rule_set=rule_set)


async def complete_what_agrees(
    tx: Transaction, agency: Agency, before: Mapping[str, Case], changed: dict[str, Case], told: Sequence[Told]
) -> tuple[list[Told], list[Record]]:
    """Complete, among the cases that a transaction changed, those whose form and money have just met and agree exactly.

    Args:
        before: the cases as they were loaded.
        changed: as they are now; what is completed is replaced in it.
        told: what the transaction tells so far.

    Returns:
        What it tells now, and the persons' records that are to be written back.
    """
    doubted = {item.case_id for item in told if isinstance(item, (DiscrepancyRaised, DiscrepancyResolved))}
    met = [case for case in changed.values() if _agrees(agency, before.get(case.case_id), case) and case.case_id not in doubted]
    if not met:
        return list(told), []
    persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in met])
    today, rule_set = agency.clock.today(), agency.tables.version
    completed: dict[str, Outcome] = {}
    grown: dict[str, Record] = {}
    for case in met:
        record = grown.get(case.person_ref) or persons.get(case.person_ref)
        proposed = propose_completion(case, by_rule(AGREES, rule_set)).case
        try:
            booked = book(agency, proposed, record, agency.approvals.policy, today=today)
        except Refused:
            continue  # there is nothing to join it to, or it has to wait: persons look at it
        grown[case.person_ref] = booked.record
        completed[case.case_id] = booked.outcome
        changed[case.case_id] = booked.outcome.case
    # That it waited to be booked was never so: the person is told once for what happened at once.
    kept = [_unshown(item) if isinstance(item, CaseFact) and item.case_id in completed else item for item in told]
    return [*kept, *(item for outcome in completed.values() for item in outcome.told)], list(grown.values())


def _agrees(agency: Agency, before: Case | None, case: Case) -> bool:
    if case.state is not State.BOOKING or (before is not None and before.state is State.BOOKING):
        return False  # what waits for persons goes on waiting for them
    assert case.form is not None, case.case_id
    same_name = case.form.person.name == case.known_there.name
    return same_name and case.surplus_fen == 0 and agency.approvals.covers(case.form.items.total_fen)


def _unshown(fact: CaseFact) -> CaseFact:
    booking = fact.public is not None and fact.public.status is Status.BOOKING
    return fact.model_copy(update={"public": None}) if booking else fact
