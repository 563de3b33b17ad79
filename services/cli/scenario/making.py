"""What a verb is, and how one is made of a request: on a case, in a list of one, by two hands, in a province."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from services.cli.play import DESTINATION, ORIGIN
from services.cli.scenario.kinds import CASE, CODE, PROVINCE, one_of
from services.cli.scenario.reading import Field, Maybe, Shape, Values

if TYPE_CHECKING:
    from services.cli.scenario.format import Step
    from services.cli.scenario.telling import Answer, Opened, Telling

BY = one_of("role", "person", "employer", "maker", "checker", "fund-desk", "operator", "auditor", "one-person")
"""As whom a step is done. `one-person` has all roles of the agency's staff, to show that four eyes are not two."""

EITHER = "either agency"
"""Stands for the agency of a verb that both have: the step says which."""

Act = Callable[["Telling", "Step"], Awaitable["Answer"]]

NOTHING = Shape("nothing", "nothing", ())

CASE_FIELD = Field("case", CASE, "the case's name; the last one that was opened, unless told otherwise")
PROVINCE_FIELD = Field("province", PROVINCE, "whose service", needed=True)
AT_FIELD = Field("at", one_of("agency", "origin", "destination"), "which of the two agencies", needed=True)
CODE_ANSWER = (Field("code", Maybe(CODE), "what was decided, where there was a choice"),)
_NOT_IN_BODY = frozenset({"case", "province", "at"})


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Args:
        name: as it stands in a story.
        says: what it does, in a sentence.
        request: what is sent, for the documents; the path below a service.
        by: as whom, where the step does not say.
        takes: its fields.
        act: does it.
        gives: what a later step may refer to by the name under `as`; empty for nothing.
        names: the names that it gives, where it is more than the one under `as`.
        answer: what of its answer can be expected.
        settles: whether services have something to do afterwards that the next step must wait for.
        pays: whether the bank may have something to pay afterwards, which it does before the day is over.
        local: whether it needs the stack's own folder, and so cannot be done against an address alone.
    """

    name: str
    says: str
    request: str
    by: str
    takes: Shape
    act: Act
    gives: str = ""
    names: Callable[[str, Values], tuple[str, ...]] = lambda name, _: (name,)
    answer: Shape = NOTHING
    settles: bool = True
    pays: bool = False
    local: bool = False


def plain(value: Any) -> Any:
    """A value as a request carries it."""
    match value:
        case date():
            return value.isoformat()
        case Mapping():
            return {name: plain(each) for name, each in value.items()}
        case tuple():
            return [plain(each) for each in value]
        case _:
            return value


def body(fields: Sequence[Field], given: Values) -> dict[str, Any]:
    """The body of a request: every field that is given, under the name that the service knows."""
    return {
        each.goes_as or each.name: plain(given[each.name])
        for each in fields
        if each.name in given and each.name not in _NOT_IN_BODY
    }


def agency(at: str, step: Step) -> str:
    """The service of a verb: its own, or of the agency that the step names."""
    if at != EITHER:
        return at
    return ORIGIN if step.given["at"] == "origin" else DESTINATION


def where(case: Opened, service: str) -> str:
    """The province whose service has a case."""
    return case.destination if service == DESTINATION else case.origin


def on_case(
    name: str, at: str, request: str, by: str, says: str, *fields: Field, answer: tuple[Field, ...] = (), settles: bool = True
) -> Verb:
    """A request about one case to the agency `at`; `{case}` in the path is its id."""
    method, path = request.split(" ", 1)

    async def act(telling: Telling, step: Step) -> Answer:
        case, service = telling.case(step.given.get("case")), agency(at, step)
        province = where(case, service)
        token = telling.token(province, step.by or by, person=case.person)
        json = body(fields, step.given) or None
        return await telling.ask(method, province, service, path.format(case=case.case_id), token, json=json)

    takes, gives = taking(name, says, *about(at), *fields), answering(name, answer)
    return Verb(name, says, f"{at}: {request}", by, takes, act, answer=gives, settles=settles)


def listed(name: str, at: str, what: str, by: str, says: str, *fields: Field, settles: bool = True) -> Verb:
    """A list of one case, posted to `what`; its row is the answer."""

    async def act(telling: Telling, step: Step) -> Answer:
        case = telling.case(step.given.get("case"))
        return await telling.list_of_one(agency(at, step), what, case, step.by or by, body(fields, step.given))

    takes, gives = taking(name, says, *about(at), *fields), answering(name, CODE_ANSWER)
    return Verb(name, says, f"{at}: POST /{what}", by, takes, act, answer=gives, settles=settles)


def two_hands(name: str, at: str, what: str, says: str, *fields: Field, first: str = "maker") -> Verb:
    """Proposed by one person and approved by another, in one step; what either refuses is the step's refusal."""

    async def act(telling: Telling, step: Step) -> Answer:
        case, service = telling.case(step.given.get("case")), agency(at, step)
        return await both(telling, step, service, what, case, body(fields, step.given), first=first)

    request = f"{at}: POST /{what}/proposals, then /{what}/approvals"
    takes, gives = taking(name, says, *about(at), *fields), answering(name, CODE_ANSWER)
    return Verb(name, says, request, f"{first}, checker", takes, act, answer=gives)


async def both(
    telling: Telling, step: Step, service: str, what: str, case: Opened, more: Mapping[str, Any], *, first: str = "maker"
) -> Answer:
    """Propose and approve something for a list of one case."""
    proposed = await telling.list_of_one(service, f"{what}/proposals", case, step.by or first, more)
    if proposed.refusal is not None:
        return proposed
    return await telling.list_of_one(service, f"{what}/approvals", case, step.by or "checker", {})


def in_province(
    name: str, service: str, request: str, by: str, says: str, *fields: Field, answer: tuple[Field, ...] = ()
) -> Verb:
    """A request to a service of the province that the step names."""
    method, path = request.split(" ", 1)

    async def act(telling: Telling, step: Step) -> Answer:
        province = str(step.given["province"])
        token = telling.token(province, step.by or by)
        return await telling.ask(method, province, service, path, token, json=body(fields, step.given) or None)

    takes, gives = taking(name, says, PROVINCE_FIELD, *fields), answering(name, answer)
    return Verb(name, says, f"{service}: {request}", by, takes, act, answer=gives)


def paying(verb: Verb) -> Verb:
    """The same verb, after which the bank may have something to pay."""
    return replace(verb, pays=True)


def about(at: str) -> tuple[Field, ...]:
    """The fields by which a step names its case, and the agency where both have the verb."""
    return (AT_FIELD, CASE_FIELD) if at == EITHER else (CASE_FIELD,)


def taking(name: str, says: str, *fields: Field) -> Shape:
    """What a verb takes."""
    return Shape(name, says, fields)


def answering(name: str, fields: tuple[Field, ...]) -> Shape:
    """What can be expected of a verb's answer."""
    return Shape(f"answer_of_{name}", "what the service answered", fields)
