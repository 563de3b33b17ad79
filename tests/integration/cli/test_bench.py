"""`jiexu bench` hands its words on to the bench of the checkout."""

import subprocess
import sys
from pathlib import Path

from services.cli import ExitCode


def jiexu(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [str(Path(sys.executable).with_name("jiexu")), "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_options_of_the_bench_reach_it() -> None:
    shown = jiexu("--", "--help")

    assert shown.returncode == ExitCode.YES, shown.stderr
    assert "--transfers" in shown.stdout


def test_wrong_use_of_the_bench_is_wrong_use_of_the_command() -> None:
    refused = jiexu("--rounds", "many")

    assert refused.returncode == ExitCode.WRONG_USE
    assert "invalid int value: 'many'" in refused.stderr
