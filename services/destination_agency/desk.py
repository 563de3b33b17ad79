"""What the destination's clerks do, as transactions: decide and approve, for one case or a whole list, a result a row."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from contracts.documents import ContactLetter, PersonIdentity
from contracts.envelope import new_id
from services.destination_agency import store
from services.destination_agency.case import (
    Case,
    Decision,
    NotNow,
    Outcome,
    SamePerson,
    State,
    complete,
    count_again,
    look_at_clock,
    propose_admission,
    propose_completion,
    propose_sending_back,
    refuse,
    send_letter,
    withdraw,
)
from services.records import store as records
from services.records.agency import Agency
from services.records.commands import NOT_NOW, ListResult, RowResult, done, in_log, no_such_case, refused, same_person
from services.records.decisions import Told
from services.records.model import Record, arrived
from services.rules import admission
from services.rules.identity import parse_id_number
from services.rules.loader import ProvinceUnknown
from services.runtime.database import Database, Transaction


class Desk:
    """The destination's commands.

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

    async def propose_admissions(self, case_ids: Sequence[str], maker: str) -> ListResult:
        """A maker looks at applications; the rules R01–R07 and K1–K4 say what is proposed."""
        agency = self._agency
        async with self._deciding("propose-admission") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in cases.values()])
            return await self._act(
                tx,
                case_ids,
                cases,
                lambda case: propose_admission(case, maker, decision(agency, case, persons.get(case.person_ref))),
                says=lambda case: case.decision.code or case.decision.rule if case.decision else None,
            )

    async def approve_admissions(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: contact letters and written refusals leave."""
        agency = self._agency
        today = agency.clock.today()
        due = agency.due("LETTER_TO_FORM", today)
        rule_set = agency.tables.version
        async with self._deciding("approve-admission") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)

            def decide(case: Case) -> Outcome:
                if case.decision is None or case.decision.outcome == "refuse":
                    return refuse(case, checker, today=today, rule_set=rule_set)
                return send_letter(case, checker, contact_letter(agency, case), today=today, due=due, rule_set=rule_set)

            return await self._act(
                tx, case_ids, cases, decide, says=lambda case: case.decision.code or None if case.decision else None
            )

    async def propose_completions(self, case_ids: Sequence[str], maker: str) -> ListResult:
        """A maker proposes to book cases whose form and money agree."""
        agency = self._agency
        async with self._deciding("propose-completion") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            return await self._act(tx, case_ids, cases, lambda case: propose_completion(case, maker))

    async def approve_completions(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: months and amounts are booked, the origin and the person are told."""
        agency = self._agency
        today = agency.clock.today()
        async with self._deciding("approve-completion") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            ready = [case for case in cases.values() if case.state is State.COMPLETION_PROPOSED]
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in ready])
            changed: dict[str, Record] = {}

            def decide(case: Case) -> Outcome:
                outcome = complete(case, checker, today=today)
                # Two cases of one person may be completed in one list: from two origins.
                changed[case.person_ref] = joined(changed.get(case.person_ref) or persons[case.person_ref], case)
                return outcome

            result = await self._act(tx, case_ids, cases, decide)
            await records.change(tx, agency.vault, list(changed.values()))
            return result

    async def withdraw(self, case_id: str, actor: str) -> ListResult:
        """The person withdraws one application."""
        agency = self._agency
        today = agency.clock.today()
        async with self._deciding("withdraw") as tx:
            cases = await store.load(tx, agency.vault, agency.province, [case_id])
            return await self._act(tx, [case_id], cases, lambda case: withdraw(case, actor, today=today))

    async def propose_sending_back(self, case_ids: Sequence[str], maker: str) -> ListResult:
        """The fund desk proposes to give back what was paid twice or too much."""
        agency = self._agency
        async with self._deciding("propose-return") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            return await self._act(tx, case_ids, cases, lambda case: propose_sending_back(case, maker))

    async def approve_sending_back(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A second person approves; the bank is given its money back."""
        agency = self._agency
        rows: list[RowResult] = []
        async with self._deciding("approve-return") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            for case_id in dict.fromkeys(case_ids):
                case = cases.get(case_id)
                if case is None:
                    rows.append(no_such_case(case_id))
                elif case.surplus_maker is None or await tx.value(store.SQL["open_return"], case_id):
                    rows.append(refused(case_id, NOT_NOW, "No return of money is proposed, or it is under way."))
                elif case.surplus_maker == checker:
                    rows.append(same_person(case_id))
                else:
                    remittance_id = case.payments[-1].remittance_id
                    await tx.execute(
                        store.SQL["add_return"], new_id(), case_id, remittance_id, case.surplus_fen, case.surplus_maker, checker
                    )
                    rows.append(done(case_id))
        return ListResult.of(rows)

    async def count_again(self) -> int:
        """Count provisional due dates again, as a service does when it starts with tables that may know more."""
        agency = self._agency
        async with self._database.transaction("poll") as tx:
            waiting = await store.provisional(tx)
        if not waiting:
            return 0
        changed = 0
        async with self._deciding("count-again") as tx:
            cases = await store.load(tx, agency.vault, agency.province, waiting)

            def decide(case: Case) -> Outcome:
                nonlocal changed
                due = agency.due_again(case.due)
                changed += due != case.due
                return count_again(case, due, rule_set=agency.tables.version)

            await self._act(tx, waiting, cases, decide)
        return changed

    async def look_at_clocks(self) -> int:
        """Raise what the clocks of the legs have to say; returns for how many cases."""
        agency = self._agency
        today = agency.clock.today()
        found = 0
        while True:
            async with self._database.transaction("poll") as tx:
                due = await store.due(tx, today, 500)
            if not due:
                return found
            async with self._deciding("clock") as tx:
                cases = await store.load(tx, agency.vault, agency.province, due)
                await self._act(tx, due, cases, lambda case: look_at_clock(case, today=today))
            found += len(due)

    async def _act(
        self,
        tx: Transaction,
        case_ids: Sequence[str],
        cases: dict[str, Case],
        decide: Callable[[Case], Outcome],
        *,
        says: Callable[[Case], str | None] = lambda case: str(case.state),
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
            else:
                rows.append(done(case_id, says(outcome.case)))
                changed.append(outcome.case)
                told.extend(outcome.told)
        await self._agency.tell(tx, told)
        await store.save(tx, self._agency.vault, changed)
        result = ListResult.of(rows)
        tx.after_commit(lambda: in_log(tx.purpose, result))
        return result


def contact_letter(agency: Agency, case: Case) -> ContactLetter:
    """The contact letter of an application that is to be accepted."""
    entry = agency.directory.entry(agency.province)
    assert entry is not None, agency.province
    today = agency.clock.today()
    return ContactLetter(
        letter_no=f"LXH-{case.destination_division}-{today:%Y%m%d}-{case.serial:06d}",
        letter_version=1,
        account_kind=case.decision.account_kind if case.decision else "normal",
        person=PersonIdentity(id_number=case.personal.id_number, name=case.personal.name),
        origin_division=case.origin_division,
        destination_division=case.destination_division,
        applied_on=case.applied_on,
        payee=entry.payee,
        agency_name=entry.agency_name,
        agency_phone=entry.phone,
    )


def joined(record: Record, case: Case) -> Record:
    """The person's record with what a completed case has brought."""
    assert case.form is not None, case.case_id
    return record.joined_by(arrived(case.form))


def decision(agency: Agency, case: Case, record: Record | None) -> Decision:
    """What R01–R07 and K1–K4 say of an application, from the province's own record of the person."""
    identity = parse_id_number(case.personal.id_number)
    tables = agency.tables
    facts = admission.AdmissionFacts(
        on=agency.clock.today(),
        birth_on=identity.birth_on,
        sex=identity.sex,
        hukou=_hukou(agency, case, record),
        origin_province=case.origin,
        destination_province=agency.province,
        scheme=record.scheme if record is not None else "110",
        drawing=record is not None and record.drawing_since is not None,
        insured_at_destination_since=record.first_insured_on if record is not None and record.state != "moved" else None,
        has_paid_contribution=record is not None and record.has_paid,
        open_case_id=None,  # a second open case cannot come into being: R05 is answered at intake
        identity_verified=record is not None and record.personal.name == case.personal.name,
        approved_transfer=case.approved_transfer,
    )
    found = admission.decide(facts, tables)
    if isinstance(found, admission.Refusal):
        return Decision("refuse", found.rule, found.code, found.legal_basis)
    kind: Literal["normal", "temporary"] = "temporary" if found.account_kind.value == "temporary" else "normal"
    return Decision("accept", found.rule, account_kind=kind)


def _hukou(agency: Agency, case: Case, record: Record | None) -> str:
    code = record.personal.hukou if record is not None else case.personal.hukou
    try:
        return agency.tables.province(code).code
    except ProvinceUnknown:
        return case.origin  # an abolished region of an old number; without a record R03 answers before it matters
