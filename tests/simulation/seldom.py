"""What clerks do with a case beside its smooth course: ask, correct, recall, clear, report a death, settle.

What a case meets with is drawn once, when a clerk first sees it. What a clerk does next is read from the tables, so that a
command whose answer was lost is given again, as at a real desk.
"""

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from services.destination_agency.letters import Change
from services.origin_agency.store import form_day
from services.records.corrections import Corrections
from services.records.decisions import Refused
from services.rules.amounts import YearRow

if TYPE_CHECKING:
    from tests.simulation.world import World

Row = Mapping[str, Any]
Work = tuple[str, list[str], Callable[[Any], Awaitable[Any]]]
Act = Callable[[Any, list[str]], Awaitable[Any]]

# How often a case meets with what; each is drawn by itself, so that some cases meet with several.
OFTEN = {
    "material": 0.06,
    "cancel": 0.03,
    "question": 0.06,
    "question of the origin": 0.06,
    "death": 0.03,
    "death at the origin": 0.03,
    "amended early": 0.06,
    "amended late": 0.06,
    "recall": 0.06,
    "set aside": 0.25,
    "insists": 0.5,
    "closed by a clerk": 0.3,
    "cured": 0.5,
}
# A step that is refused by name is not tried for ever; one whose answer was lost is.
MOST = 8
# So often a later form is not booked before it is set aside.
ENOUGH = 3

RECALL = "RECALL_WRONG_PERSON"
_NOTE = "as the records of the day say"
_BACK = "it was right before"


class Seen(Protocol):
    """What a clerk needs to know of who moves."""

    @property
    def id_number(self) -> str:
        """The identity number."""

    @property
    def rows(self) -> tuple[YearRow, ...]:
        """The years at the origin."""

    @property
    def kind(self) -> str:
        """What is odd about their transfer."""


