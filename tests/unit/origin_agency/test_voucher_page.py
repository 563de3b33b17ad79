"""The printed voucher: every field of domain § 5.4 F1, its check code, what it is not, and no markup but its own."""

from datetime import UTC, date, datetime

import pytest

from services.origin_agency.voucher_page import page
from services.origin_agency.vouchers import PlaceOfMonths, Voucher
from tests.agencies import tables


def a_voucher(**changed: object) -> Voucher:
    usual: dict[str, object] = {
        "voucher_no": "PZ-440000-20240506-000001",
        "check_code": "0A1B2C3D",
        "province": "44",
        "agency": "广东省社会保险基金管理局",
        "agency_address": "广州市天河区",
        "agency_postcode": "510630",
        "division": "440000",
        "phone": "020-12333",
        "name": "陈志远",
        "id_number_masked": "410***********9995",
        "sex": "male",
        "hukou": "41",
        "scheme": "110",
        "first_month": "2022-01",
        "last_month": "2024-03",
        "months": 27,
        "months_in_all": 39,
        "deemed_months": 5,
        "balance_fen": 1_247_986,
        "issued_at": datetime(2024, 5, 6, 1, 30, tzinfo=UTC),
        "print_valid_until": date(2024, 8, 6),
        "handled_by": "maker-44",
    }
    return Voucher.model_validate({**usual, **changed})


def test_every_field_of_the_form_stands_on_the_print_and_what_it_is_not() -> None:
    text = page(a_voucher(), tables())

    for zh, value in [
        ("凭证编号", "PZ-440000-20240506-000001"),
        ("校验码", "0A1B2C3D"),
        ("姓名", "陈志远"),
        ("性别", "男"),
        ("公民身份号码", "410***********9995"),
        ("户籍所在省", "河南"),
        ("险种", "110"),
        ("在本地参保起止", "2022-01 – 2024-03"),
        ("本地实际缴费月数", "<td>27</td>"),
        ("本地视同缴费月数", "<td>5</td>"),
        ("累计实际缴费月数", "<td>39</td>"),
        ("个人账户储存额", "12,479.86"),
        ("行政区划代码", "440000"),
        ("经办机构", "广东省社会保险基金管理局"),
        ("电话", "020-12333"),
        ("地址、邮编", "广州市天河区 510630"),
        ("经办人", "maker-44"),
        ("经办时间", "2024-05-06 09:30"),
    ]:
        at = text.index(zh)
        assert value in text[at : at + 200], zh
    assert "供参考，不作为待遇计发的最终依据" in text
    assert "3 个月内有效，至 2024-08-06 止" in text
    assert "欠费。" not in text


def test_what_other_provinces_sent_and_unpaid_months_are_told_apart() -> None:
    sent = PlaceOfMonths(
        province="31", account_kind="temporary", months=12, deemed_months=0, first_month="2019-01", last_month="2019-12"
    )

    text = page(a_voucher(elsewhere=(sent,), arrears_months=2), tables())

    assert "上海" in text[text.index("由其他省转入") :]
    assert "2019-01 – 2019-12" in text
    assert "临时缴费账户" in text[text.index("上海") :]
    assert "您有 2 个月欠费" in text


def test_a_name_is_text_and_never_markup() -> None:
    text = page(a_voucher(name="<script>alert(1)</script>"), tables())

    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize("missing", ["agency_address", "division", "hukou", "sex", "handled_by", "print_valid_until"])
def test_a_voucher_of_before_these_fields_is_printed_all_the_same(missing: str) -> None:
    old = {name: value for name, value in a_voucher().model_dump().items() if name != missing}

    assert "0A1B2C3D" in page(Voucher.model_validate(old), tables())
