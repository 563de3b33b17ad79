"""A relationship that comes back: its rows count here again, with the interest of the years in which they were away."""

from collections.abc import Mapping
from dataclasses import replace

from services.origin_agency.case import Case, State
from services.records import store as records
from services.records.agency import Agency
from services.records.decisions import Told
from services.records.importing import interest_facts
from services.records.model import Record
from services.runtime.database import Transaction


async def reopen(tx: Transaction, agency: Agency, before: Mapping[str, Case], changed: Mapping[str, Case]) -> list[Told]:
    """Give the records of cases that were recalled in this transaction their rows back; returns what is to be told of it.

    Args:
        before: the cases as the transaction found them.
        changed: the cases as they are now.
    """
    back = [case for case_id, case in changed.items() if case.state is State.RECALLED and _open(before.get(case_id))]
    if not back:
        return []
    persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in back if case.person_ref])
    told: list[Told] = []
    reopened: list[Record] = []
    for case in back:
        record = persons.get(case.person_ref or "")
        if record is None or record.left_with != case.case_id or case.transfer_on is None:
            continue  # the person is forgotten, or the rows have moved on: nothing of them is here to be counted
        through = record.interest_through if record.here else agency.clock.today().year - 1
        away = replace(record, segments=record.left, interest_through=case.transfer_on.year - 1)
        interest, credited = interest_facts(away, through, agency.province, agency.tables)
        told.extend(interest)
        reopened.append(replace(record.reopened(), interest_through=max(record.interest_through, credited)))
    await records.change(tx, agency.vault, reopened)
    return told


def _open(case: Case | None) -> bool:
    return case is not None and case.state is not State.RECALLED
