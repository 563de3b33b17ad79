"""What must have happened before what, in one case in one province. Pure."""

from collections.abc import Sequence

# For each event, those that its province must have said of the same case before. Documents and notices follow no order, and
# money may come for a case that nobody knows.
PREDECESSORS: dict[str, tuple[str, ...]] = {
    "transfer.accepted": ("transfer.applied",),
    "transfer.refused": ("transfer.applied",),
    "contact_letter.sent": ("transfer.accepted",),
    "information_form.received": ("contact_letter.sent",),
    "funds.sent_back": ("funds.received",),
    "discrepancy.resolved": ("discrepancy.raised",),
    "transfer.completed": ("information_form.received",),
    "transfer.returned": ("contact_letter.sent",),
    "withdrawal.requested": ("transfer.applied",),
    "withdrawal.declined": ("withdrawal.requested",),
    "contact_letter.returned": ("contact_letter.received",),
    "information_form.issued": ("contact_letter.received",),
    "funds.remitted": ("information_form.issued",),
    "funds.returned": ("funds.remitted",),
    "relationship.closed": ("information_form.issued",),
    "transfer.settled": ("information_form.issued",),
    "withdrawal.answered": ("contact_letter.received",),
    "material.requested": ("transfer.applied",),
    "material.supplied": ("material.requested",),
    "question.answered": ("question.received",),
    "answer.received": ("question.asked",),
    "discrepancy.agreed": ("discrepancy.raised", "answer.received"),
    "transfer.corrected": ("transfer.completed", "information_form.received"),
    "recall.requested": ("information_form.issued",),
    "recall.answered": ("recall.requested",),
    "recall.received": ("transfer.completed",),
    "recall.declined": ("recall.received",),
    "transfer.recalled": ("transfer.completed", "recall.received"),
    "information_form.revoked": ("information_form.issued",),
    "relationship.reopened": ("relationship.closed", "information_form.revoked"),
    "contributions.not_movable": ("contact_letter.received",),
    "arrears.notified": ("contact_letter.received",),
    "duplicates.found": ("transfer.completed",),
    "duplicates.cleared": ("duplicates.found",),
    "transfer.readdressed": ("transfer.returned",),
    "transfer.closed": ("transfer.returned",),
    "transfer.cancelled": ("transfer.applied",),
}

# What begins something in a province, or may be said at any time.
FREE = frozenset(
    {
        "transfer.applied",
        "contact_letter.received",
        "funds.received",
        "discrepancy.raised",
        "question.asked",
        "question.received",
        "deadline.reminded",
        "deadline.recomputed",
        "deadline.breached",
        "deadline.escalated",
        "death.reported",
        "document.sent",
        "document.received",
        "document.rejected",
        "notice.delivered",
        "notice.failed",
    }
)

# What ends a case so that the event cannot come any more.
EXCLUDED_BY: dict[str, tuple[str, ...]] = {
    "transfer.completed": ("transfer.refused", "transfer.cancelled", "transfer.closed"),
    "transfer.corrected": ("transfer.recalled",),
    "contact_letter.sent": ("transfer.refused", "transfer.closed"),
    "information_form.issued": ("contact_letter.returned", "information_form.revoked"),
    "funds.remitted": ("information_form.revoked",),
}

# What an event takes back: after it, the earlier one stands in nobody's way any more.
TAKES_BACK: dict[str, tuple[str, ...]] = {
    "contact_letter.received": ("contact_letter.returned",),  # a corrected letter goes on where the first one was returned
}

ONCE = frozenset({"transfer.applied", "transfer.completed", "transfer.recalled", "transfer.closed", "information_form.revoked"})

_NAMES = sorted({*PREDECESSORS, *EXCLUDED_BY, *ONCE, *(name for names in PREDECESSORS.values() for name in names)})
_NAMES += sorted({name for names in (*EXCLUDED_BY.values(), *TAKES_BACK.values()) for name in names} - set(_NAMES))
_BIT = {name: 1 << at for at, name in enumerate(_NAMES)}
_NEEDS = {name: sum(_BIT[each] for each in names) for name, names in PREDECESSORS.items()}
_BARRED = {name: sum(_BIT[each] for each in names) for name, names in EXCLUDED_BY.items()}
_FREED = {name: sum(_BIT[each] for each in names) for name, names in TAKES_BACK.items()}


def step(seen: int, name: str) -> tuple[int, str | None]:
    """Take one more event of a case.

    Args:
        seen: what was seen of the case, as this function gave it; 0 at first.
        name: type name of the event.

    Returns:
        What is seen now, and what is wrong with the event, if anything is.
    """
    bit = _BIT.get(name)
    if bit is None:
        return seen, None
    problem = None
    if lacking := _NEEDS.get(name, 0) & ~seen:
        problem = f"before it: {', '.join(_listed(lacking))}"
    elif barred := _BARRED.get(name, 0) & seen:
        problem = f"never after: {', '.join(_listed(barred))}"
    elif name in ONCE and seen & bit:
        problem = "once at most"
    return (seen & ~_FREED.get(name, 0)) | bit, problem


def has(seen: int, name: str) -> bool:
    """Whether an event was seen."""
    return bool(seen & _BIT[name])


def _listed(bits: int) -> Sequence[str]:
    return [name for name, bit in _BIT.items() if bit & bits]
