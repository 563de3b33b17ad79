"""Writes the table of every verb of a case from the agencies' own lists. `python -m services.cli.verbs [--check]`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from contracts.base import Fact
from contracts.generate import write_or_check
from services.audit.cases import PREDECESSORS
from services.destination_agency import case as destination
from services.destination_agency.verbs import VERBS as DESTINATION
from services.origin_agency import case as origin
from services.origin_agency.verbs import VERBS as ORIGIN
from services.records.verbs import Verb

HERE = Path(__file__).parents[2] / "docs"
FILE = "verbs.md"
_HTTP = ("GET ", "POST ", "PUT ", "DELETE ")


@dataclass(frozen=True, slots=True)
class Agency:
    """One side of a case: its states and everything that can be done with a case of its own."""

    title: str
    service: str
    states: tuple[StrEnum, ...]
    verbs: tuple[Verb, ...]

    @property
    def pairs(self) -> int:
        """Every state with every verb that needs a case: the others begin one, or are about none."""
        return len(self.states) * sum(1 for verb in self.verbs if verb.states)

    @property
    def works(self) -> int:
        """The pairs in which the verb works; in every other it is refused by name."""
        return sum(len(verb.states) for verb in self.verbs)


AGENCIES = (
    Agency("The destination agency", "destination-agency", tuple(destination.State), DESTINATION),
    Agency("The origin agency", "origin-agency", tuple(origin.State), ORIGIN),
)

_HEAD = """# Verbs of a case

Generated from `services/destination_agency/verbs.py` and `services/origin_agency/verbs.py` by `make contracts`; not edited by
hand.

A verb works from the states that it names. From every other it is refused by name (`NOT_NOW`); a test of each agency tries all
pairs, but those of a verb that begins a case or is about none: `tests/unit/destination_agency/test_verbs.py` and
`tests/unit/origin_agency/test_verbs.py`. Where a second person must
approve, any other person of the roles named stands in for an absent one; nobody approves what they proposed themselves
(社会保险经办条例 第三十七条). An event stands with what its province must have said of the case before, as an auditor asks it
(`services/audit/cases.py`).
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, _counts()]
    for agency in AGENCIES:
        parts += [f"## {agency.title}\n", _verbs(agency), _matrix(agency)]
    return "\n".join(parts)


def _counts() -> str:
    rows = [(each.title, len(each.verbs), len(each.states), each.pairs, each.works, each.pairs - each.works) for each in AGENCIES]
    total = ("Together", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
    head = ("", "verbs", "states", "pairs", "work", "refused by name")
    return _table(head, [tuple(str(cell) for cell in row) for row in (*rows, total)])


def _verbs(agency: Agency) -> str:
    head = ("verb", "what it does", "command", "who", "from", "says", "the other agency gets", "the person is told", "basis")
    return _table(head, [_verb(verb, agency) for verb in agency.verbs])


def _verb(verb: Verb, agency: Agency) -> tuple[str, ...]:
    states = [str(state) for state in agency.states if state in verb.states]
    document = f"`{verb.document.type_name}`: {verb.other_side}" if verb.document is not None else verb.other_side
    return (
        f"`{verb.name}`",
        sentence(verb.does),
        f"`{verb.command}`",
        _who(verb),
        "every state" if len(states) == len(agency.states) else ", ".join(states) or "no case yet",
        "; ".join(_says(fact) for fact in verb.facts) or "–",
        document or "–",
        verb.person or "–",
        verb.basis,
    )


def sentence(text: str) -> str:
    """What a verb does, written as a sentence."""
    return f"{text[0].upper()}{text[1:].removesuffix('.')}."


def _who(verb: Verb) -> str:
    if not verb.roles:
        return "anybody" if verb.command.startswith(_HTTP) else "nobody: it follows by itself"
    who = " or ".join(verb.roles)
    return f"{who}; then {' or '.join(verb.checked_by)}" if verb.checked_by else who


def _says(fact: type[Fact]) -> str:
    """An event, with what must have been said of the case before it."""
    before = ", ".join(f"`{name}`" for name in PREDECESSORS.get(fact.type_name, ()))
    return f"`{fact.type_name}` after {before}" if before else f"`{fact.type_name}`"


def _matrix(agency: Agency) -> str:
    head = ("state", *(f"`{verb.name}`" for verb in agency.verbs))
    rows = [(str(state), *("works" if state in verb.states else "" for verb in agency.verbs)) for state in agency.states]
    return _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: list[str] | None = None, *, home: Path = HERE) -> int:
    """Generate, or check with `--check`; 1 on drift."""
    parser = argparse.ArgumentParser(prog="python -m services.cli.verbs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the page differs")
    check = parser.parse_args(arguments).check
    return write_or_check({home / FILE: page()}, check=check)


if __name__ == "__main__":
    sys.exit(main())
