"""What the origin's clerks do, as transactions: propose and approve, for one case or a whole list, with a result a row."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from contracts.base import Items
from contracts.documents import InformationForm
from contracts.envelope import new_id
from services.ledger import store as ledger
from services.ledger.chart import POOLED_FUND, individual, transfers_payable
from services.ledger.journal import Head
from services.origin_agency import store
from services.origin_agency.case import (
    Case,
    NotNow,
    Outcome,
    Proposal,
    SamePerson,
    State,
    count_again,
    issue_form,
    look_at_clock,
    order_remittance,
    propose,
    propose_remittance,
    send_back,
)
from services.origin_agency.checks import id_number_of, reason_to_return
from services.records import store as records
from services.records.agency import Agency
from services.records.commands import (
    NOT_NOW,
    ListResult,
    RowResult,
    done,
    in_log,
    no_such_case,
    refused,
    same_person,
)
from services.records.decisions import Told
from services.records.model import Record, to_contract
from services.rules.amounts import RatePending, RecordInvalid, compute
from services.rules.loader import RefusalUnknown, RuleNotInForce
from services.runtime.database import Database, Transaction


class Refused(Exception):
    """One row cannot be done, by name; the others go on."""

    def __init__(self, code: str, detail: str, *, legal_basis: str | None = None, remedy: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.legal_basis = legal_basis
        self.remedy = remedy


class Desk:
    """The origin's commands.

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

    async def propose(self, case_ids: Sequence[str], maker: str, *, return_code: str = "", note: str = "") -> ListResult:
        """A maker proposes what the record calls for: the form, or a return with its code. A code may be given by hand."""
        agency = self._agency
        if return_code:
            _return_code(agency, return_code)

        async with self._deciding("propose") as tx:
            cases = await store.load(tx, agency.vault, case_ids)
            persons = await self._persons(tx, cases.values())

            def decide(case: Case) -> Outcome:
                code = return_code or reason_to_return(case.letter, persons.get(case.case_id))
                outcome = propose(case, Proposal(maker, "return" if code else "form", code or "", note))
                found = persons.get(case.case_id)
                # A person whose record came in after the letter is known from here on.
                ref = found.person_ref if found and not code else outcome.case.person_ref
                return Outcome(replace(outcome.case, person_ref=ref), outcome.told)

            return await self._act(tx, case_ids, cases, decide)

    async def approve(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves proposals: forms are computed, compared with the ledger, booked and sent; letters go back."""
        agency = self._agency
        async with self._deciding("approve") as tx:
            cases = await store.load(tx, agency.vault, case_ids)
            forms = [case for case in cases.values() if case.proposal and case.proposal.outcome == "form" and case.person_ref]
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in forms if case.person_ref])
            # Locked before they are compared with the form, so that nothing can be booked in between.
            touched = {POOLED_FUND, *(transfers_payable(case.destination) for case in forms), *map(individual, persons)}
            heads = await ledger.hold(tx, touched) if forms else {}
            moved: list[str] = []
            # What each person's account holds when the rows before have left: two cases of one person cannot both have it.
            left = {ref: heads.get(individual(ref), Head()).balance_fen for ref in persons}

            def decide(case: Case) -> Outcome:
                if case.state is not State.HANDLING_PROPOSED or case.proposal is None:
                    raise NotNow("approving", case.state)
                if case.proposal.maker == checker:
                    raise SamePerson(checker)
                if case.proposal.outcome == "return":
                    return send_back(case, checker, _return_code(agency, case.proposal.code))
                record = persons.get(case.person_ref or "")
                outcome = issue(agency, case, record, checker, held_fen=left.get(case.person_ref or "", 0))
                assert record is not None, case.case_id
                assert outcome.case.items is not None, case.case_id
                left[record.person_ref] -= outcome.case.items.account_fen
                if outcome.case.closed:
                    moved.append(record.person_ref)
                return outcome

            result = await self._act(tx, case_ids, cases, decide, held=heads)
            await records.close(tx, agency.vault, moved)
            return result

    async def propose_remittances(self, case_ids: Sequence[str], maker: str) -> ListResult:
        """The fund desk proposes to pay what the approved forms say."""
        async with self._deciding("propose-remittance") as tx:
            cases = await store.load(tx, self._agency.vault, case_ids)

            def decide(case: Case) -> Outcome:
                outcome = propose_remittance(case)
                proposal = Proposal(maker, "form")
                return Outcome(replace(outcome.case, proposal=proposal), outcome.told)

            return await self._act(tx, case_ids, cases, decide)

    async def approve_remittances(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A second person approves; the cases of one payee become one remittance, which the bank is asked to pay."""
        remittances = Remittances(checker)
        async with self._deciding("approve-remittance") as tx:
            cases = await store.load(tx, self._agency.vault, case_ids)
            result = await self._act(tx, case_ids, cases, remittances.order)
            remittances.write(tx)
        return result

    async def count_again(self) -> int:
        """Count provisional due dates again, as a service does when it starts with tables that may know more."""
        agency = self._agency
        async with self._database.transaction("poll") as tx:
            waiting = await store.provisional(tx)
        if not waiting:
            return 0
        changed = 0
        async with self._deciding("count-again") as tx:
            cases = await store.load(tx, agency.vault, waiting)

            def decide(case: Case) -> Outcome:
                nonlocal changed
                due = agency.due_again(case.due)
                changed += due != case.due
                return count_again(case, due, rule_set=agency.tables.version)

            await self._act(tx, waiting, cases, decide)
        return changed

    async def look_at_clocks(self) -> int:
        """Raise what the clocks of the legs have to say; returns for how many cases."""
        today = self._agency.clock.today()
        found = 0
        while True:
            async with self._database.transaction("poll") as tx:
                due = await store.due(tx, today, 500)
            if not due:
                return found
            async with self._deciding("clock") as tx:
                cases = await store.load(tx, self._agency.vault, due)
                await self._act(tx, due, cases, lambda case: look_at_clock(case, today=today))
            found += len(due)

    async def _persons(self, tx: Transaction, cases: Any) -> dict[str, Record]:
        vault = self._agency.vault
        hashes = {case.case_id: vault.id_hash(id_number_of(case.letter)) for case in cases}
        found = await records.by_hash(tx, vault, list(hashes.values()))
        return {case_id: found[id_hash] for case_id, id_hash in hashes.items() if id_hash in found}

    async def _act(
        self,
        tx: Transaction,
        case_ids: Sequence[str],
        cases: dict[str, Case],
        decide: Callable[[Case], Outcome],
        *,
        held: Mapping[str, Head] | None = None,
    ) -> ListResult:
        """Decide each row, write what changed, tell what happened. A refused row holds no other back."""
        rows: list[RowResult] = []
        changed: list[Case] = []
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
                rows.append(refused(case_id, error.code, error.detail, legal_basis=error.legal_basis, remedy=error.remedy))
            else:
                rows.append(done(case_id, _decided(outcome.case)))
                changed.append(outcome.case)
                told.extend(outcome.told)
        await self._agency.tell(tx, told, held=held)
        await store.save(tx, self._agency.vault, changed)
        result = ListResult.of(rows)
        tx.after_commit(lambda: in_log(tx.purpose, result))
        return result


def issue(agency: Agency, case: Case, record: Record | None, checker: str, *, held_fen: int) -> Outcome:
    """Issue the form that is proposed: computed from the record of today, compared with the ledger.

    Args:
        record: what the province knows of the person; it may have changed since the proposal.
        held_fen: what the person's account holds for this case.

    Raises:
        Refused: where the record calls for a return by now, or no form can be made.
        NotNow, SamePerson: by name.
    """
    code = reason_to_return(case.letter, record)
    if code is not None or record is None:
        text = _return_code(agency, code or "NO_RELATIONSHIP")
        raise Refused(text.code, text.reason_en, legal_basis=text.legal_basis, remedy="Propose the return.")
    return issue_form(case, checker, _form(agency, case, record, held_fen))


def _form(agency: Agency, case: Case, record: Record, held_fen: int) -> InformationForm:
    """The information form of today. Its ④ must be what the ledger says, or it does not leave."""
    today = agency.clock.today()
    try:
        amounts = compute(record.segments, transfer_on=today, province=agency.province, tables=agency.tables)
    except RatePending as error:
        raise Refused(
            "RATE_PENDING",
            f"The recording rate of {error.year} is not published yet.",
            legal_basis="社会保险法 第十四条",
            remedy="Approve the form when the rate is published, or import the rate.",
        ) from error
    except (RecordInvalid, RuleNotInForce) as error:
        raise Refused("RECORD_INVALID", str(error), remedy="Correct the record, then approve again.") from error
    if held_fen != amounts.account_fen:
        raise Refused(
            "FORM_DIFFERS_FROM_LEDGER",
            f"Item ④ is {amounts.account_fen} fen and the ledger holds {held_fen} fen.",
            legal_basis="社会保险法 第七十四条",
            remedy="Run the year-end interest, or correct the record; then approve again.",
        )
    items = Items(
        before_1998_fen=amounts.before_1998_fen,
        until_last_year_fen=amounts.until_last_year_fen,
        this_year_fen=amounts.this_year_fen,
        account_fen=amounts.account_fen,
        pool_fen=amounts.pool_fen,
        total_fen=amounts.total_fen,
    )
    return InformationForm(
        letter_no=case.letter.letter_no,
        form_version=case.form_version + 1,
        person=case.letter.person,
        first_insured_on=record.first_insured_on or _first_month(record) or today,
        stopped_on=record.stopped_on,
        months=amounts.months,
        deemed_months=amounts.deemed_months,
        items=items,
        pool_from_temporary_fen=amounts.pool_from_temporary_fen,
        transfer_on=today,
        rule_set=amounts.rule_set,
        segments=tuple(to_contract(segment) for segment in record.segments),
    )


@dataclass
class Remittances:
    """The remittances that one transaction orders: the cases of one payee become one."""

    checker: str
    _ids: dict[tuple[str, str], str] = field(default_factory=dict)
    _ordered: dict[tuple[str, str], list[Case]] = field(default_factory=dict)

    def order(self, case: Case) -> Outcome:
        """Order what is proposed for a case.

        Raises:
            NotNow, SamePerson: by name.
        """
        if case.state is State.REMITTANCE_PROPOSED and case.proposal and case.proposal.maker == self.checker:
            raise SamePerson(self.checker)
        to = (case.destination, case.letter.payee.model_dump_json())
        outcome = order_remittance(case, self._ids.setdefault(to, new_id()))
        self._ordered.setdefault(to, []).append(outcome.case)
        return outcome

    def write(self, tx: Transaction) -> bool:
        """Write them down, in one statement; returns whether there are any."""
        rows = [
            (
                self._ids[destination, payee],
                destination,
                payee,
                sum(case.to_remit_fen for case in cases),
                json.dumps([[case.case_id, case.letter.letter_no, case.to_remit_fen] for case in cases]),
                cases[0].proposal.maker if cases[0].proposal else "",
                self.checker,
            )
            for (destination, payee), cases in self._ordered.items()
        ]
        if rows:
            tx.defer(store.SQL["add_remittances"], *(list(column) for column in zip(*rows, strict=True)))
        return bool(rows)


def _decided(case: Case) -> str:
    proposal = case.proposal
    return proposal.code if proposal and proposal.outcome == "return" and proposal.code else str(case.state)


def _first_month(record: Record) -> date | None:
    return min((row.start.first_day for segment in record.segments for row in segment.rows), default=None)


def _return_code(agency: Agency, code: str) -> Any:
    try:
        text = agency.tables.refusal(code)
    except RefusalUnknown as error:
        raise Refused("UNKNOWN_CODE", f"No such return code: {code}.") from error
    if "return" not in text.uses:
        raise Refused("UNKNOWN_CODE", f"{code} is not a reason to return a letter.")
    return text
