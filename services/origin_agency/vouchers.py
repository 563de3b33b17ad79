"""Contribution vouchers (参保缴费凭证): issued on request, free, again whenever one is lost, and checkable by anybody."""

import hmac
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Literal

from contracts.base import Contract, SealedForPerson
from contracts.events import BalanceStated, VoucherIssued
from services.ledger import store as ledger
from services.ledger.chart import individual
from services.ledger.journal import Head
from services.origin_agency.store import SQL
from services.records import store as records
from services.records.agency import Agency
from services.records.vault import Vault
from services.rules.amounts import RowKind, RowStatus, YearRow
from services.rules.exception_tables import FigureCode
from services.rules.identity import mask_id_number
from services.rules.retirement import add_months
from services.runtime.database import Database


class PlaceOfMonths(Contract):
    """Months that belong to another province and stand on this record since a transfer: who gathers asks for them here."""

    province: str
    account_kind: Literal["normal", "temporary"] = "normal"
    months: int
    deemed_months: int
    first_month: str
    last_month: str


class Voucher(Contract):
    """The voucher as the person gets it (domain § 5.4). For reference; the final basis of a benefit is the record (S-QD).

    `months`, `deemed_months`, `first_month` and `last_month` are of what was paid and done in this province (本地);
    `months_in_all` counts what other provinces sent as well, and `elsewhere` says whose that is. The balance is of all.
    """

    voucher_no: str
    check_code: str
    province: str
    agency: str
    agency_address: str = ""
    agency_postcode: str = ""
    division: str = ""
    phone: str
    name: str
    id_number_masked: str
    sex: str = ""
    hukou: str = ""  # province of the household register, empty for none
    scheme: str
    account_kind: Literal["normal", "temporary"] = "normal"
    first_month: str | None
    last_month: str | None
    months: int
    months_in_all: int = 0
    deemed_months: int = 0
    elsewhere: tuple[PlaceOfMonths, ...] = ()
    arrears_months: int = 0  # unpaid: they are told in writing, for they are lost when the transfer goes on without them (S-CZ)
    balance_fen: int
    issued_at: datetime
    print_valid_until: date | None = None
    handled_by: str = ""  # the clerk; empty where the person asked without one


class NoRecord(LookupError):
    """The province has no record of the person."""


class CorrectionUnderWay(RuntimeError):
    """The account stands below zero: a year was corrected downwards, and the difference is not moved on with the form yet."""


class NoVoucher(LookupError):
    """No voucher of this number can be shown: none was issued, or the person is forgotten."""


