"""Settings: read once, refused by name, secrets never shown."""

from datetime import datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.runtime.clock import Clock, ScenarioClock
from services.runtime.settings import Settings

GOOD = {
    "PROVINCE": "44",
    "DATABASE_URL": "postgresql://p44_origin_agency:the-password@127.0.0.1/province_44",
    "KAFKA_BOOTSTRAP": "127.0.0.1:9092",
    "KAFKA_USERNAME": "44.origin-agency",
    "KAFKA_PASSWORD": "another-password",
    "SIGNING_KEY_FILE": "/run/secrets/signing",
    "TOKEN_KEYS_FILE": "/run/secrets/jwks",
    "DIRECTORY_ROOT": "ab" * 32,
}


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*GOOD, *(field.upper() for field in Settings.model_fields), "SECRETS_DIR"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


def test_a_service_starts_with_what_it_must_be_told_and_the_rest_has_defaults() -> None:
    settings = Settings()

    assert (settings.province, settings.environment, settings.max_records) == ("44", "development", 200)
    assert isinstance(settings.make_clock(), Clock)
    assert not settings.make_clock().movable


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_value_stops_the_start_with_its_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROVINCE", "Guangdong"),
        ("DIRECTORY_ROOT", "trust me"),
        ("HTTP_PORT", "65536"),
        ("MAX_RECORDS", "0"),
        ("RELAY_BATCH", "5001"),
        ("RELAY_POLL_S", "0"),
        ("ENVIRONMENT", "staging"),
        ("CLOCK", "sundial"),
        ("APPROVALS", "one-person"),
        ("AUTOMATIC_LIMIT_FEN", "-1"),
        ("AUTOMATIC_LIMIT_FEN", "1.5"),
        ("BANK_WAIT_S", "61"),
        ("SCENARIO_START", "2024-05-06T09:00:00"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_two_persons_approve_unless_a_province_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Settings()
    monkeypatch.setenv("APPROVALS", "automatic")
    monkeypatch.setenv("AUTOMATIC_LIMIT_FEN", "5000000")

    said = Settings()

    assert (usual.approvals, usual.automatic_limit_fen) == ("two-persons", None)
    assert (said.approvals, said.automatic_limit_fen) == ("automatic", 5_000_000)


def test_a_scenarios_clock_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCK", "scenario")
    monkeypatch.setenv("ENVIRONMENT", "production")

    with pytest.raises(ValidationError, match="its days are not real"):
        Settings()


def test_a_scenarios_clock_starts_where_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCK", "scenario")
    monkeypatch.setenv("SCENARIO_START", "2024-05-06T09:00:00+08:00")

    clock = Settings().make_clock()

    assert isinstance(clock, ScenarioClock)
    assert clock.now().date() == datetime.fromisoformat("2024-05-06T09:00:00+08:00").date()


def test_what_is_shown_of_the_settings_has_no_secret_in_it() -> None:
    settings = Settings()

    text = f"{settings.shown()}{settings!r}{settings}"

    assert "the-password" not in text
    assert "another-password" not in text
    assert settings.shown()["kafka_username"] == "44.origin-agency"


def test_a_secret_may_come_as_a_file_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kafka_password").write_text("from-a-file\n", encoding="utf-8")
    (tmp_path / "kafka_username").write_text("from-a-file", encoding="utf-8")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("KAFKA_PASSWORD")

    settings = Settings()

    assert settings.kafka_password.get_secret_value() == "from-a-file"
    assert settings.kafka_username == "44.origin-agency"


def test_settings_do_not_change_after_the_start() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().province = "33"  # type: ignore[misc]
