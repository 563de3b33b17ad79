"""The one clock a service asks. Business dates are Asia/Shanghai; the law counts its days there."""

import time
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


class Clock:
    """The system's clock."""

    movable = False

    def now(self) -> datetime:
        """The time now, with offset."""
        return datetime.now(SHANGHAI)

    def today(self) -> date:
        """The business date now."""
        return self.now().date()


class ScenarioClock(Clock):
    """A clock that a scenario moves, so that fifteen working days pass in a second. Time runs on from where it was put.

    Within a story it goes forward alone. For another story it may be put back, once all services are idle: the people and cases
    of that one are new, and what an earlier one left open is nothing to them.
    """

    movable = True

    def __init__(self, start: datetime | None = None) -> None:
        self._put_at = time.monotonic()
        assert start is None or start.tzinfo is not None, start
        self._put_to = (start or datetime.now(SHANGHAI)).astimezone(SHANGHAI)

    def now(self) -> datetime:
        """The scenario's time."""
        return self._put_to + timedelta(seconds=time.monotonic() - self._put_at)

    def move(self, to: datetime, *, back: bool = False) -> None:
        """Go on from `to`.

        Args:
            to: with its offset.
            back: whether `to` may lie before, as the beginning of another story does.

        Raises:
            ValueError: when `to` has no offset, or lies in the past and `back` is not said; time does not run back by itself.
        """
        if to.tzinfo is None:
            raise ValueError("the time needs an offset, e.g. 2024-05-06T09:00:00+08:00")
        if to < self.now() and not back:
            raise ValueError(f"the clock stands at {self.now().isoformat()} and does not go back")
        self._put_to = to.astimezone(SHANGHAI)
        self._put_at = time.monotonic()
