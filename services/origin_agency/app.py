"""The origin agency as a process: what it hears, what it offers, what it does by itself."""

from fastapi import FastAPI

from contracts import documents, topics
from services.ledger import reading as books
from services.messaging import quarantine_api
from services.origin_agency.api import Jobs, Office, add_routes
from services.origin_agency.desk import Desk
from services.origin_agency.figures import asked
from services.origin_agency.funds import FundDesk
from services.origin_agency.handlers import Handlers
from services.origin_agency.store import form_day, leaving, transferring, whose_case
from services.records import corrections_api, double_drawings_api, endings_api, papers_api, persons_api, rules_api, year_end_api
from services.records.bank import follow
from services.records.corrections import Corrections
from services.records.deaths import Deaths
from services.records.double_drawings import DoubleDrawings
from services.records.endings import Endings
from services.records.holds import Holds
from services.records.importing import Importer
from services.records.office import build
from services.records.papers import Papers
from services.records.year_end import YearEnd
from services.runtime.http import make_api
from services.runtime.identity import TokenVerifier
from services.runtime.logs import configure_logs
from services.runtime.settings import Settings

SERVICE = "origin-agency"
HEARS = (
    documents.ContactLetterDocument,
    documents.CompletionDocument,
    documents.WithdrawalDocument,
    documents.ReminderDocument,
    documents.QueryDocument,
    documents.QuestionToOriginDocument,
    documents.AnswerToOriginDocument,
    documents.RecallAnswerDocument,
    documents.DeathReportToOriginDocument,
    documents.RejectionToOriginDocument,
)
BODY_LIMIT = 128 << 20  # an import of a whole province's files


def app() -> FastAPI:
    """Build the service from its environment."""
    settings = Settings()
    configure_logs(SERVICE, settings.province)
    parts = build(settings, SERVICE)
    house, agency = parts.house, parts.agency
    desk = Desk(house.database, agency, house.relay.wake)
    funds = FundDesk(house.database, agency, parts.bank, house.relay.wake)
    jobs = Jobs()
    bell = house.every(settings.bank_poll_s, "payments", funds.pay, busy=lambda: funds.busy)
    house.consume(
        topics.exchange(settings.province),
        concerns=lambda record: record.role == SERVICE,
        wants=HEARS,
        work=Handlers(agency, parts.opener, ordered=bell).documents,
    )
    house.also_run(
        "statement",
        lambda: follow(funds.collect, wait_s=settings.bank_wait_s, rest_s=settings.bank_poll_s),
        busy=lambda: funds.busy,
    )
    house.every(settings.timer_poll_s, "clocks", desk.look_at_clocks)
    # Rows that came in may make a provisional due date final; besides, whatever else changes the calendar needs a restart.
    parts.rulebook.when_changed(house.every(3600, "due dates", desk.count_again))
    house.also_run("imports", jobs.forever, busy=lambda: jobs.busy)
    year_end = YearEnd(house.database, agency, house.relay.wake, leaving)
    # A run that broke off goes on when the service starts; between runs a look in a minute finds what a replica left.
    year_end.begun = house.every(60, "year end", year_end.work)
    house.at_end(parts.bank.close)
    house.ask(asked(agency))
    api = make_api(
        "Jiexu origin agency",
        verifier=TokenVerifier(settings.token_keys_file),
        ready=house.ready,
        alive=house.alive,
        figures=house.figures,
        body_limit=BODY_LIMIT,
        lifespan=house.living,
    )
    add_routes(
        api,
        Office(house.database, agency, desk, bell, Importer(house.database, agency), house.relay.wake),
        settings.province,
        jobs,
    )
    books.add_routes(api, house.database, settings.province)
    rules_api.add_routes(api, parts.rulebook, settings.province)
    rules_api.add_import(api, parts.rulebook, settings.province, house.relay.wake)
    year_end_api.add_routes(api, year_end, settings.province)
    papers_api.add_routes(api, Papers(house.database, agency, whose_case, house.relay.wake), settings.province)
    corrections_api.add_routes(api, Corrections(house.database, agency, house.relay.wake, form_day), settings.province)
    endings = Endings(house.database, agency, house.relay.wake, transferring)
    endings_api.add_routes(api, endings, settings.province, agency.clock.today)
    drawings = DoubleDrawings(house.database, agency, house.relay.wake, transferring)
    double_drawings_api.add_routes(api, drawings, settings.province)
    deaths = Deaths(house.database, agency, house.relay.wake, transferring)
    persons_api.add_routes(api, deaths, Holds(house.database, agency, house.relay.wake, desk.run_on), settings.province)
    quarantine_api.add_routes(api, house.operators, settings.province)
    api.include_router(house.scenario())
    return api
