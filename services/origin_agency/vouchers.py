"""Contribution vouchers (参保缴费凭证): issued on request, free, again whenever one is lost, and checkable by anybody."""

import hmac
from datetime import datetime
from typing import Any

from contracts.base import Contract
from contracts.events import BalanceStated, VoucherIssued
from services.ledger import store as ledger
from services.ledger.chart import individual
from services.ledger.journal import Head
from services.origin_agency.store import SQL
from services.records import store as records
from services.records.agency import Agency
from services.rules.amounts import RowStatus
from services.rules.identity import mask_id_number
from services.runtime.database import Database


class Voucher(Contract):
    """The voucher as the person gets it. For reference; the final basis of a benefit is the record (S-QD)."""

    voucher_no: str
    check_code: str
    province: str
    agency: str
    phone: str
    name: str
    id_number_masked: str
    scheme: str
    first_month: str | None
    last_month: str | None
    months: int
    balance_fen: int
    issued_at: datetime


class NoRecord(LookupError):
    """The province has no record of the person."""


async def issue(database: Database, agency: Agency, person_ref: str) -> Voucher:
    """Issue a voucher, and state the balance that it shows on the journal.

    Raises:
        NoRecord: when the province does not know the person.
    """
    now = agency.clock.now()
    async with database.transaction("voucher") as tx:
        record = (await records.by_ref(tx, agency.vault, [person_ref])).get(person_ref)
        if record is None:
            raise NoRecord(person_ref)
        account = individual(person_ref)
        head = (await ledger.balances(tx, [account])).get(account, Head())
        serial = int(await tx.value(SQL["voucher_number"]))
        voucher_no = f"PZ-{agency.province}0000-{now:%Y%m%d}-{serial:06d}"
        keys = await agency.vault.keys([person_ref])
        rows = [row for segment in record.segments for row in segment.rows]
        entry = agency.directory.entry(agency.province)
        assert entry is not None, agency.province
        voucher = Voucher(
            voucher_no=voucher_no,
            check_code=hmac.new(keys[person_ref], voucher_no.encode(), "sha256").hexdigest()[:8].upper(),
            province=agency.province,
            agency=entry.agency_name,
            phone=entry.phone,
            name=record.personal.name,
            id_number_masked=mask_id_number(record.personal.id_number),
            scheme=record.scheme,
            first_month=str(min(row.start for row in rows)) if rows else None,
            last_month=str(max(row.end for row in rows)) if rows else None,
            months=sum(row.months for row in rows if row.status is RowStatus.PAID),
            balance_fen=head.balance_fen,
            issued_at=now,
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


async def check(database: Database, voucher_no: str, check_code: str) -> dict[str, Any] | None:
    """Whether a voucher of this number and check code was issued, and when; no person data."""
    async with database.transaction("voucher-check") as tx:
        row = await tx.one(SQL["voucher"], voucher_no)
    if row is None or not hmac.compare_digest(str(row["check_code"]).encode(), check_code.upper().encode()):
        return None
    return {"voucher_no": voucher_no, "genuine": True, "issued_at": row["issued_at"].isoformat()}
