"""An event loop whose time is made up, and processes that can be stopped, paused and killed in it.

Nothing waits: when nobody can go on, the time jumps to the next timer. A killed process never gets another turn, so not even its
`finally` blocks run, as with `kill -9`.
"""

import asyncio
import heapq
import sys
import warnings
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar, copy_context
from typing import Any


class Process:
    """One operating-system process of the simulated machine park."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.paused = False
        self.backlog: list[asyncio.Handle] = []
        self.at_death: list[Callable[[], None]] = []

    def __repr__(self) -> str:
        return self.name


PROCESS: ContextVar[Process | None] = ContextVar("process", default=None)


class Stuck(Exception):
    """Nobody can go on and no timer runs."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order in which they became ready; time passes only when nothing is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.turns = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda *_: None)  # nobody is left to hear what a dead process's task had to say

    def time(self) -> float:
        """Virtual seconds since the world began."""
        return self.now

    def start(self, process: Process | None, coroutine: Coroutine[Any, Any, Any], name: str = "") -> "asyncio.Task[Any]":
        """Run a coroutine as a part of a process."""
        context = copy_context()
        context.run(PROCESS.set, process)
        return self.create_task(coroutine, name=name or None, context=context)

    def kill(self, process: Process) -> None:
        """End a process at once, wherever it is."""
        if process.alive:
            process.alive = False
            process.backlog.clear()
            for callback in process.at_death:
                callback()

    def pause(self, process: Process) -> None:
        """Let a process stand still; the world goes on (SIGSTOP)."""
        process.paused = True

    def resume(self, process: Process) -> None:
        """Let it go on (SIGCONT)."""
        process.paused = False
        self._ready.extend(process.backlog)  # type: ignore[attr-defined]
        process.backlog.clear()

    def end(self) -> None:
        """Throw away whatever still runs, without letting it do anything in the world."""
        if self.is_closed():
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for task in self.tasks:
                coroutine: Any = task.get_coro()
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                for _ in range(20):
                    if getattr(coroutine, "cr_frame", None) is None:
                        break
                    with suppress(BaseException):
                        coroutine.close()
            self.tasks.clear()
            self._ready.clear()  # type: ignore[attr-defined]
            self._scheduled.clear()  # type: ignore[attr-defined]
            self.close()

    def _make_task(self, loop: Any, coroutine: Any, **options: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
        if len(self.tasks) > 4000:
            self.tasks = [kept for kept in self.tasks if not kept.done()]
        self.tasks.append(task)
        return task

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        while not ready:
            if not scheduled:
                raise Stuck
            timer = heapq.heappop(scheduled)
            timer._scheduled = False
            if not timer._cancelled:
                self.now = max(self.now, timer._when)
                ready.append(timer)
        handle = ready.popleft()
        if handle._cancelled:
            return
        process = handle._context.get(PROCESS)
        if process is not None:
            if not process.alive:
                return
            if process.paused:
                process.backlog.append(handle)
                return
        self.turns += 1
        handle._run()

    def _process_events(self, _: Any) -> None:
        return

    def _write_to_self(self) -> None:
        return

    def run_in_executor(self, *_: Any) -> Any:  # type: ignore[override]
        """Refuse: a thread would bring real time into the world."""
        raise AssertionError("no threads in a simulation")


async def forever() -> None:
    """Wait for what never comes: where a killed process, or an answer that is lost, stays."""
    await asyncio.get_running_loop().create_future()


def interpreter() -> str:
    """For reports: which Python ran."""
    return sys.version.split()[0]
