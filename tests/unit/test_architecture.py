"""What holds for the whole tree: who imports whom, what is tested where, what no file may name, and what is promised."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "services"

# Modules that need no test file of their own, each for the reason given.
UNMIRRORED = {
    "__init__.py": "holds a sentence and perhaps names, never logic",
    "__main__.py": "calls main()",
    "app.py": "puts a service together; tests/integration/local/test_services.py starts every one of them",
    "settings.py": "only declares; tests/integration/local/test_services.py reads them from a real environment",
    "areas.py": "only lists migrations; tests/integration/local/test_exchange.py applies them all",
}


def test_every_module_of_the_services_has_its_test_file() -> None:
    modules = [path.relative_to(SERVICES) for path in sorted(SERVICES.rglob("*.py")) if path.name not in UNMIRRORED]

    missing = [
        f"services/{module}: neither tests/unit nor tests/integration has {module.with_name(f'test_{module.name}')}"
        for module in modules
        if not any((ROOT / "tests" / kind / module.with_name(f"test_{module.name}")).exists() for kind in ("unit", "integration"))
    ]

    assert not missing, "\n" + "\n".join(missing)


def test_every_exception_to_the_mirror_still_exists() -> None:
    present = {path.name for path in SERVICES.rglob("*.py")} | {"__main__.py"}

    assert present >= UNMIRRORED.keys()


def test_imports_keep_to_the_architecture() -> None:
    program = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_package_has_its_place_among_the_layers() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / ".importlinter", encoding="utf-8")
    named = set(re.findall(r"services\.(\w+)", config["importlinter:contract:layers"]["layers"]))

    packages = {path.parent.name for path in SERVICES.glob("*/*.py")}

    assert packages <= named, f"not named in .importlinter: {', '.join(sorted(packages - named))}"


# Put together here, so that this file does not name what it looks for.
REGISTRIES = "|".join(
    re.escape(f"{name}.{domain}")
    for name, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("repo.maven", "apache.org"),
        ("maven", "org"),
        ("npmjs", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("debian", "org"),
        ("crates", "io"),
        ("proxy.golang", "org"),
    )
)
FORBIDDEN = {
    "the host of a registry": re.compile(rf"(?i)(?<![\w-])({REGISTRIES})\b"),
    "a path of one machine": re.compile(r"(?<![\w.*-])/(work|root|home/\w+|Users/\w+)/"),
}


def committed_files() -> list[Path]:
    """What git holds or would take, as far as it is text and there."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return [ROOT / name for name in listed if name and (ROOT / name).is_file()]


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = []
    for path in committed_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # no text
        for number, line in enumerate(text.splitlines(), 1):
            found += [f"{path.relative_to(ROOT)}:{number}: {what}" for what, pattern in FORBIDDEN.items() if pattern.search(line)]

    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("the host of a registry", "index-url = https://" + "pypi" + ".org/simple"),
        ("the host of a registry", "FROM " + "docker" + ".io/library/python"),
        ("a path of one machine", "cd /" + "work/main"),
        ("a path of one machine", 'HOME="/' + 'root/.cache"'),
    ],
)
def test_what_no_file_may_name_is_recognised(what: str, line: str) -> None:
    assert FORBIDDEN[what].search(line)
    assert not FORBIDDEN["a path of one machine"].search("https://a.example/net" + "work/x")


@cache
def declared_in(path: Path) -> dict[str, list[str]]:
    """The tests of a file, `name` or `Class::name`, each with its decorators as source text."""
    found: dict[str, list[str]] = {}

    def collect(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                found[f"{prefix}{node.name}"] = [ast.unparse(decorator) for decorator in node.decorator_list]
            elif isinstance(node, ast.ClassDef):
                collect(node.body, f"{prefix}{node.name}::")

    collect(ast.parse(path.read_text(encoding="utf-8")).body, "")
    return found


def problems_of(rows: Sequence[Mapping[str, object]]) -> list[str]:
    """What is wrong with rows of the acceptance file, in words."""
    problems = []
    seen: set[object] = set()
    for row in rows:
        name = row.get("id", "a row without id")
        if name in seen:
            problems.append(f"{name}: comes twice")
        seen.add(name)
        problems += [f"{name}: {key} is missing" for key in ("id", "issue", "says", "tests") if not row.get(key)]
        problems += [f"{name}: {key} is not known" for key in sorted(row.keys() - {"id", "issue", "says", "tests"})]
        tests = row.get("tests")
        for test in tests if isinstance(tests, list) else []:
            file, _, wanted = str(test).partition("::")
            path = ROOT / file
            if not path.is_file():
                problems.append(f"{name}: there is no file {file}")
            elif (decorators := declared_in(path).get(wanted)) is None:
                problems.append(f"{name}: {file} has no test {wanted}")
            elif any(re.search(r"\b(skip|skipif|xfail)\b", decorator) for decorator in decorators):
                problems.append(f"{name}: {wanted} may be skipped or fail, so it keeps nothing true")
    return problems


def test_every_promise_has_tests_and_every_one_of_them_exists() -> None:
    with (ROOT / "tests" / "acceptance.toml").open("rb") as file:
        rows = tomllib.load(file)["promise"]

    problems = problems_of(rows)

    assert rows
    assert not problems, "\n" + "\n".join(problems)


def test_what_is_owed_is_named_once_and_not_promised_as_well() -> None:
    with (ROOT / "tests" / "acceptance.toml").open("rb") as file:
        rows = tomllib.load(file)

    owed = rows.get("owed", [])
    names = [row["id"] for row in (*rows["promise"], *owed)]

    assert sorted(names) == sorted(set(names))
    assert [row for row in owed if row.keys() != {"id", "issue", "says"} or not all(row.values())] == []


def test_a_promise_without_a_test_that_exists_is_a_problem() -> None:
    here = "tests/unit/test_architecture.py"
    whole = {"id": "X-1", "issue": "X", "says": "something", "tests": [f"{here}::test_imports_keep_to_the_architecture"]}

    assert problems_of([whole]) == []
    assert problems_of([whole, whole]) == ["X-1: comes twice"]
    assert problems_of([whole | {"tests": []}]) == ["X-1: tests is missing"]
    assert problems_of([whole | {"tests": [f"{here}::test_nothing"]}]) == [f"X-1: {here} has no test test_nothing"]
    assert problems_of([whole | {"tests": ["tests/nowhere.py::test_x"]}]) == ["X-1: there is no file tests/nowhere.py"]
    assert problems_of([whole | {"note": "x"}]) == ["X-1: note is not known"]
