"""The bank as a process of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.bank.api import add_routes
from services.bank.settings import BankSettings
from services.bank.store import BankStore
from services.runtime.database import Database
from services.runtime.http import make_api
from services.runtime.identity import TokenVerifier
from services.runtime.logs import configure_logs


def app() -> FastAPI:
    """Build the bank from its environment."""
    configure_logs("bank", "00")
    settings = BankSettings()
    database = Database(settings.database_url.get_secret_value(), name="bank")

    async def ready() -> dict[str, str | None]:
        return {"database": None if await database.answers() else "the database does not answer"}

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        yield
        await database.close()

    api = make_api("Jiexu bank", verifier=TokenVerifier(settings.token_keys_file), ready=ready, lifespan=living)
    add_routes(api, BankStore(database, delay=settings.delay), settings.make_clock())
    return api
