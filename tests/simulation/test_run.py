"""The runner: same seed, same run; what a failure says; what went wrong is counted; the two hundred."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.simulation import run as runner
from tests.simulation import seeds
from tests.simulation.mutants import planted
from tests.simulation.world import run

ROOT = Path(__file__).parents[2]


def test_the_same_seed_gives_the_same_run() -> None:
    first, again, other = run(11, trace=True), run(11, trace=True), run(12)

    assert first.trace == again.trace
    assert first.digest == again.digest
    assert first.digest != other.digest


def test_the_same_seed_gives_the_same_run_in_another_process() -> None:
    """Sets have another order there, and so must not decide anything."""

    def digest(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.simulation.run", "--first", "11", "--seeds", "1", "--digest"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[0]

    assert digest("1") == digest("2") == f"11 {run(11).digest}"


def test_what_went_wrong_is_counted_by_kind() -> None:
    counts: Counter[str] = Counter()

    for seed in range(1, 26):
        counts.update(run(seed).counts)

    wanted = {
        "records lost",
        "records doubled",
        "records delayed",
        "partitions reordered",
        "produce answers lost",
        "offset commits lost",
        "network partitions",
        "rebalances",
        "database connections lost",
        "commit answers lost",
        "bank requests lost",
        "bank answers lost",
        "work failed",
        "crash origin-agency",
        "crash destination-agency",
        "crash notification",
        "starts again origin-agency",
    }
    assert wanted <= {kind for kind, count in counts.items() if count}, wanted - set(counts)


def test_a_failure_names_its_seed_and_the_command_that_repeats_it(capsys: pytest.CaptureFixture[str]) -> None:
    with planted("an entry booked twice"):
        code = runner.main(["--first", "3", "--seeds", "1"])

    told = capsys.readouterr().out
    assert code == 1
    assert re.search(r"^seed 3 breaks a measure: books: ", told, re.MULTILINE)
    assert "the last steps of its schedule" in told
    assert "repeat it: make simulate SEED=3" in told
    assert len(re.findall(r"^  +\d+\.\d{4} ", told, re.MULTILINE)) == runner.SHOWN


def test_the_command_that_repeats_a_failure_runs_that_seed_alone() -> None:
    made = subprocess.run(
        ["make", "--dry-run", *runner.command(1234).split()[1:]], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert "tests.simulation.run --first 1234 --seeds 1" in made.stdout


def test_make_simulate_runs_as_many_as_one_likes() -> None:
    made = subprocess.run(["make", "--dry-run", "simulate", "SEEDS=4000"], cwd=ROOT, capture_output=True, text=True, check=True)

    assert "tests.simulation.run --first 1 --seeds 4000" in made.stdout


def test_two_hundred_seeds_run_with_every_test_run() -> None:
    firsts = [first for file in range(seeds.FILES) for first in seeds.of_file(file)]

    files = sorted(Path(__file__).parent.glob("test_seeds_*.py"))

    assert [seed for first in firsts for seed in range(first, first + seeds.A_TEST)] == list(range(1, 201))
    assert [f"of_file({file})" in path.read_text("utf-8") for file, path in enumerate(files)] == [True] * seeds.FILES


def test_a_summary_says_how_much_was_run(capsys: pytest.CaptureFixture[str]) -> None:
    code = runner.main(["--first", "5", "--seeds", "2", "--workers", "1"])

    told = capsys.readouterr().out
    assert code == 0
    assert re.search(r"^seeds +2$", told, re.MULTILINE)
    assert re.search(r"^seeds that break a measure +0$", told, re.MULTILINE)
