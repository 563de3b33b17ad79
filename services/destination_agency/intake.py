"""Applications come in, one or ten thousand: each becomes a case, or is refused as a row without holding the others back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field, ValidationError

from contracts.base import Command
from contracts.envelope import new_id
from contracts.statuses import Status
from services.destination_agency import store
from services.destination_agency.automatic import admit
from services.destination_agency.case import Case, State, apply
from services.records import store as records
from services.records.agency import Agency
from services.records.decisions import Told
from services.records.model import Personal, Record
from services.records.vault import Vault
from services.rules.identity import IdNumberInvalid, parse_id_number
from services.rules.loader import ProvinceOutOfScope, ProvinceUnknown
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
    approved_transfer: bool = False


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


@dataclass(frozen=True, slots=True)
class _Sound:
    application: Application
    id_number: str
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
) -> list[Taken]:
    """Take applications in, in some statements for all of them; one answer each, in their order.

    Where the province approves automatically, what the rules accept is accepted here, and its contact letter leaves.
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
            results.append(item)
            continue
        taken, case = _open(agency, item, persons.get(item.id_hash), strangers, open_cases, applicant, channel)
        results.append(taken)
        if case is not None:
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
        number = parse_id_number(wish.id_number).number
    except IdNumberInvalid as error:
        return Taken("refused", code="ID_NUMBER_INVALID", detail=f"{error.field}: {error.reason}", field="id_number")
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
    id_hash = agency.vault.id_hash(number)
    return _Sound(wish, number, origin, id_hash, agency.vault.id_hash(f"{number}|{origin}"))


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
    if applicant.applied_by == "person" and record is not None and record.person_ref != applicant.person_ref:
        detail = "A person may apply for the own relationship alone."
        return Taken("refused", code="NOT_YOUR_RECORD", detail=detail, field="id_number"), None
    known = open_cases.get(item.open_key)
    if known is not None:
        text = agency.tables.refusal("DUPLICATE_APPLICATION")
        case_id, by = known
        # Whoever types in a number that is not theirs learns that there is a case, not which one.
        own = record is not None or by == applicant.sub or applicant.applied_by != "person"
        return Taken("refused", case_id if own else None, "DUPLICATE_APPLICATION", text.reason_en), None
    today = agency.clock.today()
    ref = record.person_ref if record is not None else strangers.setdefault(item.id_hash, new_id())
    number = parse_id_number(item.id_number)
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
        applied_by=applicant.applied_by,
        applicant=applicant.sub,
        channel=channel,
        approved_transfer=wish.approved_transfer,
        personal=Personal(
            id_number=item.id_number,
            name=wish.name,
            sex="male" if number.sex.value == "male" else "female",
            hukou=record.personal.hukou if record is not None else item.id_number[:2],
            phone=wish.phone or (record.personal.phone if record is not None else None),
            email=wish.email or (record.personal.email if record is not None else None),
            language=wish.language,
            employer=wish.employer_name,
        ),
        open_key=item.open_key,
        due=agency.due("ACCEPTANCE_TO_LETTER", today),
    )
    return Taken("accepted", case.case_id), case
