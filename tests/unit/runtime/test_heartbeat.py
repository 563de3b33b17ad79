"""The heartbeat: a loop that stands is seen from beside it, and a process that nobody ran is not blamed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from services.runtime.heartbeat import Heartbeat


@asynccontextmanager
async def beating(**options: float) -> AsyncIterator[Heartbeat]:
    heart = Heartbeat(beat_s=0.02, **options)
    heart.start()
    await asyncio.sleep(0.1)
    try:
        yield heart
    finally:
        await heart.stop()


async def test_a_loop_that_turns_has_no_trouble() -> None:
    async with beating(limit_s=5.0) as heart:
        await asyncio.sleep(0.2)

        assert heart.trouble is None


async def test_a_loop_that_stood_still_is_not_alive_for_a_while() -> None:
    async with beating(limit_s=0.3, of_late_s=1.0) as heart:
        time.sleep(0.6)  # noqa: ASYNC251 - that is what is tried
        await asyncio.sleep(0.1)

        assert heart.longest_s == pytest.approx(0.6, abs=0.3)
        assert heart.trouble is not None
        assert "the event loop stood still for" in heart.trouble
        await asyncio.sleep(1.3)
        assert heart.trouble is None


async def test_the_log_says_where_the_loop_stands_while_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    with structlog.testing.capture_logs() as told:
        async with beating(tell_after_s=0.1):
            a_blocking_call()

    [line] = [line for line in told if line["event"] == "loop.stands"]
    assert any("a_blocking_call" in place for place in line["where"])


def a_blocking_call() -> None:
    time.sleep(0.6)


def test_a_process_that_was_stopped_for_a_while_is_alive_when_it_goes_on() -> None:
    program = subprocess.Popen([sys.executable, "-c", STOPPED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdout is not None
    assert program.stdout.readline() == "beating\n"
    time.sleep(0.2)

    os.kill(program.pid, signal.SIGSTOP)
    time.sleep(1.0)
    os.kill(program.pid, signal.SIGCONT)
    told, _ = program.communicate("now\n", timeout=20)

    assert float(told) < 0.5


STOPPED = """
import asyncio, sys
from services.runtime.heartbeat import Heartbeat
async def main():
    heart = Heartbeat(beat_s=0.02)
    heart.start()
    print("beating", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    await asyncio.sleep(0.2)
    print(heart.longest_s)
    await heart.stop()
asyncio.run(main())
"""
