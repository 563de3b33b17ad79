"""The house rules that no other test would notice: locks, commands, settings of the tools, the way round the documents."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("lock", ["runtime.lock", "test.lock", "native.lock", "bench.lock"])
def test_every_locked_package_has_a_version_and_hashes(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text("utf-8")

    blocks = re.split(r"\n(?=[a-z0-9])", text.strip())

    assert len(blocks) > 1
    assert [block.split()[0] for block in blocks if "==" not in block.split()[0] or "--hash=sha256:" not in block] == []


def test_no_lock_names_a_host() -> None:
    texts = [file.read_text("utf-8") for file in sorted((ROOT / "requirements").iterdir())]

    assert not [text for text in texts if "://" in text]


def test_faststream_is_pinned_where_a_batch_that_failed_loses_nothing() -> None:
    wanted = (ROOT / "requirements" / "runtime.in").read_text("utf-8").splitlines()

    assert "faststream[kafka]>=0.7.8,<0.8" in wanted


def test_the_build_machine_calls_exactly_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    readme = (ROOT / "README.md").read_text("utf-8")

    assert "make test" in [line.strip() for line in script]
    assert "    make demo" in readme
    assert "    make test" in readme


def test_make_offers_what_the_readme_and_the_documents_name() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))

    assert {"help", "demo", "test", "up", "down", "check", "contracts"} <= targets


def test_types_are_strict_over_everything_and_warnings_are_errors() -> None:
    tools = PROJECT["tool"]

    assert tools["mypy"]["strict"] is True
    assert set(tools["mypy"]["packages"]) == {"services", "contracts", "deploy", "tests"}
    assert tools["pytest"]["ini_options"]["filterwarnings"] == ["error"]
    assert PROJECT["project"]["requires-python"] == ">=3.11"


def test_every_library_that_we_chose_stands_in_a_decision() -> None:
    decisions = "\n".join(file.read_text("utf-8").lower() for file in (ROOT / "docs" / "decisions").glob("*.md"))
    wanted = [
        re.split(r"[\[<>=]", line)[0]
        for name in ("runtime.in", "test.in", "native.in", "bench.in")
        for line in (ROOT / "requirements" / name).read_text("utf-8").splitlines()
        if line and not line.startswith(("-", "#"))
    ]

    assert [name for name in wanted if name.lower() not in decisions] == []


def test_every_link_between_our_documents_leads_somewhere() -> None:
    documents = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

    lost = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8"))
        if not (document.parent / link).exists()
    ]

    assert lost == []
    assert "@@" not in documents[0].read_text("utf-8")


def test_no_service_serves_a_page_that_can_forge_messages() -> None:
    """FastStream's AsyncAPI page has a route that publishes; nobody mounts it."""
    sources = [file.read_text("utf-8") for file in (ROOT / "services").rglob("*.py")]

    assert not [source for source in sources if "asyncapi_path" in source or "AsyncAPIRoute" in source]


def test_a_stack_that_is_missing_is_a_failure_and_never_a_skip() -> None:
    sources = {file: file.read_text("utf-8") for file in (ROOT / "tests").rglob("*.py") if file != Path(__file__)}

    skipping = [
        str(file.relative_to(ROOT))
        for file, source in sources.items()
        if re.search(r"\b(pytest\.skip|mark\.skip|importorskip)\b", source)
    ]

    assert skipping == []
