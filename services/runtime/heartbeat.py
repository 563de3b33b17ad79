"""Whether the event loop turns: it beats, and a thread beside it watches, because a loop that stands can tell nobody."""

import asyncio
import contextvars
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress

import structlog

log = structlog.get_logger()


class Heartbeat:
    """The heartbeat of one event loop.

    Only time in which the process ran counts as standing: a process that was stopped, or a machine that slept, is not ill.

    Args:
        limit_s: how long the loop may stand before the process counts as not alive.
        of_late_s: how long that is remembered.
        beat_s: between two beats.
        tell_after_s: after how long of standing the log says where the loop stands.
    """

    def __init__(
        self, *, limit_s: float = 10.0, of_late_s: float = 60.0, beat_s: float = 0.25, tell_after_s: float = 2.0
    ) -> None:
        self._limit_s = limit_s
        self._of_late_s = of_late_s
        self._beat_s = beat_s
        self._tell_after_s = tell_after_s
        self._stalls: deque[tuple[float, float]] = deque(maxlen=1000)
        self._standing_s = 0.0
        self._beaten_at = 0.0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._task: asyncio.Task[None] | None = None
        self.lag_s = 0.0

    def start(self) -> None:
        """Begin; called inside the loop that is to be watched."""
        self._beaten_at = time.monotonic()
        self._ended.clear()
        self._task = asyncio.create_task(self._beat(), name="heartbeat")
        # The log's bound service and province would be missing in a thread without our context.
        target = contextvars.copy_context().run
        self._thread = threading.Thread(target=target, args=(self._watch, threading.get_ident()), name="heartbeat", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End."""
        self._ended.set()
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    @property
    def longest_s(self) -> float:
        """For how long the loop stood at most, of late."""
        since = time.monotonic() - self._of_late_s
        with self._lock:
            return max((stood for ended, stood in self._stalls if ended >= since), default=0.0)

    @property
    def trouble(self) -> str | None:
        """Why the process is not alive, or None."""
        longest = self.longest_s
        if longest < self._limit_s:
            return None
        return f"the event loop stood still for {longest:.0f} s within the last {self._of_late_s:.0f} s"

    async def _beat(self) -> None:
        while True:
            before = time.monotonic()
            with self._lock:
                self._beaten_at = before
                if self._standing_s:
                    self._stalls.append((before, self._standing_s))
                    self._standing_s = 0.0
            await asyncio.sleep(self._beat_s)
            self.lag_s = max(0.0, time.monotonic() - before - self._beat_s)

    def _watch(self, loop_thread: int) -> None:
        looked, used = time.monotonic(), time.process_time()
        told = False
        while not self._ended.wait(self._beat_s):
            now, using = time.monotonic(), time.process_time()
            # Where this thread was late too, either nobody ran, or something held the interpreter and used the processor.
            ran = min(now - looked, 2 * self._beat_s + using - used)
            looked, used = now, using
            with self._lock:
                stands = now - self._beaten_at > 2 * self._beat_s
                self._standing_s = self._standing_s + ran if stands else 0.0
                standing = self._standing_s
            if stands and standing >= self._tell_after_s and not told:
                told = True
                log.error("loop.stands", seconds=round(standing, 1), where=_where(loop_thread))
            elif not stands:
                told = False


def _where(thread: int) -> list[str]:
    """The innermost calls of a thread, as file, line and function; never a value."""
    frame = sys._current_frames().get(thread)
    found = traceback.extract_stack(frame)[-6:] if frame is not None else []
    return [f"{entry.filename.rpartition('/')[2]}:{entry.lineno} {entry.name}" for entry in reversed(found)]
