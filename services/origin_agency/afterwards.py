"""What clerks do when a form is out, as transactions: replace it, take the transfer back, settle the account of the dead."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from datetime import date

from contracts.events import ContributionCorrected
from services.ledger import store as ledger
from services.ledger.chart import POOLED_FUND, REFUNDS_PAYABLE, individual, transfers_payable
from services.ledger.journal import Head
from services.origin_agency import store
from services.origin_agency.acting import Acting
from services.origin_agency.case import AMENDABLE, Case, Outcome, Refused, wished
from services.origin_agency.composing import recompose, rows_of
from services.origin_agency.deaths import SETTLEABLE, Source, propose_settlement, report_death, settle_account
from services.origin_agency.desk import booked_first
from services.origin_agency.forms import amend_form, propose_amendment
from services.origin_agency.recalls import ask_back, propose_recall
from services.records import store as records
from services.records.agency import Agency
from services.records.commands import ListResult
from services.records.model import Record
from services.rules.loader import RefusalUnknown, RuleNotInForce
from services.runtime.database import Transaction


class Afterwards(Acting):
    """The origin's commands on transfers that are under way or done."""

    async def propose_amendments(self, case_ids: Sequence[str], maker: str, *, reason: str) -> ListResult:
        """A maker proposes to replace forms by ones that are made from the records of today."""
        return await self._each("propose-amendment", case_ids, lambda case: propose_amendment(case, maker, reason))

    async def approve_amendments(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: version n+1 is computed for the first form's day, the difference booked, the form sent."""
        agency = self._agency
        due = agency.due("LETTER_TO_FORM", agency.clock.today())
        async with self._deciding("approve-amendment") as tx:
            cases = await store.load(tx, agency.vault, case_ids)
            amended = [case for case in cases.values() if case.wish and case.wish.kind == "amendment" and case.person_ref]
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in amended if case.person_ref])
            # Locked before they are compared with the form, so that nothing can be booked in between.
            touched = {POOLED_FUND, *(transfers_payable(case.destination) for case in amended), *map(individual, persons)}
            heads = await ledger.hold(tx, touched) if amended else {}
            left = {ref: heads.get(individual(ref), Head()).balance_fen for ref in persons}

            def decide(case: Case) -> Outcome:
                wish = wished(case, checker, "amendment", AMENDABLE, "approving an amendment")
                record = self._known(persons, case)
                held_fen = left[record.person_ref]
                assert case.items is not None, case.case_id
                composed = recompose(
                    agency, case, record, held_fen=held_fen, amendment=wish.reason, maker=wish.maker, checker=checker
                )
                outcome = booked_first(composed, amend_form(case, checker, composed.form, due=due, interim=composed.interim))
                booked = (each.interest_difference_fen for each in composed.booked if isinstance(each, ContributionCorrected))
                left[record.person_ref] += sum(booked) - (composed.form.items.account_fen - case.items.account_fen)
                return outcome

            return await self._act(tx, case_ids, cases, decide, held=heads)

    async def propose_recalls(self, case_ids: Sequence[str], maker: str, *, code: str, reason: str) -> ListResult:
        """A maker proposes to ask completed transfers back.

        Raises:
            Refused: for a code that is no reason to recall.
        """
        agency = self._agency
        _recall_code(agency, code)
        async with self._deciding("propose-recall") as tx:
            cases, persons = await self._cases_and_persons(tx, case_ids)

            def decide(case: Case) -> Outcome:
                outcome = propose_recall(case, maker, code=code, reason=reason)
                rows_of(case, self._known(persons, case))
                return outcome

            return await self._act(tx, case_ids, cases, decide)

    async def approve_recalls(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: destinations are asked to give transfers back."""
        async with self._deciding("approve-recall") as tx:
            cases, persons = await self._cases_and_persons(tx, case_ids)

            def decide(case: Case) -> Outcome:
                outcome = ask_back(case, checker)
                rows_of(case, self._known(persons, case))
                return outcome

            return await self._act(tx, case_ids, cases, decide)

    async def report_deaths(self, case_ids: Sequence[str], actor: str, *, died_on: date, reported_by: Source) -> ListResult:
        """A clerk notes the death of the person of a case; the destination is told."""
        agency = self._agency
        today = agency.clock.today()
        async with self._deciding("report-death") as tx:
            cases, persons = await self._cases_and_persons(tx, case_ids)

            def decide(case: Case) -> Outcome:
                return report_death(
                    case, actor, died_on=died_on, reported_on=today, reported_by=reported_by, tables=agency.tables
                )

            result = await self._act(tx, case_ids, cases, decide)
            reported = {row.case_id for row in result.rows if row.result == "done"}
            refs = {case.person_ref for case_id, case in cases.items() if case_id in reported}
            died = [replace(record, died_on=died_on) for ref, record in persons.items() if ref in refs and not record.died_on]
            await records.change(tx, agency.vault, died)
            return result

    async def propose_settlements(self, case_ids: Sequence[str], maker: str) -> ListResult:
        """A maker proposes to settle the accounts of persons who have died, for their heirs."""
        today, tables = self._agency.clock.today(), self._agency.tables
        async with self._deciding("propose-settlement") as tx:
            cases, persons = await self._cases_and_persons(tx, case_ids)

            def decide(case: Case) -> Outcome:
                outcome = propose_settlement(case, maker, today=today, tables=tables)
                self._has_account(persons, case)
                return outcome

            return await self._act(tx, case_ids, cases, decide)

    async def approve_settlements(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: what the books hold is owed to the heirs, and the relationship ends (社会保险法 Art. 14)."""
        agency = self._agency
        legal_basis = agency.tables.refusal("PERSON_DECEASED", agency.clock.today()).legal_basis
        async with self._deciding("approve-settlement") as tx:
            cases, persons = await self._cases_and_persons(tx, case_ids)
            heads = await ledger.hold(tx, {REFUNDS_PAYABLE, *map(individual, persons)}) if persons else {}
            settled: set[str] = set()

            def decide(case: Case) -> Outcome:
                wished(case, checker, "settlement", SETTLEABLE, "approving a settlement")
                record = self._has_account(persons, case, but=settled)
                amount_fen = heads.get(individual(record.person_ref), Head()).balance_fen
                if amount_fen < 0:
                    raise Refused("ACCOUNT_BELOW_ZERO", f"The books hold {amount_fen} fen.", remedy="Clear the account first.")
                outcome = settle_account(case, checker, amount_fen=amount_fen, legal_basis=legal_basis)
                settled.add(record.person_ref)
                return outcome

            result = await self._act(tx, case_ids, cases, decide, held=heads)
            await records.settle(tx, agency.vault, sorted(settled))
            return result

    async def _cases_and_persons(self, tx: Transaction, case_ids: Sequence[str]) -> tuple[dict[str, Case], dict[str, Record]]:
        vault = self._agency.vault
        cases = await store.load(tx, vault, case_ids)
        persons = await records.by_ref(tx, vault, [case.person_ref for case in cases.values() if case.person_ref])
        return cases, persons

    def _known(self, persons: Mapping[str, Record], case: Case) -> Record:
        record = persons.get(case.person_ref or "")
        if record is None:
            raise Refused("NO_RELATIONSHIP", "This agency has no relationship on record for the person.")
        return record

    def _has_account(self, persons: Mapping[str, Record], case: Case, *, but: Set[str] = frozenset()) -> Record:
        record = self._known(persons, case)
        if not record.here or record.person_ref in but:
            raise Refused("NOTHING_TO_SETTLE", "The relationship is not here any more.", remedy="Look at the person's record.")
        if record.held_since is not None:
            raise Refused("JUDICIAL_OR_AUDIT_HOLD", "A court or an audit holds the account.", remedy="Wait for its release.")
        return record


def _recall_code(agency: Agency, code: str) -> None:
    try:
        known = "recall" in agency.tables.refusal(code, agency.clock.today()).uses
    except (RefusalUnknown, RuleNotInForce):
        known = False
    if not known:
        raise Refused("UNKNOWN_CODE", f"{code} is not a reason to recall a transfer.")
