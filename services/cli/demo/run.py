"""The demo from the beginning to its exit code."""

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path

from deploy.compose.engine import NoDocker
from deploy.local.native import CHECKOUT
from deploy.local.services import Endpoints, tokens
from deploy.local.stack import Stack
from services.cli.demo.ground import Ground, ground
from services.cli.demo.many import Many, check_world
from services.cli.demo.proof import Proof, live_books, prove, show_books
from services.cli.demo.show import Show
from services.cli.demo.story import day, tell_story
from services.cli.play import Stage
from services.cli.stack import StackKind
from services.world.files import write_provinces
from services.world.plan import World, plan

PROVINCES = ("44", "33", "41")


def demo(
    *, cases: int = 1000, seed: int = 20240506, keep: bool = False, home: Path | None = None, kind: StackKind = StackKind.NATIVE
) -> int:
    """Run the demo on a stack of its own; returns the exit code, 0 only if the replay agrees and the lie was found.

    Args:
        cases: transfers beside the protagonist's.
        seed: of the world.
        keep: leave the stack running, to look further.
        home: where the stack lives instead of the usual folder; what an earlier demo left there is wiped.
        kind: processes of this machine, or containers.
    """
    show = Show()
    world = plan(seed, cases + 1, provinces=PROVINCES, protagonist=True)
    check_world(world)
    on = ground(kind, PROVINCES, day("2024-05-06"), home)
    show.head(f"0  The stack: {on.what.format(provinces='44, 33 and 41')}")
    try:
        stack, endpoints = on.up(show.step)
        proof = asyncio.run(_play(show, stack, endpoints, world, on.home / "audit"))
    except NoDocker:
        keep = True  # there is nothing to take down
        raise
    finally:
        if not keep:
            on.down()
    _further(show, on, keep=keep)
    return exit_code(proof)


def exit_code(proof: Proof | None) -> int:
    """0 only if every case ended as it was meant to, the replay agrees, and the planted lie was found."""
    return 0 if proof is not None and proof.agrees and proof.lie_found else 1


async def _play(show: Show, stack: Stack, endpoints: Endpoints, world: World, out: Path) -> Proof | None:
    stage = Stage(endpoints, tokens(stack.home))
    try:
        await _import(show, stage, world)
        await tell_story(stage, endpoints, show)
        others = world.applications[1:]
        show.head(f"2  {len(others):,} more transfers among the three provinces")
        many = Many(stage, show, others)
        await many.play()
        rows, wrong = await many.endings()
        show.table(("meant to end", "public status", "code", "cases"), rows, right=(3,))
        for line in wrong:
            show.say(f"  {line}")
        show.step(f"{len(endpoints.mails()):,} e-mails arrived, each for one change of status")
        show.head("3  Both sides' books for one pair: Guangdong (44) and Zhejiang (33)")
        show_books(show, await live_books(stack, PROVINCES), "44", "33")
        proof = await prove(show, stage, stack, out, PROVINCES)
        return None if wrong else proof
    finally:
        await stage.close()


async def _import(show: Show, stage: Stage, world: World) -> None:
    """Bring the records of all provinces in, at the same time."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_provinces(world, Path(folder))
        texts = {
            code: (paths.persons.read_text("utf-8"), paths.contributions.read_text("utf-8")) for code, paths in files.items()
        }
    ids = {code: await stage.import_records(code, *both) for code, both in texts.items()}
    persons = sum(_lines(both[0]) for both in texts.values())
    rows = sum(_lines(both[1]) for both in texts.values())
    with show.progress("importing persons", persons) as bar:
        while True:
            states = await asyncio.gather(*(stage.import_state(code, ids[code]) for code in ids))
            bar.put(sum(state["persons_done"] for state in states))
            if all(state["state"] == "done" for state in states):
                break
            await asyncio.sleep(0.2)
        await stage.idle()
    show.step(f"{persons:,} persons with {rows:,} rows of contributions imported and booked, year by year")


def _lines(text: str) -> int:
    return max(0, text.count("\n") - 1)


def _further(show: Show, on: Ground, *, keep: bool) -> None:
    home = on.home.relative_to(CHECKOUT) if on.home.is_relative_to(CHECKOUT) else on.home
    where = home / "audit"
    lines: Iterable[str] = (
        f".venv/bin/jiexu audit verify {where}/44 --home {home}",
        f".venv/bin/jiexu audit replay {where}/44 {where}/33 {where}/41 --home {home}",
        f".venv/bin/jiexu audit verify {where}/altered-copy --home {home}",
        f".venv/bin/jiexu down {on.ends_with} {home}    (everything is still running)" if keep else on.again,
    )
    show.head(f"To look further ({show.seconds:.0f} s since the beginning)")
    for line in lines:
        show.say(f"  {line}")
