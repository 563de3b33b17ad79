"""Virtual time, and what killing, pausing and stopping a process means."""

import asyncio
import time

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.nature import SeededSuite, seeded


def until(loop: VirtualLoop, seconds: float) -> None:
    async def wait() -> None:
        await asyncio.sleep(seconds)

    main = loop.start(None, wait())
    asyncio.events._set_running_loop(loop)
    try:
        while not main.done():
            loop._run_once()
    finally:
        asyncio.events._set_running_loop(None)


def test_a_year_passes_in_no_time() -> None:
    loop = VirtualLoop()
    began = time.perf_counter()

    until(loop, 365 * 86_400.0)

    assert loop.time() == 365 * 86_400.0
    assert time.perf_counter() - began < 5
    loop.end()


def test_a_killed_process_does_nothing_any_more_not_even_clean_up() -> None:
    loop, process, done = VirtualLoop(), Process("44/origin-agency.0"), []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
            done.append("worked")
        finally:
            done.append("cleaned up")

    loop.start(process, work())
    until(loop, 5)
    loop.kill(process)
    until(loop, 20)

    assert done == []
    loop.end()


def test_a_paused_process_goes_on_where_it_was() -> None:
    loop, process, done = VirtualLoop(), Process("44/origin-agency.0"), []

    async def work() -> None:
        await asyncio.sleep(10)
        done.append(loop.time())

    loop.start(process, work())
    until(loop, 5)
    loop.pause(process)
    until(loop, 30)
    loop.resume(process)
    until(loop, 1)

    assert done == [35.0]
    loop.end()


def test_what_the_seeded_sealing_seals_the_real_one_opens() -> None:
    key = X25519PrivateKey.generate()
    loop = VirtualLoop()

    with seeded(5, loop):
        from services.messaging import sealing

        suite: object = sealing._SUITE
    assert isinstance(suite, SeededSuite)

    assert suite.decrypt(suite.encrypt(b"a data key", key.public_key(), info=b"x"), key, info=b"x") == b"a data key"
    loop.end()
