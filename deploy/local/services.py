"""The services of the provinces, the bank and a mail sink as processes of a local stack, and where to find them."""

import hashlib
import http.client
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.kafka.provision import principal_name
from deploy.local.exchange import database_url, root_fingerprint
from deploy.local.native import CHECKOUT, Tell, exclusive
from deploy.local.processes import ProcessRecord, StackError, alive, last_lines
from deploy.local.secrets import Secrets
from deploy.local.stack import SERVERS, Stack
from deploy.postgres.provision import service_role
from services.areas import PROVINCE_SERVICES
from services.runtime.clock import SHANGHAI
from services.runtime.identity import Role, TokenIssuer, TokenRefused, TokenVerifier

BANK = "bank"
"""The name of the bank's process."""

MAIL = "smtp-sink"
"""The name of the mail sink's process."""

ALL = "*"
"""Stands for every service where settings are overridden."""

Override = Mapping[str, Mapping[str, str]]
"""Settings in place of ours, by `44.origin-agency`, by `origin-agency`, by `bank` or for all by `*`; the first of these wins.

What is said of `44.origin-agency` holds for its replicas, too.
"""

_YEARS_OF_BANK_TOKEN = 10
_POLL_S = 0.1
_BLAMED_LINES, _BLAMED_WIDTH = 10, 400

# What a process takes over from whoever starts it. Anything else, such as somebody's PROVINCE, would change what it does.
_INHERITED = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class Endpoints(BaseModel):
    """Where the services of a home can be found, once they were started; saved as `endpoints.json`."""

    model_config = ConfigDict(frozen=True)

    provinces: tuple[str, ...]
    services: dict[str, str]
    """Base URLs by process: `44.origin-agency`."""
    replicas: dict[str, str] = {}
    """Base URLs of what runs beside the first of its kind, by process: `44.origin-agency-1`."""
    bank: str
    """Base URL of the bank."""
    smtp_port: int
    mail: Path
    """The file to which the mail sink appends each mail as one line of JSON."""
    clock: Literal["system", "scenario"]
    scenario_start: datetime | None = None
    started_with: dict[str, str] = {}
    """For each process a digest of its settings and code, by which a later start sees that it must be started anew."""

    def url(self, province: str, service: str) -> str:
        """The base URL of a province's service. Raises `KeyError` when it was not started."""
        return self.services[principal_name(province, service)]

    def mails(self) -> list[dict[str, object]]:
        """The mails received until now, oldest first, each with `message_id`, `to`, `subject`, `text`, `received_at`."""
        try:
            lines = self.mail.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    @classmethod
    def load(cls, home: Path) -> "Endpoints | None":
        """The endpoints of a home; None when nothing was started there. Raises `StackError` when they cannot be read."""
        file = _endpoints_file(home)
        try:
            return cls.model_validate_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValidationError as error:
            raise StackError(f"{file} cannot be read; remove it and run jiexu up: {error}") from error


@dataclass(frozen=True)
class Tokens:
    """Bearer tokens for the people of a demo or a test. In production the agency's own login issues them."""

    issuer: TokenIssuer = field(repr=False)

    def staff(self, province: str, *roles: Role, name: str = "") -> str:
        """A token of somebody at the agency; unless named, the `sub` is the first role and the province: `maker-44`."""
        return self.issuer.issue(name or f"{roles[0]}-{province}", list(roles), province)

    def insured(self, province: str, person_ref: str) -> str:
        """A token of an insured person, known by the pseudonym that the province gave."""
        return self.issuer.issue(f"insured-{person_ref}", [Role.INSURED], province, person_ref=person_ref)

    def auditor(self, province: str = "00") -> str:
        """A token of an auditor: the ministry's, unless told otherwise."""
        return self.staff(province, Role.AUDITOR)


@dataclass(frozen=True)
class Health:
    """How one process of a stack is doing."""

    name: str
    state: Literal["ready", "waiting", "ended", "stopped"]
    """`ended` is by itself, `stopped` is not among the stack's processes at all."""
    pid: int | None = None
    port: int | None = None
    waits_for: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None


