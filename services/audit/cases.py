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
}

# What ends a case so that the event cannot come any more.
EXCLUDED_BY: dict[str, tuple[str, ...]] = {
    "transfer.completed": ("transfer.refused", "transfer.cancelled"),
    "contact_letter.sent": ("transfer.refused",),
    "information_form.issued": ("contact_letter.returned",),
}

ONCE = frozenset({"transfer.applied", "transfer.completed"})

_NAMES = sorted({*PREDECESSORS, *EXCLUDED_BY, *ONCE, *(name for names in PREDECESSORS.values() for name in names)})
_NAMES += sorted({name for names in EXCLUDED_BY.values() for name in names} - set(_NAMES))
_BIT = {name: 1 << at for at, name in enumerate(_NAMES)}
_NEEDS = {name: sum(_BIT[each] for each in names) for name, names in PREDECESSORS.items()}
_BARRED = {name: sum(_BIT[each] for each in names) for name, names in EXCLUDED_BY.items()}


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
    return seen | bit, problem


def has(seen: int, name: str) -> bool:
    """Whether an event was seen."""
    return bool(seen & _BIT[name])


def _listed(bits: int) -> Sequence[str]:
    return [name for name, bit in _BIT.items() if bit & bits]
