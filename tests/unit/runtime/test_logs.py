"""Logs: one JSON line a fact, with the service and province it comes from."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.runtime.logs import configure_logs, logs_of_a_command


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_a_line_is_json_with_service_province_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")

    structlog.get_logger().info("transfer.settled", form_version=2)

    line = json.loads(capsys.readouterr().out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "transfer.settled",
        "form_version": 2,
        "level": "info",
        "service": "origin-agency",
        "province": "44",
    }


def test_what_faststream_says_of_a_record_is_lifted_to_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")

    structlog.get_logger("faststream").log(logging.WARNING, "Received", extra={"topic": "exchange.44"})

    line = json.loads(capsys.readouterr().out)
    assert line["topic"] == "exchange.44"
    assert "extra" not in line


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")

    structlog.get_logger().debug("detail")

    assert capsys.readouterr().out == ""


def test_an_exception_comes_with_its_traceback_on_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")

    try:
        raise AssertionError("broken")
    except AssertionError:
        structlog.get_logger().exception("task.failed")

    (line,) = capsys.readouterr().out.splitlines()
    assert "AssertionError: broken" in json.loads(line)["exception"]


def test_what_shared_code_logs_in_a_command_stays_off_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    logs_of_a_command()

    structlog.get_logger().warning("consumer.batch_reread", read=1)
    structlog.get_logger().info("for nobody")

    told = capsys.readouterr()
    assert told.out == ""
    assert "consumer.batch_reread" in told.err
    assert "for nobody" not in told.err
