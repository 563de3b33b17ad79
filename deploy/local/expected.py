"""What a prepared exchange consists of, for whoever checks that it still does."""

from collections.abc import Sequence
from dataclasses import dataclass

from deploy.kafka.provision import MINISTRY
from deploy.postgres.provision import owner_role, service_role
from services.areas import PROVINCE_SERVICES, bank_areas, keys_areas, province_areas
from services.runtime.migrate import Migration, read

SERVICES = PROVINCE_SERVICES
"""The services that each province runs."""


@dataclass(frozen=True, slots=True)
class ExpectedDatabase:
    """A database, who owns it, which roles of services connect to it, and the migrations that make it."""

    name: str
    owner: str
    users: tuple[str, ...]
    migrations: tuple[Migration, ...]


def databases(provinces: Sequence[str]) -> list[ExpectedDatabase]:
    """The databases of these provinces and of the bank."""
    found = []
    for code in provinces:
        users = tuple(service_role(code, service) for service in SERVICES)
        for name, areas in ((f"province_{code}", province_areas(code)), (f"keys_{code}", keys_areas(code))):
            migrations = tuple(each for area in areas for each in read(area))
            found.append(ExpectedDatabase(name, owner_role(code), users, migrations))
    bank = tuple(each for area in bank_areas() for each in read(area))
    return [*found, ExpectedDatabase("bank", "bank_owner", ("bank",), bank)]


def principals(provinces: Sequence[str]) -> list[tuple[str, str]]:
    """Province and service of each Kafka principal; the ministry's auditor and registrar are the last two."""
    own = [(code, service) for code in provinces for service in SERVICES]
    return [*own, (MINISTRY, "audit"), (MINISTRY, "registrar")]
