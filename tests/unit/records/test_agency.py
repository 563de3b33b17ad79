"""What both agencies share: due dates, what a fact is about, and the receipt of a document."""

from datetime import date
from typing import Any

import pytest

from contracts.asyncapi_document import SAYS
from contracts.base import Fact
from contracts.documents import ContactLetterDocument
from contracts.events import (
    AccountOpened,
    Completed,
    ContactLetterSent,
    PaperKept,
    RecordsImported,
    RelocationDeclared,
    YearEndBegun,
)
from services.messaging.outbox import Outbox
from services.messaging.verification import Verifier
from services.records.agency import Agency, receipt, subject_of
from services.records.decisions import Due
from services.runtime.clock import ScenarioClock
from tests.builders import CASE, PERSON, a
from tests.exchange import NOON, Exchange, received
from tests.unit.rules.builders import tables

# What the agencies decide; what is told of the quarantine is told by messaging.
SAID = sorted(
    {
        fact
        for agency in ("origin-agency", "destination-agency")
        for fact in SAYS[agency]
        if "quarantine_id" not in fact.model_fields
    },
    key=lambda fact: fact.type_name,
)


def an_agency(exchange: Exchange | None = None) -> Agency:
    nobody: Any = None
    return Agency(
        province="44",
        service="origin-agency",
        tables=tables(),
        vault=nobody,
        directory=(exchange or Exchange()).directory(),
        outbox=Outbox("origin_agency"),
        clock=ScenarioClock(NOON),
    )


@pytest.mark.parametrize(
    ("start", "remind_on", "due_on"),
    [
        (date(2024, 5, 6), date(2024, 5, 17), date(2024, 5, 24)),  # Saturday 11 May was worked
        (date(2024, 4, 30), date(2024, 5, 16), date(2024, 5, 23)),  # five days of holiday, and 11 May again
        (date(2024, 3, 1), date(2024, 3, 15), date(2024, 3, 22)),  # no holiday
    ],
)
def test_fifteen_working_days_end_by_the_calendar_and_the_tenth_reminds(start: date, remind_on: date, due_on: date) -> None:
    agency = an_agency()

    due = agency.due("LETTER_TO_FORM", start)

    assert due == Due(due_on, remind_on, provisional=False, limit="LETTER_TO_FORM", started_on=start)
    assert agency.due_again(due) is due


def test_a_provisional_due_date_is_counted_again_from_the_day_on_which_it_began() -> None:
    guessed = Due(date(2024, 5, 27), date(2024, 5, 20), provisional=True, limit="LETTER_TO_FORM", started_on=date(2024, 5, 6))

    counted = an_agency().due_again(guessed)

    assert (counted.due_on, counted.remind_on, counted.provisional) == (date(2024, 5, 24), date(2024, 5, 17), False)


def test_a_log_is_signed_under_province_and_service() -> None:
    assert an_agency().name == "44/origin-agency"


def test_a_fact_is_about_its_case_or_its_account_or_its_import_or_its_run_or_its_paper_or_its_submission() -> None:
    assert subject_of(a(Completed, case_id=CASE, person_ref=PERSON)) == CASE
    assert subject_of(a(AccountOpened, person_ref=PERSON)) == PERSON
    assert subject_of(a(RecordsImported, import_id="import-1")) == "import-1"
    assert subject_of(a(YearEndBegun, run_id="run-1")) == "run-1"
    assert subject_of(a(PaperKept, paper_id="paper-1", subject=CASE)) == "paper-1"
    assert subject_of(a(RelocationDeclared, batch_id="batch-1")) == "batch-1"


@pytest.mark.parametrize("kind", SAID, ids=lambda kind: kind.type_name)
def test_whatever_an_agency_decides_has_a_subject(kind: type[Fact]) -> None:
    about = {field: CASE for field in ("import_id", "run_id", "paper_id", "batch_id") if field in kind.model_fields}

    assert subject_of(a(kind, **about)) in (CASE, PERSON)


def test_a_fact_that_used_a_rule_names_the_rule_set_where_its_decision_has_not() -> None:
    agency = an_agency()
    ours, decided, without = a(ContactLetterSent), a(ContactLetterSent, rule_set="2019-01"), a(AccountOpened)

    assert getattr(agency._ruled(ours), "rule_set", None) == tables().version
    assert agency._ruled(decided) is decided
    assert agency._ruled(without) is without


def test_a_receipt_names_the_sender_the_place_in_its_log_and_the_exact_bytes() -> None:
    exchange = Exchange()
    document = a(ContactLetterDocument, case_id=CASE, sender="33", addressee="44")
    record = received(exchange.publish(document, service="33/destination-agency", first=7)[0])
    Verifier(exchange.directory(), "44").check(record)

    noted = receipt(record, PERSON)

    assert (noted.case_id, noted.person_ref, noted.sender, noted.number) == (CASE, PERSON, "33/destination-agency", 7)
    assert noted.document_type == "document.contact_letter"
    assert noted.document_id == record.event_id
    assert noted.digest == record.digest.hex()
    assert len(noted.checkpoint_digest) == 64
