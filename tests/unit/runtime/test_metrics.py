"""Figures: told and asked, one process one registry, and a source that fails says nothing instead of something old."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.runtime.database import COUNTS, Database
from services.runtime.metrics import Figure, Figures, Readings


async def read(figures: Figures) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = (await figures.text()).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def figures() -> Figures:
    return Figures("origin-agency", "44")


async def test_what_runs_is_told_with_its_province_and_version(figures: Figures) -> None:
    [labels] = [dict(labels) for name, labels in await read(figures) if name == "jiexu_build_info"]

    assert (labels["service"], labels["province"]) == ("origin-agency", "44")
    assert labels["version"]


async def test_two_services_of_one_process_do_not_meet(figures: Figures) -> None:
    other = Figures("notification", "33")

    figures.told_by("x", lambda: {"jiexu_x": [((), 1.0)]}, Figure("jiexu_x", "X."))

    assert ("jiexu_x", ()) in await read(figures)
    assert ("jiexu_x", ()) not in await read(other)


async def test_statements_and_commits_are_counted_by_purpose(figures: Figures) -> None:
    before = (await read(figures)).get(("jiexu_sql_statements_total", (("purpose", "test-metrics"),)), 0.0)

    COUNTS.note("test-metrics", 3)

    after = await read(figures)
    assert after["jiexu_sql_statements_total", (("purpose", "test-metrics"),)] == before + 3
    assert after["jiexu_sql_commits_total", (("purpose", "test-metrics"),)] >= 1


async def test_a_server_is_asked_once_however_many_look(figures: Figures) -> None:
    asked = 0

    async def ask() -> Readings:
        nonlocal asked
        asked += 1
        return {"jiexu_rows": [(("parked",), 2.0)]}

    figures.asked_of("database", ask, Figure("jiexu_rows", "Rows.", ("state",)))

    first, second = await read(figures), await read(figures)

    assert asked == 1
    assert first["jiexu_rows", (("state", "parked"),)] == second["jiexu_rows", (("state", "parked"),)] == 2.0


async def test_a_source_that_fails_is_named_and_hides_none_of_the_others(
    figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.runtime.metrics.ASK_AGAIN_AFTER_S", 0.0)
    answers = [{"jiexu_rows": [((), 7.0)]}]

    async def ask() -> Readings:
        return answers.pop()

    async def well() -> Readings:
        return {"jiexu_other": [((), 1.0)]}

    figures.asked_of("database", ask, Figure("jiexu_rows", "Rows."))
    figures.asked_of("other", well, Figure("jiexu_other", "Other."))

    good, failed = await read(figures), await read(figures)

    assert (good["jiexu_rows", ()], good["jiexu_figures_unknown", (("source", "database"),)]) == (7.0, 0.0)
    assert ("jiexu_rows", ()) not in failed
    assert failed["jiexu_figures_unknown", (("source", "database"),)] == 1.0
    assert failed["jiexu_other", ()] == 1.0


async def test_a_pool_that_was_never_opened_has_no_connections(figures: Figures) -> None:
    figures.pool("books", Database("postgresql://nobody@127.0.0.1:1/none", size=8))

    found = await read(figures)

    states = {state: found["jiexu_database_books_connections", (("state", state),)] for state in ("in_use", "idle", "most")}
    assert states == {"in_use": 0.0, "idle": 0.0, "most": 8.0}