@dataclass
class Seldom:
    """The seldom verbs of one world."""

    world: "World"

    def __post_init__(self) -> None:
        self._fates: dict[str, frozenset[str]] = {}
        self._tried: dict[tuple[str, str], int] = {}
        self._aside: dict[str, int] = {}  # the version of the form that a destination does not book

    def _fate(self, case_id: str) -> frozenset[str]:
        found = self._fates.get(case_id)
        if found is None:
            chance = self.world.nature.chance
            found = self._fates[case_id] = frozenset(what for what, often in OFTEN.items() if chance.random() < often)
        return found

    def _may(self, what: str, case_id: str) -> bool:
        """Whether a step is still tried that may be refused."""
        return self._tried.get((what, case_id), 0) < MOST

    def _work(self, what: str, case_id: str, act: Act) -> Work:
        async def tried(office: Any) -> Any:
            answer = await act(office, [case_id])
            self._tried[what, case_id] = self._tried.get((what, case_id), 0) + 1
            if getattr(answer, "done", 0):
                self.world.nature.counts[f"clerks: {what}"] += 1
            return answer

        return what, [case_id], tried

    def _some(self, steps: Iterator[tuple[str, str, Act]]) -> list[Work]:
        return [self._work(what, case_id, act) for what, case_id, act in steps if self._may(what, case_id)]

    # -- the destination

    def at_destination(self, province: str, checker: str) -> list[Work]:
        """What clerks of the destination have to do with cases that do not go smoothly."""
        steps: list[Work] = []
        for row in self.world.rows(province, "destination_agency.cases"):
            steps += self._some(self._of_destination(row, json.loads(row["body"]), province, checker))
        return steps

    def _of_destination(self, row: Row, body: Row, province: str, checker: str) -> Iterator[tuple[str, str, Act]]:
        case_id, state, fate = row["case_id"], row["state"], self._fate(row["case_id"])
        proposal = body.get("proposal") or {}
        kind, alive = proposal.get("kind"), not body.get("died_on")
        died_on = self.world.clock.today()
        match state:
            case "REVIEWING" if "material" in fate and not body.get("asked"):
                items = ["IDENTITY_DOCUMENT", "APPLICATION_DATA"]
                yield "ask for material", case_id, lambda o, ids: o.desk.ask_for_material(ids, "maker-1", items)
            case "NEED_MATERIAL":
                items = list(body["asked"])
                yield "supply material", case_id, lambda o, ids: o.desk.supply_material(ids[0], "clerk-1", items)
            case "RETURNED" | "RETURNED_CURABLE":
                yield from self._letter_is_back(row, body, kind, fate, checker)
            case "FORM_HELD" | "DISCREPANCY" if body["discrepancy"] == "PAYMENT_RETURNED" or self._gave_back(row):
                yield from self._another_account(case_id, kind, checker)
            case "DUPLICATE_CLEARING":
                kept = "own" if self.world.nature.chance.random() < 0.5 else "transferred"
                if kind != "duplicates":
                    yield "choose duplicates", case_id, lambda o, ids: o.desk.choose_duplicates(ids, "maker-1", kept)
                else:
                    yield "approve duplicates", case_id, lambda o, ids: o.desk.approve_duplicates(ids, checker)
            case "CORRECTION_HELD" | "CORRECTION_PROPOSED":
                yield from self._later_form(row, body, kind, fate, checker)
            case "RECALL_HELD":
                yield from self._recall_held(case_id, kind, checker)
            case "COMPLETED" if not alive:
                if kind != "settlement":
                    yield "propose settlement", case_id, lambda o, ids: o.desk.propose_settlements(ids, "maker-1")
                else:
                    yield "approve settlement", case_id, lambda o, ids: o.desk.approve_settlements(ids, checker)
        if "cancel" in fate and state in ("REVIEWING", "NEED_MATERIAL", "ADMISSION_PROPOSED"):
            if kind != "cancellation":
                yield "propose cancellation", case_id, lambda o, ids: o.desk.propose_cancellations(ids, "maker-1", _NOTE)
            else:
                yield "approve cancellation", case_id, lambda o, ids: o.desk.approve_cancellations(ids, checker)
        if "death" in fate and alive and state not in _ENDED_THERE and self.world.nature.chance.random() < 0.1:
            yield (
                "report a death",
                case_id,
                lambda o, ids: o.desk.report_deaths(ids, "clerk-1", died_on=died_on, reported_by="family"),
            )
        if "question" in fate and state in ("LETTER_SENT", "FORM_HELD", "BOOKING") and not body.get("questions"):
            yield "ask", case_id, lambda o, ids: o.desk.ask(ids[0], "clerk-1", kind="other", text="since when?")
        for each in body.get("questions", ()):
            if each["asked_by"] != province and each["answered_on"] is None:
                yield "answer", case_id, partial(_answered, "desk", each["question_id"])

    def _letter_is_back(
        self, row: Row, body: Row, kind: str | None, fate: frozenset[str], checker: str
    ) -> Iterator[tuple[str, str, Act]]:
        case_id = row["case_id"]
        right = self.world.elsewhere.get(case_id)
        if kind == "letter":
            yield "approve letter", case_id, lambda o, ids: o.desk.approve_letters(ids, checker)
        elif right is not None and right != row["origin"] and not body["received_fen"]:
            change = Change(_NOTE, division=f"{right}0100")
            yield "readdress", case_id, lambda o, ids: o.desk.propose_letters(ids, "maker-1", change)
        elif row["state"] == "RETURNED_CURABLE" and "cured" in fate and not body.get("letter_version"):
            yield "cure", case_id, lambda o, ids: o.desk.propose_letters(ids, "maker-1", Change(_NOTE))
        elif row["state"] == "RETURNED" and "closed by a clerk" in fate:
            yield "close", case_id, lambda o, ids: o.desk.close(ids, "clerk-1", "nobody goes on with it")

    def _another_account(self, case_id: str, kind: str | None, checker: str) -> Iterator[tuple[str, str, Act]]:
        if kind != "letter":
            yield "another account", case_id, lambda o, ids: o.desk.propose_letters(ids, "maker-1", Change("another account"))
        else:
            yield "approve letter", case_id, lambda o, ids: o.desk.approve_letters(ids, checker)

    def _recall_held(self, case_id: str, kind: str | None, checker: str) -> Iterator[tuple[str, str, Act]]:
        # What cannot be given up, because it was refunded or settled since, is declined in the end.
        agreed = self.world.nature.chance.random() < 0.7 and self._tried.get(("approve recall", case_id), 0) < MOST // 2
        if kind != "recall" or self._tried.get(("approve recall", case_id), 0) >= MOST // 2:
            yield (
                "propose recall",
                case_id,
                lambda o, ids: o.desk.propose_recall_answers(ids, "maker-1", agreed=agreed, reason=_NOTE),
            )
        if kind == "recall":
            yield "approve recall", case_id, lambda o, ids: o.desk.approve_recall_answers(ids, checker)

    def _later_form(
        self, row: Row, body: Row, kind: str | None, fate: frozenset[str], checker: str
    ) -> Iterator[tuple[str, str, Act]]:
        """A form after the completion: it is booked when its money is here, or not at all."""
        case_id, there = row["case_id"], self._at_origin(row)
        version, items = there.get("form_version", 0), there.get("items") or {"total_fen": 0}  # a clerk reads them in the form
        refused = self._tried.get(("approve correction", case_id), 0) >= ENOUGH * (version - 1)
        if kind == "aside":
            self._aside[case_id] = version
            yield "approve setting aside", case_id, lambda o, ids: o.desk.approve_setting_aside(ids, checker)
        elif refused or (version == 2 and "set aside" in fate and row["state"] == "CORRECTION_HELD"):
            yield "set aside", case_id, lambda o, ids: o.desk.propose_setting_aside(ids, "maker-1", _NOTE)
        elif row["state"] == "CORRECTION_PROPOSED":
            yield "approve correction", case_id, lambda o, ids: o.desk.approve_corrections(ids, checker)
        elif body["received_fen"] - body.get("returning_fen", 0) >= items["total_fen"]:
            yield "propose correction", case_id, lambda o, ids: o.desk.propose_corrections(ids, "maker-1")
        elif there.get("sent_back"):
            yield from self._another_account(case_id, kind, checker)

    def _at_origin(self, row: Row) -> Row:
        """What the origin holds of a case, as clerks tell each other."""
        for there in self.world.rows(row["origin"], "origin_agency.cases"):
            if there["case_id"] == row["case_id"]:
                found: Row = json.loads(there["body"])
                return found
        return {}

    def _gave_back(self, row: Row) -> bool:
        """Whether money went back before the form that it was for came; the origin waits for a letter then."""
        return bool(self._at_origin(row).get("sent_back"))

    # -- the origin

    def at_origin(self, province: str, checker: str) -> list[Work]:
        """What clerks of the origin have to do with cases that do not go smoothly."""
        steps: list[Work] = []
        for row in self.world.rows(province, "origin_agency.cases"):
            steps += self._some(self._of_origin(row, json.loads(row["body"]), province, checker))
        return steps

    def _of_origin(self, row: Row, body: Row, province: str, checker: str) -> Iterator[tuple[str, str, Act]]:
        case_id, state, fate = row["case_id"], row["state"], self._fate(row["case_id"])
        wish = (body.get("wish") or {}).get("kind")
        died_on = self.world.clock.today()
        too_late = state == "SETTLED" and bool(body["died_on"])  # the destination settles with the heirs
        if body["ordered_fen"]:
            pass  # the bank has the last word first
        elif wish == "amendment" and not too_late:
            if state in _AMENDABLE:
                yield "approve amendment", case_id, lambda o, ids: o.afterwards.approve_amendments(ids, checker)
        elif wish == "recall" and not too_late:
            yield "approve recall", case_id, lambda o, ids: o.afterwards.approve_recalls(ids, checker)
        elif row["person_ref"] and self._amends(row, body, province, fate):
            yield from self._corrected(row, body, province, fate)
        elif state == "SETTLED" and "recall" in fate and not self._tried.get(("propose recall", case_id)):
            yield (
                "propose recall",
                case_id,
                lambda o, ids: o.afterwards.propose_recalls(ids, "maker-1", code=RECALL, reason=_NOTE),
            )
        if body["died_on"] and state in ("RETURNED", "CANCELLED", "RECALLED") and row["person_ref"]:
            if wish != "settlement":
                yield "propose settlement", case_id, lambda o, ids: o.afterwards.propose_settlements(ids, "maker-1")
            else:
                yield "approve settlement", case_id, lambda o, ids: o.afterwards.approve_settlements(ids, checker)
        if "death at the origin" in fate and not body["died_on"] and self.world.nature.chance.random() < 0.1:
            yield (
                "report a death",
                case_id,
                lambda o, ids: o.afterwards.report_deaths(ids, "clerk-1", died_on=died_on, reported_by="registry"),
            )
        if "question of the origin" in fate and state in ("LETTER_HELD", "REMITTED") and not body["questions"]:
            yield "ask", case_id, lambda o, ids: o.correspondence.ask(ids[0], "clerk-1", kind="other", text="since when?")
        for each in body["questions"]:
            if not each["ours"] and each["answered_on"] is None:
                yield "answer", case_id, partial(_answered, "correspondence", each["question_id"])

    def _there(self, row: Row) -> str:
        """The state of a case at its destination, as clerks tell each other."""
        for there in self.world.rows(row["destination"], "destination_agency.cases"):
            if there["case_id"] == row["case_id"]:
                return str(there["state"])
        return ""

    def _corrections(self, row: Row, province: str, state: str) -> list[Row]:
        known = self.world.rows(province, "records.corrections")
        return [each for each in known if each["person_ref"] == row["person_ref"] and each["state"] == state]

    def _amends(self, row: Row, body: Row, province: str, fate: frozenset[str]) -> bool:
        """Whether the record is to be corrected now, or was and the form must follow."""
        state, version = row["state"], body["form_version"]
        if self._came_to_nothing(row, version):
            return state in _AMENDABLE - {"SETTLED"} and version < MOST
        if version != 1:
            return False
        if self._corrections(row, province, "approved") or self._corrections(row, province, "proposed"):
            return state in _AMENDABLE
        if self._citizen(row["person_ref"], province) is None or body["died_on"]:
            return False
        return ("amended early" in fate and state == "FORM_ISSUED") or ("amended late" in fate and state == "SETTLED")

    def _came_to_nothing(self, row: Row, version: int) -> bool:
        """Whether the destination did not book the newest form: it was set aside, or came when the heirs had their claim."""
        there = self._there(row)
        aside = self._aside.get(row["case_id"]) == version and there in ("COMPLETED", "DUPLICATE_CLEARING")
        return aside or (version > 1 and there == "SETTLED" and row["state"] != "SETTLED")

    def _corrected(self, row: Row, body: Row, province: str, fate: frozenset[str]) -> Iterator[tuple[str, str, Act]]:
        """A year of the record was wrong: it is corrected by two persons, and the form is amended by what that changes.

        What the destination does not book is said once more, or is taken back.
        """
        case_id, person_ref, version = row["case_id"], row["person_ref"], body["form_version"]
        approved = self._corrections(row, province, "approved")
        proposed = [each["correction_id"] for each in self._corrections(row, province, "proposed")]
        too_late = row["state"] == "SETTLED" and bool(body["died_on"])
        back = too_late or self._there(row) == "SETTLED" or version > 2 or (version == 2 and "insists" not in fate)
        done = any(each["reason"] == _BACK for each in approved) if back else bool(approved)
        citizen = self._citizen(person_ref, province)
        if proposed:
            yield "approve record", case_id, lambda o, ids: _corrections(o).approve(proposed, "checker-1")
        elif not done and citizen is not None:
            luck = None if back else self.world.nature.chance.random()
            yield "correct record", case_id, partial(_propose_record, citizen, person_ref, luck)
        elif not too_late:
            yield "propose amendment", case_id, lambda o, ids: o.afterwards.propose_amendments(ids, "maker-1", reason=_NOTE)

    def _citizen(self, person_ref: str, province: str) -> Seen | None:
        key = bytes.fromhex(self.world.hash_keys[province])
        hashes = {row["id_hash"] for row in self.world.rows(province, "records.persons") if row["person_ref"] == person_ref}
        for citizen in self.world.citizens:
            if hmac.new(key, citizen.id_number.encode(), hashlib.sha256).digest() in hashes:
                return citizen
        return None


_AMENDABLE = frozenset({"FORM_ISSUED", "PAYMENT_RETURNED", "REMITTED", "SETTLED"})
_ENDED_THERE = ("REFUSED", "RETURNED", "CLOSED", "RECALLED", "SETTLED", "CANCELLED")


def _corrections(office: Any) -> Corrections:
    return Corrections(office.database, office.agency, office.told, form_day)


async def _answered(desk: str, question_id: str, office: Any, ids: list[str]) -> Any:
    talk = getattr(office, desk)
    return await talk.answer(ids[0], "clerk-1", question_id=question_id, text="since that year", confirms=True)


async def _propose_record(citizen: Seen, person_ref: str, luck: float | None, office: Any, ids: list[str]) -> Any:
    """A year's wage was another one: higher for one, lower for another, and without luck as it was."""
    year = citizen.rows[0].year
    factor = 100 if luck is None else 110 if luck < 0.5 else 90
    rows = [replace(row, monthly_wage_fen=row.monthly_wage_fen // 100 * factor) for row in citizen.rows if row.year == year]
    try:
        return await _corrections(office).propose(person_ref, year, rows, "operator-1", reason=_BACK if luck is None else _NOTE)
    except Refused as refusal:
        return refusal.code