@dataclass(frozen=True)
class _Program:
    """A process as it shall run."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    port: int

    @property
    def digest(self) -> str:
        told = json.dumps([self.argv, sorted(self.env.items())])
        return hashlib.sha256(told.encode()).hexdigest()


class Provinces:
    """The services of some provinces, one bank and one mail sink, on a stack that `exchange.prepare` has prepared.

    Args:
        stack: with its servers running.
        provinces: their codes.
        services: of each province.
        clock: `scenario` for a clock that a scenario moves.
        scenario_start: what a scenario's clock shows first; now, if not given.
        overrides: settings in place of ours; see `Override`.
        replicas: processes of each service of a province; bank and mail sink stay one each.
    """

    def __init__(
        self,
        stack: Stack,
        provinces: Iterable[str],
        *,
        services: Iterable[str] = PROVINCE_SERVICES,
        clock: Literal["system", "scenario"] = "system",
        scenario_start: datetime | None = None,
        overrides: Override | None = None,
        replicas: int = 1,
    ) -> None:
        assert replicas >= 1, replicas
        if scenario_start is not None and (clock != "scenario" or scenario_start.tzinfo is None):
            raise StackError("a scenario's start needs clock=scenario and a time with an offset: 2024-05-06T09:00:00+08:00")
        self._stack = stack
        self._provinces = tuple(provinces)
        self._services = tuple(services)
        self._clock = clock
        self._start = scenario_start
        self._overrides = overrides or {}
        self._replicas = replicas
        self._since: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """The names of all processes."""
        return [MAIL, BANK, *(name for name, *_ in self._province_processes())]

    def start(self, *, tell: Tell = lambda _: None) -> Endpoints:
        """Start what does not run, all at once, without waiting for it; what runs with other settings or code is started anew.

        Raises `StackError` when a process cannot be run at all, or the stack was never prepared.
        """
        with exclusive(self._stack.home / "services.lock", waiting=lambda: tell("waiting for another command that starts these")):
            before = Endpoints.load(self._stack.home)
            if self._clock == "scenario" and self._start is None:
                # All services have to agree, those too that are started anew by a later command.
                self._start = (before and before.scenario_start) or datetime.now(SHANGHAI).replace(microsecond=0)
            ports = self._ports()
            programs = self._programs(ports)
            code = _code_digest()
            fresh = {program.name: f"{program.digest}/{code}" for program in programs}
            kept = before.started_with if before is not None else {}
            running = self._stack.running()
            changed = [name for name in fresh if running.get(name) and kept.get(name) != fresh[name]]
            if changed:
                tell(f"stopping {', '.join(changed)}, whose settings or code have changed")
                self._stack.stop(*changed)
            missing = [program for program in programs if program.name in changed or not running.get(program.name)]
            endpoints = self._endpoints(ports, fresh)
            if missing:
                tell(f"starting {', '.join(program.name for program in missing)}")
            for program in missing:
                log = self._stack.log(program.name)
                self._since[program.name] = log.stat().st_size if log.exists() else 0
                self._stack.start(program.name, program.argv, env=program.env, port=program.port)
            _write(_endpoints_file(self._stack.home), endpoints.model_dump_json(indent=2) + "\n")
            return endpoints

    def start_again(self, name: str, *, now: datetime | None = None) -> ProcessRecord:
        """Start one process again that has ended by itself, with the settings it had, as an orchestrator does; does not wait.

        A scenario's clock ends with its process: `now` is what the new one shows first, or it would begin the story anew.
        Raises `KeyError` when no process has that name.
        """
        programs = {program.name: program for program in self._programs(self._ports())}
        program = programs[name]
        shown = {"SCENARIO_START": now.isoformat()} if now is not None else {}
        return self._stack.start(name, program.argv, env={**program.env, **shown}, port=program.port)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Return when every process is ready.

        Raises `StackError` when one ends or is not ready within `timeout` seconds. It names each such process, what that
        waits for and the last lines of its log.
        """
        end = time.monotonic() + timeout
        ended = threading.Event()
        processes = self._stack.processes

        def wait(name: str) -> Health:
            record = processes.get(name)
            while True:
                health = _health(name, record)
                if health.state in ("ended", "stopped"):
                    ended.set()  # the others need not be waited for
                if health.state != "waiting" or time.monotonic() > end or ended.is_set():
                    return health
                time.sleep(_POLL_S)

        with ThreadPoolExecutor(len(self.names)) as pool:
            found = list(pool.map(wait, self.names))
        # While one has ended, the others may be on their way: only those that ended are to blame.
        blamed = [health for health in found if health.state in ("ended", "stopped")]
        blamed = blamed or [health for health in found if health.state == "waiting"]
        if blamed:
            raise StackError("\n".join(self._blame(health, timeout) for health in blamed))

    def stop(self, *, timeout: float = 20.0) -> None:
        """Stop them all, and leave the servers running."""
        self._stack.stop(*self.names, timeout=timeout)

    def _blame(self, health: Health, timeout: float) -> str:
        if health.state == "waiting":
            waits_for = "; ".join(f"{part}: {reason}" for part, reason in health.waits_for.items())
            what = f"is not ready within {timeout:.0f} s and waits for {waits_for}"
        else:
            what = "ended while starting" if health.state == "ended" else "was never started"
        log = self._stack.log(health.name)
        lines = last_lines(log, _BLAMED_LINES, since=self._since.get(health.name, 0)).splitlines()
        shown = "\n".join(f"  {line[:_BLAMED_WIDTH]}{'…' * (len(line) > _BLAMED_WIDTH)}" for line in lines)
        return f"{health.name} {what}; {log} says:\n{shown or '  (nothing)'}"

    def _province_processes(self) -> list[tuple[str, str, str, int]]:
        """Name, province, service and replica of each process of a province; the first of its kind has no number."""
        return [
            (f"{principal_name(province, service)}{f'-{at}' if at else ''}", province, service, at)
            for province in self._provinces
            for service in self._services
            for at in range(self._replicas)
        ]

    def _ports(self) -> dict[str, int]:
        """A port for each process: its own while it runs, for to `Stack.port` that one would look taken."""
        processes = self._stack.processes
        running = {name: record.port for name, record in processes.items() if record.port is not None and alive(record)}
        return {name: running.get(name) or self._stack.port(name) for name in self.names}

    def _endpoints(self, ports: Mapping[str, int], started_with: dict[str, str]) -> Endpoints:
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        processes = self._province_processes()
        return Endpoints(
            provinces=self._provinces,
            services={name: urls[name] for name, *_, at in processes if at == 0},
            replicas={name: urls[name] for name, *_, at in processes if at > 0},
            bank=urls[BANK],
            smtp_port=ports[MAIL],
            mail=_mail_file(self._stack.home),
            clock=self._clock,
            scenario_start=self._start,
            started_with=started_with,
        )

    def _programs(self, ports: Mapping[str, int]) -> list[_Program]:
        base = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        base |= {"LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        sink = (sys.executable, "-m", "deploy.local.smtp_sink", "--port", str(ports[MAIL]), "--file")
        programs = [_Program(MAIL, (*sink, str(_mail_file(self._stack.home))), base, ports[MAIL])]
        env = base | self._bank_environment(ports) | self._overridden(BANK)
        programs.append(_Program(BANK, _uvicorn("bank", ports[BANK]), env, ports[BANK]))
        for name, province, service, at in self._province_processes():
            own = {"HTTP_PORT": str(ports[name]), "REPLICA": str(at)}
            overridden = self._overridden(service, principal_name(province, service), name)
            env = base | self._environment(province, service, ports) | own | overridden
            programs.append(_Program(name, _uvicorn(service, ports[name]), env, ports[name]))
        return programs

    def _overridden(self, *names: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in (ALL, *names):
            found |= self._overrides.get(name, {})
        return found

    def _clock_environment(self) -> dict[str, str]:
        start = {"SCENARIO_START": self._start.isoformat()} if self._start is not None else {}
        return {"CLOCK": self._clock, **start}

    def _bank_environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {
            "DATABASE_URL": database_url(self._stack, "bank", "bank"),
            "TOKEN_KEYS_FILE": str(self._stack.secrets.token_public_file()),
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(ports[BANK]),
            **self._clock_environment(),
        }

    def _environment(self, province: str, service: str, ports: Mapping[str, int]) -> dict[str, str]:
        secrets, name = self._stack.secrets, principal_name(province, service)
        role = service_role(province, service)
        return {
            "ENVIRONMENT": "development",
            "PROVINCE": province,
            "DATABASE_URL": database_url(self._stack, f"province_{province}", role),
            "KEYS_DATABASE_URL": database_url(self._stack, f"keys_{province}", role),
            "KAFKA_BOOTSTRAP": self._stack.kafka.bootstrap,
            "KAFKA_USERNAME": name,
            "KAFKA_PASSWORD": secrets.password(f"kafka-{name}"),
            "SIGNING_KEY_FILE": str(secrets.signing_file(province, service)),
            "SEALING_KEY_FILE": str(secrets.sealing_file(province)),
            "ID_HASH_KEY_FILE": str(secrets.id_hash_file(province)),
            "TOKEN_KEYS_FILE": str(secrets.token_public_file()),
            "DIRECTORY_ROOT": root_fingerprint(secrets),
            "HTTP_HOST": "127.0.0.1",
            "BANK_URL": f"http://127.0.0.1:{ports[BANK]}",
            "BANK_TOKEN_FILE": str(bank_token_file(self._stack.home, province)),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(ports[MAIL]),
            **self._clock_environment(),
        }


def health(stack: Stack) -> list[Health]:
    """How every process of a stack is doing, the servers first; those of its endpoints that do not run are among them."""
    processes = stack.processes
    endpoints = Endpoints.load(stack.home)
    expected = [MAIL, BANK, *endpoints.services, *endpoints.replicas] if endpoints is not None else []
    names = list(dict.fromkeys([*(name for name in SERVERS if name in processes), *expected, *processes]))
    if not names:
        return []
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: _health(name, processes.get(name)), names))


