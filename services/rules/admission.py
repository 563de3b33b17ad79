"""Whether the destination takes a transfer, puts it off or refuses it, each with reason, basis and remedy (S-66 Art. 5, 8).

A refusal is a decision about a person, so it carries all that the written explanation must say.
"""

from __future__ import annotations

from calendar import isleap
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from services.rules.exception_tables import Reason, SwitchCode
from services.rules.identity import Sex
from services.rules.loader import RefusalText, Tables
from services.rules.reasons import because


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
    the destination was first established, whatever came after it; `active_at_destination` whether it still is one,
    `paying_at_destination` whether contributions are being paid now, and `has_paid_contribution` whether one ever was.
    `hukou` is None for somebody without a household register. `open_case_id` is an open transfer of the same origin
    relationship. `approved_transfer` asks for work at the new employer too (`employed_at_destination`).
    `relationship_at_origin` turns False when the origin said it has none; `gathering_at_benefit_age` is True when the
    paying place, which Art. 6 names, gathers everything. What kind of worker the person is has no field: it changes no answer.
    """

    on: date
    birth_on: date
    sex: Sex
    hukou: str | None
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
    active_at_destination: bool = True
    paying_at_destination: bool = True
    employed_at_destination: bool = True


@dataclass(frozen=True, slots=True)
class Registration:
    """Somebody is insured in a province for the first time: all that decides the kind of the account there.

    `established_on` is the day of the first relationship in that province, `on` the day it is asked.
    """

    on: date
    birth_on: date
    sex: Sex
    hukou: str | None
    province: str
    established_on: date
    approved_transfer: bool = False


@dataclass(frozen=True, slots=True)
class KindOfAccount:
    """How a province keeps an account, by which rule (K1 to K4 of domain § 1.5), and why in words."""

    kind: AccountKind
    rule: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class AccountOnMove:
    """What becomes of the account at the place that somebody leaves.

    It moves now, or it is sealed and gathered when the pension is due; then `return_code` is what the letter is returned with.
    """

    moves: bool
    sealed: bool
    return_code: str | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class Admitted:
    """The transfer is taken; `rule` says why the account is of its kind (K1, K2, K4 of domain § 1.5), `reason` in words."""

    account_kind: AccountKind
    rule: str
    reason: Reason | None = field(default=None, compare=False)


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
    if facts.hukou is not None:
        tables.province(facts.hukou)
    scheme = tables.scheme(facts.scheme, facts.on)
    gathers = facts.gathering_at_benefit_age

    if facts.drawing:
        return Refusal.of(tables.refusal("ALREADY_DRAWING", facts.on))
    if facts.origin_province == facts.destination_province:
        return Refusal.of(tables.refusal("SAME_PROVINCE", facts.on))
    insured = facts.insured_at_destination_since
    active = insured is not None and insured <= facts.on and facts.active_at_destination and _stays_active(facts, tables)
    if not (active and facts.has_paid_contribution) and not gathers:
        return Refusal.of(tables.refusal("NOT_INSURED_AT_DESTINATION", facts.on))
    if not facts.relationship_at_origin:
        return Refusal.of(tables.refusal("NO_RELATIONSHIP_AT_ORIGIN", facts.on))
    if facts.open_case_id is not None:
        return Refusal.of(tables.refusal("DUPLICATE_APPLICATION", facts.on), case_id=facts.open_case_id)
    if not scheme.transferable:
        return Refusal.of(wrong_scheme(facts.scheme, facts.on, tables))
    if not facts.identity_verified:
        return Refusal.of(tables.refusal("IDENTITY_MISMATCH", facts.on))

    found = kind_of_account(_registration(facts), tables)
    if found.kind is AccountKind.TEMPORARY and gathers:
        # Outside the hukou Art. 6 names a place by a normal account that was there before: it is opened again as what it was.
        return Admitted(AccountKind.NORMAL, "K4", because("KIND_AGED_WHILE_INSURED", facts.on, tables))
    if found.kind is AccountKind.TEMPORARY:
        return Refusal.of(tables.refusal("TEMP_ACCOUNT_AT_DESTINATION", facts.on), rule=found.rule)
    return Admitted(account_kind=found.kind, rule=found.rule, reason=found.reason)


def wrong_scheme(scheme: str, on: date, tables: Tables) -> RefusalText:
    """The words of WRONG_SCHEME for a scheme: its own procedure is the remedy (R06). Raises SchemeUnknown, RuleNotInForce."""
    text, own = tables.refusal("WRONG_SCHEME", on), tables.scheme(scheme, on)
    return replace(text, remedy_zh=own.pointer_zh or text.remedy_zh, remedy_en=own.pointer_en or text.remedy_en)


def account_kind(facts: AdmissionFacts, tables: Tables) -> tuple[AccountKind, str]:
    """Return how the destination keeps the account of an applicant, and the rule K1 to K4. Raises BirthAfterInsurance."""
    found = kind_of_account(_registration(facts), tables)
    return found.kind, found.rule


def kind_of_account(registration: Registration, tables: Tables) -> KindOfAccount:
    """Say how a province keeps an account: K1 hukou, K2 approved transfer, K3 50/40, K4 otherwise. S-66 Art. 5, domain § 1.5.

    It holds for a first insurance ever as for a move. The age is that in full years on the day of the first relationship in
    the province: whoever turned 50 or 40 later, while insured there or in a break, or was insured there before the rule came
    into force (2010-01-01), is never converted. Raises BirthAfterInsurance.
    """
    on, established_on = registration.on, registration.established_on

    def answer(kind: AccountKind, rule: str, code: str) -> KindOfAccount:
        return KindOfAccount(kind, rule, because(code, on, tables))

    if registration.province == registration.hukou:
        return answer(AccountKind.NORMAL, "K1", "KIND_HUKOU")
    if registration.approved_transfer:
        return answer(AccountKind.NORMAL, "K2", "KIND_APPROVED_TRANSFER")
    age_then = age_on(registration.birth_on, established_on)
    limit = tables.temporary_account_age(registration.sex, established_on)
    if limit is not None and age_then >= limit:
        return answer(AccountKind.TEMPORARY, "K3", "KIND_FIFTY_FORTY")
    today = tables.temporary_account_age(registration.sex, on)
    if today is None or age_on(registration.birth_on, on) < today:
        return answer(AccountKind.NORMAL, "K4", "KIND_YOUNGER")
    # Old enough today, and yet not converted: by the age or by the year of the first relationship.
    return answer(AccountKind.NORMAL, "K4", "KIND_BEFORE_2010" if limit is None else "KIND_AGED_WHILE_INSURED")


def account_on_move(kind: AccountKind, *, gathering: bool, on: date, tables: Tables) -> AccountOnMove:
    """Say what becomes of the account that somebody leaves behind on a move. S-66 Art. 5(2), S-5 item 3, domain § 1.5.

    A normal one moves. A temporary one moves in full when the paying place gathers it; on any other move it is sealed (until
    2016-11-27 it went back to the old place: switch TEMPORARY_ACCOUNT_ON_MOVE). Arrears paid for months before it was opened
    change nothing of that. Raises RuleNotInForce before 2010.
    """
    if kind is AccountKind.NORMAL:
        return AccountOnMove(True, False, None, because("ACCOUNT_MOVES", on, tables))
    if gathering:
        return AccountOnMove(True, False, None, because("TEMPORARY_GATHERED", on, tables))
    if tables.exceptions.switch(SwitchCode.TEMPORARY_ACCOUNT_ON_MOVE, on).value == "gather":
        return AccountOnMove(True, False, None, because("TEMPORARY_MOVES_BACK", on, tables))
    return AccountOnMove(False, True, "TEMP_ACCOUNT_NOT_TRANSFERABLE_NOW", because("TEMPORARY_SEALED", on, tables))


def _stays_active(facts: AdmissionFacts, tables: Tables) -> bool:
    """Say whether a relationship counts as active though nothing is being paid: S-66 Art. 3 keeps it, Art. 8(1) is silent.

    Whoever gathers for the pension has stopped paying for good, so no break is held against them.
    """
    if facts.paying_at_destination or facts.gathering_at_benefit_age:
        return True
    return tables.exceptions.switch(SwitchCode.BREAK_AT_DESTINATION, facts.on, facts.destination_province).value == "admitted"


def _registration(facts: AdmissionFacts) -> Registration:
    return Registration(
        on=facts.on,
        birth_on=facts.birth_on,
        sex=facts.sex,
        hukou=facts.hukou,
        province=facts.destination_province,
        # Who has no relationship there yet would establish it today.
        established_on=facts.insured_at_destination_since or facts.on,
        approved_transfer=facts.approved_transfer and facts.employed_at_destination,
    )


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
