"""What the destination's clerks do once a transfer is booked: correct it, clear months paid twice, answer a recall, settle."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Literal

from contracts.documents import InformationForm
from contracts.events import ContributionCorrected
from services.destination_agency import store
from services.destination_agency.acting import Acting
from services.destination_agency.case import Case, NotNow, Outcome, Refused, State
from services.destination_agency.completion import (
    choose_duplicates,
    clear_duplicates,
    correct,
    propose_correction,
    propose_setting_aside,
    set_aside,
)
from services.destination_agency.deaths import SETTLES, Source, propose_settlement, report_death, settle
from services.destination_agency.joining import Binding, cleared, given_up, interest_facts, replaced
from services.destination_agency.recalls import decline_recall, propose_recall_answer, recall
from services.ledger import store as ledger
from services.ledger.chart import INTEREST_PAID, POOLED_FUND, REFUNDS_PAYABLE, individual, suspense
from services.ledger.journal import Head
from services.records import store as records
from services.records.agency import Agency
from services.records.commands import ListResult
from services.records.model import Record
from services.runtime.database import Transaction

INHERITED = "社会保险法 第十四条"


class AfterDesk(Acting):
    """The destination's commands on transfers that are booked, and on deaths."""

    async def propose_corrections(self, case_ids: Sequence[str], maker: str) -> ListResult:
        """A maker proposes to book the difference of a form that came after the completion."""
        return await self._each("propose-correction", case_ids, lambda case: propose_correction(case, maker))

    async def approve_corrections(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: the difference is booked, and the rows that came first give way to the new ones."""
        agency = self._agency
        today, tables = agency.clock.today(), agency.tables
        async with self._deciding("approve-correction") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            books = await Books.open(tx, agency, [case for case in cases.values() if case.state is State.CORRECTION_PROPOSED])

            def decide(case: Case) -> Outcome:
                if case.state is not State.CORRECTION_PROPOSED:
                    raise NotNow("approving a correction", case.state)
                assert case.form is not None, case.case_id
                assert case.booked is not None, case.case_id
                before = books.record(case)
                found = replaced(
                    before,
                    case.booked,
                    case.form,
                    case.stands,
                    origin=case.origin,
                    province=agency.province,
                    on=today,
                    tables=tables,
                )
                after = found.record
                outcome = correct(case, checker, today=today, overlap=found.overlap)
                decided = Binding(case.maker or "", checker)
                more = () if case.stands else books.interest(before, after, case.booked, decided)
                books.take(case, case.booked.items.account_fen - case.form.items.account_fen - added(more))
                books.change(after)
                return Outcome(replace(outcome.case, stands=found.stands), (*outcome.told, *more))

            result = await self._act(tx, case_ids, cases, decide, held=books.heads)
            await books.close(tx)
            return result

    async def propose_setting_aside(self, case_ids: Sequence[str], maker: str, reason: str) -> ListResult:
        """A maker proposes not to book a form that came after the completion."""
        return await self._each("propose-aside", case_ids, lambda case: propose_setting_aside(case, maker, reason))

    async def approve_setting_aside(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: what is booked stays, the origin is told, and money for the form goes back."""
        today = self._agency.clock.today()
        return await self._each("approve-aside", case_ids, lambda case: set_aside(case, checker, today=today))

    async def propose_recall_answers(self, case_ids: Sequence[str], maker: str, *, agreed: bool, reason: str) -> ListResult:
        """A maker proposes to give recalled transfers up, or to keep them."""
        return await self._each(
            "propose-recall-answer",
            case_ids,
            lambda case: propose_recall_answer(case, maker, agreed=agreed, reason=reason),
        )

    async def approve_recall_answers(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: what was booked stays, or is given up with its rows and goes back as money."""
        agency = self._agency
        today, tables = agency.clock.today(), agency.tables
        due = agency.due("FORM_AND_FUNDS_TO_BOOKING", today)
        async with self._deciding("approve-recall-answer") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            given = [case for case in cases.values() if case.proposal and case.proposal.kind == "recall" and case.proposal.agreed]
            books = await Books.open(tx, agency, given)

            def decide(case: Case) -> Outcome:
                if case.proposal is None or not case.proposal.agreed:
                    return decline_recall(case, checker, today=today, due=due)
                outcome = recall(case, checker, today=today)
                assert case.booked is not None, case.case_id
                assert case.proposal is not None, case.case_id
                before = books.record(case)
                after = given_up(before, case.booked, tables)
                more = books.interest(before, after, case.booked, Binding(case.proposal.maker, checker))
                books.take(case, case.booked.items.account_fen - added(more))
                books.change(after)
                return Outcome(outcome.case, (*outcome.told, *more))

            result = await self._act(tx, case_ids, cases, decide, held=books.heads)
            await books.close(tx)
            return result

    async def choose_duplicates(self, case_ids: Sequence[str], maker: str, kept: Literal["own", "transferred"]) -> ListResult:
        """The person, or a clerk with the person's word, chooses the side to keep of months paid twice."""
        return await self._each("choose-duplicates", case_ids, lambda case: choose_duplicates(case, maker, kept))

    async def approve_duplicates(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves the choice: the other side's months are cleared, and what they brought is refunded."""
        agency = self._agency
        today, tables = agency.clock.today(), agency.tables
        async with self._deciding("approve-duplicates") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            books = await Books.open(tx, agency, [case for case in cases.values() if case.state is State.DUPLICATE_CLEARING])

            def decide(case: Case) -> Outcome:
                if case.state is not State.DUPLICATE_CLEARING or case.proposal is None or not case.proposal.kept:
                    raise NotNow("approving a choice between months paid twice", case.state)
                assert case.booked is not None, case.case_id
                after, found, stands = cleared(
                    books.record(case),
                    case.booked,
                    case.proposal.kept,
                    origin=case.origin,
                    province=agency.province,
                    on=today,
                    tables=tables,
                )
                outcome = clear_duplicates(
                    case,
                    checker,
                    months=sum(place.cleared_months for place in found.places),
                    refund_principal_fen=found.refund_principal_fen,
                    refund_interest_fen=found.refund_interest_fen,
                    rule_set=tables.version,
                    today=today,
                )
                books.take(case, found.refund_fen)
                books.change(after)
                return Outcome(replace(outcome.case, stands=stands), outcome.told)

            result = await self._act(tx, case_ids, cases, decide, held=books.heads)
            await books.close(tx)
            return result

    async def report_deaths(self, case_ids: Sequence[str], actor: str, *, died_on: date, reported_by: Source) -> ListResult:
        """Somebody reports a death; what stands in the ledgers decides what becomes of each case."""
        agency = self._agency
        today = agency.clock.today()
        async with self._deciding("report-death") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in cases.values()])
            dead: dict[str, Record] = {}

            def decide(case: Case) -> Outcome:
                outcome = report_death(
                    case,
                    actor,
                    died_on=died_on,
                    reported_on=today,
                    reported_by=reported_by,
                    today=today,
                    tables=agency.tables,
                )
                if case.person_ref in persons:
                    dead[case.person_ref] = replace(persons[case.person_ref], died_on=died_on)
                return outcome

            result = await self._act(tx, case_ids, cases, decide)
            await records.change(tx, agency.vault, list(dead.values()))
            return result

    async def propose_settlements(self, case_ids: Sequence[str], maker: str) -> ListResult:
        """A maker proposes to settle the accounts of persons who have died, for the heirs."""
        today, tables = self._agency.clock.today(), self._agency.tables
        return await self._each(
            "propose-settlement", case_ids, lambda case: propose_settlement(case, maker, today=today, tables=tables)
        )

    async def approve_settlements(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: what the accounts hold is owed to the heirs, and the accounts are closed."""
        agency = self._agency
        async with self._deciding("approve-settlement") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            ready = [case for case in cases.values() if case.state in SETTLES]
            books = await Books.open(tx, agency, ready)
            persons = [case.person_ref for case in ready]
            busy = {row["person_ref"] for row in await tx.fetch(store.SQL["busy_persons"], persons)} if persons else set()
            done: list[str] = []

            def decide(case: Case) -> Outcome:
                outcome = settle(case, checker, amount_fen=books.holds(case), legal_basis=INHERITED)
                if case.person_ref in busy:
                    raise Refused(
                        "OTHER_TRANSFER_OPEN",
                        "Another transfer of the person is open; its money must be here before the account is settled.",
                        remedy="Finish the other case first.",
                    )
                # What came in after the account was settled is the heirs', too.
                left_over = books.record(case).state == "settled" and books.holds(case) > 0
                if not (books.record(case).here or left_over) or case.person_ref in done:
                    raise Refused("RECORD_MOVED", "The relationship is not here any more.", remedy="Nothing is left to settle.")
                done.append(case.person_ref)
                return outcome

            result = await self._act(tx, case_ids, cases, decide, held=books.heads)
            await records.settle(tx, agency.vault, done)
            return result


def added(facts: Sequence[ContributionCorrected]) -> int:
    """What corrections of interest add to an account, in fen; below zero where they take."""
    return sum(fact.interest_difference_fen for fact in facts)


class Books:
    """The records and accounts that a transaction locks before it changes them: what it may take, and what it writes back."""

    def __init__(self, agency: Agency, persons: dict[str, Record], heads: Mapping[str, Head]) -> None:
        self._agency = agency
        self._persons = persons
        self._changed: dict[str, Record] = {}
        self._left = {ref: heads.get(individual(ref), Head()).balance_fen for ref in persons}
        self.heads = heads

    @classmethod
    async def open(cls, tx: Transaction, agency: Agency, cases: Sequence[Case]) -> "Books":
        """Lock what these cases touch: the persons' records first, their accounts then."""
        persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in cases])
        touched = {POOLED_FUND, INTEREST_PAID, REFUNDS_PAYABLE, *(suspense(case.origin) for case in cases)}
        heads = await ledger.hold(tx, touched | {individual(ref) for ref in persons}) if persons else {}
        return cls(agency, persons, heads)

    def record(self, case: Case) -> Record:
        """The record of a case's person, as the rows before have left it.

        Raises:
            Refused: NO_RECORD where there is none.
        """
        found = self._changed.get(case.person_ref) or self._persons.get(case.person_ref)
        if found is None:
            raise Refused("NO_RECORD", "This agency has no record of the person.", remedy="Import the record first.")
        return found

    def holds(self, case: Case) -> int:
        """What the person's account holds, in fen, when the rows before have taken theirs."""
        return self._left.get(case.person_ref, 0)

    def take(self, case: Case, amount_fen: int) -> None:
        """Take so much from the person's account, or put it there where it is negative.

        Raises:
            Refused: ACCOUNT_TOO_SMALL when the account does not hold it any more.
        """
        held = self.holds(case)
        if amount_fen > held:
            raise Refused(
                "ACCOUNT_TOO_SMALL",
                f"The account holds {held} fen and not {amount_fen}.",
                remedy="Find out what was paid from it; decline what cannot be given up.",
            )
        self._left[case.person_ref] = held - amount_fen

    def change(self, record: Record) -> None:
        """Note a record as it is to be written back."""
        self._changed[record.person_ref] = record

    def interest(
        self, before: Record, after: Record, form: InformationForm, decided: Binding
    ) -> tuple[ContributionCorrected, ...]:
        """What the books add to the interest of closed years because the record changed."""
        return interest_facts(
            before,
            after,
            decided=decided,
            province=self._agency.province,
            tables=self._agency.tables,
            first_year=form.transfer_on.year,
        )

    async def close(self, tx: Transaction) -> None:
        """Write the changed records back."""
        await records.change(tx, self._agency.vault, list(self._changed.values()))
