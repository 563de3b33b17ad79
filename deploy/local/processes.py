"""Processes of the local stack: each in a session of its own, and signalled only while its pid is provably still its own."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict

# A child that nobody waits for stays a zombie while its parent lives. Keeping the handles also keeps Python from
# warning that a process outlives the object which started it, which is the whole point here.
_children: dict[int, subprocess.Popen[bytes]] = {}


class StackError(RuntimeError):
    """The local stack could not do what was asked; the message says why and, where known, what to do."""


class ProcessRecord(BaseModel):
    """One process as `stack.json` remembers it."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: str
    """Boot id and start time in clock ticks, as `/proc` tells them: with the pid, this names one process for good."""
    command: str
    """What was run, for a person who reads the file."""
    log: Path
    port: int | None = None
    """The TCP port on 127.0.0.1 that it serves, if any."""
    stop_signal: int = signal.SIGTERM
    """What asks it to end in order. PostgreSQL wants SIGINT: on SIGTERM it waits until its clients have left."""


def spawn(
    name: str,
    argv: Sequence[str],
    env: Mapping[str, str],
    log_path: Path,
    cwd: Path,
    *,
    port: int | None = None,
    stop_signal: int = signal.SIGTERM,
) -> ProcessRecord:
    """Start a process that outlives the caller, with exactly this environment; its output is appended to `log_path`.

    Raises `StackError` when the program cannot be run at all. A program that runs and ends at once is not an error here.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so a Ctrl-C at the terminal does not reach it
        )
    except OSError as error:
        raise StackError(f"{name} cannot be started: {error}") from error
    finally:
        os.close(descriptor)
    _children[child.pid] = child
    # Nobody has waited for the child yet, so its entry in /proc exists even if it has ended already.
    started = _started(child.pid, zombies=True)
    assert started is not None, child.pid
    return ProcessRecord(pid=child.pid, started=started, command=" ".join(argv), log=log_path, port=port, stop_signal=stop_signal)


def alive(record: ProcessRecord) -> bool:
    """Whether this very process still runs; a later process with the same pid does not count."""
    if (child := _children.get(record.pid)) is not None:
        child.poll()
    return _started(record.pid) == record.started


def stop(record: ProcessRecord, timeout: float = 20.0) -> None:
    """Stop one process: see `stop_all`."""
    stop_all([record], timeout)


def stop_all(records: Iterable[ProcessRecord], timeout: float = 20.0) -> None:
    """Ask all of them to end, wait `timeout` seconds together, then kill what is left. What has ended is left alone.

    Raises `StackError` when one survives even that, which only a process stuck in the kernel does.
    """
    records = list(records)
    with ExitStack() as handles:
        running: dict[int, ProcessRecord] = {}
        for record in records:
            # A pidfd names the process itself: between the look at its start time and the signal, the pid may change
            # hands, the descriptor cannot.
            try:
                handle = os.pidfd_open(record.pid)
            except ProcessLookupError:
                continue
            handles.callback(os.close, handle)
            if _started(record.pid) == record.started:
                running[handle] = record
        for handle, record in running.items():
            _send(handle, record.stop_signal)
        _wait(running, timeout)
        for handle in running:
            _send(handle, signal.SIGKILL)
        _wait(running, 5.0)
        left = list(running.values())
    for record in records:
        if (child := _children.get(record.pid)) is not None and child.poll() is not None:
            del _children[record.pid]
    if left:
        raise StackError(f"still running after SIGKILL: {', '.join(f'{r.pid} ({r.command})' for r in left)}")


def last_lines(log_path: Path, count: int = 20, *, since: int = 0) -> str:
    """The last `count` lines that a log has gained after its first `since` bytes; empty when there is no log."""
    try:
        with log_path.open("rb") as log:
            log.seek(since)
            text = log.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])


def _send(handle: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it may have ended meanwhile; the wait will see that
        signal.pidfd_send_signal(handle, number)


def _wait(running: dict[int, ProcessRecord], timeout: float) -> None:
    """Wait for all, and take those that have ended out of `running`."""
    poll = select.poll()
    for handle in running:
        poll.register(handle, select.POLLIN)
    end = time.monotonic() + timeout
    while running and (left := end - time.monotonic()) > 0:
        for handle, _ in poll.poll(left * 1000):
            poll.unregister(handle)
            del running[handle]


def _started(pid: int, *, zombies: bool = False) -> str | None:
    """When a process was started, in a form that no other process shares; None when it does not run."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses, which may hold anything, parentheses too.
    fields = stat.rpartition(")")[2].split()
    state, threads, ticks = fields[0], int(fields[17]), fields[19]
    # Of a process that was killed the first thread may be gone before the others, which still hold its ports and files.
    if state in "ZX" and threads <= 1 and not zombies:
        return None
    # Ticks count from boot, and a machine restored from an image repeats them: the boot id tells the two apart.
    return f"{boot}/{ticks}"