async def issue(database: Database, agency: Agency, person_ref: str, *, handled_by: str = "") -> Voucher:
    """Issue a voucher, and state the balance that it shows on the journal.

    Args:
        handled_by: the clerk, who stands on it.

    Raises:
        NoRecord: when the province does not know the person.
        CorrectionUnderWay: while the books have no balance that could stand on a voucher.
    """
    now = agency.clock.now()
    async with database.transaction("voucher") as tx:
        record = (await records.by_ref(tx, agency.vault, [person_ref])).get(person_ref)
        if record is None:
            raise NoRecord(person_ref)
        account = individual(person_ref)
        head = (await ledger.balances(tx, [account])).get(account, Head())
        if head.balance_fen < 0:
            raise CorrectionUnderWay(person_ref)
        serial = int(await tx.value(SQL["voucher_number"]))
        voucher_no = f"PZ-{agency.province}0000-{now:%Y%m%d}-{serial:06d}"
        keys = await agency.vault.keys([person_ref])
        rows = [row for segment in record.segments for row in segment.rows]
        local = [row for row in rows if row.division[:2] == agency.province]
        valid_for = agency.tables.exceptions.figure_if_any(FigureCode.VOUCHER_PRINT_MONTHS, now.date())
        entry = agency.directory.entry(agency.province)
        assert entry is not None, agency.province
        voucher = Voucher(
            voucher_no=voucher_no,
            check_code=hmac.new(keys[person_ref], voucher_no.encode(), "sha256").hexdigest()[:8].upper(),
            province=agency.province,
            agency=entry.agency_name,
            agency_address=entry.address,
            agency_postcode=entry.postcode,
            division=f"{agency.province}0000",
            phone=entry.phone,
            name=record.personal.name,
            id_number_masked=mask_id_number(record.personal.id_number),
            sex=record.personal.sex,
            hukou=record.personal.hukou,
            scheme=record.scheme,
            account_kind=record.account_kind,
            first_month=str(min(row.start for row in local)) if local else None,
            last_month=str(max(row.end for row in local)) if local else None,
            months=_months(local, RowStatus.PAID),
            months_in_all=_months(rows, RowStatus.PAID),
            deemed_months=_months(local, RowStatus.DEEMED),
            elsewhere=_elsewhere(rows, agency.province),
            arrears_months=_months(rows, RowStatus.ARREARS),
            balance_fen=head.balance_fen,
            issued_at=now,
            print_valid_until=add_months(now.date(), int(valid_for.number)) if valid_for is not None else None,
            handled_by=handled_by,
        )
        sealed = agency.vault.seal(keys, person_ref, voucher.model_dump_json().encode())
        await tx.execute(SQL["add_voucher"], voucher_no, voucher.check_code, person_ref, sealed.model_dump_json())
        issued = VoucherIssued(
            person_ref=person_ref,
            voucher_no=voucher_no,
            months=voucher.months,
            balance_fen=head.balance_fen,
            language=record.personal.language,
            personal=agency.vault.seal(keys, person_ref, record.personal.model_dump_json().encode()),
        )
        stated = BalanceStated(
            person_ref=person_ref, account=account, sequence=head.sequence, balance_fen=head.balance_fen, reason="voucher"
        )
        await agency.tell(tx, [issued, stated])
    return voucher


def _months(rows: Iterable[YearRow], status: RowStatus) -> int:
    return sum(row.months for row in rows if row.status is status)


def _elsewhere(rows: Iterable[YearRow], province: str) -> tuple[PlaceOfMonths, ...]:
    """What other provinces sent, by the province and the kind of account it belongs to."""
    found: dict[tuple[str, Literal["normal", "temporary"]], list[YearRow]] = {}
    for row in rows:
        if row.division[:2] != province and row.status in (RowStatus.PAID, RowStatus.DEEMED):
            kind: Literal["normal", "temporary"] = "temporary" if row.kind is RowKind.TEMPORARY else "normal"
            found.setdefault((row.division[:2], kind), []).append(row)
    return tuple(
        PlaceOfMonths(
            province=place,
            account_kind=kind,
            months=_months(of_place, RowStatus.PAID),
            deemed_months=_months(of_place, RowStatus.DEEMED),
            first_month=str(min(row.start for row in of_place)),
            last_month=str(max(row.end for row in of_place)),
        )
        for (place, kind), of_place in sorted(found.items())
    )


async def shown(database: Database, agency: Agency, voucher_no: str, *, person_ref: str | None = None) -> Voucher:
    """A voucher as it was issued.

    Args:
        person_ref: whose it must be, where a person asks; None for a clerk.

    Raises:
        NoVoucher: where there is none, it is another's, or the person is forgotten.
    """
    async with database.transaction("voucher") as tx:
        row = await tx.one(SQL["voucher"], voucher_no)
    if row is None or (person_ref is not None and row["person_ref"] != person_ref):
        raise NoVoucher(voucher_no)
    keys = await agency.vault.keys([row["person_ref"]])
    if row["person_ref"] not in keys:
        raise NoVoucher(voucher_no)
    sealed = SealedForPerson.model_validate_json(row["body"])
    return Voucher.model_validate_json(Vault.open(keys, row["person_ref"], sealed))


async def check(database: Database, voucher_no: str, check_code: str) -> dict[str, Any] | None:
    """Whether a voucher of this number and check code was issued, and when; no person data."""
    async with database.transaction("voucher-check") as tx:
        row = await tx.one(SQL["voucher"], voucher_no)
    if row is None or not hmac.compare_digest(str(row["check_code"]).encode(), check_code.upper().encode()):
        return None
    return {"voucher_no": voucher_no, "genuine": True, "issued_at": row["issued_at"].isoformat()}
