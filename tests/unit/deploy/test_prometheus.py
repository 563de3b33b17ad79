"""The alert rules name figures and labels that exist, and each says in words what is wrong and what to do."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.bank.figures import ask_bank
from services.destination_agency import figures as destination
from services.messaging.figures import HandlerFigures, ask_consumer, ask_database, tell_relay
from services.notification import figures as notification
from services.origin_agency import figures as origin
from services.records.agency import Agency
from services.runtime.clock import Clock
from services.runtime.database import Database
from services.runtime.http import make_api
from services.runtime.metrics import Figures
from tests.agencies import tables

FOLDER = Path(__file__).parents[3] / "deploy" / "prometheus"
TARGET = {"job", "instance", "province", "service", "replica"}
"""Labels that Prometheus adds to every series of a process."""


def known() -> dict[str, set[str]]:
    """Every figure that some service gives, with its labels."""

    async def ready() -> dict[str, str | None]:
        return {}

    async def nowhere() -> None:
        return None

    agency = cast(Agency, SimpleNamespace(clock=Clock(), tables=tables()))
    nothing = Database("postgresql://nobody@127.0.0.1:1/none")
    found: dict[str, set[str]] = {}
    for asked in (origin.asked(agency), destination.asked(agency), notification.asked(), None):
        figures = Figures("x", "44")
        make_api("x", verifier=None, ready=ready, figures=figures)
        if asked is None:
            ask_bank(figures, nothing, Clock())
        else:
            HandlerFigures(figures.registry)
            notification.MailerFigures(figures.registry)
            tell_relay(figures, lambda: True)
            ask_consumer(figures, nowhere)
            ask_database(figures, nothing, "x", asked)
            figures.pool("books", nothing)
        for collector in list(figures.registry._collector_to_names):
            for figure in getattr(collector, "figures", ()):
                found[figure.name + ("_total" if figure.total else "")] = set(figure.labels)
            if (labels := getattr(collector, "_labelnames", None)) is not None:
                found |= {name: set(labels) for name in figures.registry._collector_to_names[collector]}
    return found


def alerts() -> list[dict[str, str]]:
    """The alerts as flat texts; the file keeps each value on one line."""
    found: list[dict[str, str]] = []
    for line in (FOLDER / "alerts.yml").read_text("utf-8").splitlines():
        if (pair := re.fullmatch(r"\s+(?:- )?(\w+): (.+)", line)) is None:
            continue
        if pair[1] == "alert":
            found.append({})
        if found:
            found[-1][pair[1]] = pair[2].strip('"')
    return found


def problems(expression: str, figures: Mapping[str, set[str]]) -> list[str]:
    """What an expression names that nobody gives."""
    found = []
    bare = re.sub(r'"[^"]*"', '""', expression)
    for name, matchers in re.findall(r"\b(jiexu_\w+)(\{[^}]*\})?", bare):
        if name not in figures:
            found.append(name)
            continue
        labels = set(re.findall(r"(\w+)(?:=~|=|!=)", matchers))
        found += [f"{name}{{{label}}}" for label in labels - figures[name] - TARGET]
    grouped = {label.strip() for group in re.findall(r"(?:by|on) \(([^)]*)\)", bare) for label in group.split(",")}
    every = set().union(*figures.values()) | TARGET
    return [*found, *sorted(grouped - every)]


ALERTS = alerts()
FIGURES = known()


@pytest.mark.parametrize("alert", ALERTS, ids=[alert["alert"] for alert in ALERTS])
def test_an_alert_names_what_exists_and_says_what_to_do(alert: dict[str, Any]) -> None:
    assert problems(alert["expr"], FIGURES) == []
    assert alert["labels"] in ("{severity: page}", "{severity: ticket}")
    assert len(alert["summary"]) > 20
    assert len(alert["description"]) > 40
    assert alert["remedy"]
    assert all(ord(character) < 128 for character in alert["expr"])


def test_what_operators_must_be_called_for_has_an_alert() -> None:
    together = " ".join(alert["expr"] for alert in ALERTS)

    for name in (
        "up{",
        "jiexu_ready",
        "jiexu_consumer_lag_records",
        "jiexu_outbox_oldest_seconds",
        "jiexu_relay_leads",
        "jiexu_quarantine_rows",
        "jiexu_cases_overdue",
        "jiexu_oldest_case_working_days",
        "jiexu_suspense_fen",
        "jiexu_transit_payments",
        "jiexu_notices_oldest_seconds",
    ):
        assert name in together, name


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("jiexu_outbox_age > 60", ["jiexu_outbox_age"]),
        ('jiexu_quarantine_rows{stat="parked"} > 0', ["jiexu_quarantine_rows{stat}"]),
        ("sum by (provinz) (jiexu_relay_leads) < 1", ["provinz"]),
    ],
)
def test_a_name_that_nobody_gives_is_found(expression: str, wrong: list[str]) -> None:
    assert problems(expression, FIGURES) == wrong


def test_the_scrape_configuration_asks_metrics_and_names_province_and_service() -> None:
    text = (FOLDER / "prometheus.yml").read_text("utf-8")

    assert "metrics_path: /metrics" in text
    assert "- alerts.yml" in text
    targets = re.findall(r"labels: \{(.*)\}", text)
    assert len(targets) == 4
    assert all({"province", "service", "replica"} == set(re.findall(r"(\w+):", labels)) for labels in targets)


def test_no_name_or_label_can_hold_a_person_or_a_case() -> None:
    labels = set().union(*FIGURES.values())

    assert labels.isdisjoint({"case_id", "case", "person", "person_ref", "id", "name", "sub", "notice_id", "account"})
