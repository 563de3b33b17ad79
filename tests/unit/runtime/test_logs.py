"""Logs: one JSON line a fact, with the service and province it comes from."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from services.runtime.logs import configure_logs, logs_of_a_command


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers = list(root.handlers)
    yield
    root.handlers = handlers
    logging.captureWarnings(False)
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


def test_a_service_writes_to_standard_output_whatever_was_configured_before(capsys: pytest.CaptureFixture[str]) -> None:
    logs_of_a_command()
    configure_logs("origin-agency", "44")

    structlog.get_logger().info("transfer.settled")

    told = capsys.readouterr()
    assert json.loads(told.out)["event"] == "transfer.settled"
    assert told.err == ""


def test_what_is_below_the_level_is_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")

    structlog.get_logger().debug("detail")

    assert capsys.readouterr().out == ""


def test_an_exception_comes_with_kind_and_place_and_without_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")
    name, amount = "赵小" + "一", 30479 + 1

    try:
        try:
            raise KeyError(name)
        except KeyError as error:
            raise AssertionError(name, amount) from error
    except AssertionError:
        structlog.get_logger().exception("task.failed")

    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)["exception"]
    assert [word for word in told.splitlines() if word.endswith("Error")] == ["KeyError", "AssertionError"]
    assert "test_logs.py" in told
    assert name not in line
    assert str(amount) not in line


def test_words_that_name_a_host_or_a_type_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")

    try:
        raise ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 5432)")
    except OSError:
        structlog.get_logger().exception("task.failed")

    assert "ConnectionRefusedError: [Errno 111] Connect call failed" in json.loads(capsys.readouterr().out)["exception"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it was 440101199003151234.", "it was [masked]."),
        ("44010119900315123X", "[masked]"),
        ("of DEU0000000G0123456", "of [masked]"),
        ("call 13800138000", "call [masked]"),
        ("to zhao.xiaoyi@mail.example, please", "to [masked], please"),
        ("01a2086d-b5bf-7236-8a45-a54a9c543bfb", "01a2086d-b5bf-7236-8a45-a54a9c543bfb"),
        ("offset 138001380001234567890", "offset 138001380001234567890"),
        ("lines=200 ms=12.5", "lines=200 ms=12.5"),
    ],
)
def test_what_looks_like_a_persons_is_masked_should_somebody_log_it(
    capsys: pytest.CaptureFixture[str], text: str, shown: str
) -> None:
    configure_logs("origin-agency", "44")

    structlog.get_logger().info("somebody.forgot", detail=text, deeper={"list": [text]})

    line = json.loads(capsys.readouterr().out)
    assert (line["detail"], line["deeper"]) == (shown, {"list": [shown]})


def test_what_a_library_warns_of_is_a_line_like_any_other(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")

    logging.getLogger("aiokafka.conn").warning("Unable to connect to %s", "127.0.0.1:9092")
    logging.getLogger("aiokafka.conn").info("not told")

    (text,) = capsys.readouterr().out.splitlines()
    line = json.loads(text)
    assert (line["event"], line["logger"], line["message"]) == (
        "library",
        "aiokafka.conn",
        "Unable to connect to 127.0.0.1:9092",
    )
    assert (line["service"], line["province"], line["level"]) == ("origin-agency", "44", "warning")


def test_an_error_of_the_server_is_not_told_twice(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("origin-agency", "44")

    try:
        raise AssertionError
    except AssertionError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    logging.getLogger("uvicorn.error").error("Exited")

    assert [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()] == ["Exited"]


def test_what_shared_code_logs_in_a_command_stays_off_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    logs_of_a_command()

    structlog.get_logger().warning("consumer.batch_reread", read=1)
    structlog.get_logger().info("for nobody")

    told = capsys.readouterr()
    assert told.out == ""
    assert "consumer.batch_reread" in told.err
    assert "for nobody" not in told.err
