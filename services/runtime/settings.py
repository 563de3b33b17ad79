"""What a service is told by its environment. Read once, in app(); a missing value stops the start with its name."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from services.runtime.clock import Clock, ScenarioClock


class FromEnvironment(BaseSettings):
    """Settings that come from the environment, and those that are secret perhaps as files of a `SECRETS_DIR`."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment, then files of `SECRETS_DIR`, each named like its setting."""
        folder = os.environ.get("SECRETS_DIR")
        files = (SecretsSettingsSource(settings_cls, secrets_dir=folder),) if folder else ()
        return (init_settings, env_settings, *files)


class Settings(FromEnvironment):
    """Settings that every service has."""

    environment: Literal["development", "production"] = "development"
    province: str = Field(pattern=r"^\d{2}$", description="GB/T 2260 code of the province that runs this service")
    database_url: SecretStr
    keys_database_url: SecretStr | None = None
    kafka_bootstrap: str
    kafka_username: str
    kafka_password: SecretStr
    kafka_tls: bool = False
    signing_key_file: Path
    sealing_key_file: Path | None = None
    id_hash_key_file: Path | None = None
    token_keys_file: Path
    directory_root: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the directory's root key")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    tables_dir: Path | None = Field(default=None, description="tables that take the place of ours, file by file")
    bank_url: str = ""
    bank_token_file: Path | None = None
    smtp_host: str = "127.0.0.1"
    smtp_port: int = 25
    mail_from: str = "jiexu@agency.example"
    mail_dispatch: bool = Field(default=True, description="false: notices are queued and wait until a replica may send them")
    clock: Literal["system", "scenario"] = "system"
    scenario_start: AwareDatetime | None = None
    max_records: int = Field(default=200, ge=1, le=5000, description="records a handler takes at once")
    retry_pauses_s: tuple[Annotated[float, Field(gt=0, le=3600)], ...] = Field(
        default=(0.5, 2.0, 8.0), description="pauses between the tries of a record that failed without a name, then it is parked"
    )
    relay_batch: int = Field(default=500, ge=1, le=5000)
    relay_poll_s: float = Field(default=0.2, gt=0, description="the relay's safety net; it finds what another replica wrote")
    timer_poll_s: float = Field(default=2.0, gt=0)
    bank_poll_s: float = Field(default=2.0, gt=0)
    bank_wait_s: float = Field(default=20.0, ge=0, le=60, description="how long the bank may hold back an answer without lines")
    approvals: Literal["two-persons", "automatic"] = Field(
        default="two-persons", description="who approves what has no doubt; what has one waits for two persons in any case"
    )
    automatic_limit_fen: int | None = Field(default=None, ge=0, description="above this amount of one case persons decide")
    replica: str = Field(default="0", description="name of this replica; makes the consumer's membership static")

    @model_validator(mode="after")
    def _scenario_is_not_production(self) -> Self:
        if self.clock == "scenario" and self.environment == "production":
            raise ValueError("CLOCK=scenario is refused when ENVIRONMENT=production: its days are not real")
        return self

    def make_clock(self) -> Clock:
        """The clock that these settings ask for."""
        return ScenarioClock(self.scenario_start) if self.clock == "scenario" else Clock()

    def shown(self) -> dict[str, str]:
        """The settings in force, secrets masked, for the first line of the log."""
        return {name: str(value) for name, value in self if value is not None}
