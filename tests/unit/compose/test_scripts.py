"""The two scripts that run inside containers, run here: the health check, and the start of the broker."""

import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.native import CHECKOUT

READY = CHECKOUT / "deploy" / "compose" / "ready.sh"
START = CHECKOUT / "deploy" / "kafka" / "start.sh"


@contextmanager
def a_service(status: int) -> Iterator[int]:
    """Something that answers every request with this status; its port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'{{"path": "{self.path}"}}'.encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def ready(port: int) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", str(READY), str(port)], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (500, False)])
def test_a_container_is_healthy_when_its_service_says_that_it_is_ready(status: int, healthy: bool) -> None:
    with a_service(status) as port:
        done = ready(port)

    assert (done.returncode == 0) is healthy
    assert done.stdout == '{"path": "/readyz"}'  # the engine keeps it, so `docker inspect` shows what is waited for


def test_a_container_whose_service_does_not_listen_is_not_healthy() -> None:
    with a_service(200) as port:
        pass

    assert ready(port).returncode != 0


@pytest.fixture
def java(tmp_path: Path) -> dict[str, str]:
    """An environment whose `java` writes down how it was called, and says secrets as Kafka's formatting does."""
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/bash\necho "$*" >> {tmp_path}/calls\necho storedKey\n[ ! -e {tmp_path}/broken ]\n', encoding="utf-8"
    )
    program.chmod(0o755)
    (tmp_path / "told").mkdir()
    (tmp_path / "told" / "run.arguments").write_text("x", encoding="utf-8")
    (tmp_path / "data").mkdir()
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def start(tmp_path: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    words = ["bash", str(START), str(tmp_path / "told"), str(tmp_path / "data")]
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30, check=False)


def test_new_storage_is_formatted_once_and_what_formatting_says_is_in_no_log(tmp_path: Path, java: dict[str, str]) -> None:
    first = start(tmp_path, java)
    (tmp_path / "data" / "meta.properties").touch()
    start(tmp_path, java)

    told = tmp_path / "told"
    calls = (tmp_path / "calls").read_text("utf-8").splitlines()
    assert calls == [f"@{told}/format.arguments", f"@{told}/run.arguments", f"@{told}/run.arguments"]
    assert first.stdout.count("storedKey") == 1  # the broker's own output


def test_a_broker_that_cannot_be_formatted_says_why_and_does_not_start(tmp_path: Path, java: dict[str, str]) -> None:
    (tmp_path / "broken").touch()

    done = start(tmp_path, java)

    assert done.returncode == 1
    assert "storedKey" in done.stdout
    assert len((tmp_path / "calls").read_text("utf-8").splitlines()) == 1


def test_what_is_advertised_may_be_told_by_the_environment(tmp_path: Path, java: dict[str, str]) -> None:
    start(tmp_path, {**java, "ADVERTISED_LISTENERS": "CLIENT://kafka:9092,HOST://127.0.0.1:18092"})

    last = (tmp_path / "calls").read_text("utf-8").splitlines()[-1]
    assert last.endswith("--override advertised.listeners=CLIENT://kafka:9092,HOST://127.0.0.1:18092")
