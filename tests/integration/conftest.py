"""One real stack for the whole run: Kafka and PostgreSQL with three provinces prepared, and a fresh database a test.

Servers named in the environment (JIEXU_KAFKA_BOOTSTRAP, JIEXU_POSTGRES_URL) come first, then containers, then processes of this
machine (tests/lanes.py); each worker has its own. A stack that does not come up is an error of every test that needs it; nothing
is skipped.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.exchange import database_url, prepare
from deploy.local.native import CHECKOUT
from deploy.local.services import forget
from deploy.local.stack import Stack
from deploy.postgres.provision import Database, owner_role, provision, service_role
from services.areas import PROVINCE_SERVICES, bank_areas, keys_areas, province_areas
from services.runtime.migrate import Area, migrate
from tests import lanes

PROVINCES = ("44", "33", "41")

UrlOf = Callable[[str], str]
"""Gives the URL with which a role, such as `p44_origin_agency`, reaches a database."""


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Iterator[Stack]:
    """Kafka and PostgreSQL with principals, topics, databases and the directory of PROVINCES; no service runs."""
    homes = CHECKOUT / ".jiexu"
    _sweep(homes)
    home = homes / f"test-{os.getpid()}"
    choice = lanes.chosen()
    lanes.note(pytestconfig, str(choice))
    with ExitStack() as at_end:
        at_end.callback(_remove, home)
        if choice.lane is lanes.Lane.CONTAINERS:
            from tests.integration.containers import servers_in_containers  # takes long to import

            kafka, postgres = at_end.enter_context(servers_in_containers(home))
            up = Stack.upon(home, kafka=kafka, postgres=postgres)
        else:
            up = Stack.up(home, tell=lambda _: None)
        prepare(up, PROVINCES)
        yield up


@dataclass
class Pristine:
    """Databases that were migrated once in this run and never written to, to be copied for each test."""

    stack: Stack
    made: set[str] = field(default_factory=set)

    @asynccontextmanager
    async def copy(self, kind: str, owner: str, users: tuple[str, ...], areas: list[Area]) -> AsyncIterator[UrlOf]:
        template = f"pristine_{kind}_{os.getpid()}"
        if template not in self.made:
            await provision(self.stack.postgres.url, roles=(), databases=[Database(template, owner, ())])
            await migrate(database_url(self.stack, template, owner), areas)
            self.made.add(template)
        name = f"test_{kind}_{uuid4().hex[:12]}"
        admin = await asyncpg.connect(self.stack.postgres.url)
        try:
            await admin.execute(f"CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}")
            await provision(self.stack.postgres.url, roles=(), databases=[Database(name, owner, users)])
            yield lambda role: database_url(self.stack, name, role)
        finally:
            await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            await admin.close()

    async def drop(self) -> None:
        admin = await asyncpg.connect(self.stack.postgres.url)
        try:
            for template in self.made:
                await admin.execute(f"DROP DATABASE IF EXISTS {template} WITH (FORCE)")
        finally:
            await admin.close()


@pytest.fixture(scope="session")
async def pristine(stack: Stack) -> AsyncIterator[Pristine]:
    found = Pristine(stack)
    yield found
    await found.drop()


@pytest.fixture
async def province_database(pristine: Pristine) -> AsyncIterator[UrlOf]:
    """A database of one's own, migrated like province_44; call it with a role: `province_database("p44_origin_agency")`."""
    async with pristine.copy("province", owner_role("44"), _users(), province_areas("44")) as url_of:
        yield url_of


@pytest.fixture
async def keys_database(pristine: Pristine) -> AsyncIterator[UrlOf]:
    """A database of one's own, migrated like keys_44; call it with a role."""
    async with pristine.copy("keys", owner_role("44"), _users(), keys_areas("44")) as url_of:
        yield url_of


@pytest.fixture
async def bank_database(pristine: Pristine) -> AsyncIterator[UrlOf]:
    """A database of one's own, migrated like the bank's; call it with the role `bank`."""
    async with pristine.copy("bank", "bank_owner", ("bank",), bank_areas()) as url_of:
        yield url_of


def _users() -> tuple[str, ...]:
    return tuple(service_role("44", service) for service in PROVINCE_SERVICES)


def _sweep(homes: Path) -> None:
    """Take down what an earlier run left behind because it was killed."""
    for home in homes.glob("test-*"):
        if (found := re.fullmatch(r"test-(\d{1,7})", home.name)) and not Path("/proc", found[1]).exists():
            _remove(home)


def _remove(home: Path) -> None:
    Stack(home).down(wipe=True)
    if home.exists():
        forget(home)
        shutil.rmtree(home)
