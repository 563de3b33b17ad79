"""What services say of themselves, and what a doctor makes of it."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from services.cli.doctor.running import Heard, clocks, figures, health, mail, read_figures, tables
from services.rules.loader import load_tables
from services.runtime.clock import SHANGHAI

NOON = datetime(2024, 5, 6, 12, tzinfo=SHANGHAI)


def a_service(name: str = "44.origin-agency", *, text: str = "", waits_for: dict[str, str] | None = None, **more: Any) -> Heard:
    ready = (503 if waits_for else 200, {"waits_for": waits_for or {}, "since": {}})
    return Heard(name, **{"live": (200, {}), "ready": ready, "figures": read_figures(text), **more})


def test_a_service_that_is_well_gives_no_findings() -> None:
    assert health([a_service()], up="jiexu up") == figures([a_service()]) == clocks([a_service()]) == []


def test_a_service_that_does_not_answer_or_no_longer_lives_is_named() -> None:
    silent = Heard("44.notification")
    standing = a_service(live=(503, {"because": {"loop": "the event loop stood still for 12 s"}}))

    first, second = health([silent, standing], up="jiexu up")

    assert (first.about, second.about) == ("44.notification", "44.origin-agency")
    assert "the event loop stood still for 12 s" in second.says


@pytest.mark.parametrize(
    ("part", "explained_by"),
    [
        ("kafka", {"kafka", "principal 44.origin-agency", "acl 44.origin-agency", "topic exchange.44"}),
        ("database", {"postgres", "role p44_origin_agency", "database province_44"}),
        ("keys", {"postgres", "database keys_44"}),
        ("directory", {"kafka", "topic directory", "directory 44"}),
        ("mail", {"smtp-sink"}),
        ("relay", {"kafka", "postgres", "key 44/origin-agency"}),
    ],
)
def test_what_a_service_waits_for_is_explained_by_what_may_be_wrong_there(part: str, explained_by: set[str]) -> None:
    [found] = health([a_service(waits_for={part: "it is away"})], up="jiexu up")

    assert explained_by <= set(found.because)
    assert "it is away" in found.says


def test_a_replica_is_known_by_its_service() -> None:
    replica = a_service("44.destination-agency-1")

    assert (replica.group, replica.province, replica.service) == ("44.destination-agency", "44", "destination-agency")


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("jiexu_outbox_oldest_seconds 61\njiexu_outbox_unpublished_rows 3", "outbox 44.origin-agency"),
        ('jiexu_quarantine_rows{state="parked",reason="malformed"} 2', "quarantine 44.origin-agency"),
        ('jiexu_cases_overdue{stage="handling"} 1', "overdue 44.origin-agency"),
        ("jiexu_notices_oldest_seconds 601\njiexu_notices_queued 9", "notices 44.origin-agency"),
        ("jiexu_event_loop_stood_seconds 2.5", "44.origin-agency/loop"),
        ('jiexu_figures_unknown{source="database"} 1', "44.origin-agency/metrics"),
    ],
)
def test_a_figure_that_is_wrong_is_named(text: str, about: str) -> None:
    [found] = figures([a_service(text=text + "\n")])

    assert (found.about, found.note) == (about, False)


@pytest.mark.parametrize(
    "text",
    [
        "jiexu_outbox_oldest_seconds 2",
        'jiexu_quarantine_rows{state="waiting",reason="handler_failed"} 2',
        'jiexu_cases_overdue{stage="handling"} 0',
        "jiexu_notices_oldest_seconds 30",
        "jiexu_event_loop_stood_seconds 0.3",
    ],
)
def test_a_figure_that_passes_by_itself_is_not(text: str) -> None:
    assert figures([a_service(text=text + "\n")]) == []


def test_the_quarantine_is_named_with_its_command_and_what_stands_behind() -> None:
    text = (
        'jiexu_quarantine_rows{state="parked",reason="bad_proof"} 1\n'
        'jiexu_quarantine_rows{state="parked",reason="malformed"} 2\n'
        'jiexu_quarantine_rows{state="behind",reason="behind_parked"} 4\n'
    )

    [found] = figures([a_service("33.destination-agency", text=text)])

    assert "3 records" in found.says
    assert "bad_proof 1, malformed 2" in found.says
    assert "4 more wait behind" in found.says
    assert found.remedy.startswith("jiexu quarantine list --province 33 --service destination-agency")


def test_replicas_share_what_the_database_knows() -> None:
    text = 'jiexu_cases_overdue{stage="handling"} 1\n'

    assert len(figures([a_service(text=text), a_service("44.origin-agency-1", text=text)])) == 1


def test_what_is_not_to_be_mended_here_is_a_note() -> None:
    failed = a_service("44.notification", text='jiexu_notices_total{result="failed",reason="NO_EMAIL_ADDRESS"} 1\n')
    lost = a_service("bank", text='jiexu_bank_payments{what="lost"} 1\n')

    found = figures([failed, lost])

    assert [each.note for each in found] == [True] * len(found)
    assert found[0].about == "notices 44.notification"


def test_a_clock_that_was_left_behind_is_named_with_the_time_to_move_it_to() -> None:
    services = [a_service(f"44.{name}", clock=NOON) for name in ("origin-agency", "notification")]

    agreeing = clocks([*services, a_service("33.notification", clock=NOON + timedelta(seconds=20))])
    [found] = clocks([*services, a_service("33.notification", clock=NOON - timedelta(days=1))])

    assert agreeing == []
    assert "33.notification is behind" in found.says
    assert "2024-05-06T12:00:00" in found.remedy


def test_a_mail_server_that_is_away_is_named() -> None:
    [found] = mail(1)

    assert found.about == "smtp-sink"


def test_a_calendar_or_rate_that_should_be_known_is_wrong_and_one_that_may_still_come_is_a_note() -> None:
    known = load_tables()

    assert tables(known, date(2024, 5, 6)) == []
    assert [(each.about, each.note) for each in tables(known, date(2026, 11, 23)) if each.about == "calendar"] == [
        ("calendar", True)
    ]
    unknown = {each.about: each.note for each in tables(known, date(2033, 9, 1))}
    assert unknown == {"calendar": False, "recording rate": False}
