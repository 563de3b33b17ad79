"""What the bank tells operators: what is under way, and what it has lost."""

from services.bank.store import SQL
from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.metrics import Figure, Figures, Readings

KINDS = ("under_way", "lost")

PAYMENTS = (
    Figure("jiexu_bank_payments", "Payments that have not come to a statement.", ("what",)),
    Figure("jiexu_bank_payments_fen", "Their money.", ("what",)),
)


def ask_bank(figures: Figures, database: Database, clock: Clock) -> None:
    """Add the bank's own figures and its pool."""

    async def ask() -> Readings:
        async with database.transaction("figures") as tx:
            rows = await tx.fetch(SQL["figures"], clock.now())
        found = {(row["figure"], row["labels"][0]): float(row["value"]) for row in rows}
        return {figure.name: [((kind,), found.get((figure.name, kind), 0.0)) for kind in KINDS] for figure in PAYMENTS}

    figures.asked_of("database", ask, *PAYMENTS)
    figures.pool("books", database)
