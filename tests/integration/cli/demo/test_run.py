"""The demo as a newcomer runs it, smaller: the exit code and the proof that it prints."""

import os
import shutil

import pytest

from deploy.local.native import CHECKOUT
from deploy.local.services import forget
from deploy.local.stack import Stack
from services.cli.demo.proof import Proof
from services.cli.demo.run import demo, exit_code


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
    assert "15 working days left" in printed
    assert "information form version 1" in printed
    assert "【养老保险转移】已办结" in printed
    assert "owed to the other for transfers" in printed
    assert "jiexu audit replay" in printed


@pytest.mark.parametrize(
    ("proof", "code"),
    [
        (Proof(agrees=True, lie_found=True, facts=1), 0),
        (Proof(agrees=False, lie_found=True, facts=1), 1),
        (Proof(agrees=True, lie_found=False, facts=1), 1),
        (None, 1),
    ],
)
def test_the_demo_fails_when_the_replay_differs_the_lie_is_missed_or_a_case_ends_otherwise(
    proof: Proof | None, code: int
) -> None:
    assert exit_code(proof) == code
