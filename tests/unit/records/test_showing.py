"""Both clocks of a leg and every pause, as an agency shows them; and rates that are not published yet."""

from datetime import date, timedelta

from services.records.decisions import Due
from services.records.showing import RATE_PENDING, clocks_shown, interim_shown, ready, waits_for_rate
from services.rules.amount_tables import PendingPolicy
from services.rules.deadlines import Pause
from tests.unit.rules.amount_builders import going_on, with_rate
from tests.unit.rules.builders import tables

# Jiangsu (32) promises five working days a leg since 2025-03-25; 4 to 6 April 2025 are days off.
STARTED = date(2025, 4, 1)


def a_due(*pauses: Pause) -> Due:
    return Due(date(2025, 4, 23), date(2025, 4, 16), False, "ACCEPTANCE_TO_LETTER", STARTED, None, pauses)


def test_a_leg_shows_the_legal_limit_and_the_promise_and_which_of_them_is_missed() -> None:
    seen = {day: clocks_shown(tables(), a_due(), holder="32", today=date(2025, 4, day)) or {} for day in (9, 10, 23, 24)}

    assert {day: each["state"] for day, each in seen.items()} == {
        9: "on_time",
        10: "target_missed",
        23: "target_missed",
        24: "limit_breached",
    }
    limit, target = seen[10]["legal_limit"], seen[10]["service_target"]
    assert (limit["due_on"], limit["working_days"], limit["left_wd"], limit["passed"]) == ("2025-04-23", 15, 9, False)
    assert (target["due_on"], target["working_days"], target["left_wd"], target["passed"]) == ("2025-04-09", 5, -1, True)
    assert target["promised"]
    assert "S-66" in limit["source"]


def test_where_a_province_promises_nothing_the_target_is_the_law_and_says_so() -> None:
    seen = clocks_shown(tables(), a_due(), holder="33", today=STARTED)

    assert seen is not None
    assert (seen["service_target"]["due_on"], seen["service_target"]["promised"]) == ("2025-04-23", False)


def test_a_pause_has_its_reason_in_words_and_both_clocks_stand_while_it_lasts() -> None:
    stands = Pause("MATERIAL_ASKED", date(2025, 4, 3))

    first = clocks_shown(tables(), a_due(), holder="32", today=date(2025, 4, 10), stands=stands)
    later = clocks_shown(tables(), a_due(), holder="32", today=date(2025, 5, 12), stands=stands)

    assert first is not None
    assert later is not None
    assert (first["stands"], first["used_wd"], later["used_wd"]) == ("MATERIAL_ASKED", 2, 2)
    assert (first["state"], later["state"]) == ("on_time", "on_time")
    assert first["legal_limit"]["left_wd"] == later["legal_limit"]["left_wd"] == 13
    [pause] = later["pauses"]
    assert (pause["reason"], pause["since"], pause["until"]) == ("MATERIAL_ASKED", "2025-04-03", None)
    assert pause["working_days"] > 20
    assert "期限暂停计算" in pause["text"]["zh-CN"]
    assert "经办条例 第三十一条" in pause["legal_basis"]


def test_a_pause_that_is_over_stays_in_view_and_its_days_are_not_counted() -> None:
    over = Pause("MATERIAL_ASKED", date(2025, 4, 3), date(2025, 4, 10))

    seen = clocks_shown(tables(), a_due(over), holder="32", today=date(2025, 4, 11))

    assert seen is not None
    assert (seen["stands"], seen["used_wd"]) == (None, 3)  # 2 and 3 April, and the 11th
    assert [(each["until"], each["working_days"]) for each in seen["pauses"]] == [("2025-04-10", 4)]


def test_a_case_of_an_early_release_shows_no_clocks_and_a_clock_ahead_of_ours_has_used_nothing() -> None:
    started_tomorrow = clocks_shown(tables(), a_due(), holder="33", today=STARTED - timedelta(days=1))

    assert clocks_shown(tables(), Due(STARTED, STARTED), holder="33", today=STARTED) is None
    assert started_tomorrow is not None
    assert started_tomorrow["used_wd"] == 0


def test_a_form_at_an_interim_rate_is_shown_as_rate_pending_until_it_is_replaced() -> None:
    march, published = date(2027, 3, 1), with_rate(2026, "0.0260")

    seen = interim_shown(tables(), {2026: "0.0150"}, province="44", today=march)
    come = interim_shown(published, {2026: "0.0150"}, province="44", today=march)

    assert seen is not None
    assert come is not None
    assert (seen["code"], seen["waits"]) == (RATE_PENDING, False)
    assert seen["years"] == [{"year": 2026, "interim_rate": "0.0150", "published_rate": None}]
    assert [each["published_rate"] for each in come["years"]] == ["0.0260"]
    assert (ready(seen), ready(come), ready(None)) == (False, True, False)
    assert "差额" in seen["text"]["zh-CN"]
    assert interim_shown(tables(), {}, province="44", today=march) is None


def test_a_province_that_waits_shows_the_years_it_waits_for_and_one_that_goes_on_does_not() -> None:
    march = date(2027, 3, 1)

    seen = waits_for_rate(tables(), province="44", today=march)

    assert seen is not None
    assert (seen["code"], seen["waits"], [each["year"] for each in seen["years"]]) == (RATE_PENDING, True, [2026])
    assert waits_for_rate(with_rate(2026, "0.0260"), province="44", today=march) is None
    assert waits_for_rate(going_on(PendingPolicy.LAST_PUBLISHED), province="44", today=march) is None
    assert waits_for_rate(tables(), province="44", today=date(2024, 5, 6)) is None
    assert waits_for_rate(tables(), province="44", today=date(2009, 5, 6)) is None
