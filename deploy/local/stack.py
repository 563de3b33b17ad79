"""The local stack: Kafka, PostgreSQL and whatever services are started with them, remembered in one file, `stack.json`."""

import os
import random
import shutil
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from confluent_kafka import KafkaException
from pydantic import BaseModel, Field, ValidationError

from deploy.kafka.broker import ADMIN as KAFKA_ADMIN
from deploy.kafka.provision import admin_client
from deploy.local import kafka, postgres
from deploy.local.native import CHECKOUT, Tell, exclusive
from deploy.local.processes import ProcessRecord, StackError, alive, spawn, stop_all
from deploy.local.secrets import Secrets
from deploy.postgres.server import ADMIN as POSTGRES_ADMIN

DEFAULT_HOME = CHECKOUT / ".jiexu"
"""Where a stack lives unless told otherwise; another checkout has another one, and both can run."""

SERVERS = ("kafka", "postgres")
"""The processes that all others need, stopped last."""

# Below the range from which Linux takes the ports of outgoing connections, so that none of those sits on ours after a
# restart.
_PORTS = range(20000, 32000)

_PORTS_OF = {"kafka": ("kafka", "kafka-controller"), "postgres": ("postgres",)}


class KafkaAccess(BaseModel):
    """Where Kafka is, and who administers it with SCRAM-SHA-512."""

    bootstrap: str
    username: str
    password: str = Field(repr=False)


class PostgresAccess(BaseModel):
    """Where PostgreSQL is, and its superuser."""

    host: str
    port: int
    username: str
    password: str = Field(repr=False)
    database: str = "postgres"

    @property
    def url(self) -> str:
        """The superuser's URL of the maintenance database."""
        return self.url_of(self.database, self.username, self.password)

    def url_of(self, database: str, role: str, password: str) -> str:
        """A role's URL of one database."""
        where = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{quote(role, safe='')}:{quote(password, safe='')}@{where}:{self.port}/{quote(database, safe='')}"


class State(BaseModel):
    """What `stack.json` holds."""

    kafka: KafkaAccess | None = None
    postgres: PostgresAccess | None = None
    postgres_by_owner: dict[str, PostgresAccess] = {}
    """Where each province, by its code, and the bank have a server of their own."""
    processes: dict[str, ProcessRecord] = {}
    ports: dict[str, int] = {}
    """The port each process had last. It gets the same one again while nobody else has taken it."""


