from services.cli.demo.story import EXPECTED_FEN, day, form_of
from services.destination_agency.intake import Application
from services.rules.amounts import compute
from services.rules.loader import load_tables
from services.world.plan import PROTAGONIST, segment_of


def test_the_protagonists_application_is_one_that_the_destination_takes() -> None:
    form = form_of(PROTAGONIST.application)

    application = Application.model_validate(form)

    assert application.origin_division == "440100"
    assert application.destination_division == "330100"


def test_the_expected_sum_is_what_the_law_says_of_the_protagonists_record() -> None:
    record = PROTAGONIST.record("44")
    assert record is not None

    amounts = compute([segment_of(record)], transfer_on=day("2024-05-08").date(), province="44", tables=load_tables())

    assert amounts.total_fen == EXPECTED_FEN


def test_a_day_of_the_story_is_a_working_moment_in_shanghai() -> None:
    moment = day("2024-05-06")

    assert moment.isoformat() == "2024-05-06T09:00:00+08:00"
