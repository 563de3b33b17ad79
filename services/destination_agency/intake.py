"""Applications come in, one or ten thousand: each becomes a case, or is refused as a row without holding the others back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from contracts.base import Command
from contracts.envelope import new_id
from contracts.statuses import Status
from services.destination_agency import store
from services.destination_agency.application import apply
from services.destination_agency.automatic import admit
from services.destination_agency.case import Case, State
from services.records import store as records
from services.records.agency import Agency
from services.records.csv_import import Category
from services.records.decisions import Told
from services.records.explaining import words_of
from services.records.model import Personal, Proxy, Record
from services.records.vault import Vault
from services.rules.deemed_years import served_first
from services.rules.identity import (
    Document,
    ForeignerNumber,
    IdNumber,
    IdNumberInvalid,
    Sex,
    identify,
    parse_social_security_number,
)
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown, RuleNotInForce, Tables
from services.rules.material_tables import MaterialUnknown
from services.runtime.database import Transaction


class Application(Command):
    """An application to bring a relationship from another province here (申请表, Interim Measures Art. 8(1)).

    Only what the law lets an agency ask: no proofs beyond the identity (经办条例 Art. 31), and it costs nothing.
    """

    id_number: str = Field(min_length=15, max_length=18)
    name: str = Field(min_length=1, max_length=100)
    origin_division: str = Field(pattern=r"^\d{6}$")
    destination_division: str = Field(pattern=r"^\d{6}$")
    phone: str | None = Field(default=None, max_length=30)
    email: str | None = Field(default=None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    language: Literal["zh-CN", "en"] = "zh-CN"
    employer_name: str | None = Field(default=None, max_length=200)
    employer_email: str | None = Field(default=None, max_length=200, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    approved_transfer: bool = False
    soldier: bool = Field(default=False, description="has served; stands before others on the work list (经办条例 Art. 17)")
    materials: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = Field(
        default=(), max_length=20, description="codes of the materials table: what is handed in with the application"
    )
    proxy: Proxy | None = Field(default=None, description="who acts for the person; needs PROXY_AUTHORISATION")
    voucher_no: str | None = Field(default=None, max_length=60, description="of the voucher of the former place, if one is there")
    check_code: str | None = Field(default=None, max_length=20, description="of that voucher")
    birth_on: date | None = Field(default=None, description="where the number does not say it: foreigners")
    sex: Literal["male", "female"] | None = Field(default=None, description="where the number does not say it: foreigners")


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who hands applications in: `sub` of the token, in which capacity, and the person where it is the person."""

    sub: str
    applied_by: Literal["person", "employer", "clerk"]
    person_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one application."""

    result: Literal["accepted", "refused"]
    case_id: str | None = None
    code: str | None = None
    detail: str | None = None
    field: str | None = None
    legal_basis: str | None = None
    remedy: str | None = None
    detail_zh: str | None = None
    remedy_zh: str | None = None

    def explained(self, tables: Tables, on: date) -> "Taken":
        """A refusal with its legal basis and remedy, as the law wants it (Art. 8(2)); what was accepted as it is."""
        words = words_of(tables, self.code, on) if self.code is not None else {}
        return replace(
            self,
            legal_basis=words.get("legal_basis"),
            remedy=words.get("remedy"),
            detail_zh=words.get("detail_zh"),
            remedy_zh=words.get("remedy_zh"),
        )


@dataclass(frozen=True, slots=True)
class _Sound:
    application: Application
    number: IdNumber | ForeignerNumber
    origin: str
    id_hash: bytes
    open_key: bytes


async def take(
    tx: Transaction,
    agency: Agency,
    wishes: Sequence[Application | dict[str, Any]],
    applicant: Applicant,
    *,
    channel: Literal["single", "batch"],
    gathering: str = "",
) -> list[Taken]:
    """Take applications in, in some statements for all of them; one answer each, in their order.

    Where the province approves automatically, what the rules accept is accepted here, and its contact letter leaves.

    Args:
        gathering: the gathering at retirement that they belong to.
    """
    checked = [_check(agency, wish) for wish in wishes]
    sound = [item for item in checked if isinstance(item, _Sound)]
    persons = await records.by_hash(tx, agency.vault, [item.id_hash for item in sound])
    open_cases = await store.open_cases(tx, list({item.open_key for item in sound})) if sound else {}
    results: list[Taken] = []
    cases: list[Case] = []
    strangers: dict[bytes, str] = {}
    for item in checked:
        if isinstance(item, Taken):
            results.append(item.explained(agency.tables, agency.clock.today()))
            continue
        taken, case = _open(agency, item, persons.get(item.id_hash), strangers, open_cases, applicant, channel)
        results.append(taken.explained(agency.tables, agency.clock.today()))
        if case is not None:
            case = replace(case, gathering=gathering) if gathering else case
            cases.append(case)
            open_cases[item.open_key] = (case.case_id, case.applicant)
    keys = await agency.vault.keys(record.person_ref for record in persons.values())
    keys |= await agency.vault.make(list(strangers.values()))
    if agency.approvals.automatic and cases:
        serials = await store.serials(tx, len(cases))
        cases = [replace(case, serial=serial) for case, serial in zip(cases, serials, strict=True)]
    known = {record.person_ref: record for record in persons.values()}
    told: list[Told] = []
    taken_in: list[Case] = []
    for case in cases:
        sealed = Vault.seal(keys, case.person_ref, case.personal.model_dump_json().encode())
        outcome = apply(case, sealed)
        admitted = admit(agency, outcome.case, known.get(case.person_ref))
        told.extend((*outcome.told, *(admitted.told if admitted else ())))
        taken_in.append(admitted.case if admitted else outcome.case)
    await agency.tell(tx, told)
    await store.save(tx, agency.vault, taken_in, keys)
    return results


def _check(agency: Agency, wish: Application | dict[str, Any]) -> _Sound | Taken:
    if isinstance(wish, dict):
        try:
            wish = Application.model_validate(wish)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            # An unknown field's name is whatever the caller wrote; it is kept in a table, so it is not repeated.
            field = ".".join(str(part) for part in first["loc"]) if first["loc"][0] in Application.model_fields else "(unknown)"
            return Taken("refused", code="INVALID_INPUT", detail=f"{field}: {first['msg']}", field=field)
    try:
        number = parse_social_security_number(wish.id_number, on=agency.clock.today(), tables=agency.tables)
    except IdNumberInvalid as error:
        return _no_number(error, "id_number")
    if wish.proxy is not None:
        try:
            parse_social_security_number(wish.proxy.id_number, on=agency.clock.today(), tables=agency.tables)
        except IdNumberInvalid as error:
            return _no_number(error, "proxy.id_number")
    for code in wish.materials:
        try:
            agency.tables.material.material(code, agency.clock.today())
        except (MaterialUnknown, RuleNotInForce):
            return Taken("refused", code="INVALID_INPUT", detail="materials: no such code", field="materials")
    origin = wish.origin_division[:2]
    try:
        agency.tables.participating_province(origin)
    except (ProvinceUnknown, ProvinceOutOfScope) as error:
        return Taken("refused", code="UNKNOWN_PROVINCE", detail=str(error), field="origin_division")
    if wish.destination_division[:2] != agency.province:
        detail = f"{wish.destination_division} does not lie in province {agency.province}; apply there."
        return Taken("refused", code="WRONG_DESTINATION", detail=detail, field="destination_division")
    if origin != agency.province and not agency.directory.knows(origin):
        detail = f"Province {origin} does not take part in the exchange yet."
        return Taken("refused", code="PROVINCE_NOT_CONNECTED", detail=detail, field="origin_division")
    id_hash = agency.vault.id_hash(number.number)
    return _Sound(wish, number, origin, id_hash, agency.vault.id_hash(f"{number.number}|{origin}"))


def _soldier(wish: Application, on_record: Personal | None) -> bool:
    return wish.soldier or (on_record is not None and on_record.category == Category.SOLDIER)


def _no_number(error: IdNumberInvalid, field: str) -> Taken:
    return Taken("refused", code="ID_NUMBER_INVALID", detail=f"{error.field}: {error.reason}", field=field)


def _open(
    agency: Agency,
    item: _Sound,
    record: Record | None,
    strangers: dict[bytes, str],
    open_cases: dict[bytes, tuple[str, str]],
    applicant: Applicant,
    channel: Literal["single", "batch"],
) -> tuple[Taken, Case | None]:
    wish = item.application
    own = applicant.applied_by == "person" and wish.proxy is None
    if own and record is not None and record.person_ref != applicant.person_ref:
        detail = "A person may apply for the own relationship alone."
        return Taken("refused", code="NOT_YOUR_RECORD", detail=detail, field="id_number"), None
    known = open_cases.get(item.open_key)
    if known is not None:
        text = agency.tables.refusal("DUPLICATE_APPLICATION", agency.clock.today())
        case_id, by = known
        # Whoever types in a number that is not theirs learns that there is a case, not which one.
        shown = (own and record is not None) or by == applicant.sub or applicant.applied_by != "person"
        return Taken("refused", case_id if shown else None, "DUPLICATE_APPLICATION", text.reason_en), None
    today = agency.clock.today()
    ref = record.person_ref if record is not None else strangers.setdefault(item.id_hash, new_id())
    on_record = record.personal if record is not None else None
    # Beside a number that says neither stands what the applicant states, and else what the record knows.
    sex = wish.sex or (on_record.sex if on_record is not None else None)
    try:
        person = identify(
            item.number,
            birth_on=wish.birth_on or (on_record.born_on if on_record is not None else None),
            sex=Sex(sex) if sex is not None else None,
        )
    except IdNumberInvalid as error:
        return _no_number(error, error.field), None
    # The first digits of a citizen's number are where the register was; nobody else has one in the mainland.
    register = person.number[:2] if person.document is Document.CITIZEN_ID else ""
    # A proxy does not decide where the person is written to, where the record knows it.
    here = (on_record.phone, on_record.email) if on_record is not None else (None, None)
    phone, email = (
        (wish.phone or here[0], wish.email or here[1]) if wish.proxy is None else (here[0] or wish.phone, here[1] or wish.email)
    )
    case = Case(
        case_id=new_id(),
        person_ref=ref,
        province=agency.province,
        origin=item.origin,
        origin_division=wish.origin_division,
        destination_division=wish.destination_division,
        state=State.REVIEWING,
        status=Status.SUBMITTED,
        since=today,
        applied_on=today,
        applied_by="proxy" if wish.proxy is not None else applicant.applied_by,
        applicant=applicant.sub,
        channel=channel,
        approved_transfer=wish.approved_transfer,
        served_first=served_first(soldier=_soldier(wish, on_record), on=today, tables=agency.tables) is not None,
        handed_in=tuple(dict.fromkeys(wish.materials)),
        personal=Personal(
            id_number=person.number,
            name=wish.name,
            sex="male" if person.sex is Sex.MALE else "female",
            hukou=on_record.hukou if on_record is not None else register,
            phone=phone,
            email=email,
            language=wish.language,
            employer=wish.employer_name,
            employer_email=wish.employer_email,
            born_on=person.birth_on if person.stated else None,
            proxy=wish.proxy,
            voucher_no=wish.voucher_no,
            check_code=wish.check_code,
        ),
        open_key=item.open_key,
        due=agency.due("ACCEPTANCE_TO_LETTER", today),
    )
    return Taken("accepted", case.case_id), case
