"""What the bank is told by its environment."""

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, SecretStr

from services.runtime.clock import Clock, ScenarioClock
from services.runtime.settings import FromEnvironment


class BankSettings(FromEnvironment):
    """Settings of the embedded bank."""

    database_url: SecretStr
    token_keys_file: Path
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8090, ge=0, le=65535)
    delay_minutes: int = Field(default=30, ge=0, description="how long a payment is under way")
    clock: Literal["system", "scenario"] = "system"
    scenario_start: AwareDatetime | None = None

    def make_clock(self) -> Clock:
        """The clock that these settings ask for."""
        return ScenarioClock(self.scenario_start) if self.clock == "scenario" else Clock()

    @property
    def delay(self) -> timedelta:
        """How long a payment is under way."""
        return timedelta(minutes=self.delay_minutes)
