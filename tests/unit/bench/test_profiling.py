"""How one service is profiled: a process notes where its time goes between two signals."""

import os
import pstats
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.country import PROFILING

PROGRAM = """
import os, signal, time

def quiet():
    sum(range(200_000))

def busy():
    until = time.process_time() + 0.3
    while time.process_time() < until:
        sum(range(1_000))

quiet()
os.kill(os.getpid(), signal.SIGUSR1)
busy()
os.kill(os.getpid(), signal.SIGUSR2)
"""


@pytest.mark.parametrize("sampled", [False, True], ids=["calls", "looks"])
def test_what_is_written_shows_where_the_time_went_between_the_signals(tmp_path: Path, *, sampled: bool) -> None:
    file = tmp_path / "service.pstats"
    told = {"PYTHONPATH": str(PROFILING), "JIEXU_PROFILE": str(file)} | ({"JIEXU_PROFILE_SAMPLED": "yes"} if sampled else {})

    subprocess.run([sys.executable, "-c", PROGRAM], env={**os.environ, **told}, check=True)

    read: Any = pstats.Stats(str(file))
    spent = {name: cumulative for (_, _, name), (_, _, _, cumulative, _) in read.stats.items()}
    assert spent["busy"] > 0.2
    assert "quiet" not in spent
