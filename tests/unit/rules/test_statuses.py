"""The public statuses, as the person reads them."""

from __future__ import annotations

from contracts.statuses import Status as PublishedCode
from services.rules.statuses import STEPS, StatusCode
from tests.unit.rules.builders import tables


def test_every_code_has_words_and_something_to_do_in_both_languages() -> None:
    for code in StatusCode:
        status = tables().status(code)
        assert status.code is code
        assert status.text("zh-CN") == status.text_zh != ""
        assert status.text("en") == status.text_en != ""
        assert status.to_do("zh-CN") == status.to_do_zh != ""
        assert status.to_do("en") == status.to_do_en != ""
        assert 1 <= status.step <= STEPS


def test_the_codes_are_those_the_contracts_publish_and_the_overdue_flag() -> None:
    assert {*PublishedCode} | {"OVERDUE"} == {*StatusCode}


def test_four_statuses_end_a_case_and_two_flags_stand_beside_one() -> None:
    statuses = [tables().status(code) for code in StatusCode]

    assert {status.code for status in statuses if status.terminal} == {
        StatusCode.REJECTED,
        StatusCode.TEMP_ACCOUNT,
        StatusCode.COMPLETED,
        StatusCode.CANCELLED,
    }
    assert {status.code for status in statuses if status.flag} == {StatusCode.PART_NOT_MOVABLE, StatusCode.OVERDUE}


def test_a_clock_runs_in_each_of_the_three_legs_and_waits_for_the_person() -> None:
    statuses = [tables().status(code) for code in StatusCode]

    assert {status.code for status in statuses if status.limit} == {
        StatusCode.REVIEWING,
        StatusCode.ORIGIN_HANDLING,
        StatusCode.BOOKING,
    }
    assert {status.code for status in statuses if status.paused} == {
        StatusCode.NEED_MATERIAL,
        StatusCode.DUPLICATE_CLEARING,
    }


def test_most_of_the_time_the_person_need_do_nothing() -> None:
    assert tables().status(StatusCode.FUND_IN_TRANSIT).to_do("zh-CN") == "无需操作"
