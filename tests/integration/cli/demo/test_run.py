"""The demo as a newcomer runs it, smaller: the exit code and the proof that it prints."""

import os
import shutil

import pytest

from deploy.local.native import CHECKOUT
from deploy.local.services import forget
from deploy.local.stack import Stack
from services.cli.demo.run import demo


@pytest.mark.timeout(300)
def test_the_demo_ends_by_itself_with_zero_when_the_replay_agrees_and_the_lie_is_found(
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = CHECKOUT / ".jiexu" / f"test-{os.getpid()}-demo"

    try:
        code = demo(cases=100, seed=5, home=home)
        running = (Stack.load(home) or Stack(home)).running()
    finally:
        Stack(home).down(wipe=True)
        forget(home)
        shutil.rmtree(home, ignore_errors=True)

    printed = capsys.readouterr().out
    assert code == 0, printed[-3000:]
    assert not any(running.values())
    assert "30,479.86" in printed
    assert "every account compared with the live ledger: agrees" in printed
    assert "RECORD_ALTERED" in printed
    assert "DIFFERS" not in printed
