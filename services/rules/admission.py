"""Whether the destination takes a transfer, puts it off or refuses it, each with reason, basis and remedy (S-66 Art. 5, 8).

A refusal is a decision about a person, so it carries all that the written explanation must say.
"""

from __future__ import annotations

from calendar import isleap
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.rules.identity import Sex
from services.rules.loader import RefusalText, Tables


class AccountKind(StrEnum):
    """How the destination keeps the person's account (contact letter field 账户类别)."""

    NORMAL = "normal"
    TEMPORARY = "temporary"


class BirthAfterInsurance(ValueError):
    """The relationship is said to be older than the person."""


@dataclass(frozen=True, slots=True)
class AdmissionFacts:
    """What is known of an application on the day it is decided.

    Provinces are two digits, `scheme` an AAE140 code. `insured_at_destination_since` is the day the relationship at
    the destination was first established, `has_paid_contribution` whether a contribution was paid there,
    `open_case_id` an open transfer of the same origin relationship. `relationship_at_origin` turns False when the
    origin said it has none; `gathering_at_benefit_age` when the hukou province gathers everything to pay the pension.
    """

    on: date
    birth_on: date
    sex: Sex
    hukou: str
    origin_province: str
    destination_province: str
    scheme: str
    drawing: bool
    insured_at_destination_since: date | None
    has_paid_contribution: bool
    open_case_id: str | None
    identity_verified: bool
    approved_transfer: bool
    relationship_at_origin: bool = True
    gathering_at_benefit_age: bool = False


@dataclass(frozen=True, slots=True)
class Admitted:
    """The transfer is taken; `rule` says why the account is of its kind (K1, K2, K4 of domain § 1.5)."""

    account_kind: AccountKind
    rule: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The transfer is not taken: the code, the rule (R01–R07, K3), and the words of the written explanation.

    `case_id` is the open case when the application repeats it.
    """

    code: str
    rule: str
    legal_basis: str
    reason_zh: str
    reason_en: str
    remedy_zh: str
    remedy_en: str
    case_id: str | None = None

    @classmethod
    def of(cls, text: RefusalText, *, rule: str | None = None, case_id: str | None = None) -> Refusal:
        """Build a refusal from the catalogue."""
        return cls(
            code=text.code,
            rule=text.admission_rule if rule is None else rule,
            legal_basis=text.legal_basis,
            reason_zh=text.reason_zh,
            reason_en=text.reason_en,
            remedy_zh=text.remedy_zh,
            remedy_en=text.remedy_en,
            case_id=case_id,
        )


def decide(facts: AdmissionFacts, tables: Tables) -> Admitted | Refusal:
    """Decide an application at the destination: R01–R07 in order, then the kind of account by K1–K4.

    S-66 Art. 2, 3, 5, 8; domain § 1.5. Raises ProvinceUnknown, ProvinceOutOfScope, SchemeUnknown and
    BirthAfterInsurance for facts that no application can have.
    """
    for province in (facts.origin_province, facts.destination_province):
        tables.participating_province(province)
    tables.province(facts.hukou)
    scheme = tables.scheme(facts.scheme)
    gathers = facts.gathering_at_benefit_age and facts.destination_province == facts.hukou

    if facts.drawing:
        return Refusal.of(tables.refusal("ALREADY_DRAWING"))
    if facts.origin_province == facts.destination_province:
        return Refusal.of(tables.refusal("SAME_PROVINCE"))
    insured = facts.insured_at_destination_since
    if (insured is None or insured > facts.on or not facts.has_paid_contribution) and not gathers:
        return Refusal.of(tables.refusal("NOT_INSURED_AT_DESTINATION"))
    if not facts.relationship_at_origin:
        return Refusal.of(tables.refusal("NO_RELATIONSHIP_AT_ORIGIN"))
    if facts.open_case_id is not None:
        return Refusal.of(tables.refusal("DUPLICATE_APPLICATION"), case_id=facts.open_case_id)
    if not scheme.transferable:
        refusal = tables.refusal("WRONG_SCHEME")
        return Refusal(
            code=refusal.code,
            rule=refusal.admission_rule,
            legal_basis=refusal.legal_basis,
            reason_zh=refusal.reason_zh,
            reason_en=refusal.reason_en,
            remedy_zh=scheme.pointer_zh or refusal.remedy_zh,
            remedy_en=scheme.pointer_en or refusal.remedy_en,
        )
    if not facts.identity_verified:
        return Refusal.of(tables.refusal("IDENTITY_MISMATCH"))

    kind, rule = account_kind(facts, tables)
    if kind is AccountKind.TEMPORARY:
        return Refusal.of(tables.refusal("TEMP_ACCOUNT_AT_DESTINATION"), rule=rule)
    return Admitted(account_kind=kind, rule=rule)


def account_kind(facts: AdmissionFacts, tables: Tables) -> tuple[AccountKind, str]:
    """Return how the destination keeps the account, and the rule: K1 hukou, K2 approved transfer, K3 50/40, K4 otherwise.

    The age is that on the day the relationship at the destination was established; whoever turned 50 or 40 later, or
    was insured there before the rule came into force (2010-01-01), keeps a normal account. S-66 Art. 5. Raises
    BirthAfterInsurance.
    """
    if facts.destination_province == facts.hukou:
        return AccountKind.NORMAL, "K1"
    if facts.approved_transfer:
        return AccountKind.NORMAL, "K2"
    # Who has no relationship there yet would establish it today.
    established_on = facts.insured_at_destination_since or facts.on
    if facts.birth_on > established_on:
        raise BirthAfterInsurance(f"born on {facts.birth_on}, insured since {established_on}")
    limit = tables.temporary_account_age(facts.sex, established_on)
    if limit is not None and age_on(facts.birth_on, established_on) >= limit:
        return AccountKind.TEMPORARY, "K3"
    return AccountKind.NORMAL, "K4"


def age_on(birth_on: date, on: date) -> int:
    """Return the age in full years (周岁), reached on the birthday itself.

    Who is born on 29 February has it on 28 February in other years (民法典 Art. 202: no such day, the month's last).
    Raises BirthAfterInsurance when the day lies before the birth.
    """
    if on < birth_on:
        raise BirthAfterInsurance(f"{on} lies before the birth on {birth_on}")
    birthday = (birth_on.month, birth_on.day)
    if birthday == (2, 29) and not isleap(on.year):
        birthday = (2, 28)
    return on.year - birth_on.year - ((on.month, on.day) < birthday)
