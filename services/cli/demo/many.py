"""A thousand more transfers of a seeded world, with every kind of ending, played day by day."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from services.cli.demo.show import Show
from services.cli.demo.story import day, form_of
from services.cli.play import DESTINATION, Stage, Unexpected
from services.runtime.identity import Role
from services.world.plan import Ending, PlannedApplication, World

# What the public status, and the code where there is one, must be in the end.
EXPECTED: Mapping[Ending, tuple[str, str | None]] = {
    Ending.COMPLETED: ("COMPLETED", None),
    Ending.REFUSED_ALREADY_DRAWING: ("REJECTED", "ALREADY_DRAWING"),
    Ending.REFUSED_SAME_PROVINCE: ("REJECTED", "SAME_PROVINCE"),
    Ending.REFUSED_NOT_INSURED_AT_DESTINATION: ("REJECTED", "NOT_INSURED_AT_DESTINATION"),
    Ending.REFUSED_WRONG_SCHEME: ("REJECTED", "WRONG_SCHEME"),
    Ending.REFUSED_IDENTITY_MISMATCH: ("REJECTED", "IDENTITY_MISMATCH"),
    Ending.REFUSED_DUPLICATE_APPLICATION: ("not taken", "DUPLICATE_APPLICATION"),
    Ending.TEMP_ACCOUNT: ("TEMP_ACCOUNT", "TEMP_ACCOUNT_AT_DESTINATION"),
    Ending.RETURNED_NO_RELATIONSHIP: ("RETURNED", "NO_RELATIONSHIP"),
    Ending.RETURNED_STILL_CONTRIBUTING: ("RETURNED", "STILL_CONTRIBUTING"),
    Ending.WITHDRAWN: ("CANCELLED", None),
    Ending.BANK_RETURNED_THEN_COMPLETED: ("COMPLETED", None),
    Ending.BANK_SHORT_THEN_COMPLETED: ("COMPLETED", None),
    Ending.BANK_DUPLICATED: ("COMPLETED", None),
    Ending.BANK_LOST: ("FUND_IN_TRANSIT", None),
    Ending.BANK_DELAYED_THEN_COMPLETED: ("COMPLETED", None),
    Ending.ORIGIN_SILENT: ("COMPLETED", None),
}

_FAULTS: Mapping[Ending, dict[str, Any]] = {
    Ending.BANK_RETURNED_THEN_COMPLETED: {"kind": "return"},
    Ending.BANK_SHORT_THEN_COMPLETED: {"kind": "short", "amount_fen": 180_000},
    Ending.BANK_DUPLICATED: {"kind": "duplicate"},
    Ending.BANK_LOST: {"kind": "lose"},
    Ending.BANK_DELAYED_THEN_COMPLETED: {"kind": "delay", "days": 10},
}


class Many:
    """The cases of a world while they are played."""

    def __init__(self, stage: Stage, show: Show, applications: Sequence[PlannedApplication]) -> None:
        self._stage = stage
        self._show = show
        self._applications = applications
        self.case_of: dict[int, str] = {}
        self._not_taken: dict[int, str] = {}

    def of(self, ending: Ending) -> list[tuple[str, PlannedApplication]]:
        """The cases that are meant to end so, with their applications."""
        return [
            (self.case_of[at], application)
            for at, application in enumerate(self._applications)
            if application.ending is ending and at in self.case_of
        ]

    async def play(self) -> None:
        """Play all of them to their ends."""
        stage, show = self._stage, self._show
        await stage.move(day("2024-05-13"))
        await self._apply()
        show.at(day("2024-05-13"), f"{len(self.case_of)} applications are cases, {len(self._not_taken)} were open already")

        await stage.move(day("2024-05-14"))
        decided = await self._everywhere(stage.decide_admissions)
        await stage.idle()
        for case_id, application in self.of(Ending.WITHDRAWN):
            await self._withdraw(case_id, application)
        show.at(day("2024-05-14"), f"{decided} decisions, each by two persons; {len(self.of(Ending.WITHDRAWN))} people withdraw")
        await stage.idle()

        await stage.move(day("2024-05-15"))
        silent = {case_id for case_id, _ in self.of(Ending.ORIGIN_SILENT)}
        handled = await self._everywhere(lambda province: stage.handle_letters(province, but=silent))
        await stage.idle()
        faults = await self._tell_faults()
        paid = await self._everywhere(stage.remit)
        await stage.idle()
        show.at(day("2024-05-15"), f"{handled} letters handled, {paid} payments; the bank will do {faults} of them wrong")

        await stage.move(day("2024-05-16"))
        booked = await self._everywhere(stage.complete)
        await stage.idle()
        show.at(day("2024-05-16"), f"{booked} transfers completed")

        await stage.move(day("2024-05-17"))
        await self._everywhere(stage.correct_accounts)
        await stage.idle()
        again = await self._everywhere(stage.remit)
        for case_id, application in self.of(Ending.BANK_SHORT_THEN_COMPLETED):
            await stage.bank("POST", f"/investigations/{case_id}", application.origin, Role.FUND_DESK)
        back = await self._everywhere(stage.give_back)
        await stage.idle()
        show.at(day("2024-05-17"), f"{again} returned payments sent again, {back} double payments given back")

        await stage.move(day("2024-05-20"))
        booked = await self._everywhere(stage.complete)
        await stage.idle()
        show.at(day("2024-05-20"), f"{booked} more completed")

        await stage.move(day("2024-05-28"))
        booked = await self._everywhere(stage.complete)
        await stage.idle()
        show.at(day("2024-05-28"), f"ten working days are over: reminders leave; {booked} delayed payments completed")

        await stage.move(day("2024-06-06"))
        late = await self._overdue()
        handled = await self._everywhere(stage.handle_letters)
        await stage.idle()
        await self._everywhere(stage.remit)
        await stage.idle()
        show.at(day("2024-06-06"), f"fifteen are over: {late} cases overdue, each person told; {handled} late letters handled")

        await stage.move(day("2024-06-07"))
        booked = await self._everywhere(stage.complete)
        await stage.idle()
        show.at(day("2024-06-07"), f"{booked} late ones completed; what the bank lost stays open and overdue")

    async def _everywhere(self, act: Callable[[str], Awaitable[int]]) -> int:
        """Do something in every province at the same time; returns the sum of what was done."""
        return sum(await asyncio.gather(*(act(province) for province in self._stage.provinces)))

    async def _overdue(self) -> int:
        lists = await asyncio.gather(
            *(self._stage.cases(province, DESTINATION, overdue=True) for province in self._stage.provinces)
        )
        return sum(len(found) for found in lists)

    async def _apply(self) -> None:
        """Single applications at the window, the others as one enterprise's submission a province."""
        stage = self._stage
        batches: dict[str, list[int]] = {}
        singles: list[int] = []
        repeats: list[int] = []
        for at, application in enumerate(self._applications):
            if application.ending is Ending.REFUSED_DUPLICATE_APPLICATION:
                repeats.append(at)  # must come after what it repeats
            elif application.channel == "batch":
                batches.setdefault(application.destination, []).append(at)
            else:
                singles.append(at)
        with self._show.progress("applications", len(self._applications)) as bar:
            ids = {}
            for province, places in batches.items():
                rows = [form_of(self._applications[at]) for at in places]
                answer = await stage.call(
                    "POST", province, DESTINATION, "/application-batches", Role.EMPLOYER, json={"rows": rows}
                )
                ids[province] = answer["batch_id"]
            gate = asyncio.Semaphore(6)

            async def single(at: int) -> None:
                async with gate:
                    application = self._applications[at]
                    self._note(at, await self._hand_in(application))
                    bar.advance()

            await asyncio.gather(*(single(at) for at in singles))
            for province, places in batches.items():
                path = f"/application-batches/{ids[province]}"
                await self._worked_off(province, path)
                rows = await stage.call("GET", province, DESTINATION, f"{path}/rows", Role.EMPLOYER, params={"limit": 10_000})
                for at, row in zip(places, rows, strict=True):
                    self._note(at, row)
                bar.advance(len(places))
            await asyncio.gather(*(single(at) for at in repeats))
        await stage.idle()

    async def _worked_off(self, province: str, path: str) -> None:
        """Wait until a submission is worked off; its state is asked for, as an employer would."""
        for _ in range(3000):
            if (await self._stage.call("GET", province, DESTINATION, path, Role.EMPLOYER))["state"] == "done":
                return
            await asyncio.sleep(0.1)
        raise Unexpected(f"the submission {path} of {province} is not worked off")

    async def _hand_in(self, application: PlannedApplication) -> dict[str, Any]:
        answer: dict[str, Any] = await self._stage.call(
            "POST", application.destination, DESTINATION, "/applications", Role.MAKER, json=form_of(application)
        )
        return answer

    def _note(self, at: int, row: dict[str, Any]) -> None:
        if row["result"] == "accepted":
            self.case_of[at] = row["case_id"]
        else:
            self._not_taken[at] = row["code"]

    async def _withdraw(self, case_id: str, application: PlannedApplication) -> None:
        """Whoever handed the application in withdraws it."""
        role = Role.EMPLOYER if application.channel == "batch" else Role.MAKER
        await self._stage.call("POST", application.destination, DESTINATION, f"/cases/{case_id}/withdrawal", role)

    async def _tell_faults(self) -> int:
        faults = [{"case_id": case_id, **fault} for ending, fault in _FAULTS.items() for case_id, _ in self.of(ending)]
        if faults:
            await self._stage.bank("PUT", "/scenario/faults", self._stage.provinces[0], Role.OPERATOR, json={"faults": faults})
        return len(faults)

    async def endings(self) -> tuple[list[tuple[str, str, str, str]], list[str]]:
        """How the cases ended: one row an ending for a table, and what ended otherwise than it was meant to."""
        found: dict[str, tuple[str, str | None]] = {}
        for province in self._stage.provinces:
            for case in await self._stage.cases(province, DESTINATION):
                found[case["case_id"]] = (case["status"], case["code"])
        counted: Counter[tuple[Ending, str, str | None]] = Counter()
        wrong = []
        for at, application in enumerate(self._applications):
            ended = ("not taken", self._not_taken[at]) if at in self._not_taken else found[self.case_of[at]]
            counted[(application.ending, *ended)] += 1
            if ended != EXPECTED[application.ending]:
                wrong.append(f"application {at} was meant to end {application.ending} and ended {ended}")
        rows = [
            (str(ending), status, code or "", str(count))
            for (ending, status, code), count in sorted(counted.items(), key=lambda item: -item[1])
        ]
        return rows, wrong


def check_world(world: World) -> None:
    """A demo world must show at least eight endings that are not the happy one.

    Raises:
        Unexpected: when it does not.
    """
    others = {application.ending for application in world.applications} - {Ending.COMPLETED}
    if len(others) < 8:
        raise Unexpected(f"the world has {len(others)} endings beside the happy one; make it larger")
