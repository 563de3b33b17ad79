"""An enterprise moves with all its people (成建制跨省转移): the normal rules, or what two provinces may agree (S-5 item 7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from services.rules.exception_tables import GroupTopic, Reason
from services.rules.loader import Tables
from services.rules.reasons import because


class GroupInvalid(ValueError):
    """A relocation of nobody, or inside one province."""


@dataclass(frozen=True, slots=True)
class Relocation:
    """An enterprise that moves. `agreed` are codes of group_topics.toml, `signed_by` the provinces that signed the agreement.

    `led_by_governments`: the provincial governments lead the move; `above_scale`: the enterprise is above the scale (规模以上).
    """

    people: int
    origin: str
    destination: str
    led_by_governments: bool = False
    above_scale: bool = False
    agreed: tuple[str, ...] = ()
    signed_by: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RelocationAnswer:
    """Which rules apply: an agreement's topics, or none of them and then the normal rules for each person.

    `refused` are topics that no agreement may touch; while there is one, the agreement does not apply.
    """

    topics: tuple[GroupTopic, ...]
    refused: tuple[GroupTopic, ...]
    reason: Reason

    @property
    def by_agreement(self) -> bool:
        """Say whether an agreement of the two provinces applies."""
        return bool(self.topics)


def relocate(relocation: Relocation, *, on: date, tables: Tables) -> RelocationAnswer:
    """Say by which rules an enterprise's people move. S-5 item 7, domain § 1.6.16.

    Nobody's months, amounts, kind of account or legal limits may be agreed away. Raises GroupInvalid, ProvinceUnknown,
    ProvinceOutOfScope, CodeNotKnown for a topic without a row, RuleNotInForce.
    """
    for province in (relocation.origin, relocation.destination):
        tables.participating_province(province)
    if relocation.people < 1 or relocation.origin == relocation.destination:
        raise GroupInvalid(f"{relocation.people} people from {relocation.origin} to {relocation.destination}")
    topics = tuple(tables.exceptions.group_topic(code, on) for code in dict.fromkeys(relocation.agreed))
    refused = tuple(topic for topic in topics if not topic.negotiable)
    if refused:
        return RelocationAnswer((), refused, because("GROUP_TOPIC_NOT_NEGOTIABLE", on, tables))
    signed = {relocation.origin, relocation.destination} <= relocation.signed_by
    if topics and signed and relocation.led_by_governments and relocation.above_scale:
        return RelocationAnswer(topics, (), because("GROUP_AGREEMENT", on, tables))
    return RelocationAnswer((), (), because("GROUP_NORMAL_RULES", on, tables))
