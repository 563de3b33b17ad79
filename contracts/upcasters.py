"""Older facts brought up to date, one function a step. A fact that was once published can be read for ever."""

from collections.abc import Callable, Mapping
from typing import Any

Step = Callable[[dict[str, Any]], dict[str, Any]]

# (type name, version that comes in) -> the data of the next version
UPCASTERS: dict[tuple[str, int], Step] = {}


def bring_up_to_date(
    raw: Mapping[str, Any], type_name: str, version: int, current: int, steps: Mapping[tuple[str, int], Step]
) -> dict[str, Any]:
    """Lead a decoded record from `version` to `current`, step by step.

    Raises:
        KeyError: when a step is missing; a contract that grew a version must bring its upcaster.
    """
    data = dict(raw["data"])
    for step in range(version, current):
        data = steps[type_name, step](data)
    return {**raw, "type": f"cn.jiexu.{type_name}.v{current}", "data": data}
