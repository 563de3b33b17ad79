"""Notification's figures on the real database: what is queued, however much was sent."""

from collections.abc import AsyncIterator

import pytest

from deploy.postgres.provision import service_role
from services.messaging.figures import ask_database
from services.notification.figures import MailerFigures, asked
from services.runtime.database import Database
from services.runtime.metrics import Figures
from tests.integration.conftest import UrlOf
from tests.integration.messaging.test_figures import as_owner, read, rows_read

NOTICES = """
INSERT INTO notification.notices (notice_id, event_id, channel, case_id, person_ref, contact_id, template, template_version, said,
                                  message_id, occurred_at, queued_at, state, ended_at)
SELECT 'n' || n, 'e' || n, 'email', 'c' || n, 'x', 'x', 'status', 1, '{}', 'm' || n, now(),
       clock_timestamp() - n * interval '1 minute', CASE WHEN n <= 3 THEN 'queued' ELSE 'delivered' END,
       CASE WHEN n > 3 THEN now() END
  FROM generate_series(20000, 1, -1) AS n
"""


@pytest.fixture
async def database(province_database: UrlOf) -> AsyncIterator[Database]:
    found = Database(province_database(service_role("44", "notification")), name="test", size=2)
    yield found
    await found.close()


async def test_what_is_queued_is_told_with_its_age(province_database: UrlOf, database: Database) -> None:
    figures = Figures("notification", "44")
    ask_database(figures, database, "notification", asked())
    await as_owner(province_database, NOTICES, "SELECT 1")

    found = await read(figures)

    assert found["jiexu_notices_queued"] == 3
    assert found["jiexu_notices_oldest_seconds"] == pytest.approx(180, abs=30)


async def test_what_was_sent_is_not_read(province_database: UrlOf) -> None:
    await as_owner(province_database, NOTICES, "SELECT 1")

    [plan] = await as_owner(
        province_database, "ANALYZE notification.notices", f"EXPLAIN (ANALYZE, FORMAT JSON) {asked().sql.rstrip(';')}"
    )

    assert rows_read(plan[0]) < 50


async def test_what_became_of_notices_is_counted_by_result_and_reason() -> None:
    figures = Figures("notification", "44")
    counts = MailerFigures(figures.registry)

    counts.became("delivered", None)
    counts.became("queued", None)
    counts.became("failed", "NO_EMAIL_ADDRESS")

    found = await read(figures)
    assert found['jiexu_notices_total{reason="",result="delivered"}'] == 1
    assert found['jiexu_notices_total{reason="",result="put_off"}'] == 1
    assert found['jiexu_notices_total{reason="NO_EMAIL_ADDRESS",result="failed"}'] == 1
