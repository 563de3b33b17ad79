"""One telling of a story on a stage: its people with their numbers, what its steps have given, and where the books stood before.

A telling owns the stage while it lasts, for it owns the clock. So what the books of a province have grown by is the story's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx

from deploy.local.stack import Stack
from services.cli.play import DESTINATION, NOTIFICATION, ORIGIN, Stage, Unexpected
from services.cli.scenario.people import Somebody, files, somebody
from services.cli.scenario.reading import Values
from services.ledger.chart import BANK, INTEREST_PAID, POOLED_FUND, REFUNDS_PAYABLE, individual, suspense, transfers_payable
from services.runtime.clock import SHANGHAI
from services.runtime.identity import STAFF, Role

if TYPE_CHECKING:
    from services.cli.scenario.format import Story

DAY_BEGINS, DAY_ENDS = time(9, tzinfo=SHANGHAI), time(18, tzinfo=SHANGHAI)
IMPORTED_WITHIN_S = 60.0


class CouldNotTell(RuntimeError):
    """The story cannot be told to its end for a reason that is not the story's: a service is away, or lacks what is needed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a step was refused."""

    code: str
    basis: str | None
    field: str | None
    says: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered to a step."""

    body: Mapping[str, Any]
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A case of the story."""

    case_id: str
    person: str
    origin: str
    destination: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A voucher of the story."""

    voucher_no: str
    check_code: str
    province: str


@dataclass(frozen=True, slots=True)
class Posted:
    """One posting of the ledger, its accounts in the story's words."""

    debit: str
    credit: str
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Head:
    """Where an account stands."""

    sequence: int
    balance_fen: int


