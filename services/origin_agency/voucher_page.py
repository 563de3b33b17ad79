"""The voucher as a page to be printed (参保缴费凭证, domain § 5.4 F1): every field, its check code, and what it is not."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.origin_agency.vouchers import Voucher
from services.rules.loader import Tables
from services.runtime.clock import SHANGHAI

TEMPLATE = "voucher.v1.html.j2"
_SEXES = {"male": "男 male", "female": "女 female", "": "–"}
_KINDS = {"normal": "一般账户 normal", "temporary": "临时缴费账户 temporary"}


@dataclass(frozen=True, slots=True)
class Line:
    """One field of the voucher in both languages."""

    zh: str
    en: str
    value: str


def page(voucher: Voucher, tables: Tables) -> str:
    """The voucher as HTML that stands for itself: no script, nothing from elsewhere. It names the person: keep it nowhere."""

    def province(code: str) -> str:
        known = tables.provinces.get(code)
        return f"{known.name_zh} {known.name_en}" if known is not None else code or "–"

    until = voucher.print_valid_until
    issued = voucher.issued_at.astimezone(SHANGHAI).date()
    months = (until.year - issued.year) * 12 + until.month - issued.month if until is not None else 0
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(voucher=voucher, lines=_lines(voucher, province(voucher.hukou), tables), province=province, valid_months=months)
    )


def _lines(voucher: Voucher, hukou: str, tables: Tables) -> list[Line]:
    scheme = tables.scheme(voucher.scheme, voucher.issued_at.astimezone(SHANGHAI).date())
    fen = voucher.balance_fen
    return [
        Line("凭证编号", "Voucher no.", voucher.voucher_no),
        Line("校验码", "Check code", voucher.check_code),
        Line("姓名", "Name", voucher.name),
        Line("性别", "Sex", _SEXES[voucher.sex]),
        Line("公民身份号码", "Identity number", voucher.id_number_masked),
        Line("户籍所在省", "Province of the household register", hukou),
        Line("险种", "Scheme", f"{voucher.scheme} {scheme.name_zh} {scheme.name_en}"),
        Line("账户类别", "Kind of account", _KINDS[voucher.account_kind]),
        Line("在本地参保起止", "Insured here from and to", f"{voucher.first_month or '–'} – {voucher.last_month or '–'}"),
        Line("本地实际缴费月数", "Months paid here", str(voucher.months)),
        Line("本地视同缴费月数", "Months deemed here", str(voucher.deemed_months)),
        Line("累计实际缴费月数（含转入）", "Months paid in all, with those sent here", str(voucher.months_in_all)),
        Line("欠费月数", "Months unpaid", str(voucher.arrears_months)),
        Line("个人账户储存额（元）", "Balance of the personal account (yuan)", f"{fen // 100:,}.{fen % 100:02d}"),
        Line("行政区划代码", "Division code", voucher.division or voucher.province),
        Line("经办机构", "Agency", voucher.agency),
        Line("电话", "Telephone", voucher.phone),
        Line("地址、邮编", "Address, postcode", f"{voucher.agency_address} {voucher.agency_postcode}".strip() or "–"),
        Line("经办人", "Handled by", voucher.handled_by or "本人自助办理 by the person, without a clerk"),
        Line("经办时间", "Issued at", voucher.issued_at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M")),
    ]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,  # a name is whatever somebody is called
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
