"""Bugs planted on purpose: the simulation must find each of them, and soon."""

import pytest

from tests.simulation.mutants import PLANTED, planted
from tests.simulation.world import run

WITHIN = 200


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_bug_is_found_within_two_hundred_seeds(name: str) -> None:
    found = None

    for seed in range(1, WITHIN + 1):
        with planted(name):
            outcome = run(seed)
        if outcome.violations:
            found = seed
            break

    assert found is not None, f"{name} was not found in {WITHIN} worlds"
    print(f"{name}: found after {found} seeds: {outcome.violations[0]}")