class Telling:
    """Everything that is known while a story is told.

    Args:
        stage: the provinces.
        story: what is told.
        run: told apart from every other telling by it.
        home: the stack's folder, where it is known.
    """

    def __init__(self, stage: Stage, story: Story, *, run: str, home: Path | None = None) -> None:
        self.stage = stage
        self.today = story.begins
        self.paying = False
        self._story = story
        self._run = run
        self._touched = frozenset(story.touched)
        self._home = home
        chance = random.Random(run)  # noqa: S311 - numbers of people who do not exist
        self._people = {key: somebody(key, values, run=run, chance=chance) for key, values in story.people.items()}
        self._refs: dict[tuple[str, str], str] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._cases: dict[str, Opened] = {}
        self._last_case = ""
        self._vouchers: dict[str, Issued] = {}
        self._questions: dict[str, str] = {}
        self._gathering: tuple[str, str] | None = None
        self._begun: dict[str, dict[str, Head]] = {}
        self._before: dict[str, dict[str, Head]] = {}
        self._held: dict[tuple[str, str], int] = {}
        self._parked: dict[tuple[str, str], set[str]] = {}
        self._deaf: set[tuple[str, str]] = set()

    # ---- the beginning --------------------------------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Put all clocks to the story's day, bring its people's records in, and see where the books stand.

        Raises:
            CouldNotTell: when a province is missing, a service refuses the clock, or the records are not taken.
        """
        missing = [province for province in self._story.provinces if province not in self.stage.provinces]
        if missing:
            raise CouldNotTell(f"the story needs the provinces {', '.join(missing)}; there are {', '.join(self.stage.provinces)}")
        await self._release_all()
        await self.stage.put_back(_moment(self._story.begins))
        await self._bring_all()
        await self.idle()
        await self._know_all()
        self._begun = await self._heads()
        self._held = await self.holdings()
        self._parked = await self._parked_before()

    async def _release_all(self) -> None:
        """A story that was broken off may have left something held back."""
        here = [province for province in self._touched if province in self.stage.provinces]
        every = [(province, service) for province in sorted(here) for service in (ORIGIN, DESTINATION, NOTIFICATION)]
        await asyncio.gather(*(self.hold(*each, self.token(each[0], "operator"), held=False) for each in every))

    async def _bring_all(self) -> None:
        provinces = sorted({province for values in self._story.people.values() for province in values.get("records") or ()})
        for province in provinces:
            people = [
                (self._people[key], values["records"][province])
                for key, values in self._story.people.items()
                if province in (values.get("records") or ())
            ]
            answer = await self._import(province, *files(people))
            if answer.refusal is not None:
                raise CouldNotTell(f"{province} does not take the records: {answer.refusal.says}")

    async def _import(self, province: str, persons: str, contributions: str) -> Answer:
        json = {"persons_csv": persons, "contributions_csv": contributions}
        answer = await self.ask("POST", province, ORIGIN, "/records/imports", self.token(province, "operator"), json=json)
        if answer.refusal is not None:
            return answer
        until = monotonic() + IMPORTED_WITHIN_S
        while (await self.stage.import_state(province, answer.body["import_id"]))["state"] != "done":
            if monotonic() > until:
                raise CouldNotTell(f"{province} has not booked the records within {IMPORTED_WITHIN_S:.0f} s")
            await asyncio.sleep(0.02)
        return answer

    async def _know_all(self) -> None:
        known = [
            self._know(key, province, record.get("name"))
            for key, values in self._story.people.items()
            for province, record in (values.get("records") or {}).items()
        ]
        await asyncio.gather(*known)

    async def _know(self, key: str, province: str, name: str | None) -> None:
        self._names[key, province] = name or self._people[key].name
        self._refs[key, province] = str((await self.record(province, key))["person_ref"])

    async def record(self, province: str, key: str | None) -> Mapping[str, Any]:
        """What the window of a province finds of a person; of the story's first, unless told otherwise.

        Raises:
            Unexpected: when it finds nothing.
        """
        key = key or next(iter(self._people))
        person = self._people[key]
        whom = {"id_number": person.id_number, "name": self._names.get((key, province), person.name)}
        found: Mapping[str, Any] = await self.stage.call("POST", province, ORIGIN, "/records/lookups", Role.MAKER, json=whom)
        return found

    async def bring_more(self, key: str, province: str, record: Values) -> Answer:
        """A province's record of a person grows."""
        person = self._people[key]
        answer = await self._import(province, *files([(person, record)]))
        if answer.refusal is None:
            await self.idle()
            await self._know(key, province, record.get("name"))
        return answer

    # ---- who and what ---------------------------------------------------------------------------------------------------------

    def person(self, key: str) -> Somebody:
        """A person of the story."""
        return self._people[key]

    def ref(self, province: str, key: str) -> str:
        """The pseudonym of a person in a province; one that nobody knows where the province has no record."""
        return self._refs.get((key, province)) or f"stranger-{self._run}-{key}"

    def token(self, province: str, by: str, *, person: str | None = None) -> str:
        """The token of whoever does a step."""
        if by == "person":
            return self.stage.person(province, self.ref(province, person or next(iter(self._people))))
        if by == "one-person":
            return self.stage.several(province, f"one-person-{province}", sorted(STAFF))
        return self.stage.token(province, Role(by))

    def case(self, name: str | None) -> Opened:
        """A case by its name, or the last that was opened."""
        return self._cases[name or self._last_case]

    def voucher(self, name: str) -> Issued:
        """A voucher by its name."""
        return self._vouchers[name]

    def opened(self, name: str, answer: Answer, person: str, origin: str, destination: str) -> Answer:
        """Note the case that an application opened; one that is open already is the same case."""
        case_id = answer.body.get("case_id")
        if answer.body.get("result") == "refused" and answer.refusal is None:
            answer = Answer(answer.body, _refusal(answer.body))
        if case_id is not None and answer.refusal is None:
            self._cases[name] = Opened(str(case_id), person, origin, destination)
            self._last_case = name
        return answer

    async def gathered(self, name: str, answer: Answer, person: str, destination: str) -> Answer:
        """Note the cases that a gathering opened, one a place, and the gathering; its province knows the person from now on."""
        if answer.refusal is not None:
            return answer
        for each in answer.body["cases"]:
            case = Answer({"case_id": each["case_id"]})
            self.opened(f"{name}-{each['origin']}", case, person, str(each["origin"]), destination)
        self._gathering = (destination, str(answer.body["gathering_id"]))
        await self._know(person, destination, None)
        return answer

    async def gathering(self) -> Mapping[str, Any]:
        """How far the story's last gathering is.

        Raises:
            Unexpected: when there is none.
        """
        if self._gathering is None:
            raise Unexpected("the story has gathered nothing")
        province, gathering_id = self._gathering
        return await self.shown(province, DESTINATION, f"/gatherings/{gathering_id}")

    def issued(self, name: str, answer: Answer, province: str) -> Answer:
        """Note the voucher that was issued."""
        if answer.refusal is None:
            self._vouchers[name] = Issued(answer.body["voucher_no"], answer.body["check_code"], province)
        return answer

    def readdressed(self, case: Opened, origin: str) -> None:
        """Note that a case is with another former agency now."""
        name = next(name for name, known in self._cases.items() if known is case)
        self._cases[name] = replace(case, origin=origin)

    async def asked(self, name: str, service: str, case: Opened) -> None:
        """Note the question that an agency has just asked."""
        province = case.destination if service == DESTINATION else case.origin
        rows = (await self.shown(province, service, f"/cases/{case.case_id}/questions")).get("rows", ())
        self._questions[name] = str([row for row in rows if row["asked_by"] == province][-1]["question_id"])

    def question(self, name: str) -> str:
        """A question's id by its name."""
        return self._questions[name]

    def nothing(self) -> Answer:
        """The answer of a step that asks nobody."""
        return Answer({})

    def did(self, body: Mapping[str, Any]) -> Answer:
        """The answer of a step that the runner does itself."""
        return Answer(body)

    def stack(self) -> Stack:
        """The local stack.

        Raises:
            CouldNotTell: when there is but an address.
        """
        found = Stack.load(self._home) if self._home is not None else None
        if found is None:
            raise CouldNotTell("this verb needs the stack's own folder; name it with --against, it cannot be done over HTTP")
        return found

    # ---- requests -------------------------------------------------------------------------------------------------------------

    async def ask(
        self, method: str, province: str, service: str, path: str, token: str, *, json: Any = None, params: Any = None
    ) -> Answer:
        """One request to a province's service; a problem below 500 is a refusal.

        Raises:
            CouldNotTell: when the service is away or has an error of its own.
        """
        try:
            url = self.stage.url(province, service)
        except KeyError:
            raise CouldNotTell(f"there is no {service} of province {province}") from None
        return await self._ask(method, url + path, token, json=json, params=params)

    async def ask_bank(self, method: str, path: str, province: str, by: str, *, json: Any = None) -> Answer:
        """One request to the bank."""
        return await self._ask(method, self.stage.bank_url + path, self.token(province, by), json=json)

    async def _ask(self, method: str, url: str, token: str, *, json: Any = None, params: Any = None) -> Answer:
        try:
            response = await self.stage.ask(method, url, token, json=json, params=params)
        except httpx.TransportError as error:
            raise CouldNotTell(f"{url} does not answer: {type(error).__name__}") from error
        found = _json(response)
        if response.status_code >= 500:
            raise CouldNotTell(f"{url}: HTTP {response.status_code} {response.text[:300]}")
        if response.status_code >= 400:
            return Answer(found, _refusal(found))
        return Answer(found)

    async def list_of_one(self, service: str, what: str, case: Opened, by: str, more: Mapping[str, Any]) -> Answer:
        """Post a list of one case; its row is the answer."""
        province = case.destination if service == DESTINATION else case.origin
        json = {"case_ids": [case.case_id], **more}
        return await self.row_of_one(province, service, f"/{what}", by, json, person=case.person)

    async def row_of_one(
        self, province: str, service: str, path: str, by: str, json: Mapping[str, Any], *, person: str | None = None
    ) -> Answer:
        """Post something that is answered by the rows of a list; its one row is the answer."""
        answer = await self.ask("POST", province, service, path, self.token(province, by, person=person), json=json)
        if answer.refusal is not None:
            return answer
        [row] = answer.body["rows"]
        return Answer(row, _refusal(row) if row["result"] == "refused" else None)

    async def shown(self, province: str, service: str, path: str) -> Mapping[str, Any]:
        """What a service shows to its staff.

        Raises:
            CouldNotTell: when it shows nothing.
        """
        answer = await self.ask("GET", province, service, path, self.token(province, "checker"))
        if answer.refusal is not None:
            return {"state": answer.refusal.code}
        return answer.body

    async def notices(self, province: str, case_id: str) -> list[dict[str, Any]]:
        """The notices of a case."""
        params = {"case_id": case_id}
        answer = await self.ask("GET", province, NOTIFICATION, "/notices", self.token(province, "checker"), params=params)
        return list(answer.body.get("rows", ()))

    async def in_quarantine(self, province: str, service: str) -> list[dict[str, Any]]:
        """What has come to stand in a service's quarantine since the story began, the oldest first."""
        token = self.token(province, "operator")
        answer = await self.ask("GET", province, service, "/quarantine", token, params={"limit": 5000})
        before = self._parked.get((province, service), set())
        return [row for row in answer.body.get("rows", ()) if row["quarantine_id"] not in before]

    async def quarantined(self, province: str, service: str) -> dict[str, Any]:
        """The first of them.

        Raises:
            Unexpected: when there is none.
        """
        found = await self.in_quarantine(province, service)
        if not found:
            raise Unexpected(f"since the story began nothing has come to stand in the quarantine of {province}/{service}")
        return found[0]

    async def hold(self, province: str, service: str, token: str, *, held: bool) -> Answer:
        """Hold back what a service hears, or let it come."""
        answer = await self.ask("PUT", province, service, "/scenario/documents", token, json={"held": held})
        if answer.refusal is None:
            (self._deaf.add if held else self._deaf.discard)((province, service))
        return answer

    async def end(self) -> None:
        """Leave nothing to the next story: nothing is held back from anybody, and the bank has paid what it pays today."""
        for province, service in sorted(self._deaf):
            await self.hold(province, service, self.token(province, "operator"), held=False)
        await self._evening()

    async def _parked_before(self) -> dict[tuple[str, str], set[str]]:
        """What stood there before, in the quarantines that the story looks at."""
        steps = self._story.steps
        asked = {(str(step.given["province"]), str(step.given["service"])) for step in steps if "service" in step.given}
        asked |= {(str(look["province"]), look["service"]) for step in steps if (look := step.expect.get("quarantine"))}
        return {which: {row["quarantine_id"] for row in await self.in_quarantine(*which)} for which in asked}

    async def idle(self) -> None:
        """Return when all services that the story touches are idle."""
        await self.stage.idle(provinces=self._touched)

    # ---- time -----------------------------------------------------------------------------------------------------------------

    async def move_to(self, day: date) -> Answer:
        """All clocks go to the morning of a day; returns when all services are idle.

        What the bank was told to pay today it pays today: evening comes first, so that no booking falls on either day by chance.
        """
        await self._evening()
        await self.stage.move(_moment(day), bank_first=False, provinces=self._touched)
        self.today = day
        return Answer({})

    async def _evening(self) -> None:
        if self.paying:
            await self.stage.move(datetime.combine(self.today, DAY_ENDS), provinces=self._touched)
            self.paying = False

    # ---- the books ------------------------------------------------------------------------------------------------------------

    def account(self, province: str, words: str) -> str:
        """An account's name in the ledger, from the story's words."""
        word, _, whose = words.partition(" ")
        match word:
            case "individual":
                return individual(self.ref(province, whose))
            case "transfers_payable":
                return transfers_payable(whose)
            case "suspense":
                return suspense(whose)
            case _:
                return word

    def _accounts(self, province: str) -> dict[str, str]:
        """Every account of a province that a story can touch: its name in the ledger, and in the story."""
        words = [BANK, POOLED_FUND, INTEREST_PAID, REFUNDS_PAYABLE]
        words += [
            f"{word} {other}" for other in self.stage.provinces if other != province for word in ("transfers_payable", "suspense")
        ]
        words += [f"individual {key}" for key, where in self._refs if where == province]
        return {self.account(province, each): each for each in words}

    async def _heads(self) -> dict[str, dict[str, Head]]:
        provinces = self._looked_at()
        found = await asyncio.gather(*(self._heads_of(province) for province in provinces))
        return dict(zip(provinces, found, strict=True))

    def _looked_at(self) -> list[str]:
        """The provinces whose books the story looks at."""
        return sorted({province for step in self._story.steps for province in step.expect.get("ledger") or ()})

    async def _heads_of(self, province: str) -> dict[str, Head]:
        params = {"account": list(self._accounts(province))}
        answer = await self.ask("GET", province, ORIGIN, "/ledger/accounts", self.token(province, "auditor"), params=params)
        if answer.refusal is not None:
            raise CouldNotTell(f"{province} does not show its books: {answer.refusal.says}")
        return {row["account"]: Head(row["sequence"], row["balance_fen"]) for row in answer.body["rows"]}

    async def before(self, provinces: list[str]) -> None:
        """Note where the books of these provinces stand before a step, so that what the step enters can be told."""
        found = await asyncio.gather(*(self._heads_of(province) for province in provinces))
        self._before = dict(zip(provinces, found, strict=True))

    async def balances(self, province: str) -> dict[str, int]:
        """Persons' accounts as they stand, all others as what they have grown by since the story's records were in."""
        now = await self._heads_of(province)
        begun = self._begun.get(province, {})
        people = {individual(ref) for (_, where), ref in self._refs.items() if where == province}
        return {
            account: head.balance_fen - (0 if account in people else begun[account].balance_fen if account in begun else 0)
            for account, head in now.items()
        }

    async def posted(self, province: str) -> list[Posted]:
        """Everything that the last step has entered in a province's ledger."""
        known = self._accounts(province)
        before, now = self._before.get(province, {}), await self._heads_of(province)
        found: dict[tuple[str, int], Posted] = {}
        for account, head in now.items():
            after = before[account].sequence if account in before else 0
            if head.sequence == after:
                continue
            params = {"account": account, "after": after}
            answer = await self.ask("GET", province, ORIGIN, "/ledger/entries", self.token(province, "auditor"), params=params)
            for row in answer.body["rows"]:
                debit, credit = known.get(row["debit"], row["debit"]), known.get(row["credit"], row["credit"])
                found[row["event_id"], row["line"]] = Posted(debit, credit, row["amount_fen"])
        return list(found.values())

    async def holdings(self) -> dict[tuple[str, str], int]:
        """What the bank holds between each pair of provinces, as it has grown since the story's records were in."""
        answer = await self.ask_bank("GET", "/holdings", self.stage.provinces[0], "auditor")
        now = {(row["payer"], row["payee"]): int(row["in_hands_fen"]) for row in answer.body.get("rows", ())}
        return {pair: fen - self._held.get(pair, 0) for pair, fen in now.items()}


def _moment(day: date) -> datetime:
    return datetime.combine(day, DAY_BEGINS)


def _json(response: httpx.Response) -> dict[str, Any]:
    """What was answered; a list stands under `rows`."""
    try:
        found = response.json()
    except ValueError:
        return {"detail": response.text[:300]}
    return found if isinstance(found, dict) else {"rows": found}


def _refusal(body: Mapping[str, Any]) -> Refusal:
    code = str(body.get("code") or "no code")
    says = f"{code}: {body.get('detail') or 'no detail'}"
    return Refusal(code, body.get("legal_basis"), body.get("field"), says)
