"""A `docker` that writes down how it is called and answers what a test has told it to: for what is asked of the real one."""

import json
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAM = """#!{python}
import json, os, sys
from pathlib import Path
here = Path({here!r})
words = sys.argv[1:]
shown = {{name: os.environ.get(name) for name in ("CLOCK", "SCENARIO_START", "JIEXU_HOME", "JIEXU_PORTS")}}
with (here / "calls").open("a") as calls:
    calls.write(json.dumps([words, shown]) + "\\n")
for wanted, status, out, err in json.loads((here / "answers").read_text()):
    if wanted in words:
        sys.stdout.write(out)
        sys.stderr.write(err)
        sys.exit(status)
"""


@dataclass
class FakeDocker:
    """The program on PATH."""

    folder: Path
    answers: list[tuple[str, int, str, str]]

    def answer(self, word: str, out: str = "", *, status: int = 0, err: str = "") -> None:
        """Answer so whatever command has this word in it; the first such answer wins."""
        self.answers.append((word, status, out, err))
        (self.folder / "answers").write_text(json.dumps(self.answers), encoding="utf-8")

    @property
    def calls(self) -> list[tuple[list[str], dict[str, str | None]]]:
        """Words and settings of each call until now."""
        file = self.folder / "calls"
        return [tuple(json.loads(line)) for line in file.read_text("utf-8").splitlines()] if file.exists() else []

    def composed(self) -> list[list[str]]:
        """What Compose was asked, without the words that come first each time."""
        return [words[7:] for words, _ in self.calls if words[:2] == ["compose", "--project-name"]]


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    folder = tmp_path / "docker"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(PROGRAM.format(python=sys.executable, here=str(folder)), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    for name in ("JIEXU_PORTS", "JIEXU_HOME", "COMPOSE_PROJECT_NAME", "CLOCK", "SCENARIO_START"):
        monkeypatch.delenv(name, raising=False)
    fake = FakeDocker(folder, [])
    (folder / "answers").write_text("[]", encoding="utf-8")
    return fake
