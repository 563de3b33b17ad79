"""The destination agency as a process: what it hears, what it offers, what it does by itself."""

from fastapi import FastAPI

from contracts import documents, topics
from services.destination_agency.api import Office, add_routes
from services.destination_agency.batches import Batches
from services.destination_agency.desk import Desk
from services.destination_agency.figures import asked
from services.destination_agency.funds import FundDesk
from services.destination_agency.gathering_desk import GatheringDesk
from services.destination_agency.handlers import Handlers
from services.messaging import quarantine_api
from services.messaging.received import Received
from services.records import rules_api
from services.records.bank import follow
from services.records.office import build
from services.runtime.http import make_api
from services.runtime.identity import TokenVerifier
from services.runtime.logs import configure_logs
from services.runtime.settings import Settings

SERVICE = "destination-agency"
HEARS = (
    documents.InformationFormDocument,
    documents.LetterReturnDocument,
    documents.WithdrawalAnswerDocument,
    documents.RejectionToDestinationDocument,
    documents.QuestionToDestinationDocument,
    documents.AnswerToDestinationDocument,
    documents.PaymentReturnedDocument,
    documents.RecallRequestDocument,
    documents.DeathReportToDestinationDocument,
)
BODY_LIMIT = 16 << 20  # ten thousand applications


def concerns(record: Received) -> bool:
    """What is addressed to this role, and what no role owns: that belongs to this agency's quarantine."""
    return record.role == SERVICE or record.role not in topics.ROLES


def app() -> FastAPI:
    """Build the service from its environment."""
    settings = Settings()
    configure_logs(SERVICE, settings.province)
    parts = build(settings, SERVICE)
    house, agency = parts.house, parts.agency
    desk = Desk(house.database, agency, house.relay.wake)
    gatherings = GatheringDesk(house.database, agency, house.relay.wake)
    funds = FundDesk(house.database, agency, parts.bank, house.relay.wake)
    batches = Batches(house.database, agency, house.relay.wake)
    house.consume(
        topics.exchange(settings.province),
        concerns=concerns,
        wants=HEARS,
        work=Handlers(agency, parts.opener).documents,
    )
    bell = house.every(settings.bank_poll_s, "returns", funds.give_back, busy=lambda: funds.busy)
    house.also_run(
        "statement",
        lambda: follow(funds.collect, wait_s=settings.bank_wait_s, rest_s=settings.bank_poll_s),
        busy=lambda: funds.busy,
    )
    house.also_run("batches", batches.run, busy=lambda: batches.busy)
    house.every(settings.timer_poll_s, "clocks", desk.look_at_clocks)
    house.every(settings.timer_poll_s, "gatherings", gatherings.look_at_gatherings)
    # Rows that came in may make a provisional due date final; besides, whatever else changes the calendar needs a restart.
    parts.rulebook.when_changed(house.every(3600, "due dates", desk.count_again))
    house.at_end(parts.bank.close)
    house.ask(asked(agency))
    api = make_api(
        "Jiexu destination agency",
        verifier=TokenVerifier(settings.token_keys_file),
        ready=house.ready,
        alive=house.alive,
        figures=house.figures,
        body_limit=BODY_LIMIT,
        lifespan=house.living,
    )
    add_routes(api, Office(house.database, agency, desk, bell, batches, house.relay.wake), settings.province)
    rules_api.add_routes(api, parts.rulebook, settings.province)
    quarantine_api.add_routes(api, house.operators, settings.province)
    api.include_router(house.scenario())
    return api
