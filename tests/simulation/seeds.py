"""The two hundred seeds of every test run, shared out among the files `test_seeds_*.py` so that two workers run them at once."""

from tests.simulation.run import report
from tests.simulation.world import run

SEEDS = 200
FILES = 4
A_TEST = 5
"""So many seeds one test runs."""


def of_file(file: int) -> list[int]:
    """The first seed of each test of a file."""
    share = SEEDS // FILES
    return list(range(1 + file * share, 1 + (file + 1) * share, A_TEST))


def hold(first: int) -> None:
    """Every measure holds in the worlds of these seeds."""
    for seed in range(first, first + A_TEST):
        outcome = run(seed)
        assert not outcome.violations, report(outcome)
