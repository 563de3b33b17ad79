"""What every desk of a province has: a transaction that wakes the relay, and lists of cases with a result a row."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from services.records.agency import Agency
from services.records.commands import NOT_NOW, RowResult, done, no_such_case, refused, refused_by, same_person
from services.records.decisions import NotNow, Refused, SamePerson, Told
from services.runtime.database import Database, Transaction

CaseT = TypeVar("CaseT")
CaseT_co = TypeVar("CaseT_co", covariant=True)


class Outcome(Protocol[CaseT_co]):
    """What a step makes of a case."""

    @property
    def case(self) -> CaseT_co:
        """The case as it is now."""

    @property
    def told(self) -> tuple[Told, ...]:
        """What is to be told."""


class Acting:
    """Where people of the province act.

    Args:
        told: called after a commit, to wake the relay.
    """

    def __init__(self, database: Database, agency: Agency, told: Callable[[], None]) -> None:
        self._database = database
        self._agency = agency
        self._told = told

    @asynccontextmanager
    async def _deciding(self, purpose: str) -> AsyncIterator[Transaction]:
        """One transaction; the relay is woken after its commit."""
        async with self._database.transaction(purpose) as tx:
            yield tx
        self._told()


def decide_each(
    case_ids: Sequence[str],
    cases: Mapping[str, CaseT],
    decide: Callable[[CaseT], Outcome[CaseT]],
    *,
    says: Callable[[CaseT], str | None],
) -> tuple[list[RowResult], list[CaseT], list[Told]]:
    """Decide each case of a list once, in the list's order. A refused row holds no other back. Pure.

    Args:
        says: what the result of a row that was done says was decided.

    Returns:
        The rows' results, the cases that changed, and what is to be told.
    """
    rows: list[RowResult] = []
    changed: list[CaseT] = []
    told: list[Told] = []
    for case_id in dict.fromkeys(case_ids):
        case = cases.get(case_id)
        if case is None:
            rows.append(no_such_case(case_id))
            continue
        try:
            outcome = decide(case)
        except SamePerson:
            rows.append(same_person(case_id))
        except NotNow as error:
            rows.append(refused(case_id, NOT_NOW, str(error), remedy="Look at the case's state first."))
        except Refused as error:
            rows.append(refused_by(case_id, error))
        else:
            rows.append(done(case_id, says(outcome.case)))
            changed.append(outcome.case)
            told.extend(outcome.told)
    return rows, changed, told
