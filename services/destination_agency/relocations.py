"""An enterprise moves with its people (成建制跨省转移): by which rules a submission is worked off, said before the first row."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import Field

from contracts.base import Command, ProvinceCode
from contracts.events import RelocationDeclared
from services.records.agency import Agency
from services.records.decisions import Refused
from services.rules.exception_tables import CodeNotKnown
from services.rules.group_relocation import GroupInvalid, Relocation, relocate
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown

BASIS = "人社部规〔2016〕5号 第七项"


class Declaration(Command):
    """What an employer or a clerk says of a relocation: from where, and what the two provinces have agreed, if anything."""

    origin: ProvinceCode
    led_by_governments: bool = Field(default=False, description="the two provincial governments lead the move")
    above_scale: bool = Field(default=False, description="the enterprise is above the scale (规模以上)")
    agreed: tuple[str, ...] = Field(default=(), max_length=20, description="codes of the table group_topics")
    signed_by: tuple[ProvinceCode, ...] = Field(default=(), max_length=2, description="provinces that signed the agreement")


@dataclass(frozen=True, slots=True)
class Decided:
    """By which rules the people of a submission move; shown with it for as long as it is kept."""

    origin: str
    by_agreement: bool
    topics: tuple[str, ...]
    reason_code: str
    legal_basis: str
    reason_zh: str
    reason_en: str

    def shown(self) -> dict[str, Any]:
        """As the interface shows it and the database keeps it."""
        return asdict(self)


def decide(declared: Declaration, rows: Sequence[dict[str, Any]], agency: Agency) -> Decided:
    """By which rules these people move: the normal ones, or the agreement's topics beside them.

    An agreement never changes anybody's months, amounts, kind of account or legal limits, so each row is a case like any other.

    Raises:
        Refused: RELOCATION_INVALID with the field, RELOCATION_ORIGIN_DIFFERS with the row, GROUP_TOPIC_NOT_NEGOTIABLE with the
            topics.
    """
    for number, row in enumerate(rows, start=1):
        if str(row.get("origin_division", ""))[:2] != declared.origin:
            raise Refused(
                "RELOCATION_ORIGIN_DIFFERS",
                f"rows[{number - 1}].origin_division does not lie in province {declared.origin}.",
                legal_basis=BASIS,
                remedy="Hand in one submission for each former province.",
            )
    relocation = Relocation(
        people=len(rows),
        origin=declared.origin,
        destination=agency.province,
        led_by_governments=declared.led_by_governments,
        above_scale=declared.above_scale,
        agreed=declared.agreed,
        signed_by=frozenset(declared.signed_by),
    )
    try:
        answer = relocate(relocation, on=agency.clock.today(), tables=agency.tables)
    except CodeNotKnown as error:
        remedy = "Name topics of the table group_topics."
        raise Refused("RELOCATION_INVALID", f"relocation.agreed: {error}", legal_basis=BASIS, remedy=remedy) from error
    except (GroupInvalid, ProvinceUnknown, ProvinceOutOfScope) as error:
        remedy = "Name another province, from which the people come."
        raise Refused("RELOCATION_INVALID", f"relocation.origin: {error}", legal_basis=BASIS, remedy=remedy) from error
    if answer.refused:
        topics = ", ".join(topic.code for topic in answer.refused)
        raise Refused(
            answer.reason.code,
            f"{answer.reason.text_en} relocation.agreed: {topics}",
            legal_basis=answer.reason.legal_basis,
            remedy=answer.reason.remedy_en or "Leave these topics out; the rest of the agreement can stand.",
        )
    return Decided(
        origin=declared.origin,
        by_agreement=answer.by_agreement,
        topics=tuple(topic.code for topic in answer.topics),
        reason_code=answer.reason.code,
        legal_basis=answer.reason.legal_basis,
        reason_zh=answer.reason.text_zh,
        reason_en=answer.reason.text_en,
    )


def fact(decided: Decided, batch_id: str, people: int, actor: str, agency: Agency) -> RelocationDeclared:
    """What the journal says of it."""
    return RelocationDeclared(
        batch_id=batch_id,
        people=people,
        origin=decided.origin,
        destination=agency.province,
        by_agreement=decided.by_agreement,
        topics=decided.topics,
        reason_code=decided.reason_code,
        legal_basis=decided.legal_basis,
        rule_set=agency.tables.version,
        actor=actor,
    )
