"""The destination's routes for what a case may need beside its smooth course, from material to the settlement for heirs."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, Protocol

from fastapi import Depends, FastAPI, Query, Response
from pydantic import Field, model_validator

from contracts.base import Command
from contracts.documents import PersonIdentity
from services.destination_agency import store
from services.destination_agency.case import Case, Refused
from services.destination_agency.desk import Desk
from services.destination_agency.gathering import Place
from services.destination_agency.gathering_desk import Claim, GatheringDesk
from services.destination_agency.intake import Applicant
from services.destination_agency.letters import Change
from services.records.agency import Agency
from services.records.case_wishes import Answering, Asking, CaseIdPath, Deaths, Key, Once
from services.records.commands import CASE_ID, CaseList, ListResult
from services.records.explaining import problem
from services.records.vault import Vault
from services.rules.identity import Sex
from services.rules.months import Month, MonthInvalid
from services.rules.pension_tables import Category
from services.runtime.database import Database
from services.runtime.http import Problem, require
from services.runtime.idempotency import IdempotencyKeys
from services.runtime.identity import STAFF, Caller, Role

Reason = Annotated[str, Field(min_length=3, max_length=300, description="why, in words; never a person's data")]
Code = Annotated[str, Field(min_length=1, max_length=60)]


class Desks(Protocol):
    """Where the routes find what they act with."""

    @property
    def desk(self) -> Desk:
        """The clerks' desk."""

    @property
    def database(self) -> Database:
        """The province's database."""

    @property
    def agency(self) -> Agency:
        """The agency."""

    @property
    def told(self) -> Callable[[], None]:
        """Wakes the relay after a commit."""


class MaterialRequests(CaseList):
    """What is missing in these applications: everything, at once."""

    items: tuple[Code, ...] = Field(min_length=1, max_length=20, description="codes of what a law lets an agency ask for")


class Material(Command):
    """What was handed in."""

    items: tuple[Code, ...] = Field(min_length=1, max_length=20, description="the codes of the list")


class Reasoned(CaseList):
    """Cases, and why."""

    reason: Reason


class LetterCorrections(Reasoned):
    """What corrected letters are to say otherwise. The payee account is always that of the directory."""

    origin_division: str = Field(default="", pattern=r"^(\d{6})?$", description="the agency that holds the relationship")
    id_number: str | None = Field(default=None, min_length=15, max_length=18, description="as that agency knows the person")
    name: str | None = Field(default=None, min_length=1, max_length=100)

    @model_validator(mode="after")
    def _one_person(self) -> "LetterCorrections":
        """Refuse half an identity, and one identity for several cases.

        Raises:
            ValueError: without the values.
        """
        if (self.id_number is None) != (self.name is None):
            raise ValueError("an identity is a number and a name")
        if self.id_number is not None and len(self.case_ids) > 1:
            raise ValueError("an identity is of one case")
        return self


class Agreement(Command):
    """A form that is to be taken as it stands, on the origin's answer to a question."""

    case_id: str = Field(pattern=CASE_ID)
    question_id: str = Field(min_length=36, max_length=36)
    reason: Reason


class RecallAnswers(Reasoned):
    """What to answer to recalls."""

    agreed: bool


class SideKept(Command):
    """Whose contribution is kept for the months that were paid twice."""

    kept: Literal["own", "transferred"]


class SidesKept(CaseList):
    """The same for several cases, with their persons' word."""

    kept: Literal["own", "transferred"]


class GatheredPlace(Command):
    """Months that are to be gathered, as the voucher of whoever holds them says."""

    division: str = Field(pattern=r"^\d{6}$", description="where they were earned, and to which they belong")
    held_by: str | None = Field(default=None, pattern=r"^\d{6}$", description="who has them since an earlier transfer")
    months: int = Field(ge=0, le=1200, description="paid there")
    until: str = Field(pattern=r"^\d{4}-\d{2}$", description="the last month there, YYYY-MM")
    deemed_months: int = Field(default=0, ge=0, le=1200)
    account_kind: Literal["normal", "temporary"] = "normal"


