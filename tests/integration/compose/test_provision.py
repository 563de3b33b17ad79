"""The jobs that prepare the servers of the containers, on real servers: a province joins with the secrets of its job alone."""

import asyncio
from pathlib import Path

import asyncpg
import pytest
from confluent_kafka import KafkaException

from deploy.compose.home import DIRECTORY_FILE
from deploy.compose.provision import main, prepare
from deploy.kafka.provision import admin_client
from deploy.local.exchange import participating, root_fingerprint, signed_directory, signed_entries
from deploy.local.secrets import Secrets
from deploy.local.stack import Stack
from services.areas import PROVINCE_SERVICES
from services.messaging.directory import Directory

NEWCOMER = "12"


def given(folder: Path, **texts: str) -> Secrets:
    """A folder that nobody can add to, as a container has it; names with hyphens for underscores."""
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"password-{name.replace('_', '-')}").write_text(text, encoding="ascii")
    return Secrets(folder)


def address(stack: Stack) -> str:
    return f"{stack.postgres.host}:{stack.postgres.port}"


def database_secrets(stack: Stack, folder: Path) -> Secrets:
    secrets = given(folder, postgres_admin=stack.postgres.password)
    for role in ("owner", *(service.replace("-", "_") for service in PROVINCE_SERVICES)):
        secrets.password(f"postgres-p{NEWCOMER}_{role}")
    return secrets


def kafka_secrets(stack: Stack, folder: Path) -> Secrets:
    secrets = given(folder, kafka_admin=stack.kafka.password)
    for name in ("00.audit", "00.registrar"):
        (folder / f"password-kafka-{name}").write_text(stack.secrets.password(f"kafka-{name}"), encoding="ascii")
    for service in PROVINCE_SERVICES:
        secrets.password(f"kafka-{NEWCOMER}.{service}")
    return secrets


async def test_a_provinces_job_makes_migrated_databases_and_closes_the_others(stack: Stack, tmp_path: Path) -> None:
    secrets = database_secrets(stack, tmp_path / "secrets")
    before = sorted(file.name for file in secrets.folder.iterdir())

    for _ in range(2):  # again, as when the stack comes up again
        await _in_a_thread("province", secrets, postgres=address(stack))

    role = f"p{NEWCOMER}_origin_agency"
    password = secrets.password(f"postgres-{role}")
    for database, question in (
        (f"province_{NEWCOMER}", "SELECT count(*) FROM origin_agency.outbox"),
        (f"keys_{NEWCOMER}", "SELECT count(*) FROM keys.person_keys"),
    ):
        connection = await asyncpg.connect(stack.postgres.url_of(database, role, password))
        assert await connection.fetchval(question) == 0
        await connection.close()
    for database in ("postgres", "template1", "province_44"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(stack.postgres.url_of(database, role, password))
    assert sorted(file.name for file in secrets.folder.iterdir()) == before


async def test_kafkas_job_lets_the_services_in_and_publishes_the_directory_without_the_roots_key(
    stack: Stack, tmp_path: Path
) -> None:
    secrets = kafka_secrets(stack, tmp_path / "secrets")
    entries = signed_entries(tmp_path, stack.secrets, participating((NEWCOMER,)), PROVINCE_SERVICES)
    directory = tmp_path / DIRECTORY_FILE
    directory.write_text("".join(f"{signed.model_dump_json()}\n" for signed in entries.values()), encoding="utf-8")
    before = sorted(file.name for file in secrets.folder.iterdir())

    for _ in range(2):
        await _in_a_thread("kafka", secrets, kafka=stack.kafka.bootstrap, directory=directory)

    held = signed_directory(stack)
    assert held[NEWCOMER] == entries[NEWCOMER]
    known = Directory(root_fingerprint(stack.secrets))
    known.learn(held[NEWCOMER])
    assert known.entry(NEWCOMER) is not None
    assert sorted(file.name for file in secrets.folder.iterdir()) == before
    name = f"{NEWCOMER}.origin-agency"
    mine = admin_client(stack.kafka.bootstrap, name, secrets.password(f"kafka-{name}"))
    shown = mine.list_topics(timeout=10).topics
    assert f"journal.{NEWCOMER}" in shown
    assert "journal.44" not in shown
    with pytest.raises(KafkaException):
        admin_client(stack.kafka.bootstrap, name, "wrong").list_topics(timeout=2)


def test_a_job_that_lacks_a_secret_fails_and_makes_none_up(tmp_path: Path) -> None:
    # Root may write to every folder; in a container the root is read-only. Here the folder would have to be inside of a file.
    (tmp_path / "file").touch()

    with pytest.raises(NotADirectoryError):
        prepare("bank", (), Secrets(tmp_path / "file" / "secrets"), postgres="127.0.0.1:1")


def test_the_command_reads_where_everything_is_from_its_environment(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = database_secrets(stack, tmp_path / "secrets")
    monkeypatch.setenv("SECRETS_DIR", str(secrets.folder))
    monkeypatch.setenv("POSTGRES_HOST", address(stack))

    main(["province", NEWCOMER])

    assert capsys.readouterr().out.splitlines() == ["preparing PostgreSQL: databases, roles and migrations", "done"]


async def _in_a_thread(job: str, secrets: Secrets, **where: object) -> None:
    """A job has an event loop of its own."""
    await asyncio.to_thread(prepare, job, (NEWCOMER,), secrets, **where)  # type: ignore[arg-type]
