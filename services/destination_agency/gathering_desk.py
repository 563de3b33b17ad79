"""Gathering at retirement, as transactions: the person is registered, an application goes to each place, and the end is told."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from contracts.envelope import new_id
from contracts.events import AccountOpened, GatheringCompleted, GatheringOpened, GatheringPlaceDiffers
from services.destination_agency import store
from services.destination_agency.acting import Acting
from services.destination_agency.case import Refused, State
from services.destination_agency.gathering import (
    ARTICLE_6,
    Place,
    added_up,
    category_of,
    counted,
    decide_again,
    decide_place,
    holders,
    least_months,
)
from services.destination_agency.intake import Applicant, Application, take
from services.records import store as records
from services.records.decisions import Told
from services.records.model import Personal, Record
from services.rules.endings import ways_of_too_few_years
from services.rules.identity import (
    Document,
    ForeignerNumber,
    Identity,
    IdNumber,
    IdNumberInvalid,
    Sex,
    identify,
    parse_social_security_number,
)
from services.rules.pension_tables import Category
from services.runtime.database import Transaction

# Nothing comes of such a case any more, or all of it is here.
FINAL = frozenset({State.COMPLETED, State.SETTLED, State.REFUSED, State.CLOSED, State.CANCELLED, State.RECALLED})
PLACE_DIFFERS = "place_differs"
NO_HUKOU = "none"  # said of somebody without a household register in the mainland


@dataclass(frozen=True, slots=True)
class Claim:
    """Who claims a pension where, and the places that hold something of it.

    `hukou` is the province of the household register on the day, or NO_HUKOU; it is needed where no relationship is here whose
    record says it. `category` says whose statutory age counts.
    """

    id_number: str
    name: str
    destination_division: str
    places: tuple[Place, ...]
    hukou: str | None = None
    phone: str | None = None
    email: str | None = None
    language: str = "zh-CN"
    birth_on: date | None = None
    sex: Sex | None = None
    category: Category | None = None


class GatheringDesk(Acting):
    """The destination's commands of the paying place."""

    async def gather(self, claim: Claim, applicant: Applicant) -> dict[str, Any]:
        """Open a gathering: one application for each province that holds something, which two persons admit like any other.

        Whoever was never insured here, or moved away, is registered without contributions (S-5 item 8).

        Raises:
            Refused: for a number, a place, a household register or an age that cannot be, and where another province pays.
        """
        agency = self._agency
        today, tables = agency.clock.today(), agency.tables
        number = self._number(claim)
        if claim.destination_division[:2] != agency.province:
            detail = f"{claim.destination_division} does not lie in province {agency.province}."
            raise Refused("WRONG_DESTINATION", detail, remedy="Claim at the agency of the paying place.")
        async with self._deciding("gather") as tx:
            known = await records.by_hash(tx, agency.vault, [agency.vault.id_hash(number)], locked=True)
            own = next(iter(known.values()), None)
            identity = self._identity(claim, own)
            register = self._register(claim, own, identity)
            place = decide_place(
                claim.places,
                own,
                identity,
                hukou=self._hukou(register),
                province=agency.province,
                on=today,
                tables=tables,
                category=claim.category,
            )
            asked = holders(claim.places, agency.province)
            ref, told = await self._registered(tx, claim, own, identity, register)
            gathering_id = new_id()
            wishes = [
                Application(
                    id_number=claim.id_number,
                    name=claim.name,
                    origin_division=division,
                    destination_division=claim.destination_division,
                    phone=claim.phone,
                    email=claim.email,
                    language="en" if claim.language == "en" else "zh-CN",
                    birth_on=identity.birth_on,
                    sex="male" if identity.sex is Sex.MALE else "female",
                )
                for division in asked
            ]
            await agency.tell(tx, told)
            taken = await take(tx, agency, wishes, applicant, channel="single", gathering=gathering_id)
            for row in taken:
                if row.result == "refused" or row.case_id is None:
                    # One place that cannot be asked keeps all from being asked: the sum would lack it.
                    raise Refused(row.code or "REFUSED", row.detail or "", remedy="Finish or correct that one first.")
            cases = [row.case_id for row in taken if row.case_id is not None]
            rule = str(place.code)
            opened = GatheringOpened(
                person_ref=ref,
                place=agency.province,
                rule=rule,
                rule_set=tables.version,
                cases=tuple(cases),
                origins=tuple(division[:2] for division in asked),
                actor=applicant.sub,
            )
            await agency.tell(tx, [opened])
            category = category_of(identity.sex.value, claim.category)
            tx.defer(store.SQL["add_gathering"], gathering_id, ref, rule, cases, today, str(category))
        least = least_months(identity.birth_on, identity.sex.value, claimed_on=today, tables=tables, category=claim.category)
        return {
            "gathering_id": gathering_id,
            "place": agency.province,
            "rule": rule,
            "legal_basis": place.legal_basis,
            "reason": {"zh-CN": place.reason_zh, "en": place.reason_en},
            **self._eligibility(place.total_months, least),
            "cases": [{"case_id": case_id, "origin": division[:2]} for case_id, division in zip(cases, asked, strict=True)],
        }

    def _number(self, claim: Claim) -> str:
        try:
            return self._read(claim).number
        except IdNumberInvalid as error:
            raise _no_number(error) from error

    def _identity(self, claim: Claim, own: Record | None) -> Identity:
        """Who claims: by the number, by what stands beside it, and else by the own record."""
        on_record = own.personal if own is not None else None
        birth_on = claim.birth_on or (on_record.born_on if on_record is not None else None)
        sex = claim.sex or (Sex(on_record.sex) if on_record is not None else None)
        try:
            return identify(self._read(claim), birth_on=birth_on, sex=sex)
        except IdNumberInvalid as error:
            raise _no_number(error) from error

    def _read(self, claim: Claim) -> IdNumber | ForeignerNumber:
        agency = self._agency
        return parse_social_security_number(claim.id_number, on=agency.clock.today(), tables=agency.tables)

    def _register(self, claim: Claim, own: Record | None, identity: Identity) -> str:
        """The province of the household register, empty for none: as it is stated, or else as the record here has it.

        Raises:
            Refused: HUKOU_NEEDED for a citizen of whom neither is known: whoever pays would be guessed.
        """
        if claim.hukou is not None:
            return "" if claim.hukou == NO_HUKOU else claim.hukou
        if own is not None and own.here:
            return own.personal.hukou
        if identity.document is Document.CITIZEN_ID:
            raise Refused(
                "HUKOU_NEEDED",
                "The province of the household register on this day is not known here, and the place of payment depends on it.",
                legal_basis=ARTICLE_6,
                remedy=f"State it from the household register: two digits, or {NO_HUKOU} where there is none in the mainland.",
            )
        return ""

    def _hukou(self, register: str) -> str | None:
        """The province of the household register as Art. 6 asks for it."""
        known = self._agency.tables.provinces.get(register)
        # A register of Hong Kong, Macao or Taiwan is none of the mainland's; what nobody knows the rules refuse by name.
        return None if not register or (known is not None and not known.mainland) else register

    def _eligibility(self, months: int, least: int | None) -> dict[str, Any]:
        """The months, how many it takes, how many are missing, and the ways of whoever has too few (社会保险法 Art. 16)."""
        agency = self._agency
        ways = ways_of_too_few_years(months, least or 0, on=agency.clock.today(), tables=agency.tables, place=agency.province)
        return {
            "months": months,
            "minimum_months": least,
            "missing_months": max(least - months, 0) if least is not None else None,
            "ways": [
                {
                    "way": str(each.way),
                    "place": each.place,
                    "code": each.reason.code,
                    "legal_basis": each.reason.legal_basis,
                    "reason": {"zh-CN": each.reason.text_zh, "en": each.reason.text_en},
                }
                for each in ways
            ],
        }

    async def _registered(
        self, tx: Transaction, claim: Claim, own: Record | None, identity: Identity, register: str
    ) -> tuple[str, list[Told]]:
        """The person's pseudonym, and what is told where a relationship is begun here without contributions.

        Whose relationship was moved away is registered again: the rows that left stay with that transfer.
        """
        agency = self._agency
        today = agency.clock.today()
        if own is not None:
            if own.personal.name != claim.name:
                text = agency.tables.refusal("IDENTITY_MISMATCH", today)
                raise Refused(text.code, text.reason_en, legal_basis=text.legal_basis, remedy=text.remedy_en)
            if own.state == "settled":
                raise Refused(
                    "RECORD_MOVED",
                    "The relationship that was here has ended, and its account was paid out.",
                    legal_basis=ARTICLE_6,
                    remedy="Check the record, and whose claim it is.",
                )
            now = replace(own, personal=own.personal.model_copy(update={"hukou": register}))
            told: list[Told] = []
            if own.state == "moved":
                now = replace(
                    now,
                    state="stopped",
                    stopped_on=own.stopped_on or today,
                    interest_through=max(own.interest_through, today.year - 1),
                )
                told = [AccountOpened(person_ref=own.person_ref, kind=own.account_kind, opened_on=today)]
            if now != own:
                await records.change(tx, agency.vault, [now])
            return own.person_ref, told
        record = Record(
            person_ref=new_id(),
            id_hash=agency.vault.id_hash(identity.number),
            state="stopped",
            scheme="110",
            account_kind="normal",
            first_insured_on=None,
            stopped_on=today,
            drawing_since=None,
            interest_through=today.year - 1,
            personal=Personal(
                id_number=identity.number,
                name=claim.name,
                sex="male" if identity.sex is Sex.MALE else "female",
                hukou=register,
                phone=claim.phone,
                email=claim.email,
                language="en" if claim.language == "en" else "zh-CN",
                born_on=identity.birth_on if identity.stated else None,
            ),
            segments=(),
        )
        keys = await agency.vault.make([record.person_ref])
        await records.add(tx, keys, [record])
        return record.person_ref, [AccountOpened(person_ref=record.person_ref, kind="normal", opened_on=today)]

    async def look_at_gatherings(self) -> int:
        """Say of gatherings whose cases have all come to their end what is together now; returns of how many."""
        agency = self._agency
        final = sorted(str(state) for state in FINAL)
        found = 0
        while True:
            async with self._database.transaction("poll") as tx:
                if not await tx.fetch(store.SQL["ended_gatherings"], final):
                    return found
            async with self._deciding("gathered") as tx:
                rows = await tx.fetch(store.SQL["lock_ended_gatherings"], final)
                persons = await records.by_ref(tx, agency.vault, [row["person_ref"] for row in rows])
                states = await tx.fetch(store.SQL["states"], [case_id for row in rows for case_id in row["cases"]])
                here = {row["case_id"] for row in states if row["state"] in (State.COMPLETED, State.SETTLED)}
                ends = [self._ended(row, persons.get(row["person_ref"]), here) for row in rows]
                await agency.tell(tx, [end.fact for end in ends])
                tx.defer(
                    store.SQL["complete_gatherings"],
                    [row["gathering_id"] for row in rows],
                    [end.state for end in ends],
                    [end.fact.months for end in ends],
                    [end.least for end in ends],
                    [end.found_place for end in ends],
                )
            found += len(rows)

    def _ended(self, row: Any, record: Record | None, here: set[str]) -> "_End":
        """What is together, and whether the rows that came still make this the place of payment."""
        agency = self._agency
        months, own = added_up(record, agency.province)
        cases: Sequence[str] = tuple(case_id for case_id in row["cases"] if case_id in here)
        if record is None or not counted(record):
            nothing = GatheringCompleted(
                person_ref=row["person_ref"], cases=tuple(cases), months=months, own_months=own, rule_set=agency.tables.version
            )
            return _End(nothing)
        claimed_on, hukou = row["claimed_on"], self._hukou(record.personal.hukou)
        place = decide_again(record, hukou=hukou, province=agency.province, on=claimed_on, tables=agency.tables)
        category = Category(row["category"]) if row["category"] is not None else None
        personal = record.personal
        least = least_months(personal.birth_on, personal.sex, claimed_on=claimed_on, tables=agency.tables, category=category)
        if place is None or place.province != agency.province:
            differs = GatheringPlaceDiffers(
                person_ref=row["person_ref"],
                cases=tuple(cases),
                months=months,
                own_months=own,
                found_place=place.province if place is not None else None,
                rule=str(place.code) if place is not None else "",
                rule_set=agency.tables.version,
            )
            return _End(differs, PLACE_DIFFERS, least, differs.found_place)
        completed = GatheringCompleted(
            person_ref=row["person_ref"],
            cases=tuple(cases),
            months=months,
            own_months=own,
            minimum_months=least,
            missing_months=max(least - months, 0) if least is not None else None,
            rule=str(place.code),
            rule_set=agency.tables.version,
        )
        return _End(completed, least=least)

    async def gathering(self, gathering_id: str) -> dict[str, Any] | None:
        """How far a gathering is, case by case; None where there is no such.

        When all have ended it says the months, how many are missing and what can be done then, or which province pays instead.
        """
        async with self._database.transaction("look") as tx:
            row = await tx.one(store.SQL["gathering"], gathering_id)
            if row is None:
                return None
            cases = await tx.fetch(store.SQL["states"], list(row["cases"]))
        listed = [{"case_id": each["case_id"], "origin": each["origin"], "state": each["state"]} for each in cases]
        return {"gathering_id": gathering_id, **self._shown(row), "cases": listed}

    async def gatherings(self, state: str | None, limit: int) -> list[dict[str, Any]]:
        """The gatherings of a state, or all, the oldest first."""
        async with self._database.transaction("look") as tx:
            rows = await tx.fetch(store.SQL["list_gatherings"], state, limit)
        return [{"gathering_id": row["gathering_id"], **self._shown(row)} for row in rows]

    def _shown(self, row: Any) -> dict[str, Any]:
        shown = {"state": row["state"], "rule": row["rule"], "claimed_on": row["claimed_on"].isoformat()}
        if row["months"] is None:
            return shown
        if row["state"] == PLACE_DIFFERS:
            other = row["found_place"]
            remedy = f"Claim in province {other}, which gathers everything from here." if other else "Look at the rows that came."
            detail = "By the rows that came this province does not pay."
            differs = {
                "code": "PLACE_DIFFERS",
                "found_place": other,
                "detail": detail,
                "legal_basis": ARTICLE_6,
                "remedy": remedy,
            }
            return {**shown, "months": row["months"], "place_differs": differs}
        return {**shown, **self._eligibility(row["months"], row["minimum_months"])}


@dataclass(frozen=True, slots=True)
class _End:
    """How a gathering ends."""

    fact: GatheringCompleted | GatheringPlaceDiffers
    state: str = "completed"
    least: int | None = None
    found_place: str | None = None


def _no_number(error: IdNumberInvalid) -> Refused:
    return Refused("ID_NUMBER_INVALID", f"{error.field}: {error.reason}", remedy="Check the identity document.")