class Stack:
    """The stack of one home, as `stack.json` describes it at the moment; other commands may change it at any time."""

    def __init__(self, home: Path) -> None:
        self.home = home.resolve()
        self.secrets = Secrets.of(self.home)

    @classmethod
    def up(cls, home: Path = DEFAULT_HOME, *, tell: Tell) -> "Stack":
        """Bring Kafka and PostgreSQL up, reuse those that run and restart those that died; return when both answer.

        Servers named in the environment are used instead of local ones: `JIEXU_KAFKA_BOOTSTRAP` with
        `JIEXU_KAFKA_ADMIN_USERNAME` and `JIEXU_KAFKA_ADMIN_PASSWORD`, and `JIEXU_POSTGRES_URL`.
        `tell` is called with a sentence for each step, from more than one thread.
        Raises `StackError`, which says what to do where that is known. What was started by then is in `stack.json`, so
        that `down` finds it.
        """
        if not sys.platform.startswith("linux"):
            raise StackError("the stack without containers runs on Linux only; elsewhere use docker compose")
        stack = cls(home)
        stack.home.mkdir(parents=True, exist_ok=True)
        with stack._locked(tell), ThreadPoolExecutor(2) as pool:
            state = stack._read()
            writing = threading.Lock()

            def keep(name: str, record: ProcessRecord) -> None:
                with writing:
                    state.processes[name] = record
                    assert record.port is not None, record
                    state.ports[name] = record.port
                    stack._write(state)

            taken = {record.port for record in state.processes.values() if record.port and alive(record)}
            for server, names in _PORTS_OF.items():
                for name in names:
                    if not _runs(state, server):
                        state.ports[name] = _choose_port(state.ports.get(name), taken)
                    taken.add(state.ports[name])
            kafka_answers = pool.submit(stack._kafka, state, keep, tell)
            postgres_answers = pool.submit(stack._postgres, state, keep, tell)
            state.kafka, state.postgres = kafka_answers.result(), postgres_answers.result()
            stack._write(state)
        return stack

    @classmethod
    def upon(cls, home: Path, *, kafka: KafkaAccess, postgres: PostgresAccess | Mapping[str, PostgresAccess]) -> "Stack":
        """A stack upon servers that somebody else starts and stops: containers.

        `postgres` is one server for all, or one for each owner of databases: a province's code, or `bank`.
        """
        stack = cls(home)
        stack.home.mkdir(parents=True, exist_ok=True)
        with stack._locked():
            state = stack._read()
            state.kafka = kafka
            if isinstance(postgres, PostgresAccess):
                state.postgres, state.postgres_by_owner = postgres, {}
            else:
                state.postgres, state.postgres_by_owner = None, dict(postgres)
            stack._write(state)
        return stack

    @classmethod
    def load(cls, home: Path = DEFAULT_HOME) -> "Stack | None":
        """The stack that was once brought up in this home, whether or not it runs now; None when there never was one."""
        stack = cls(home)
        return stack if stack._file.exists() else None

    @property
    def kafka(self) -> KafkaAccess:
        """How to reach Kafka as its administrator. Raises `StackError` when the stack never came up."""
        if (access := self._read().kafka) is None:
            raise StackError(f"the stack in {self.home} never came up")
        return access

    @property
    def postgres(self) -> PostgresAccess:
        """How to reach PostgreSQL as its superuser. Raises `StackError` when the stack never came up."""
        if (access := self._read().postgres) is None:
            raise StackError(f"the stack in {self.home} never came up")
        return access

    def postgres_of(self, database: str) -> PostgresAccess:
        """How to reach the server that holds a database, such as `province_44`, `keys_44` or `bank`.

        Raises `StackError` when the stack never came up.
        """
        owner = database.rpartition("_")[2]
        return self._read().postgres_by_owner.get(owner) or self.postgres

    @property
    def processes(self) -> dict[str, ProcessRecord]:
        """The processes that were started and not stopped, by name; those that died by themselves are among them."""
        return self._read().processes

    @property
    def ports(self) -> dict[str, int]:
        """The port that each process had last, by its name."""
        return self._read().ports

    def running(self) -> dict[str, bool]:
        """Which of `processes` are alive."""
        return {name: alive(record) for name, record in self.processes.items()}

    def port(self, name: str) -> int:
        """A free port on 127.0.0.1 for a process about to be started; the one of last time, if it is still free."""
        with self._locked():
            state = self._read()
            others = {port for other, port in state.ports.items() if other != name}
            state.ports[name] = _choose_port(state.ports.get(name), others)
            self._write(state)
            return state.ports[name]

    def start(
        self, name: str, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path = CHECKOUT, port: int | None = None
    ) -> ProcessRecord:
        """Start a process of the stack with exactly this environment, logging to `logs/<name>.log`; does not wait for it.

        A process of that name which runs already is left alone and returned. Raises `StackError` if it cannot be run.
        """
        with self._locked():
            state = self._read()
            if (record := state.processes.get(name)) is not None and alive(record):
                return record
            record = spawn(name, argv, env, self.log(name), cwd, port=port)
            state.processes[name] = record
            if port is not None:
                state.ports[name] = port
            self._write(state)
            return record

    def stop(self, *names: str, timeout: float = 20.0) -> None:
        """Stop these processes together; names that are not known are ignored. After `timeout` seconds they are killed."""
        with self._locked():
            self._stop(self._read(), names, timeout)

    def log(self, name: str) -> Path:
        """The log of a process of that name."""
        return self.home / "logs" / f"{name}.log"

    def down(self, *, wipe: bool = False, tell: Tell = lambda _: None) -> None:
        """Stop every process, the servers last, and keep the data; with `wipe`, remove data, logs, secrets and `stack.json`.

        Servers that were named in the environment are not touched.
        """
        if not self.home.is_dir():
            return
        with self._locked(tell):
            state = self._read()
            services = [name for name in state.processes if name not in SERVERS]
            if services:
                tell(f"stopping {', '.join(services)}")
                self._stop(state, services, 20.0)
            if state.processes:
                tell(f"stopping {' and '.join(state.processes)}")
                self._stop(state, SERVERS, 30.0)
            if wipe:
                tell(f"removing the data in {self.home}")
                for folder in ("kafka", "postgres", "logs", "secrets"):
                    if (self.home / folder).exists():
                        shutil.rmtree(self.home / folder)
                self._file.unlink(missing_ok=True)

    @property
    def _file(self) -> Path:
        return self.home / "stack.json"

    def _kafka(self, state: State, keep: "_Keep", tell: Tell) -> KafkaAccess:
        if bootstrap := os.environ.get("JIEXU_KAFKA_BOOTSTRAP"):
            access = KafkaAccess(
                bootstrap=bootstrap,
                username=_variable("JIEXU_KAFKA_ADMIN_USERNAME", "JIEXU_KAFKA_BOOTSTRAP"),
                password=_variable("JIEXU_KAFKA_ADMIN_PASSWORD", "JIEXU_KAFKA_BOOTSTRAP"),
            )
            tell(f"using Kafka at {bootstrap}")
            try:
                admin_client(bootstrap, access.username, access.password).list_topics(timeout=10)
            except KafkaException as error:
                raise StackError(f"Kafka at {bootstrap} (JIEXU_KAFKA_BOOTSTRAP) does not answer: {error}") from error
            return access
        server = kafka.KafkaServer(
            folder=self.home / "kafka",
            log=self.log("kafka"),
            port=state.ports["kafka"],
            controller_port=state.ports["kafka-controller"],
            password=self.secrets.password("kafka-admin"),
        )
        self._serve("kafka", server, state, keep, tell)
        return KafkaAccess(bootstrap=f"127.0.0.1:{server.port}", username=KAFKA_ADMIN, password=server.password)

    def _postgres(self, state: State, keep: "_Keep", tell: Tell) -> PostgresAccess:
        if url := os.environ.get("JIEXU_POSTGRES_URL"):
            access = _parse_postgres(url)
            tell(f"using PostgreSQL at {access.host}:{access.port}")
            if not kafka.listening(access.port, access.host, timeout=10):
                raise StackError(f"nobody listens at {access.host}:{access.port} (JIEXU_POSTGRES_URL)")
            return access
        server = postgres.PostgresServer(
            folder=self.home / "postgres",
            log=self.log("postgres"),
            port=state.ports["postgres"],
            password=self.secrets.password("postgres-admin"),
        )
        self._serve("postgres", server, state, keep, tell)
        return PostgresAccess(host="127.0.0.1", port=server.port, username=POSTGRES_ADMIN, password=server.password)

    def _serve(self, name: str, server: "_Server", state: State, keep: "_Keep", tell: Tell) -> None:
        """See to it that a server runs and answers."""
        record = state.processes.get(name)
        if record is not None and alive(record):
            try:
                server.wait(record, since=_size(record.log), timeout=10)
            except StackError:
                tell(f"{name} runs and does not answer; restarting it")
                stop_all([record])
            else:
                tell(f"{name} runs already on 127.0.0.1:{record.port}")
                return
        since = _size(server.log)
        record = server.start(tell=tell)
        keep(name, record)  # before anything can go wrong, or nobody would ever stop it
        server.wait(record, since=since)

    def _stop(self, state: State, names: Sequence[str], timeout: float) -> None:
        chosen = [name for name in names if name in state.processes]
        stop_all([state.processes[name] for name in chosen], timeout)
        for name in chosen:
            del state.processes[name]
        self._write(state)

    @contextmanager
    def _locked(self, tell: Tell = lambda _: None) -> Iterator[None]:
        """Keep other commands from changing this stack meanwhile."""
        with exclusive(self.home / "stack.lock", waiting=lambda: tell("waiting for another command on this stack")):
            yield

    def _read(self) -> State:
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return State()
        try:
            return State.model_validate_json(text)
        except ValidationError as error:
            # Not simply begun anew: the processes it names would run on unseen.
            raise StackError(f"{self._file} cannot be read; stop what it names, then remove it: {error}") from error

    def _write(self, state: State) -> None:
        draft = self.home / "stack.json.draft"
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(state.model_dump_json(indent=2) + "\n")
        draft.replace(self._file)


