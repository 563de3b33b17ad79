"""What a story is: its people with their records, its day, its steps, and what is expected after each. Reads one from a file.

Everything that can be known without running is checked here, with its line: fields, values, names, the order of days, and the
record data by the very checks of the import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import yaml

from services.cli.scenario.kinds import DAY, HUKOU, NAME, NATIONALITY, PROVINCE, REGISTER, SEX, TEXT, tables
from services.cli.scenario.looks import LOOKS, REFUSED
from services.cli.scenario.making import BY, Verb
from services.cli.scenario.people import check_records
from services.cli.scenario.reading import (
    ByName,
    Field,
    Many,
    Place,
    Reader,
    Scalar,
    Shape,
    StoryInvalid,
    Values,
    load,
)
from services.cli.scenario.verbs import BY_NAME, RECORD_FIELDS, VERBS
from services.rules.deadlines import due_on

EARLIEST = date(2020, 1, 1)
"""The local stacks' signing keys are valid from this day; a record that is signed before is believed by nobody."""

RECORD = Shape("record", "what a province knows of the person", RECORD_FIELDS)
PERSON_SHAPE = Shape(
    "person",
    "a person; the id number is made anew for each run",
    (
        Field("name", TEXT, "full name", needed=True),
        Field("sex", SEX, "male or female", needed=True),
        Field("born", DAY, "birthday", needed=True),
        Field("hukou", REGISTER, "province of the household register", needed=True),
        Field(
            "id_prefix",
            HUKOU,
            "first two digits of the id number, where they are not the hukou's (81, 82, 83: residence permits)",
        ),
        Field("nationality", NATIONALITY, "of a foreigner, whose number is made of it and of the document's; hukou is none then"),
        Field("phone", TEXT, "telephone"),
        Field("language", TEXT, "zh-CN or en; zh-CN, unless told otherwise"),
        Field("category", TEXT, "urban_employee, unless told otherwise"),
        Field("records", ByName(PROVINCE, RECORD), "by province"),
    ),
)
EXPECT = Shape("expect", "what must be so when the step is done", tuple(Field(look.name, look.kind, look.says) for look in LOOKS))
COMMON = (
    Field("as", NAME, "the name under which later steps refer to what this one gives"),
    Field("by", BY, "as whom it is done, where that is not as usual"),
    Field("refused", REFUSED, "that the step is refused, and how"),
    Field("expect", EXPECT, "what must be so when the step is done"),
)
STORY = Shape(
    "story",
    "a story",
    (
        Field("title", TEXT, "what it tells, in a sentence", needed=True),
        Field("source", TEXT, "the paragraph that it is about", needed=True),
        Field("from", DAY, "the day on which it begins; every clock stands at 09:00 then", needed=True),
        Field("people", ByName(NAME, PERSON_SHAPE, least=1), "who is in it, by name", needed=True),
        Field("steps", Many(Shape("step", "a step", ()), least=1), "what happens, in order", needed=True),
    ),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `on` is the day on which it happens; `gives` is the name of what it gives, empty for nothing."""

    at: int
    place: Place
    verb: Verb
    given: Values
    gives: str
    by: str | None
    refused: Values | None
    expect: Values
    on: date


@dataclass(frozen=True, slots=True)
class Story:
    """One story, read and checked."""

    file: str
    title: str
    source: str
    begins: date
    people: Mapping[str, Values]
    steps: tuple[Step, ...]

    @property
    def provinces(self) -> tuple[str, ...]:
        """The provinces whose services it needs."""
        found = {province for person in self.people.values() for province in person.get("records", ())}
        for step in self.steps:
            found |= {str(step.given[name])[:2] for name in ("province", "destination_division") if name in step.given}
            for look in ("ledger", "record", "journal"):
                found |= set(step.expect.get(look, ()))
        return tuple(sorted(found))

    @property
    def touched(self) -> tuple[str, ...]:
        """The provinces that may have something to do for it: those, and every former place that a step names."""
        origins = {str(step.given["origin_division"])[:2] for step in self.steps if "origin_division" in step.given}
        gathered = {str(place["division"])[:2] for step in self.steps for place in step.given.get("places", ())}
        return tuple(sorted({*self.provinces, *origins, *gathered}))


def read_story(path: Path) -> Story:
    """Read a story from its file.

    Raises:
        StoryInvalid: naming everything that is wrong by line, column and field.
    """
    return parse_story(load(path), file=str(path))


def parse_story(content: bytes, *, file: str) -> Story:
    """Read a story from its bytes; `file` is its name in problems. Raises StoryInvalid."""
    reader = Reader(file)
    root = reader.root(content)
    story = _Parser(reader).story(root) if root is not None else None
    if reader.problems:
        raise StoryInvalid(sorted(reader.problems, key=lambda problem: problem.place))
    assert story is not None
    return story


class _Parser:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._people: Mapping[str, Values] = {}
        self._given: dict[str, str] = {}  # what earlier steps gave: name to kind
        self._last: dict[str, bool] = {}

    def story(self, root: yaml.Node) -> Story | None:
        reader = self._reader
        # The steps are read one by one below, for a step's fields are its verb's.
        head = replace(STORY, fields=tuple(each for each in STORY.fields if each.name != "steps"))
        steps = _take(root, "steps")
        values = reader.read(root, head)
        if steps is None:
            if isinstance(root, yaml.MappingNode):
                reader.note(Place(root.start_mark.line + 1, 1), "steps", "is missing; expected a list of steps")
            return None
        self._people = {name: person for name, person in values.get("people", {}).items() if person is not None}
        for problem in check_records(reader.file, self._people):
            reader.problems.append(problem)
        begins = values.get("from")
        if begins is not None and begins < EARLIEST:
            reader.note(values.places["from"], "from", f"'{begins}' is too early; expected a day from {EARLIEST} on")
        told = self._steps(steps, begins or EARLIEST)
        if reader.problems:
            return None
        return Story(reader.file, values["title"], values["source"], values["from"], self._people, told)

    def _steps(self, node: yaml.Node, begins: date) -> tuple[Step, ...]:
        reader = self._reader
        if not isinstance(node, yaml.SequenceNode):
            reader.read(node, Many(NAME), "steps")
            return ()
        if not node.value:
            reader.note(_place(node), "steps", "has 0 entries; expected at least 1")
        today = begins
        found = []
        for at, item in enumerate(node.value, 1):
            step = self._step(item, at, today)
            if step is not None:
                today = step.on
                found.append(step)
        return tuple(found)

    def _step(self, node: yaml.Node, at: int, today: date) -> Step | None:
        reader, way = self._reader, f"steps.{at}"
        if not isinstance(node, yaml.MappingNode):
            reader.note(_place(node), way, "is no step; expected a mapping with a verb, like `- look:`")
            return None
        names = [str(key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        verbs = [name for name in names if name in BY_NAME]
        if len(verbs) != 1:
            if verbs:
                reader.note(_place(node), way, f"has the verbs {' and '.join(verbs)}; expected one verb a step")
            else:
                known = Shape("step", "a step", (*(Field(verb.name, verb.takes, verb.says) for verb in VERBS), *COMMON))
                before = len(reader.problems)
                reader.read(node, known, way)
                if len(reader.problems) == before:
                    reader.note(_place(node), way, "has no verb; expected one verb a step")
            return None
        verb = BY_NAME[verbs[0]]
        seen = len(reader.seen)
        values = reader.read(node, step_shape(verb), way)
        given = _given(values, verb)
        expect: Values = values.get("expect") or Values(_place(node))
        self._name_of_nothing(verb, values, way)
        gives = str(values.get("as", verb.gives)) if verb.gives else ""
        self._references(reader.seen[seen:], verb, given, expect, gives, way)
        if gives and "refused" not in values:
            self._given |= dict.fromkeys(verb.names(gives, given), verb.gives)
            self._last[verb.gives] = True
        on = self._day(verb, given, today, way)
        return Step(at, _place(node), verb, given, gives, values.get("by"), values.get("refused"), expect, on)

    def _name_of_nothing(self, verb: Verb, values: Values, way: str) -> None:
        if "as" not in values:
            return
        if not verb.gives:
            self._reader.note(values.places["as"], f"{way}.as", f"{verb.name} gives nothing to be named; expected no name here")
        elif any(name in self._given for name in verb.names(str(values["as"]), _given(values, verb))):
            told = f"'{values['as']}' is the name of what an earlier step gave; expected a new name"
            self._reader.note(values.places["as"], f"{way}.as", told)

    def _references(
        self, seen: Iterable[tuple[Scalar, str, Place, str]], verb: Verb, given: Values, expect: Values, gives: str, way: str
    ) -> None:
        """Every name must stand for something that is there by then; a case that is left out must have been opened."""
        for kind, name, place, where in seen:
            if kind.refers == "account":
                word, _, whose = name.partition(" ")
                if word == "individual" and whose not in self._people:
                    self._reader.note(place, where, f"'{name}' is of nobody; expected one of {_listed(self._people)}")
            elif kind.refers == "person":
                if name not in self._people:
                    self._reader.note(place, where, f"'{name}' is nobody; expected one of {_listed(self._people)}")
            elif self._given.get(name) != kind.refers and not (name in verb.names(gives, given) and ".expect." in where):
                known = [known for known, what in self._given.items() if what == kind.refers]
                told = f"'{name}' is no {kind.refers} that an earlier step gave; expected one of {_listed(known)}"
                self._reader.note(place, where, told)
        if self._last.get("case"):
            return
        if verb.takes.field("case") is not None and "case" not in given:
            self._reader.note(
                given.place, f"{way}.{verb.name}", "needs a case, and none was opened; expected `apply` in an earlier step"
            )
        if verb.gives == "case":
            return
        told = "needs a case, and none was opened; expected `apply` in this or an earlier step"
        for name in ("case", "origin", "notices", "questions"):
            if name in expect and "case" not in expect[name]:
                self._reader.note(expect.places[name], f"{way}.expect.{name}", told)
        for province, journal in expect.get("journal", {}).items():
            if journal is not None and "case" not in journal:
                self._reader.note(expect["journal"].places[province], f"{way}.expect.journal.{province}", told)

    def _day(self, verb: Verb, given: Values, today: date, way: str) -> date:
        """On which day the step ends: `wait` alone moves the clock."""
        if verb.name != "wait":
            return today
        until: date | None = given.get("until")
        if until is not None:
            if until <= today:
                place = given.places["until"]
                self._reader.note(
                    place, f"{way}.wait.until", f"'{until}' is not after {today}; expected a later day: time goes forward"
                )
            return max(until, today)
        if (days := given.get("days")) is not None:
            return today + timedelta(days=days)
        return due_on(today, given.get("working_days") or 0, tables().calendar).on


def _given(values: Values, verb: Verb) -> Values:
    """What stands under a step's verb; nothing, if nothing does."""
    found: Values = values.get(verb.name) or Values(values.places.get(verb.name, values.place))
    return found


def step_shape(verb: Verb) -> Shape:
    """What a step with this verb may have."""
    answer = (Field("answer", verb.answer, "what the service answered"),) if verb.answer.fields else ()
    expect = Field("expect", replace(EXPECT, fields=(*answer, *EXPECT.fields)), "what must be so when the step is done")
    common = tuple(each for each in COMMON if each.name != "expect")
    return Shape("step", "a step", (Field(verb.name, verb.takes, verb.says, needed=True), *common, expect))


def _take(root: yaml.Node, name: str) -> yaml.Node | None:
    """Take a field's node out of a mapping."""
    if not isinstance(root, yaml.MappingNode):
        return None
    for at, (key, value) in enumerate(root.value):
        if isinstance(key, yaml.ScalarNode) and key.value == name:
            del root.value[at]
            found: yaml.Node = value
            return found
    return None


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "nothing: there are none"
