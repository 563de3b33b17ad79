"""What holds for every test."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

pytest_plugins = ("tests.lanes",)

# A deadline an example measures the machine's other work, not ours; pytest-timeout ends what hangs.
settings.register_profile("jiexu", deadline=None)
settings.load_profile("jiexu")


@pytest.fixture(autouse=True, scope="session")
def _garbage_is_looked_for_as_python_does() -> Iterator[None]:
    """A service decides for its own process how often Python searches for garbage; this process is pytest's."""
    from services.messaging import house  # takes a second to import

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(house, "look_for_garbage_seldom", lambda: None)
        yield


@pytest.fixture(autouse=True)
def _logs_are_configured_for_one_test_alone() -> Iterator[None]:
    """A service or a command configures the logs of its whole process; the next test of this one must not inherit that."""
    configured = structlog.get_config()
    yield
    structlog.configure(**configured)
    structlog.contextvars.clear_contextvars()
