import pytest

from services.cli.demo.many import EXPECTED, check_world
from services.cli.play import Unexpected
from services.world.plan import Ending, plan


def test_every_planned_ending_has_an_expected_public_status() -> None:
    planned = set(Ending)

    assert set(EXPECTED) == planned


def test_a_demo_world_shows_at_least_eight_endings_that_are_not_the_happy_one() -> None:
    world = plan(20240506, 1001, provinces=("44", "33", "41"), protagonist=True)

    check_world(world)

    assert len({application.ending for application in world.applications} - {Ending.COMPLETED}) >= 8


def test_a_world_with_too_few_endings_is_refused() -> None:
    world = plan(1, 4)

    with pytest.raises(Unexpected, match="make it larger"):
        check_world(world)
