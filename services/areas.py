"""Which migrations make which database: one place that a deployment and the tests read."""

from pathlib import Path

from services.runtime.migrate import Area

_HERE = Path(__file__).parent

# Services of a province that say something, and so have a log of their own.
PROVINCE_SERVICES = ("origin-agency", "destination-agency", "notification")


def _roles(province: str) -> tuple[tuple[str, str], ...]:
    return tuple((f"{service.split('-')[0]}_role", f"p{province}_{service.replace('-', '_')}") for service in PROVINCE_SERVICES)


def province_areas(province: str) -> list[Area]:
    """The areas of a province's database, in the order in which they are applied."""
    roles = _roles(province)
    messaging = [
        Area(
            f"messaging:{service}",
            _HERE / "messaging" / "migrations",
            (("schema", service.replace("-", "_")), ("role", f"p{province}_{service.replace('-', '_')}")),
        )
        for service in PROVINCE_SERVICES
    ]
    shared = [Area(name, _HERE / name / "migrations", roles) for name in ("records", "ledger")]
    own = [Area(service, _HERE / service.replace("-", "_") / "migrations", roles) for service in PROVINCE_SERVICES]
    return [*shared, *messaging, *own]


def keys_areas(province: str) -> list[Area]:
    """The areas of a province's `keys` database."""
    return [Area("keys", _HERE / "records" / "keys_migrations", _roles(province))]


def bank_areas() -> list[Area]:
    """The areas of the bank's database."""
    return [Area("bank", _HERE / "bank" / "migrations", (("bank_role", "bank"),))]
