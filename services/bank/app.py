"""The bank as a process of its own."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

from fastapi import FastAPI

from services.bank.api import add_routes
from services.bank.figures import ask_bank
from services.bank.settings import BankSettings
from services.bank.store import BankStore
from services.runtime.database import Database
from services.runtime.http import make_api
from services.runtime.identity import TokenVerifier
from services.runtime.logs import configure_logs
from services.runtime.metrics import Figures


def app() -> FastAPI:
    """Build the bank from its environment."""
    configure_logs("bank", "00")
    settings = BankSettings()
    database = Database(settings.database_url.get_secret_value(), name="bank")

    async def ready() -> dict[str, str | None]:
        return {"database": None if await database.answers() else "the database does not answer"}

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        with told_to_stop(api.state.standing.close):
            yield
        await database.close()

    clock = settings.make_clock()
    figures = Figures("bank", "00")
    ask_bank(figures, database, clock)
    api = make_api("Jiexu bank", verifier=TokenVerifier(settings.token_keys_file), ready=ready, figures=figures, lifespan=living)
    add_routes(api, BankStore(database, delay=settings.delay), clock)
    return api


@contextmanager
def told_to_stop(callback: Callable[[], None]) -> Iterator[None]:
    """Call something as soon as the process is told to stop.

    The server waits for every answer under way before it ends the lifespan; questions that stand would make it wait for long.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
