from datetime import datetime

import pytest

from services.cli.demo.show import Show, money


def test_money_is_shown_in_yuan_with_two_decimals() -> None:
    shown = money(3_047_986)

    assert shown == "30,479.86"


def test_a_table_shows_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    show = Show()

    show.table(("item", "yuan"), [("④", money(1_247_986)), ("⑤", money(1_800_000))], right=(1,))

    printed = capsys.readouterr().out
    assert all(cell in printed for cell in ("item", "yuan", "④", "12,479.86", "⑤", "18,000.00"))


def test_a_line_of_the_story_begins_with_its_day(capsys: pytest.CaptureFixture[str]) -> None:
    show = Show()

    show.at(datetime.fromisoformat("2024-05-06T09:00:00+08:00"), "applies [online]")

    assert capsys.readouterr().out.strip() == "2024-05-06  applies [online]"


def test_progress_says_nothing_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    show = Show()

    with show.progress("importing", 2) as bar:
        bar.advance()
        bar.put(2)

    assert capsys.readouterr() == ("", "")
