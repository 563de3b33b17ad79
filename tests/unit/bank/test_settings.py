"""What the bank is told by its environment."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.bank.settings import BankSettings
from services.runtime.clock import ScenarioClock

START = datetime.fromisoformat("2024-05-06T09:00:00+08:00")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*BankSettings.model_fields, "SECRETS_DIR"]:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("DATABASE_URL", "postgresql://bank:secret@127.0.0.1/bank")
    monkeypatch.setenv("TOKEN_KEYS_FILE", "keys.json")


def test_a_bank_that_is_told_little_is_real_and_takes_half_an_hour() -> None:
    settings = BankSettings()

    assert settings.delay == timedelta(minutes=30)
    assert not isinstance(settings.make_clock(), ScenarioClock)
    assert settings.token_keys_file == Path("keys.json")


def test_the_scenario_clock_begins_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCK", "scenario")
    monkeypatch.setenv("SCENARIO_START", START.isoformat())
    monkeypatch.setenv("DELAY_MINUTES", "0")

    settings = BankSettings()

    assert START <= settings.make_clock().now() < START + timedelta(minutes=1)
    assert settings.delay == timedelta(0)


@pytest.mark.parametrize(
    ("name", "value"), [("CLOCK", "sundial"), ("DELAY_MINUTES", "-1"), ("SCENARIO_START", "2024-05-06T09:00:00")]
)
def test_a_value_that_cannot_be_stops_the_start_with_its_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError, match=name.lower()):
        BankSettings()


def test_the_database_may_come_as_a_file_of_a_folder_of_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "database_url").write_text("postgresql://bank:from-a-file@postgres-bank/bank", encoding="utf-8")
    monkeypatch.setenv("SECRETS_DIR", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL")

    assert "from-a-file" in BankSettings().database_url.get_secret_value()


def test_the_password_is_not_shown() -> None:
    assert "secret" not in repr(BankSettings())