class Gathering(Command):
    """A claim of a pension at its paying place, which gathers everything (S-66 Art. 6; S-5 item 8)."""

    id_number: str = Field(min_length=15, max_length=18)
    name: str = Field(min_length=1, max_length=100)
    destination_division: str = Field(pattern=r"^\d{6}$")
    hukou: str | None = Field(
        default=None,
        pattern=r"^(\d{2}|none)$",
        description="province of the household register on this day, or none; needed where no relationship is here",
    )
    category: Literal["male", "female_55", "female_50"] | None = Field(
        default=None, description="whose statutory age counts; a woman's earliest, unless told otherwise"
    )
    birth_on: date | None = Field(default=None, description="where the number does not say it: foreigners")
    sex: Literal["male", "female"] | None = Field(default=None, description="where the number does not say it: foreigners")
    phone: str | None = Field(default=None, max_length=30)
    email: str | None = Field(default=None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    language: Literal["zh-CN", "en"] = "zh-CN"
    places: tuple[GatheredPlace, ...] = Field(min_length=1, max_length=40)

    @model_validator(mode="after")
    def _each_once(self) -> "Gathering":
        """Refuse months that are told twice, and an age that cannot be that of the sex.

        Raises:
            ValueError: without the values.
        """
        if len({(place.division[:2], (place.held_by or place.division)[:2]) for place in self.places}) < len(self.places):
            raise ValueError("a province is named twice with one holder")
        if self.sex is not None and self.category is not None and not self.category.startswith(self.sex):
            raise ValueError("the age is not one of that sex")
        return self


def add_case_routes(api: FastAPI, office: Desks, province: str, once: Once) -> None:
    """Add the routes.

    Args:
        once: acts once for an idempotency key.
    """
    Maker = Annotated[Caller, Depends(require(province, [Role.MAKER]))]
    Checker = Annotated[Caller, Depends(require(province, [Role.CHECKER]))]
    Clerk = Annotated[Caller, Depends(require(province, [Role.MAKER, Role.CHECKER]))]
    Staff = Annotated[Caller, Depends(require(province, [*STAFF, Role.AUDITOR]))]
    Concerned = Annotated[Caller, Depends(require(province, [Role.INSURED, Role.EMPLOYER, Role.MAKER]))]
    Insured = Annotated[Caller, Depends(require(province, [Role.INSURED]))]
    desk = office.desk
    gatherings = GatheringDesk(office.database, office.agency, office.told)
    keys = IdempotencyKeys("destination_agency")

    async def own(case_id: str, caller: Caller) -> Case:
        """A case that the caller applied for, or is about; every case for a clerk."""
        async with office.database.transaction("look") as tx:
            found = await store.look(tx, office.agency.vault, province, case_id)
        mine = found is not None and (caller.person_ref == found.person_ref or caller.sub == found.applicant)
        if found is None or not (mine or Role.MAKER in caller.roles):
            raise Problem(404, "NO_SUCH_CASE", "There is no case of this id that you may act on.", remedy="Check the case id.")
        return found

    def refuse_alone(result: ListResult) -> ListResult:
        """Answer a person's own single wish by a problem where it was refused."""
        row = result.rows[0]
        if row.result == "refused":
            tables, today = office.agency.tables, office.agency.clock.today()
            more = {"legal_basis": row.legal_basis, "remedy": row.remedy}
            raise problem(tables, today, 409, row.code or "", row.detail or "", **more)
        return result

    @api.get("/materials")
    async def materials(_: Concerned) -> list[dict[str, Any]]:
        """What an agency may ask for today, with the law that lets it (经办条例 Art. 31)."""
        today = office.agency.clock.today()
        rows = office.agency.tables.material.materials
        return [
            {
                "code": row.code,
                "text": {"zh-CN": row.text_zh, "en": row.text_en},
                "legal_basis": row.legal_basis,
                "source": row.source,
            }
            for row in rows
            if row.in_force(today)
        ]

    @api.post("/materials/requests")
    async def ask_for_material(wish: MaterialRequests, caller: Maker, key: Key = None) -> ListResult:
        """A clerk asks for everything that is missing, once; the clock stands until it is here."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: desk.ask_for_material(wish.case_ids, caller.sub, wish.items)
        )

    @api.post("/cases/{case_id}/material")
    async def supply_material(case_id: CaseIdPath, wish: Material, caller: Concerned) -> ListResult:
        """Hand in what was asked for, all of it; the clock runs on."""
        await own(case_id, caller)
        return refuse_alone(await desk.supply_material(case_id, caller.sub, wish.items))

    @api.post("/cancellations/proposals")
    async def propose_cancellations(wish: Reasoned, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to end cases that the agency opened in error, before the letter."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: desk.propose_cancellations(wish.case_ids, caller.sub, wish.reason)
        )

    @api.post("/cancellations/approvals")
    async def approve_cancellations(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: the cases end."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.approve_cancellations(wish.case_ids, caller.sub))

    @api.post("/letters/proposals")
    async def propose_letters(wish: LetterCorrections, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes corrected letters, to the same agency or to the right one."""
        there = None
        if wish.id_number is not None and wish.name is not None:
            there = PersonIdentity(id_number=wish.id_number, name=wish.name)
        change = Change(wish.reason, wish.origin_division, there)
        return await once(key, caller, wish.model_dump_json(), lambda: desk.propose_letters(wish.case_ids, caller.sub, change))

    @api.post("/letters/approvals")
    async def approve_letters(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: the letters leave under their numbers, with the next version."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.approve_letters(wish.case_ids, caller.sub))

    @api.post("/closures")
    async def close(wish: Reasoned, caller: Maker, key: Key = None) -> ListResult:
        """A clerk closes cases whose letter came back and that nobody goes on with."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.close(wish.case_ids, caller.sub, wish.reason))

    @api.post("/reminders")
    async def remind(wish: CaseList, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk reminds the origin, once a day."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.remind(wish.case_ids))

    @api.post("/escalations")
    async def escalate(wish: CaseList, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk tells the supervisors of overdue cases before the clock does."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.escalate(wish.case_ids, caller.sub))

    @api.post("/questions")
    async def ask(wish: Asking, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk asks the other agency; no clock stands for it. The row says the question's id."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: desk.ask(wish.case_id, caller.sub, kind=wish.kind, text=wish.text)
        )

    @api.post("/answers")
    async def answer(wish: Answering, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk answers a question of the other agency."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: desk.answer(wish.case_id, caller.sub, question_id=wish.question_id, text=wish.text, confirms=wish.confirms),
        )

    @api.get("/cases/{case_id}/questions")
    async def questions(case_id: CaseIdPath, _: Staff) -> list[dict[str, Any]]:
        """The questions of a case and their answers, with their words."""
        async with office.database.transaction("look") as tx:
            found = await store.look(tx, office.agency.vault, province, case_id)
        if found is None:
            raise Problem(404, "NO_SUCH_CASE", "This agency has no case of this id.", remedy="Check the case id.")
        opened = await office.agency.vault.keys([found.person_ref]) if found.questions else {}
        return [
            {
                "question_id": each.question_id,
                "asked_by": each.asked_by,
                "kind": each.kind,
                "asked_on": each.asked_on.isoformat(),
                "text": Vault.open(opened, found.person_ref, each.text).decode(),
                "answered_on": each.answered_on.isoformat() if each.answered_on else None,
                "answer": Vault.open(opened, found.person_ref, each.answer).decode() if each.answer else None,
                "confirms": each.confirms,
            }
            for each in found.questions
        ]

    @api.post("/agreements/proposals")
    async def propose_agreements(wish: Agreement, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to take a form as it stands, on the origin's answer that confirms it."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: desk.propose_agreements(wish.case_id, caller.sub, question_id=wish.question_id, reason=wish.reason),
        )

    @api.post("/agreements/approvals")
    async def approve_agreements(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: the form is taken as it stands, and meets its money."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.approve_agreements(wish.case_ids, caller.sub))

    @api.post("/corrections/proposals")
    async def propose_corrections(wish: CaseList, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to book the difference of a form that came after the completion."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.propose_corrections(wish.case_ids, caller.sub))

    @api.post("/corrections/approvals")
    async def approve_corrections(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: the difference is booked."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.approve_corrections(wish.case_ids, caller.sub))

    @api.post("/corrections/refusals/proposals")
    async def propose_setting_aside(wish: Reasoned, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes not to book a form that came after the completion."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: desk.propose_setting_aside(wish.case_ids, caller.sub, wish.reason)
        )

    @api.post("/corrections/refusals/approvals")
    async def approve_setting_aside(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: what is booked stays, and the origin is told."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.approve_setting_aside(wish.case_ids, caller.sub))

    @api.post("/recalls/proposals")
    async def propose_recall_answers(wish: RecallAnswers, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to give recalled transfers up, or to keep them."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: desk.propose_recall_answers(wish.case_ids, caller.sub, agreed=wish.agreed, reason=wish.reason),
        )

    @api.post("/recalls/approvals")
    async def approve_recall_answers(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: the origin is answered, and what is given up can be sent back."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.approve_recall_answers(wish.case_ids, caller.sub))

    @api.post("/cases/{case_id}/duplicates")
    async def choose(case_id: CaseIdPath, wish: SideKept, caller: Insured) -> ListResult:
        """The person chooses whose contribution is kept for the months that were paid twice."""
        await own(case_id, caller)
        return refuse_alone(await desk.choose_duplicates([case_id], caller.sub, wish.kept))

    @api.post("/duplicates/proposals")
    async def choose_duplicates(wish: SidesKept, caller: Maker, key: Key = None) -> ListResult:
        """A clerk notes the persons' choice."""
        return await once(
            key, caller, wish.model_dump_json(), lambda: desk.choose_duplicates(wish.case_ids, caller.sub, wish.kept)
        )

    @api.post("/duplicates/approvals")
    async def approve_duplicates(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: the other side's months are cleared, and what they brought is refunded."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.approve_duplicates(wish.case_ids, caller.sub))

    @api.post("/gatherings", status_code=201)
    async def gather(wish: Gathering, caller: Maker, response: Response, key: Key = None) -> dict[str, Any]:
        """Gather everything at the paying place: the person is registered, and each place is applied to."""
        body = wish.model_dump_json()
        async with office.database.transaction("idempotency") as tx:
            known = await keys.answered(tx, key, caller.sub, body)
        if known is not None:
            response.status_code = 200
            return known
        try:
            places = tuple(
                Place(each.division, each.months, Month.parse(each.until), each.deemed_months, each.account_kind, each.held_by)
                for each in wish.places
            )
            claim = Claim(
                id_number=wish.id_number,
                name=wish.name,
                destination_division=wish.destination_division,
                places=places,
                hukou=wish.hukou,
                phone=wish.phone,
                email=wish.email,
                language=wish.language,
                birth_on=wish.birth_on,
                sex=Sex(wish.sex) if wish.sex is not None else None,
                category=Category(wish.category) if wish.category is not None else None,
            )
            answer = await gatherings.gather(claim, Applicant(caller.sub, "clerk"))
        except MonthInvalid as error:
            raise Problem(422, "INVALID_INPUT", str(error), field="until") from error
        except Refused as error:
            raise Problem(422, error.code, error.detail, legal_basis=error.legal_basis, remedy=error.remedy) from error
        async with office.database.transaction("idempotency") as tx:
            await keys.keep(tx, key, caller.sub, body, answer)
        return answer

    @api.get("/gatherings")
    async def listed_gatherings(
        _: Staff,
        state: Literal["open", "completed", "place_differs"] | None = None,
        limit: Annotated[int, Query(ge=1, le=5000)] = 500,
    ) -> list[dict[str, Any]]:
        """The gatherings; `place_differs` are those whose rows, when all were here, made another province the paying one."""
        return await gatherings.gatherings(state, limit)

    @api.get("/gatherings/{gathering_id}")
    async def gathering(gathering_id: CaseIdPath, _: Staff) -> dict[str, Any]:
        """How far a gathering is, case by case; in the end the months, how many are missing, and what can be done then."""
        found = await gatherings.gathering(gathering_id)
        if found is None:
            raise Problem(404, "NO_SUCH_GATHERING", "There is no gathering of this id.", remedy="Check the id.")
        return found

    @api.post("/deaths")
    async def report_deaths(wish: Deaths, caller: Clerk, key: Key = None) -> ListResult:
        """A clerk notes the death of a person; what stands in the books decides which agency settles."""
        return await once(
            key,
            caller,
            wish.model_dump_json(),
            lambda: desk.report_deaths(wish.case_ids, caller.sub, died_on=wish.died_on, reported_by=wish.reported_by),
        )

    @api.post("/settlements/proposals")
    async def propose_settlements(wish: CaseList, caller: Maker, key: Key = None) -> ListResult:
        """A maker proposes to settle accounts for the heirs."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.propose_settlements(wish.case_ids, caller.sub))

    @api.post("/settlements/approvals")
    async def approve_settlements(wish: CaseList, caller: Checker, key: Key = None) -> ListResult:
        """A checker approves: what the accounts hold is owed to the heirs, and the accounts are closed."""
        return await once(key, caller, wish.model_dump_json(), lambda: desk.approve_settlements(wish.case_ids, caller.sub))
