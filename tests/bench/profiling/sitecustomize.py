"""Python runs this at the start of a process that has this folder on its path: the bench's way to profile one service.

SIGUSR1 begins, SIGUSR2 ends and writes what `pstats` reads to the file that JIEXU_PROFILE names. With JIEXU_PROFILE_SAMPLED calls
are not counted; instead the stack is looked at after each four milliseconds of processor time, which slows nothing down and gives
C code its true share, under the name of the Python function that called it.
"""

import cProfile
import marshal
import os
import signal
import time
from pathlib import Path
from types import FrameType

Place = tuple[str, int, str]

INTERVAL_S = 0.004  # what Linux can do at 250 ticks a second


class Sampler:
    """Where the time goes, by looking. A count of calls in what `pstats` shows is a count of looks."""

    def __init__(self) -> None:
        self._own: dict[Place, int] = {}
        self._below: dict[Place, int] = {}
        self._callers: dict[Place, dict[Place, int]] = {}
        self._looks = 0
        self._began_s = self._used_s = 0.0

    def enable(self) -> None:
        """Look from now on."""
        self._began_s = time.process_time()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def disable(self) -> None:
        """Stop looking."""
        signal.setitimer(signal.ITIMER_PROF, 0)
        self._used_s += time.process_time() - self._began_s

    def dump_stats(self, file: str) -> None:
        """Write what was seen as `pstats` reads it."""
        a_look_s = self._used_s / max(1, self._looks)
        found = {}
        for place, below in self._below.items():
            own = self._own.get(place, 0)
            callers = {caller: (count, count, 0.0, count * a_look_s) for caller, count in self._callers.get(place, {}).items()}
            found[place] = (below, below, own * a_look_s, below * a_look_s, callers)
        Path(file).write_bytes(marshal.dumps(found))

    def _look(self, _: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self._looks += 1
        seen: set[Place] = set()  # a function that calls itself is counted once
        inner: Place | None = None
        while frame is not None:
            code = frame.f_code
            place = (code.co_filename, code.co_firstlineno, code.co_name)
            if inner is None:
                self._own[place] = self._own.get(place, 0) + 1
            else:
                callers = self._callers.setdefault(inner, {})
                callers[place] = callers.get(place, 0) + 1
            if place not in seen:
                seen.add(place)
                self._below[place] = self._below.get(place, 0) + 1
            inner, frame = place, frame.f_back


if wanted := os.environ.get("JIEXU_PROFILE"):
    file = wanted
    profile = Sampler() if os.environ.get("JIEXU_PROFILE_SAMPLED") else cProfile.Profile()

    def begin(*_: object) -> None:
        """Count from now on."""
        profile.enable()

    def end(*_: object) -> None:
        """Stop counting and write it down."""
        profile.disable()
        profile.dump_stats(f"{file}.draft")
        Path(f"{file}.draft").replace(file)

    signal.signal(signal.SIGUSR1, begin)
    signal.signal(signal.SIGUSR2, end)
