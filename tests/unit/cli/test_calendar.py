from datetime import date
from pathlib import Path

from typer.testing import CliRunner

from services.cli.main import build_app
from services.rules.deadlines import due_on
from services.rules.loader import load_tables

DAYS_OFF = ("01-01", "02-05", "02-06", "05-01", "10-01", "10-02", "10-03")
NOTICE = "date,kind\n" + "".join(f"2027-{day},holiday\n" for day in DAYS_OFF) + "2027-02-14,make_up\n"


def take(notice: str, folder: Path, *more: str) -> tuple[int, str]:
    file = folder / "notice.csv"
    file.write_text(notice, encoding="utf-8")
    result = CliRunner().invoke(
        build_app(), ["calendar", str(file), "--into", str(folder / "tables"), "--source", "a notice for tests", *more]
    )
    return result.exit_code, result.output


def test_next_years_notice_ends_what_was_provisional(tmp_path: Path) -> None:
    before = due_on(date(2026, 12, 28), 10, load_tables().calendar)

    code, _ = take(NOTICE, tmp_path)

    after = due_on(date(2026, 12, 28), 10, load_tables(tmp_path / "tables").calendar)
    assert code == 0
    assert (before.provisional, after.provisional) == (True, False)
    assert before.on < after.on


def test_a_notice_that_is_known_already_is_not_taken_twice(tmp_path: Path) -> None:
    take(NOTICE, tmp_path)

    code, said = take(NOTICE, tmp_path)

    assert code == 1
    assert "2027" in said


def test_a_wrong_notice_is_refused_with_all_its_errors_and_nothing_is_written(tmp_path: Path) -> None:
    code, said = take("date,kind\n2027-02-30,holiday\n2027-03-01,party\n", tmp_path)

    assert code == 1
    assert "2027-02-30" in said
    assert "party" in said
    assert not (tmp_path / "tables").exists()
