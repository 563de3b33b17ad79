"""Notification as a process."""

from fastapi import FastAPI

from contracts import topics
from services.messaging import quarantine_api
from services.messaging.house import House
from services.notification.api import add_routes
from services.notification.figures import MailerFigures, asked
from services.notification.handlers import Handlers, concerns
from services.notification.mailer import LEASE_S, Mailer
from services.notification.notices import HEARD, Templates
from services.notification.smtp import MailServer
from services.records.rulebook import Rules
from services.records.vault import Vault
from services.rules.loader import build_tables, read_contents
from services.runtime.http import make_api
from services.runtime.identity import TokenVerifier
from services.runtime.logs import configure_logs
from services.runtime.settings import Settings


def app() -> FastAPI:
    """Build the service from its environment.

    Raises:
        ValueError: when the keys' database is not named; without it no address can be read.
    """
    settings = Settings()
    configure_logs("notification", settings.province)
    house = House(settings, "notification")
    if house.keys_database is None:
        raise ValueError("KEYS_DATABASE_URL is missing: contacts are sealed under the persons' keys")
    contents = read_contents(settings.tables_dir)
    templates = Templates(build_tables(contents))
    rules = Rules(house.database, templates, contents)
    house.first("rules", rules.refresh)
    house.every(settings.timer_poll_s, "rules", rules.refresh)
    mailer = Mailer(
        name=house.name,
        replica=settings.replica,
        database=house.database,
        vault=Vault(house.keys_database, b""),  # nobody is looked up by identity number here
        templates=templates,
        server=MailServer(settings.smtp_host, settings.smtp_port, sender=settings.mail_from),
        sender=settings.mail_from,
        clock=house.clock,
        told=house.relay.wake,
        batch=settings.max_records,
        poll_s=settings.timer_poll_s,
        figures=MailerFigures(house.figures.registry),
    )
    handlers = Handlers(
        templates,
        domain=settings.mail_from.rpartition("@")[2],
        mailer=mailer.identity if settings.mail_dispatch else "",
        lease_s=LEASE_S if settings.mail_dispatch else 0.0,  # what is in nobody's hand need not wait for anybody
        hand=mailer.hand,
        refresh=rules.refresh,
    )
    house.consume(topics.journal(settings.province), concerns=concerns, wants=HEARD, work=handlers.facts)
    if settings.mail_dispatch:

        async def write() -> None:
            await house.database.open_when_there()
            await rules.refresh()  # before the first letter: what is queued may be in words that were imported
            await mailer.run()

        house.also_run("mailer", write, busy=lambda: mailer.busy)

    async def ready() -> dict[str, str | None]:
        return {**await house.ready(), "mail": mailer.waits_for if settings.mail_dispatch else None}

    house.ask(asked())
    api = make_api(
        "Jiexu notification",
        verifier=TokenVerifier(settings.token_keys_file),
        ready=ready,
        alive=house.alive,
        figures=house.figures,
        lifespan=house.living,
    )
    add_routes(api, house.database, settings.province)
    quarantine_api.add_routes(api, house.operators, settings.province)
    api.include_router(house.scenario())
    return api
