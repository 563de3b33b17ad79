"""Ending a relationship and paying its account out: only on the person's written wish, and in the order that the law asks for.

The application ends nothing. The agency tells the person in writing of the right to keep the account and of what ending it means;
the person confirms in writing; then two persons pay the account out, once (S-13 Art. 3 and 6). Until the last step the person may
keep everything. Settling abroad, a break in work and the wish alone end nothing at all (S-66 Art. 3 and 9).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime

import asyncpg

from contracts.envelope import new_id
from contracts.events import AccountClosed, AccountSettled, EndingApplied, EndingConfirmed, EndingNotified, EndingWithdrawn
from services.ledger import store as ledger
from services.ledger.chart import REFUNDS_PAYABLE, individual
from services.ledger.journal import Head
from services.records import store
from services.records.acting import Acting
from services.records.agency import Agency
from services.records.commands import ListResult, RowResult, done, one_person, refused_by
from services.records.deaths import Transferring, refuse_transfer
from services.records.decisions import Refused, Told
from services.records.model import Record
from services.records.pay_outs import refuse_unless_payable
from services.records.vault import Vault
from services.rules.amounts import RowStatus
from services.rules.endings import Ending, EndingFacts, EndingStep, Ground, StepsOutOfOrder, decide_ending
from services.rules.exception_tables import Reason
from services.rules.loader import Tables
from services.rules.pension_tables import Category
from services.rules.retirement import minimum_months, statutory_retirement
from services.runtime.database import Database, Transaction, queries

SQL = queries(__file__)
PAID_OUT = (Ground.NATIONALITY_LOST, Ground.TOO_FEW_YEARS)
OPEN = ("applied", "notified", "confirmed", "proposed")


@dataclass(frozen=True, slots=True)
class Wish:
    """One person's written wish to end the relationship, and how far it is.

    `months` are those of all places and `category` whose statutory age counts, where somebody has too few years.
    """

    ending_id: str
    person_ref: str
    ground: str
    state: str
    applied_on: date
    notified_on: date | None
    confirmed_on: date | None
    months: int | None
    category: str | None
    maker: str | None
    checker: str | None
    made_at: datetime | None = None
    changed_at: datetime | None = None


def decide(
    ground: Ground,
    record: Record,
    tables: Tables,
    *,
    on: date,
    applied_on: date | None = None,
    notified_on: date | None = None,
    confirmed_on: date | None = None,
    months: int | None = None,
    category: Category | None = None,
) -> Ending:
    """Say what a wish comes to on a day, with what the record knows. Pure.

    Args:
        months: of all places; the record's own where they are left out.
        category: whose statutory age counts; a woman's is the later one where it is left out.

    Raises:
        Refused: STEPS_OUT_OF_ORDER for a step before the one that it answers, or in the future.
    """
    facts = EndingFacts(ground, on, applied_on, notified_on, confirmed_on)
    if ground is Ground.TOO_FEW_YEARS:
        usual = Category.MALE if record.personal.sex == "male" else Category.FEMALE_55
        age = statutory_retirement(record.personal.birth_on, category or usual, tables.pension)
        counted = (RowStatus.PAID, RowStatus.DEEMED)
        own = sum(row.months for segment in record.segments for row in segment.rows if row.status in counted)
        if on >= age.statutory_on:  # of a later year nobody knows yet how many it will take
            least = minimum_months(age, age.statutory_on, tables.pension).months
            facts = replace(facts, reached_age=True, months=max(own, months or 0), minimum_months=least)
    try:
        return decide_ending(facts, tables)
    except StepsOutOfOrder as error:
        raise Refused("STEPS_OUT_OF_ORDER", str(error), remedy="Check the days on the papers.") from error


def refuse_unless_kept_here(record: Record | None, tables: Tables, *, on: date) -> Record:
    """The record, if the person's relationship is here, stopped, and nobody draws from it on the day. Pure.

    Raises:
        Refused: by name.
    """
    if record is None or record.state == "settled":
        raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
    code = None
    if record.died_on is not None:
        code = "PERSON_DECEASED"
    elif record.held_since is not None:
        code = "JUDICIAL_OR_AUDIT_HOLD"
    elif record.state == "moved":
        code = "ALREADY_TRANSFERRED_OUT"
    elif record.drawing_since is not None:
        code = "ALREADY_DRAWING"
    elif record.stopped_on is None:
        code = "STILL_CONTRIBUTING"
    if code is not None:
        text = tables.refusal(code, on)
        raise Refused(code, text.reason_en, legal_basis=text.legal_basis, remedy=text.remedy_en)
    return record


def _only(found: Ending, step: EndingStep) -> None:
    """Raise unless the rules say that this step comes next."""
    if found.step is not step:
        raise _because(found.reasons[-1])


def _because(reason: Reason) -> Refused:
    return Refused(reason.code, reason.text_en, legal_basis=reason.legal_basis, remedy=reason.remedy_en or None)


class Endings(Acting):
    """Wishes to end a relationship, as transactions.

    Args:
        told: called after a commit, to wake the relay.
        transferring: who of some persons has a transfer that goes on; nothing is paid out before that has ended.
    """

    def __init__(self, database: Database, agency: Agency, told: Callable[[], None], transferring: Transferring) -> None:
        super().__init__(database, agency, told)
        self._transferring = transferring

    async def assess(
        self, person_ref: str, ground: Ground, *, months: int | None = None, category: Category | None = None
    ) -> Ending:
        """Say what would come of a wish, before anybody applies: who settles abroad learns that everything is kept.

        Raises:
            Refused: NO_RELATIONSHIP.
        """
        agency = self._agency
        async with self._database.transaction("look") as tx:
            record = (await store.by_ref(tx, agency.vault, [person_ref])).get(person_ref)
        if record is None:
            raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
        return decide(ground, record, agency.tables, on=agency.clock.today(), months=months, category=category)

    async def apply(
        self,
        person_ref: str,
        ground: Ground,
        actor: str,
        *,
        applied_on: date,
        months: int | None = None,
        category: Category | None = None,
    ) -> Wish:
        """Take the person's written application. Nothing ends by it.

        Raises:
            Refused: what the rules refuse, by name with its basis; ENDING_OPEN while another wish of the person is open;
                GROUND_NOT_PAID_HERE for a ground whose pay-out this agency does not handle.
        """
        agency, tables = self._agency, self._agency.tables
        today = agency.clock.today()
        async with self._deciding("apply-to-end") as tx:
            record = (await store.by_ref(tx, agency.vault, [person_ref])).get(person_ref)
            record = refuse_unless_kept_here(record, tables, on=today)
            found = decide(ground, record, tables, on=today, applied_on=applied_on, months=months, category=category)
            _only(found, EndingStep.NOTICE)
            if ground not in PAID_OUT:
                raise Refused("GROUND_NOT_PAID_HERE", "The account is kept; this pay-out is handled on paper.")
            wish = Wish(new_id(), person_ref, ground, "applied", applied_on, None, None, months, category, None, None)
            added = await tx.value(SQL["add_ending"], wish.ending_id, person_ref, ground, applied_on, months, category)
            if added is None:
                raise Refused("ENDING_OPEN", "A wish of the person is open.", remedy="Go on with it, or take it back.")
            fact = EndingApplied(
                person_ref=person_ref,
                ending_id=wish.ending_id,
                ground=ground.value,  # type: ignore[arg-type]  # looked at above
                applied_on=applied_on,
                actor=actor,
            )
            await agency.tell(tx, [fact])
        return wish

    async def notify(self, ending_ids: Sequence[str], actor: str) -> ListResult:
        """The written notice: of the right to keep the account, and of what ending it means. It goes to the person by itself."""
        today = self._agency.clock.today()

        def step(wish: Wish, record: Record, keys: Mapping[str, bytes]) -> tuple[Wish, tuple[Told, ...]]:
            self._now(wish, ("applied",), EndingStep.NOTICE, record)
            fact = EndingNotified(
                person_ref=wish.person_ref,
                ending_id=wish.ending_id,
                ground=wish.ground,  # type: ignore[arg-type]  # the table has no others
                notified_on=today,
                language=record.personal.language,
                personal=Vault.seal(keys, wish.person_ref, record.personal.model_dump_json().encode()),
                actor=actor,
            )
            return replace(wish, state="notified", notified_on=today), (fact,)

        return await self._each("notify-ending", ending_ids, step)

    async def confirm(self, ending_id: str, actor: str, *, confirmed_on: date, person_ref: str | None = None) -> None:
        """The person's written confirmation, which answers the notice.

        Args:
            person_ref: who confirms, where it is the person; a clerk notes what came on paper.

        Raises:
            Refused: by name.
        """

        def step(wish: Wish, record: Record, _: Mapping[str, bytes]) -> tuple[Wish, tuple[Told, ...]]:
            self._now(wish, ("notified",), EndingStep.CONFIRMATION, record)
            changed = replace(wish, state="confirmed", confirmed_on=confirmed_on)
            self._now(changed, ("confirmed",), EndingStep.PAY_OUT, record)  # that it does not lie before the notice
            fact = EndingConfirmed(person_ref=wish.person_ref, ending_id=wish.ending_id, confirmed_on=confirmed_on, actor=actor)
            return changed, (fact,)

        _raise_refusal(await self._each("confirm-ending", [ending_id], step, own=person_ref))

    async def withdraw(self, ending_id: str, actor: str, *, person_ref: str | None = None) -> None:
        """The person keeps the account after all, at any time before it is paid out.

        Raises:
            Refused: by name.
        """

        def step(wish: Wish, record: Record, _: Mapping[str, bytes]) -> tuple[Wish, tuple[Told, ...]]:
            if wish.state not in OPEN:
                raise _not_now(wish)
            fact = EndingWithdrawn(person_ref=wish.person_ref, ending_id=wish.ending_id, actor=actor)
            return replace(wish, state="withdrawn"), (fact,)

        _raise_refusal(await self._each("withdraw-ending", [ending_id], step, own=person_ref))

    async def propose(self, ending_ids: Sequence[str], maker: str) -> ListResult:
        """A maker proposes to pay accounts out whose holders were told and have confirmed."""

        def step(wish: Wish, record: Record, _: Mapping[str, bytes]) -> tuple[Wish, tuple[Told, ...]]:
            self._now(wish, ("confirmed", "proposed"), EndingStep.PAY_OUT, record)
            return replace(wish, state="proposed", maker=maker), ()

        return await self._each("propose-ending", ending_ids, step, ends=True)

    async def approve(self, ending_ids: Sequence[str], checker: str) -> ListResult:
        """A checker approves: what the books hold on the account is owed to the person, and the relationship ends."""
        agency = self._agency
        last_year = agency.clock.today().year - 1
        async with self._deciding("approve-ending") as tx:
            wishes, persons = await self._held(tx, ending_ids)
            heads = await ledger.hold(tx, {REFUNDS_PAYABLE, *map(individual, persons)}) if persons else {}

            def step(wish: Wish, record: Record, _: Mapping[str, bytes]) -> tuple[Wish, tuple[Told, ...]]:
                found = self._now(wish, ("proposed",), EndingStep.PAY_OUT, record)
                if wish.maker == checker:
                    raise one_person("check the pay-out")
                amount_fen = heads.get(individual(record.person_ref), Head()).balance_fen
                refuse_unless_payable(record, amount_fen, last_year=last_year)
                assert wish.maker is not None, wish.ending_id
                settled = AccountSettled(
                    person_ref=wish.person_ref,
                    reason=wish.ground,  # type: ignore[arg-type]  # the table has no others
                    amount_fen=amount_fen,
                    legal_basis=found.reasons[0].legal_basis,
                    maker=wish.maker,
                    checker=checker,
                )
                closed = AccountClosed(person_ref=wish.person_ref, reason="the relationship ended and the account was paid out")
                return replace(wish, state="paid", checker=checker), (settled, closed)

            busy = await self._transferring(tx, sorted(persons))
            result, changed = await self._act(tx, ending_ids, wishes, persons, step, held=heads, busy=busy)
            await store.settle(tx, agency.vault, [wish.person_ref for wish in changed])
        return result

    async def wishes(self, *, open_only: bool = True) -> list[Wish]:
        """Wishes, the oldest first; only those that are open, or all."""
        async with self._database.transaction("look") as tx:
            return [_wish(row) for row in await tx.fetch(SQL["endings"], None, open_only)]

    async def look(self, ending_id: str) -> Wish | None:
        """One wish, or None."""
        async with self._database.transaction("look") as tx:
            row = await tx.one(SQL["endings"], ending_id, False)
        return None if row is None else _wish(row)

    def _now(self, wish: Wish, states: Sequence[str], step: EndingStep, record: Record) -> Ending:
        """What the rules say of a wish today, if they and its state allow the step.

        Raises:
            Refused: by name.
        """
        if wish.state not in OPEN:
            raise _not_now(wish)
        refuse_unless_kept_here(record, self._agency.tables, on=self._agency.clock.today())
        found = decide(
            Ground(wish.ground),
            record,
            self._agency.tables,
            on=self._agency.clock.today(),
            applied_on=wish.applied_on,
            notified_on=wish.notified_on,
            confirmed_on=wish.confirmed_on,
            months=wish.months,
            category=Category(wish.category) if wish.category else None,
        )
        _only(found, step)  # what is missing is said before the state is looked at
        if wish.state not in states:
            raise _not_now(wish)
        return found

    async def _held(self, tx: Transaction, ending_ids: Sequence[str]) -> tuple[dict[str, Wish], dict[str, Record]]:
        rows = await tx.fetch(SQL["hold_endings"], sorted(set(ending_ids)))
        wishes = {row["ending_id"]: _wish(row) for row in rows}
        return wishes, await store.by_ref(tx, self._agency.vault, [wish.person_ref for wish in wishes.values()])

    async def _each(
        self,
        purpose: str,
        ending_ids: Sequence[str],
        step: Callable[[Wish, Record, Mapping[str, bytes]], tuple[Wish, tuple[Told, ...]]],
        *,
        own: str | None = None,
        ends: bool = False,
    ) -> ListResult:
        async with self._deciding(purpose) as tx:
            wishes, persons = await self._held(tx, ending_ids)
            if own is not None:
                wishes = {ending_id: wish for ending_id, wish in wishes.items() if wish.person_ref == own}
            busy = await self._transferring(tx, sorted(persons)) if ends else set()
            result, _ = await self._act(tx, ending_ids, wishes, persons, step, busy=busy)
        return result

    async def _act(
        self,
        tx: Transaction,
        ending_ids: Sequence[str],
        wishes: Mapping[str, Wish],
        persons: Mapping[str, Record],
        step: Callable[[Wish, Record, Mapping[str, bytes]], tuple[Wish, tuple[Told, ...]]],
        *,
        held: Mapping[str, Head] | None = None,
        busy: set[str],
    ) -> tuple[ListResult, list[Wish]]:
        """Decide each row, write what changed, tell what happened. A refused row holds no other back."""
        keys = await self._agency.vault.keys(persons)
        rows: list[RowResult] = []
        changed: list[Wish] = []
        told: list[Told] = []
        for ending_id in dict.fromkeys(ending_ids):
            try:
                wish = wishes.get(ending_id)
                if wish is None:
                    raise Refused("NO_SUCH_ENDING", "There is no wish of this id.", remedy="Look at the list of wishes.")
                record = persons.get(wish.person_ref)
                if record is None:
                    raise Refused("NO_RELATIONSHIP", "This province has no relationship on record for the person.")
                after, facts = step(wish, record, keys)
                refuse_transfer(wish.person_ref, busy, "Finish the case first, or let the person withdraw it.")
            except Refused as error:
                rows.append(refused_by(ending_id, error))
            else:
                rows.append(done(ending_id, after.state.upper()))
                changed.append(after)
                told.extend(facts)
        await self._agency.tell(tx, told, held=held)
        if changed:
            columns = [(w.ending_id, w.state, w.notified_on, w.confirmed_on, w.maker, w.checker) for w in changed]
            tx.defer(SQL["change_endings"], *(list(column) for column in zip(*columns, strict=True)))
        return ListResult.of(rows), changed


def _wish(row: asyncpg.Record) -> Wish:
    return Wish(**{each.name: row[each.name] for each in fields(Wish)})


def _not_now(wish: Wish) -> Refused:
    return Refused("NOT_NOW", f"The wish is {wish.state}.", remedy="Look at the list of wishes.")


def _raise_refusal(result: ListResult) -> None:
    [row] = result.rows
    if row.result == "refused":
        assert row.code is not None
        raise Refused(row.code, row.detail or "", legal_basis=row.legal_basis, remedy=row.remedy)
