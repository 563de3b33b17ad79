"""What a doctor found, put in order: a cause comes before all that follows from it. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing.

    Args:
        about: what it is wrong with: `kafka`, `44.origin-agency`, `topic exchange.33`. One name a thing.
        says: what is wrong, in a sentence.
        remedy: what to do, with the command where there is one.
        because: what would explain it, if that is wrong itself; names as in `about`.
        note: whether it is only worth knowing.
    """

    about: str
    says: str
    remedy: str
    because: tuple[str, ...] = ()
    note: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """A check that could not be done, and what would explain that."""

    check: str
    reason: str
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """A finding that nothing else explains, with all that it explains."""

    finding: Finding
    explains: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, causes first; what could not be told; what is worth knowing."""

    causes: tuple[Cause, ...]
    notes: tuple[Finding, ...]
    unknown: tuple[Unknown, ...]
    looked_at: int = 0

    @property
    def well(self) -> bool:
        """Whether all is well, and everything could be looked at."""
        return not self.causes and not self.unknown


@dataclass(slots=True)
class Found:
    """What the checks find, in the order in which things depend on each other: what comes first may explain what follows."""

    findings: list[Finding] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    looked_at: int = 0

    def add(self, findings: Sequence[Finding]) -> None:
        """Take in what one check found."""
        self.findings += findings
        self.looked_at += 1

    def wrong_with(self, *things: str) -> bool:
        """Whether something is wrong with one of these."""
        return any(each.about in things and not each.note for each in self.findings)

    def diagnosis(self) -> Diagnosis:
        """Causes, each with what it explains; one thing is wrong in one way, the first that was found."""
        wrong: dict[str, Finding] = {}
        beside: list[Finding] = []
        for each in self.findings:
            if each.note:
                continue
            if each.about in wrong:
                beside.append(each)
            else:
                wrong[each.about] = each
        cause_of = {about: _root(about, wrong) for about in wrong}
        explained: dict[str, list[Finding]] = {about: [] for about in wrong if cause_of[about] == about}
        for about, each in wrong.items():
            if cause_of[about] != about:
                explained[cause_of[about]].append(each)
        for each in beside:
            explained[cause_of[each.about]].append(each)
        unknown = [each for each in self.unknown if not any(name in wrong for name in each.because)]
        return Diagnosis(
            tuple(Cause(wrong[about], tuple(rest)) for about, rest in explained.items()),
            tuple(each for each in self.findings if each.note),
            tuple(unknown),
            self.looked_at,
        )


def _root(about: str, wrong: dict[str, Finding]) -> str:
    """What explains a finding in the end. Only what was found earlier explains, so that nothing explains itself."""
    order = list(wrong)
    at = about
    while True:
        earlier = [name for name in wrong[at].because if name in wrong and order.index(name) < order.index(at)]
        if not earlier:
            return at
        at = min(earlier, key=order.index)