_Keep = Callable[[str, ProcessRecord], None]


class _Server(Protocol):
    @property
    def log(self) -> Path: ...

    def start(self, *, tell: Tell) -> ProcessRecord: ...

    def wait(self, record: ProcessRecord, *, since: int = 0, timeout: float = 60.0) -> None: ...


def _runs(state: State, name: str) -> bool:
    return name in state.processes and alive(state.processes[name])


def _choose_port(last: int | None, taken: set[int]) -> int:
    """The port of last time if it is free, else another one that is."""
    if last is not None and last not in taken and _is_free(last):
        return last
    for port in random.sample(_PORTS, 200):
        if port not in taken and _is_free(port):
            return port
    raise StackError(f"found no free port between {_PORTS.start} and {_PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As servers do, so that connections of the last run which still linger do not make us move.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _variable(name: str, because: str) -> str:
    if value := os.environ.get(name):
        return value
    raise StackError(f"{because} is set, so {name} must be set too")


def _parse_postgres(url: str) -> PostgresAccess:
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not parts.username:
        raise StackError("JIEXU_POSTGRES_URL must look like postgresql://user:password@host:port/postgres")
    return PostgresAccess(
        host=parts.hostname,
        port=parts.port or 5432,
        username=unquote(parts.username),
        password=unquote(parts.password or ""),
        database=unquote(parts.path.lstrip("/")) or "postgres",
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