def tokens(home: Path) -> Tokens:
    """Issues tokens that the services of this home accept."""
    private = json.loads(Secrets.of(home.resolve()).token_private_file().read_text(encoding="ascii"))
    # The secret is a set of one key, the issuer reads the key alone.
    with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".jwk") as file:
        json.dump(private["keys"][0] if "keys" in private else private, file)
        file.flush()
        return Tokens(TokenIssuer(Path(file.name)))


def bank_token_file(home: Path, province: str) -> Path:
    """The file with which a province's fund desk signs in to the bank: a token that lasts for years, made if need be."""
    secrets = Secrets.of(home.resolve())
    file = secrets.folder / f"bank-token-{province}.jwt"
    try:
        TokenVerifier(secrets.token_public_file()).verify(file.read_text(encoding="ascii"))
    except (FileNotFoundError, TokenRefused):
        issuer = tokens(home).issuer
        hours = _YEARS_OF_BANK_TOKEN * 366 * 24
        _write(file, issuer.issue(f"fund-desk-{province}", [Role.FUND_DESK], province, hours=hours))
    return file


def forget(home: Path) -> None:
    """Remove what preparing and starting an exchange has left in a home; for after `Stack.down(wipe=True)`."""
    for name in ("endpoints.json", "directory.json", "mail.jsonl", "exchange.lock", "services.lock"):
        (home / name).unlink(missing_ok=True)


