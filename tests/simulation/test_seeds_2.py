"""Seeds of every test run, part 3 of 4."""

import pytest

from tests.simulation.seeds import hold, of_file


@pytest.mark.parametrize("first", of_file(2))
def test_every_measure_holds_in_worlds_full_of_faults(first: int) -> None:
    hold(first)
