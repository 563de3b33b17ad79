"""docker-compose.yml as Compose reads it: parsed, with the variables filled in."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from deploy.local.native import CHECKOUT

_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@cache
def parsed() -> dict[str, Any]:
    """The file, with variables as they stand in it."""
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    return found


def composition(settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The file with these settings, else with its own defaults."""
    given = settings or {}

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(lambda found: given.get(found[1], found[2]), value)
        if isinstance(value, dict):
            return {key: fill(each) for key, each in value.items()}
        return [fill(each) for each in value] if isinstance(value, list) else value

    found: dict[str, Any] = fill(parsed())
    return found


def services() -> dict[str, dict[str, Any]]:
    """What runs, by name."""
    found: dict[str, dict[str, Any]] = composition()["services"]
    return found


def secrets_of(service: Mapping[str, Any]) -> dict[str, str]:
    """The secrets of a service: names in the file by what they are called in the container."""
    entries = [{"source": each, "target": each} if isinstance(each, str) else each for each in service.get("secrets", [])]
    return {entry["target"]: entry["source"] for entry in entries}


def given_to(service: Mapping[str, Any], home: Path, into: Path) -> None:
    """Put a service's secrets where it finds them, as Compose would, from a home in which they were made."""
    into.mkdir()
    of = composition({"JIEXU_HOME": str(home)})["secrets"]
    for target, source in secrets_of(service).items():
        (into / target).write_bytes(Path(of[source]["file"]).read_bytes())
