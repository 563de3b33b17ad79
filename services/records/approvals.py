"""Who approves in a province: two persons, or the system itself where nothing is in doubt. Pure.

A decision of the system names the rule in the maker's place and the policy in the checker's: every event says who decided.
"""

from dataclasses import dataclass
from typing import Literal

RULE = "rule:"
POLICY = "policy:"
_LIMIT = "?limit_fen="


@dataclass(frozen=True, slots=True)
class Approvals:
    """A province's setting.

    Args:
        kind: `two-persons`, or `automatic` for what has no doubt.
        limit_fen: above this amount of one case persons decide about its money all the same; None where there is no limit.
    """

    kind: Literal["two-persons", "automatic"] = "two-persons"
    limit_fen: int | None = None

    @property
    def automatic(self) -> bool:
        """Whether the system approves what has no doubt."""
        return self.kind == "automatic"

    def covers(self, amount_fen: int) -> bool:
        """Whether the system may decide about so much money of one case."""
        return self.automatic and (self.limit_fen is None or amount_fen <= self.limit_fen)

    @property
    def policy(self) -> str:
        """What stands in the checker's place; the limit in force is part of it, so that an auditor can hold the two together."""
        limit = "" if self.limit_fen is None else f"{_LIMIT}{self.limit_fen}"
        return f"{POLICY}automatic-approvals{limit}"


def by_rule(rule: str, rule_set: str) -> str:
    """What stands in the maker's place: the rule that decided, and the rule set it is of."""
    return f"{RULE}{rule}@{rule_set}"


def limit_of(policy: str) -> int | None:
    """The limit in fen that a policy names, or None where it names none."""
    _, found, limit = policy.partition(_LIMIT)
    return int(limit) if found and limit.isascii() and limit.isdigit() else None
