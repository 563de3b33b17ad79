"""A mail server that delivers nothing: each mail it takes becomes one line of JSON in a file. For demo and tests."""

import argparse
import asyncio
import json
import os
import signal
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

_LARGEST_MAIL = 1 << 20


class Sink:
    """Takes every mail. It is in the file before the sender is told that it was taken."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def handle_DATA(self, _server: SMTP, _session: object, envelope: Any) -> str:
        """Keep one mail."""
        line = json.dumps(as_line(envelope.content, envelope.rcpt_tos), ensure_ascii=False) + "\n"
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, line.encode())  # in one call, so that a reader never sees half a line
        finally:
            os.close(descriptor)
        return "250 2.0.0 kept"


def as_line(content: bytes, recipients: list[str]) -> dict[str, object]:
    """What is kept of a mail: `message_id`, `to`, `subject`, `text` and `received_at`."""
    mail = message_from_bytes(content, policy=policy.default)
    body = mail.get_body(("plain", "html"))
    return {
        "message_id": str(mail["message-id"] or "").strip(),
        "to": list(recipients),
        "subject": str(mail["subject"] or ""),
        "text": "" if body is None else str(body.get_content()).replace("\r\n", "\n").rstrip("\n"),
        "received_at": datetime.now(UTC).isoformat(),
    }


async def serve(port: int, file: Path, *, host: str = "127.0.0.1") -> None:
    """Listen until SIGTERM or SIGINT; on the loopback alone, unless told otherwise, as in a container."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    sink = Sink(file)
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="localhost", ident="jiexu sink", data_size_limit=_LARGEST_MAIL, enable_SMTPUTF8=True),
        host=host,
        port=port,
    )
    async with server:
        await stopped.wait()


def main() -> None:
    """Run the sink."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="where to listen")
    parser.add_argument("--port", type=int, required=True, help="TCP port")
    parser.add_argument("--file", type=Path, required=True, help="where mails are appended, one line of JSON each")
    wanted = parser.parse_args()
    asyncio.run(serve(wanted.port, wanted.file, host=wanted.host))


if __name__ == "__main__":
    main()
