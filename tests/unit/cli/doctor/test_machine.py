"""What a doctor sees of the machine, on real processes, ports and files."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deploy.local.processes import ProcessRecord, spawn, stop
from services.cli.doctor import machine


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[ProcessRecord]:
    record = spawn("sleeper", [sys.executable, "-c", "import time; time.sleep(60)"], {}, tmp_path / "sleeper.log", tmp_path)
    yield record
    with suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGCONT)
    stop(record)


def test_a_process_that_runs_is_well(sleeper: ProcessRecord) -> None:
    assert machine.processes(["bank"], {"bank": sleeper}, {}, "jiexu up") == []


def test_a_process_that_was_stopped_by_a_signal_stands_still(sleeper: ProcessRecord) -> None:
    os.kill(sleeper.pid, signal.SIGSTOP)
    time.sleep(0.1)

    [found] = machine.processes(["bank"], {"bank": sleeper}, {}, "jiexu up")

    assert (found.about, found.remedy) == ("bank", f"kill -CONT {sleeper.pid}")


def test_one_that_is_missing_is_started_and_one_that_ended_names_its_log(sleeper: ProcessRecord) -> None:
    os.kill(sleeper.pid, signal.SIGKILL)
    time.sleep(0.2)

    both = {each.about: each for each in machine.processes(["bank", "smtp-sink"], {"bank": sleeper}, {}, "jiexu up")}

    assert both.keys() == {"bank", "smtp-sink"}
    assert str(sleeper.log) in both["bank"].says
    assert both["smtp-sink"].remedy == "jiexu up"


def test_a_stranger_on_the_port_of_a_process_that_is_gone_is_named() -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]

        [found] = machine.processes(["bank"], {}, {"bank": port}, "jiexu up")

    assert f"port {port} was taken by process {os.getpid()}" in found.remedy
    assert machine.listener(port) is None


def test_a_process_that_begins_again_and_again_is_named(sleeper: ProcessRecord) -> None:
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = f'{{"event": "service.started", "timestamp": "{at}"}}\n'
    old = '{"event": "service.started", "timestamp": "2020-01-01T00:00:00Z"}\n'

    sleeper.log.write_text(old * 50 + line * 2)
    few = machine.processes(["bank"], {"bank": sleeper}, {}, "jiexu up")
    sleeper.log.write_text(line * 7)
    [many] = machine.processes(["bank"], {"bank": sleeper}, {}, "jiexu up")

    assert few == []
    assert "started 7 times" in many.says


def test_a_process_of_this_home_that_nobody_remembers_is_a_leftover(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "deploy.local.smtp_sink", "--port", "0", "--file", str(tmp_path / "mail.jsonl")]
    forgotten = subprocess.Popen(argv)
    try:
        end = time.monotonic() + 10
        while not (found := machine.leftovers(tmp_path, {})) and time.monotonic() < end:
            time.sleep(0.05)
        elsewhere = machine.leftovers(tmp_path / "other", {})
    finally:
        forgotten.kill()
        forgotten.wait()

    assert [each.about for each in found] == [f"process {forgotten.pid}"]
    assert found[0].remedy.endswith(f"kill {forgotten.pid}")
    assert elsewhere == []


def test_a_secret_that_others_may_read_is_named_by_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o700)
    for name, mode in (("a.key", 0o600), ("b.key", 0o640)):
        (folder / name).write_text("secret")
        (folder / name).chmod(mode)

    [found] = machine.secrets(tmp_path)
    folder.chmod(0o755)
    both = machine.secrets(tmp_path)

    assert (found.about, found.remedy.startswith(f"chmod 600 {folder / 'b.key'}")) == ("secret b.key", True)
    assert [each.about for each in both] == ["secret b.key", "secrets"]


def test_packages_are_what_the_lock_says_or_named(tmp_path: Path) -> None:
    lock = tmp_path / "runtime.lock"
    lock.write_text("structlog==0.0.1 \\\n    --hash=sha256:00\nno-such-package==1.0\n")

    [found] = machine.packages(lock)

    assert machine.packages() == []
    assert "no-such-package is missing, not 1.0" in found.says
    assert "structlog is " in found.says
    assert found.remedy == "make setup"


def test_a_disk_with_room_is_well_and_a_full_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.disk(tmp_path) == []

    monkeypatch.setattr(machine, "_LEAST_FREE_BYTES", 1 << 60)

    [found] = machine.disk(tmp_path)
    assert found.about == "disk"
