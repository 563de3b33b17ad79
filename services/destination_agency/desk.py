"""What the destination's clerks do, as transactions: decide and approve, for one case or a whole list, a result a row."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from contracts.envelope import new_id
from services.destination_agency import store
from services.destination_agency.after_desk import AfterDesk
from services.destination_agency.application import (
    MATERIAL_BASIS,
    ask_for_material,
    cancel,
    paper_needed,
    propose_admission,
    propose_cancellation,
    refuse,
    send_letter,
    supply_material,
    withdraw,
)
from services.destination_agency.case import PAUSES, Case, Decision, NotNow, Outcome, Refused, State
from services.destination_agency.clocks import count_again, look_at_clock
from services.destination_agency.completion import complete, propose_completion
from services.destination_agency.joining import Binding, brought, interest_facts, joined
from services.destination_agency.letter_desk import LetterDesk
from services.destination_agency.meeting import order_return, propose_sending_back
from services.destination_agency.writing import contact_letter
from services.records import store as records
from services.records.agency import Agency
from services.records.commands import NOT_NOW, ListResult, RowResult, done, no_such_case, refused, same_person
from services.records.decisions import Due
from services.records.model import Personal, Record
from services.records.papers import kinds_filed
from services.rules import admission
from services.rules.amounts import Participant, RowStatus
from services.rules.deadlines import Pause, due_on, working_days_between
from services.rules.identity import Sex
from services.rules.loader import ProvinceUnknown, RuleNotInForce
from services.rules.material_tables import MaterialUnknown

ESCALATION = "BREACH_TO_ESCALATION"


class Desk(LetterDesk, AfterDesk):
    """The destination's commands from the application to the booking; the desks it is made of have those beside that course."""

    async def propose_admissions(self, case_ids: Sequence[str], maker: str) -> ListResult:
        """A maker looks at applications; the rules R01–R07 and K1–K4 say what is proposed."""
        agency = self._agency
        async with self._deciding("propose-admission") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in cases.values()])
            relying = [case for case in cases.values() if case.personal.proxy or case.approved_transfer]
            filed = await kinds_filed(tx, [subject for case in relying for subject in (case.case_id, case.person_ref)])
            nothing: frozenset[str] = frozenset()

            def decide(case: Case) -> Outcome:
                found = decision(agency, case, persons.get(case.person_ref))
                outcome = propose_admission(case, maker, found)
                missing = paper_needed(case, found, filed=filed.get(case.case_id, nothing) | filed.get(case.person_ref, nothing))
                if missing is not None:
                    raise _paper_needed(agency, missing)
                return outcome

            return await self._act(
                tx,
                case_ids,
                cases,
                decide,
                says=lambda case: case.decision.code or case.decision.rule if case.decision else None,
            )

    async def approve_admissions(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: contact letters and written refusals leave."""
        agency = self._agency
        today = agency.clock.today()
        rule_set = agency.tables.version
        async with self._deciding("approve-admission") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in cases.values()])

            def decide(case: Case) -> Outcome:
                refuse_another_kind(case, persons.get(case.person_ref))
                if case.decision is None or case.decision.outcome == "refuse":
                    return refuse(case, checker, today=today, rule_set=rule_set)
                due = agency.due("LETTER_TO_FORM", today, holder=case.origin)
                return send_letter(case, checker, contact_letter(agency, case), today=today, due=due, rule_set=rule_set)

            return await self._act(
                tx, case_ids, cases, decide, says=lambda case: case.decision.code or None if case.decision else None
            )

    async def ask_for_material(self, case_ids: Sequence[str], actor: str, items: Sequence[str]) -> ListResult:
        """A clerk asks for everything that is missing, all of it at once; the clocks stand.

        Raises:
            Refused: MATERIAL_UNKNOWN for what no law lets an agency ask for.
        """
        agency = self._agency
        today = agency.clock.today()
        asked = tuple(dict.fromkeys(items))
        for item in asked:
            try:
                agency.tables.material.material(item, today)
            except (MaterialUnknown, RuleNotInForce) as error:
                raise Refused(
                    "MATERIAL_UNKNOWN",
                    f"No law lets an agency ask for {item}.",
                    legal_basis=MATERIAL_BASIS,
                    remedy="Ask for what the materials table names, or for nothing.",
                ) from error
        return await self._each("ask-for-material", case_ids, lambda case: ask_for_material(case, actor, asked, today=today))

    async def supply_material(self, case_id: str, actor: str, items: Sequence[str]) -> ListResult:
        """What was asked for is here; the clock runs on, later by the days that it stood."""
        agency = self._agency
        today = agency.clock.today()

        def decide(case: Case) -> Outcome:
            if case.state is not State.NEED_MATERIAL:
                raise NotNow("supplying material", case.state)
            due, days = resumed(agency, case, today)
            return supply_material(case, actor, tuple(items), today=today, due=due, paused_days=days)

        return await self._each("supply-material", [case_id], decide)

    async def propose_cancellations(self, case_ids: Sequence[str], maker: str, reason: str) -> ListResult:
        """A maker proposes to end cases that the agency opened in error."""
        return await self._each("propose-cancellation", case_ids, lambda case: propose_cancellation(case, maker, reason))

    async def approve_cancellations(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: the cases end before anything has left the house."""
        today = self._agency.clock.today()
        return await self._each("approve-cancellation", case_ids, lambda case: cancel(case, checker, today=today))

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
                # Two cases of one person may be completed in one list: from two origins.
                record = changed.get(case.person_ref) or persons.get(case.person_ref)
                booked = book(agency, case, record, checker, today=today)
                changed[case.person_ref] = booked.record
                return booked.outcome

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
        going: list[Case] = []
        async with self._deciding("approve-return") as tx:
            cases = await store.load(tx, agency.vault, agency.province, case_ids)
            for case_id in dict.fromkeys(case_ids):
                case = cases.get(case_id)
                if case is None:
                    rows.append(no_such_case(case_id))
                elif case.surplus_maker is None or not case.surplus_fen or await tx.value(store.SQL["open_return"], case_id):
                    # What was too much when it was proposed may belong to a later form by now.
                    rows.append(refused(case_id, NOT_NOW, "No return of money is proposed, or it is under way."))
                elif case.surplus_maker == checker:
                    rows.append(same_person(case_id))
                else:
                    remittance_id = case.payments[-1].remittance_id
                    await tx.execute(
                        store.SQL["add_return"], new_id(), case_id, remittance_id, case.surplus_fen, case.surplus_maker, checker
                    )
                    going.append(order_return(case).case)
                    rows.append(done(case_id))
            await store.save(tx, agency.vault, going)
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
                due = agency.due_again(case.due, holder=case.holder)
                changed += due != case.due
                return count_again(case, due, rule_set=agency.tables.version)

            await self._act(tx, waiting, cases, decide)
        return changed

    async def look_at_clocks(self) -> int:
        """Raise what the clocks of the legs have to say; returns for how many cases."""
        agency = self._agency
        today = agency.clock.today()
        days = agency.tables.limit(ESCALATION, today).legal_limit_wd
        escalate_on = due_on(today, days, agency.tables.calendar).on
        found = 0
        while True:
            async with self._database.transaction("poll") as tx:
                due = await store.due(tx, today, 500)
            if not due:
                return found
            async with self._deciding("clock") as tx:
                cases = await store.load(tx, agency.vault, agency.province, due)
                await self._act(tx, due, cases, lambda case: look_at_clock(case, today=today, escalate_on=escalate_on))
            found += len(due)


def refuse_another_kind(case: Case, record: Record | None) -> None:
    """Refuse a decision by K1 to K4 on an account that the record keeps otherwise: the person would be told what is not so.

    Raises:
        Refused: ACCOUNT_KIND_DIFFERS.
    """
    decided = case.decision
    if decided is None or record is None or case.gathering or case.state is not State.ADMISSION_PROPOSED:
        return
    if decided.outcome == "refuse" and decided.code != "TEMP_ACCOUNT_AT_DESTINATION":
        return
    kind = "temporary" if decided.outcome == "refuse" else decided.account_kind
    if kind != record.account_kind:
        raise Refused(
            "ACCOUNT_KIND_DIFFERS",
            f"By rule {decided.rule} the account is {kind}, and the record here keeps it as {record.account_kind}.",
            legal_basis="国办发〔2009〕66号 第五条",
            remedy="Put the record right, or ask the person for what the rule rests on; then propose again.",
        )


def _paper_needed(agency: Agency, code: str) -> Refused:
    paper = agency.tables.material.material(code, agency.clock.today())
    return Refused(
        "PAPER_NEEDED",
        f"Two persons decide when there is: {paper.text_en}.",
        legal_basis=paper.legal_basis,
        remedy=f"Ask for {code} with everything else that is missing, or file it with the person's papers.",
    )


@dataclass(frozen=True, slots=True)
class Booked:
    """What a completion made of a case, and of the person's record."""

    outcome: Outcome
    record: Record


def book(agency: Agency, case: Case, record: Record | None, checker: str, *, today: date) -> Booked:
    """Complete a case that is proposed, and join what it brings to the person's record.

    Raises:
        Refused: where there is no record to join it to, or an earlier transfer has to be cleared first.
        NotNow, SamePerson: by name.
    """
    if case.state is not State.COMPLETION_PROPOSED or case.form is None:
        raise NotNow("approving a completion", case.state)
    # What was on its way when the account was settled is the heirs': it is booked, and settled once more.
    if record is None or not (record.here or (record.state == "settled" and record.died_on is not None)):
        raise Refused(
            "NO_RECORD", "This agency has no relationship of the person to join it to.", remedy="Import the record first."
        )
    tables, form = agency.tables, case.form
    segments = brought(form, tables)
    found = joined(record, segments, origin=case.origin, province=agency.province)
    outcome = complete(case, checker, today=today, overlap=found.overlap)
    after = found.record
    more = interest_facts(
        record,
        after,
        decided=Binding(case.maker or "", checker),
        province=agency.province,
        tables=tables,
        first_year=form.transfer_on.year,
    )
    return Booked(Outcome(replace(outcome.case, stands=found.stands), (*outcome.told, *more)), after)


def resumed(agency: Agency, case: Case, today: date) -> tuple[Due, int]:
    """The due date of a leg whose clock runs again from today, and for how many working days it stood."""
    assert case.paused_on is not None, case.case_id
    pause = Pause(PAUSES[case.state], case.paused_on, today)
    days = working_days_between(case.paused_on, today, agency.tables.calendar)
    pauses = (*case.due.pauses, pause)
    start = case.due.started_on or case.since
    return agency.due(case.due.limit or "ACCEPTANCE_TO_LETTER", start, pauses=pauses), days


def decision(agency: Agency, case: Case, record: Record | None) -> Decision:
    """What R01–R07 and K1–K4 say of an application, from the province's own record of the person."""
    tables = agency.tables
    known = record.personal if record is not None else case.personal
    # Not asked here: R04 is the origin's answer, and R05 is answered at intake, so a second open case cannot come into being.
    facts = admission.AdmissionFacts(
        on=agency.clock.today(),
        birth_on=known.birth_on,
        sex=Sex(known.sex),
        hukou=_hukou(agency, case, record),
        origin_province=case.origin,
        destination_province=agency.province,
        scheme=record.scheme if record is not None else "110",
        drawing=record is not None and record.drawing_since is not None,
        insured_at_destination_since=record.first_insured_on if record is not None else None,
        active_at_destination=record is not None and record.here,
        paying_at_destination=record is not None and record.state == "active",
        has_paid_contribution=record is not None and record.has_paid,
        employed_at_destination=_employed(agency, case, record),
        open_case_id=None,
        identity_verified=record is not None and _same_person(record.personal, case.personal),
        approved_transfer=case.approved_transfer,
        gathering_at_benefit_age=bool(case.gathering),
    )
    found = admission.decide(facts, tables)
    if isinstance(found, admission.Refusal):
        scheme = facts.scheme if found.code == "WRONG_SCHEME" else ""
        return Decision("refuse", found.rule, found.code, found.legal_basis, scheme=scheme)
    kind: Literal["normal", "temporary"] = "temporary" if found.account_kind.value == "temporary" else "normal"
    return Decision("accept", found.rule, account_kind=kind)


def _employed(agency: Agency, case: Case, record: Record | None) -> bool:
    """Whether the person works for an employer here: it applies itself, or the last months paid here are an employee's."""
    if case.applied_by == "employer":
        return True
    if record is None or record.state != "active":
        return False
    rows = [row for segment in record.segments for row in segment.rows]
    own = [row for row in rows if row.division[:2] == agency.province and row.status is RowStatus.PAID]
    return bool(own) and max(own, key=lambda row: row.end).participant is Participant.EMPLOYEE


def _same_person(known: Personal, applicant: Personal) -> bool:
    """Whether name, birthday and sex agree; the number agrees, for the record was found by it."""
    return (known.name, known.birth_on, known.sex) == (applicant.name, applicant.birth_on, applicant.sex)


def _hukou(agency: Agency, case: Case, record: Record | None) -> str | None:
    code = record.personal.hukou if record is not None else case.personal.hukou
    if not code:
        return None
    try:
        return agency.tables.province(code).code
    except ProvinceUnknown:
        return case.origin  # an abolished region of an old number; without a record R03 answers before it matters
