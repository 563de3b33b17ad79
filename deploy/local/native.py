"""Programs that the machine may lack: which checkout this is, and the wheels that bring a Java runtime and PostgreSQL."""

import fcntl
import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.processes import StackError

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that holds `deploy/`, `requirements/` and, unless told otherwise, `.jiexu/`."""

TOOLS = CHECKOUT / ".jiexu" / "tools"
"""What is downloaded once a checkout, whatever homes its stacks have."""

Tell = Callable[[str], None]
"""Told one sentence at a time what is being done."""


def wheel_folder(package: str, tell: Tell) -> Path:
    """The folder of a package of `requirements/native.lock`, which is installed into this environment if need be.

    Raises `StackError` when it cannot be installed.
    """
    with exclusive(TOOLS / "native.lock"):
        spec = importlib.util.find_spec(package)
        if spec is None:
            tell("installing requirements/native.lock (a Java runtime and PostgreSQL as wheels)")
            lock = CHECKOUT / "requirements" / "native.lock"
            run([*_installer(), "--require-hashes", "-r", str(lock)], "installing requirements/native.lock")
            importlib.invalidate_caches()
            spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise StackError(f"the package {package} is not importable although requirements/native.lock was installed")
    return Path(spec.submodule_search_locations[0])


@contextmanager
def exclusive(path: Path, *, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a file lock; calls `waiting` once if somebody else has it. The system drops it when the holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def run(argv: list[str], doing: str, *, env: dict[str, str] | None = None, text: str | None = None) -> str:
    """Run a helper to its end and return its output; raises `StackError` with the last lines when it fails."""
    try:
        done = subprocess.run(
            argv, env=env, input=text or "", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
    except OSError as error:
        raise StackError(f"{doing} failed: {error}") from error
    if done.returncode != 0:
        lines = "\n".join(done.stdout.splitlines()[-20:])
        raise StackError(f"{doing} failed with status {done.returncode}:\n{lines}")
    return done.stdout


def _installer() -> list[str]:
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv is not None:
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--quiet"]
