"""What the origin's clerks do with a letter, as transactions: propose and approve, for a case or a list, a result a row."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from contracts.envelope import new_id
from services.ledger import store as ledger
from services.ledger.chart import POOLED_FUND, individual, transfers_payable
from services.ledger.journal import Head
from services.origin_agency import store
from services.origin_agency.acting import Acting
from services.origin_agency.case import UNDECIDED, Case, GivenPaper, NotNow, Outcome, Proposal, SamePerson, State, wished
from services.origin_agency.case import Refused as Refused
from services.origin_agency.checks import id_number_of, reason_to_return
from services.origin_agency.clocks import count_again, escalate, look_at_clock
from services.origin_agency.composing import Composed, compose, notice_until, papers_of, stays
from services.origin_agency.forms import Contact, issue_form, notify_arrears, notify_not_movable, propose_notice
from services.origin_agency.letters import propose, send_back
from services.origin_agency.money import order_remittance, propose_remittance
from services.records import store as records
from services.records.agency import Agency
from services.records.commands import ListResult
from services.records.decisions import Told
from services.records.model import Record
from services.records.vault import Vault
from services.rules.amounts import RowStatus
from services.rules.deadlines import Pause, due_on
from services.rules.loader import RefusalText, RefusalUnknown, RuleNotInForce
from services.runtime.database import Transaction

CURE = "RETURN_TO_CURE"
ESCALATION = "BREACH_TO_ESCALATION"


class Desk(Acting):
    """The origin's commands on letters, forms, remittances and clocks."""

    async def propose(
        self,
        case_ids: Sequence[str],
        maker: str,
        *,
        return_code: str = "",
        note: str = "",
        cure_days: int | None = None,
        right_division: str | None = None,
        papers: tuple[GivenPaper, ...] = (),
    ) -> ListResult:
        """A maker proposes what the record calls for: the form, or a return with its code. A code may be given by hand.

        Args:
            cure_days: makes a return a soft one, that a corrected letter cures within so many working days.
            right_division: the agency that holds the relationship, where it is known.
            papers: what is in the file for one-off back payments; the person is never asked for them.

        Raises:
            Refused: for a code, a number of days or a paper that cannot be.
        """
        agency = self._agency
        today = agency.clock.today()
        if return_code:
            _return_text(agency, return_code)
        papers_of(papers, agency)

        async with self._deciding("propose") as tx:
            cases = await store.load(tx, agency.vault, case_ids)
            persons = await self._persons(tx, cases.values())

            def decide(case: Case) -> Outcome:
                code = return_code or reason_to_return(
                    case.letter, persons.get(case.case_id), on=today, tables=agency.tables, died_on=case.died_on
                )
                if code and cure_days is not None:
                    self._curable(code, cure_days)
                soft = cure_days if code else None
                proposal = Proposal(maker, "return" if code else "form", code or "", note, soft, right_division, papers)
                outcome = propose(case, proposal)
                found = persons.get(case.case_id)
                # A person whose record came in after the letter is known from here on.
                ref = found.person_ref if found and not code else outcome.case.person_ref
                until = None if case.told_stays else notice_until(agency, found, papers, received_on=case.received_on)
                return Outcome(replace(outcome.case, person_ref=ref, notice_until=until), outcome.told)

            return await self._act(tx, case_ids, cases, decide)

    def _curable(self, code: str, cure_days: int) -> None:
        most = self._agency.tables.limit(CURE, self._agency.clock.today()).legal_limit_wd
        if not _return_text(self._agency, code).curable:
            raise Refused(
                "NOT_CURABLE", f"{code} is final: no corrected letter can cure it.", remedy="Return it without cure_days."
            )
        if not 0 < cure_days <= most:
            raise Refused("CURE_TOO_LONG", f"A return is curable for 1 to {most} working days, not {cure_days}.")

    async def approve(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves proposals: forms are computed, compared with the ledger, booked and sent; letters go back."""
        agency = self._agency
        today = agency.clock.today()
        async with self._deciding("approve") as tx:
            cases = await store.load(tx, agency.vault, case_ids)
            forms = [case for case in cases.values() if case.proposal and case.proposal.outcome == "form" and case.person_ref]
            persons = await records.by_ref(tx, agency.vault, [case.person_ref for case in forms if case.person_ref])
            keys = await agency.vault.keys(persons)
            # Locked before they are compared with the form, so that nothing can be booked in between.
            touched = {POOLED_FUND, *(transfers_payable(case.destination) for case in forms), *map(individual, persons)}
            heads = await ledger.hold(tx, touched) if forms else {}
            moved: dict[str, str] = {}
            divided: dict[str, Record] = {}
            # What each person's account holds when the rows before have left: two cases of one person cannot both have it.
            left = {ref: heads.get(individual(ref), Head()).balance_fen for ref in persons}

            def decide(case: Case) -> Outcome:
                if case.state is not State.HANDLING_PROPOSED or case.proposal is None:
                    raise NotNow("approving", case.state)
                if case.proposal.maker == checker:
                    raise SamePerson(checker)
                if case.proposal.outcome == "return":
                    text = _return_text(agency, case.proposal.code)
                    days = case.proposal.cure_days
                    until = due_on(today, days, agency.tables.calendar).on if days else None
                    return send_back(case, checker, text, curable_until=until)
                record = divided.get(case.person_ref or "") or persons.get(case.person_ref or "")
                issued = issue(
                    agency,
                    case,
                    record,
                    checker,
                    held_fen=left.get(case.person_ref or "", 0),
                    contact=lambda known: contact_of(agency, keys, known),
                )
                assert record is not None, case.case_id
                assert issued.outcome.case.items is not None, case.case_id
                credited = sum(each.interest_fen for each in issued.outcome.case.interim)
                left[record.person_ref] -= issued.outcome.case.items.account_fen - credited
                if issued.divided is not None:
                    divided[record.person_ref] = issued.divided
                else:
                    moved[record.person_ref] = case.case_id
                return issued.outcome

            result = await self._act(tx, case_ids, cases, decide, held=heads)
            await records.change(tx, agency.vault, list(divided.values()))
            await records.close(tx, agency.vault, moved)
            return result

    async def propose_notices(self, case_ids: Sequence[str], maker: str, *, papers: tuple[GivenPaper, ...] = ()) -> ListResult:
        """A maker proposes to tell persons in writing what cannot move, before their forms are made.

        Raises:
            Refused: for a paper that cannot be.
        """
        papers_of(papers, self._agency)
        return await self._each("propose-notice", case_ids, lambda case: propose_notice(case, maker, papers))

    async def approve_notices(self, case_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: persons are told what stays and why, within ten working days of the letter."""
        agency = self._agency
        today = agency.clock.today()
        async with self._deciding("approve-notice") as tx:
            cases = await store.load(tx, agency.vault, case_ids)
            persons = await self._persons(tx, cases.values())
            keys = await agency.vault.keys(record.person_ref for record in persons.values())

            def decide(case: Case) -> Outcome:
                wish = wished(case, checker, "notice", UNDECIDED, "approving a notice of what stays")
                record = persons.get(case.case_id)
                if record is None:
                    raise Refused("NO_RELATIONSHIP", "This agency has no relationship on record for the person.")
                found = stays(agency, record, wish.papers, received_on=case.received_on)
                if found is None:
                    raise Refused("EVERYTHING_MOVES", "Nothing stays: there is nothing to tell.", remedy="Propose the form.")
                until = notice_until(agency, record, wish.papers, received_on=case.received_on)
                known = replace(case, person_ref=record.person_ref)
                return notify_not_movable(known, checker, found, told_by=until or today, contact=contact_of(agency, keys, record))

            return await self._act(tx, case_ids, cases, decide)

    async def notify_arrears(self, case_ids: Sequence[str], actor: str, *, pay_until: date) -> ListResult:
        """A clerk tells persons in writing which months are unpaid, and until when they can be paid."""
        agency = self._agency
        today = agency.clock.today()
        if pay_until < today:
            raise Refused("PAY_UNTIL_PAST", f"{pay_until} is over on {today}.", remedy="Give the person time to pay.")
        async with self._deciding("arrears") as tx:
            cases = await store.load(tx, agency.vault, case_ids)
            persons = await self._persons(tx, cases.values())
            keys = await agency.vault.keys(record.person_ref for record in persons.values())

            def decide(case: Case) -> Outcome:
                record = persons.get(case.case_id)
                if record is None:
                    raise Refused("NO_RELATIONSHIP", "This agency has no relationship on record for the person.")
                rows = [row for segment in record.segments for row in segment.rows if row.status is RowStatus.ARREARS]
                months = sum(row.months for row in rows)
                known = replace(case, person_ref=record.person_ref)
                return notify_arrears(known, actor, months=months, pay_until=pay_until, contact=contact_of(agency, keys, record))

            return await self._act(tx, case_ids, cases, decide)

    async def escalate(self, case_ids: Sequence[str], actor: str) -> ListResult:
        """A clerk tells the supervisors of overdue cases before the clock does."""
        return await self._each("escalate", case_ids, lambda case: escalate(case, actor))

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

    async def run_on(self, tx: Transaction, released: Mapping[str, Pause]) -> list[Told]:
        """Let the clocks of letters run on whose persons' accounts a court or an audit has released.

        Args:
            released: by person, the time in which the account was held.
        """
        agency = self._agency
        cases = await store.load(tx, agency.vault, await store.undecided_of(tx, list(released)))
        outcomes = []
        for case in cases.values():
            held, began = released[case.person_ref or ""], case.due.started_on
            if began is None:
                continue  # of an earlier release, which did not keep it
            stood = Pause(held.reason, max(held.since, began), held.until)
            due = agency.due(case.due.limit, began, pauses=(*case.due.pauses, stood))
            outcomes.append(count_again(case, due, rule_set=agency.tables.version))
        await store.save(tx, agency.vault, [outcome.case for outcome in outcomes])
        return [told for outcome in outcomes for told in outcome.told]

    async def look_at_clocks(self) -> int:
        """Raise what the clocks of the legs have to say; returns for how many cases."""
        agency = self._agency
        today = agency.clock.today()
        found = 0
        days = agency.tables.limit(ESCALATION, today).legal_limit_wd
        escalate_on = due_on(today, days, agency.tables.calendar).on
        while True:
            async with self._database.transaction("poll") as tx:
                due = await store.due(tx, today, 500)
            if not due:
                return found
            async with self._deciding("clock") as tx:
                cases = await store.load(tx, self._agency.vault, due)
                await self._act(tx, due, cases, lambda case: look_at_clock(case, today=today, escalate_on=escalate_on))
            found += len(due)

    async def _persons(self, tx: Transaction, cases: Iterable[Case]) -> dict[str, Record]:
        vault = self._agency.vault
        hashes = {case.case_id: vault.id_hash(id_number_of(case.letter)) for case in cases}
        found = await records.by_hash(tx, vault, list(hashes.values()))
        return {case_id: found[id_hash] for case_id, id_hash in hashes.items() if id_hash in found}


def contact_of(agency: Agency, keys: Mapping[str, bytes], record: Record) -> Contact:
    """To whom a written notice goes, under the person's key."""
    sealed = Vault.seal(keys, record.person_ref, record.personal.model_dump_json().encode())
    return Contact(record.personal.language, sealed)


@dataclass(frozen=True, slots=True)
class Issued:
    """What issuing a form made of a case, and of the record where a part of it stays; None where everything moves."""

    outcome: Outcome
    divided: Record | None = None


def issue(
    agency: Agency,
    case: Case,
    record: Record | None,
    checker: str,
    *,
    held_fen: int,
    contact: Callable[[Record], Contact] | None = None,
) -> Issued:
    """Issue the form that is proposed: computed from the record of today, compared with the ledger.

    Args:
        record: what the province knows of the person; it may have changed since the proposal.
        held_fen: what the person's account holds for this case.
        contact: finds to whom a notice goes; without it no form is issued that leaves something behind.

    Raises:
        Refused: where the record calls for a return by now, or no form can be made.
        NotNow, SamePerson: by name.
    """
    code = reason_to_return(case.letter, record, on=agency.clock.today(), tables=agency.tables, died_on=case.died_on)
    if code is not None or record is None:
        text = _return_text(agency, code or "NO_RELATIONSHIP")
        raise Refused(text.code, text.reason_en, legal_basis=text.legal_basis, remedy="Propose the return.")
    composed = compose(agency, case, record, held_fen=held_fen)
    staying = composed.staying
    if staying is None:
        return Issued(booked_first(composed, issue_form(case, checker, composed.form, interim=composed.interim)))
    if contact is None:
        raise Refused("PART_NOT_MOVABLE", "A part stays; two persons decide that.", remedy="Propose and approve by hand.")
    told_by = staying.notice.on if staying.notice else agency.clock.today()
    outcome = issue_form(case, checker, composed.form, interim=composed.interim, contact=contact(record), told_by=told_by)
    return Issued(
        booked_first(composed, outcome), replace(record, segments=staying.segments, left=composed.moving, left_with=case.case_id)
    )


def booked_first(composed: Composed, outcome: Outcome) -> Outcome:
    """The outcome with what goes into the books before the form."""
    return Outcome(outcome.case, (*composed.booked, *outcome.told))


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


def _return_text(agency: Agency, code: str) -> RefusalText:
    try:
        text = agency.tables.refusal(code, agency.clock.today())
    except (RefusalUnknown, RuleNotInForce) as error:
        raise Refused("UNKNOWN_CODE", f"No such return code: {code}.") from error
    if "return" not in text.uses:
        raise Refused("UNKNOWN_CODE", f"{code} is not a reason to return a letter.")
    return text
