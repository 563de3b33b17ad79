"""Seeds of every test run, part 1 of 4."""

import pytest

from tests.simulation.seeds import hold, of_file


@pytest.mark.parametrize("first", of_file(0))
def test_every_measure_holds_in_worlds_full_of_faults(first: int) -> None:
    hold(first)
