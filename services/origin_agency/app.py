"""The origin agency as a process: what it hears, what it offers, what it does by itself."""

from fastapi import FastAPI

from contracts import documents, topics
from services.messaging import quarantine_api
from services.origin_agency.api import Jobs, Office, add_routes
from services.origin_agency.desk import Desk
from services.origin_agency.figures import asked
from services.origin_agency.funds import FundDesk
from services.origin_agency.handlers import Handlers
from services.records.bank import follow
from services.records.importing import Importer
from services.records.office import build
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
    house.once("due dates", desk.count_again)
    house.also_run("imports", jobs.forever, busy=lambda: jobs.busy)
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
    quarantine_api.add_routes(api, house.operators, settings.province)
    api.include_router(house.scenario())
    return api
