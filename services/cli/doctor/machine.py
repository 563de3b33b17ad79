"""What a doctor sees of the machine: processes, ports, secrets, disk, packages."""

import importlib.metadata
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.local.native import CHECKOUT
from deploy.local.processes import ProcessRecord, alive
from deploy.local.stack import SERVERS
from services.cli.doctor.findings import Finding

_LEAST_FREE_BYTES = 1 << 30
_LEAST_FREE_SHARE = 0.03
_STARTS = 6
_STARTS_WITHIN = timedelta(minutes=10)
_TAIL_BYTES = 1 << 20


def processes(expected: Iterable[str], records: Mapping[str, ProcessRecord], ports: Mapping[str, int], up: str) -> list[Finding]:
    """Which processes do not run, stand still, or begin again and again.

    Args:
        expected: the names of those that should run.
        records: those that were started and not stopped.
        ports: the port that each had last.
        up: the command that starts what is missing.
    """
    found = []
    for name in dict.fromkeys([*SERVERS, *expected, *records]):
        record = records.get(name)
        if record is None:
            if name in expected:
                found.append(Finding(name, f"{name} does not run: it was stopped, or never started", _start(name, ports, up)))
        elif not alive(record):
            says = f"{name} ended by itself (it was process {record.pid}); its log is {record.log}"
            found.append(Finding(name, says, _start(name, ports, up)))
        elif _stopped(record.pid):
            says = f"{name} stands still: process {record.pid} was stopped by a signal (SIGSTOP)"
            found.append(Finding(name, says, f"kill -CONT {record.pid}"))
        elif (starts := _starts(record.log)) >= _STARTS:
            says = f"{name} was started {starts} times within {_STARTS_WITHIN.seconds // 60} minutes"
            found.append(Finding(f"{name}/starts", says, f"look at the end of {record.log} for why it ends", (name,)))
    return found


def _start(name: str, ports: Mapping[str, int], up: str) -> str:
    port = ports.get(name)
    if port is not None and (stranger := listener(port)) is not None:
        return f"its port {port} was taken by {stranger}; end that, or let it have the port, then: {up}"
    return up


def listener(port: int) -> str | None:
    """Who listens on a port of the loopback, in words; None when nobody does."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return None
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for folder in _processes():
        try:
            if any(os.readlink(handle) in inodes for handle in (folder / "fd").iterdir()):
                return f"process {folder.name} ({_command(folder)})"
        except OSError:
            continue
    return "a process of somebody else"


def leftovers(home: Path, records: Mapping[str, ProcessRecord]) -> list[Finding]:
    """Processes of this home that nobody remembers: they serve, write and hold locks unseen."""
    known = {record.pid for record in records.values()}
    parents = {int(folder.name): _parent(folder) for folder in _processes()}
    found = []
    for folder in _processes():
        pid = int(folder.name)
        if pid == os.getpid() or _ours(pid, known, parents) or not _of_home(folder, home):
            continue
        command = _command(folder)
        says = f"process {pid} works in {home} and belongs to no process that `jiexu status` knows ({command})"
        found.append(Finding(f"process {pid}", says, f"look whose it is (ps -fp {pid}), then: kill {pid}"))
    return found


def _ours(pid: int, known: set[int], parents: Mapping[int, int]) -> bool:
    seen = set()
    while pid > 1 and pid not in seen:
        if pid in known:
            return True
        seen.add(pid)
        pid = parents.get(pid, 0)
    return False


def _of_home(folder: Path, home: Path) -> bool:
    """Whether a process is a server or service of this home, by where it works or what it was told."""
    try:
        command = (folder / "cmdline").read_bytes().split(b"\0")
        where = Path(os.readlink(folder / "cwd"))
        environment = (folder / "environ").read_bytes()
    except OSError:
        return False
    if where in (home / "kafka", home / "postgres" / "data"):
        return True
    served = any(b".app:app" in word or word == b"deploy.local.smtp_sink" for word in command)
    return served and (str(home / "secrets").encode() in environment or str(home).encode() in b"\0".join(command))


def _processes() -> Iterator[Path]:
    return (folder for folder in Path("/proc").iterdir() if folder.name.isdigit())


def _command(folder: Path) -> str:
    try:
        words = (folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended meanwhile"
    # The first words alone: what follows may hold a password.
    return " ".join(word.decode("utf-8", "replace") for word in words[:4]).strip()[:120]


def _stat(folder: Path) -> list[str]:
    try:
        return (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _parent(folder: Path) -> int:
    fields = _stat(folder)
    return int(fields[1]) if len(fields) > 1 else 0


def _stopped(pid: int) -> bool:
    """Whether a process was stopped by a signal: a thread of it stands, or the signal waits for a processor to be taken."""
    try:
        threads = list(Path("/proc", str(pid), "task").iterdir())
        status = Path("/proc", str(pid), "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    if any(fields[0] in ("T", "t") for fields in map(_stat, threads) if fields):
        return True
    pending = re.search(r"^ShdPnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return pending is not None and bool(int(pending[1], 16) & 1 << signal.SIGSTOP - 1)


def _starts(log: Path) -> int:
    """How often a service has said of late that it was started."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = [line for line in file.read().splitlines() if b'"service.started"' in line]
    except OSError:
        return 0
    since = (datetime.now(UTC) - _STARTS_WITHIN).strftime("%Y-%m-%dT%H:%M:%S").encode()
    times = [found[1] for line in lines if (found := re.search(rb'"timestamp": "([^"]+)"', line))]
    return sum(at >= since for at in times)


def disk(home: Path) -> list[Finding]:
    """Whether the disk of this home has room; a server that cannot write stops."""
    usage = shutil.disk_usage(home)
    if usage.free >= max(_LEAST_FREE_BYTES, _LEAST_FREE_SHARE * usage.total):
        return []
    says = f"the disk of {home} has {usage.free / 2**20:.0f} MiB free of {usage.total / 2**30:.0f} GiB"
    return [Finding("disk", says, "make room, then look again: servers that could not write have to be started again")]


def secrets(home: Path) -> list[Finding]:
    """Whether only their owner may read the secrets."""
    files = [home / "stack.json", *sorted((home / "secrets").glob("*"))]
    open_files = [file for file in files if file.is_file() and file.stat().st_mode & 0o077]
    found = [
        Finding(
            f"secret {file.name}",
            f"others may read {file} (its mode is {file.stat().st_mode & 0o777:o})",
            f"chmod 600 {file}; if anybody else is on this machine, take the secret for known and change it",
        )
        for file in open_files
    ]
    folder = home / "secrets"
    if folder.is_dir() and folder.stat().st_mode & 0o077:
        found.append(Finding("secrets", f"others may look into {folder}", f"chmod 700 {folder}"))
    return found


def packages(lock: Path = CHECKOUT / "requirements" / "runtime.lock") -> list[Finding]:
    """Whether what is installed is what the lock file says."""
    wanted = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE))
    differing = []
    for name, version in sorted(wanted.items()):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "missing"
        if installed != version:
            differing.append(f"{name} is {installed}, not {version}")
    if not differing:
        return []
    shown = "; ".join(differing[:5]) + (f"; and {len(differing) - 5} more" if len(differing) > 5 else "")
    return [Finding("packages", f"installed packages differ from {lock.name}: {shown}", "make setup")]