def _endpoints_file(home: Path) -> Path:
    return home / "endpoints.json"


def _mail_file(home: Path) -> Path:
    return home / "mail.jsonl"


def _uvicorn(service: str, port: int) -> tuple[str, ...]:
    where = ("--host", "127.0.0.1", "--port", str(port))
    quiet = ("--loop", "uvloop", "--no-access-log", "--log-level", "warning")
    return (sys.executable, "-m", "uvicorn", f"services.{service.replace('-', '_')}.app:app", "--factory", *where, *quiet)


def _health(name: str, record: ProcessRecord | None) -> Health:
    if record is None:
        return Health(name, "stopped")
    if not alive(record):
        return Health(name, "ended", record.pid, record.port, log=record.log)
    assert record.port is not None, record
    probe = _listens if name in (*SERVERS, MAIL) else _asks_readyz
    waits_for = probe(record.port)
    return Health(name, "waiting" if waits_for else "ready", record.pid, record.port, waits_for, record.log)


def _listens(port: int) -> dict[str, str]:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError as error:
        return {"port": str(error)}
    return {}


def _asks_readyz(port: int) -> dict[str, str]:
    """What a service says that it waits for."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        text = response.read()
    except (OSError, http.client.HTTPException) as error:
        return {"port": str(error) or type(error).__name__}
    finally:
        connection.close()
    if response.status == http.HTTPStatus.OK:
        return {}
    try:
        return {str(part): str(reason) for part, reason in json.loads(text)["waits_for"].items()} or {"readyz": "no reason given"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {"readyz": f"answers {response.status}"}


def _code_digest() -> str:
    """Changes when a file of the code that these processes run was written."""
    seen = hashlib.sha256()
    paths = [CHECKOUT / "deploy" / "local" / "smtp_sink.py"]
    for folder in ("contracts", "services"):
        paths += (path for path in (CHECKOUT / folder).rglob("*") if "cli" not in path.parts)
    for path in sorted(paths):
        if path.suffix in (".py", ".sql", ".toml", ".j2"):
            seen.update(f"{path.relative_to(CHECKOUT)} {path.stat().st_mtime_ns}\n".encode())
    return seen.hexdigest()


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole; only its owner may read it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
