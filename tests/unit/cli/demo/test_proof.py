import pytest

from services.cli.demo.proof import show_books
from services.cli.demo.show import Show
from services.ledger.chart import BANK, POOLED_FUND, individual, suspense, transfers_payable
from services.ledger.journal import Head


def test_both_sides_books_show_what_one_owes_and_what_the_other_holds(capsys: pytest.CaptureFixture[str]) -> None:
    books = {
        "44": {BANK: Head(3, 100_00), transfers_payable("33"): Head(1, 304_798_6)},
        "33": {
            suspense("44"): Head(1, 55_00),
            POOLED_FUND: Head(1, 7_00),
            individual("a"): Head(1, 1_00),
            individual("b"): Head(1, 2_00),
        },
    }

    show_books(Show(), books, "44", "33")

    lines = {line.split("  ")[1].strip(): line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "30,479.86" in lines["owed to the other for transfers"]
    assert "55.00" in lines["held from the other in suspense"]
    assert lines["individual accounts, together"].split()[-1] == "3.00"
    assert lines["bank"].split()[-2:] == ["100.00", "-"]
