"""The accounts of the year's end: histories of many lengths, whose books hold what the rules compute."""

from contracts.events import AccountOpened, ContributionRecorded
from services.rules.amounts import RowKind, complete_years, compute
from tests.bench.accounts import LAST_BOOKED, OPENED, PROVINCE, facts, history, record
from tests.builders import PERSON
from tests.unit.rules.builders import tables


def test_histories_last_from_a_year_to_twenty_and_some_lie_idle() -> None:
    lengths = sorted(len(history(number)) for number in range(10))

    assert lengths == [1, 1, 3, 3, 5, 5, 5, 6, 10, 20]
    assert {history(number)[-1].year for number in range(10)} == {2020, 2024}
    assert [number for number in range(100) if history(number)[0].kind is RowKind.TEMPORARY] == list(range(90, 100))


def test_what_is_opened_and_paid_in_is_what_the_account_holds_before_the_year_is_credited() -> None:
    for number in range(0, 100, 7):
        found = record(number, PERSON, b"hash")

        said = list(facts(found, tables()))

        booked = sum(fact.opening_fen for fact in said if isinstance(fact, AccountOpened))
        booked += sum(fact.account_fen for fact in said if isinstance(fact, ContributionRecorded))
        [interest] = [
            year.since_1998.interest_fen
            for year in complete_years(found.segments, LAST_BOOKED + 1, PROVINCE, tables())
            if year.year == LAST_BOOKED + 1
        ]
        amounts = compute(found.segments, transfer_on=OPENED.date(), province=PROVINCE, tables=tables())
        assert booked + interest == amounts.account_fen
        assert interest > 0
