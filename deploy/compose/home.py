"""What the containers are given as files: secrets, the broker's settings, the signed directory, and a place for mails.

Making them again changes none that is there, apart from what can be worked out anew.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from deploy.kafka.broker import Listener, broker_properties, cluster_id, format_arguments, run_arguments
from deploy.kafka.provision import MINISTRY, principal_name
from deploy.local.exchange import participating, root_fingerprint, signed_entries
from deploy.local.native import CHECKOUT
from deploy.local.secrets import Secrets
from deploy.local.services import bank_token_file
from deploy.local.stack import PostgresAccess
from deploy.postgres.provision import owner_role, service_role
from services.areas import PROVINCE_SERVICES

HOME = CHECKOUT / ".jiexu" / "compose"
"""Where these files are unless told otherwise, as docker-compose.yml has it."""

PROVINCES = ("44", "33", "41")
"""The provinces of docker-compose.yml."""

AGENCIES = ("origin-agency", "destination-agency")

DIRECTORY_FILE = "directory.signed.json"
"""In the home: the directory's entries as they are published, one a line."""

MAIL_FILE = Path("mail", "mail.jsonl")
"""In the home: the mails that the sink took."""

KAFKA_INSIDE, KAFKA_PUBLISHED = 9092, 9094
"""Ports of the broker in its container: for containers, and for this machine."""

_LIBRARIES = "/opt/kafka/libs/*"
_TOLD = "/run/secrets"


def make(home: Path = HOME) -> None:
    """Make all files of a home that are not there yet.

    A container does not run as whoever made them, and Compose hands a file on with the rights that it has. So everybody may read
    them, and nobody but their owner can enter the folders they are in; a container sees those alone that it is given.
    """
    home.mkdir(parents=True, exist_ok=True)
    secrets = Secrets.of(home.resolve())
    for name in ("secrets", "mail"):
        (home / name).mkdir(mode=0o700, exist_ok=True)
    for path in _secret_files(home, secrets):
        path.chmod(0o444)
    entries = signed_entries(home, secrets, participating(PROVINCES), PROVINCE_SERVICES)
    lines = "".join(f"{signed.model_dump_json()}\n" for signed in entries.values())
    _write(home / DIRECTORY_FILE, lines, 0o444)
    mails = home / MAIL_FILE
    mails.touch()
    mails.chmod(0o666)  # the sink writes, whoever runs the demo reads and empties it


def _secret_files(home: Path, secrets: Secrets) -> Iterator[Path]:
    """Every file that a container is given as a secret."""
    yield secrets.password_file("kafka-admin")
    yield from (secrets.password_file(f"kafka-{principal_name(MINISTRY, name)}") for name in ("audit", "registrar"))
    yield from _broker_files(secrets)
    yield secrets.token_public_file()
    yield _write(secrets.folder / "directory-root.fingerprint", root_fingerprint(secrets), 0o444)
    yield secrets.password_file("postgres-admin-bank")
    yield secrets.password_file("postgres-bank_owner")
    yield _url_file(secrets, "bank-database-url", "bank", "bank", "bank")
    yield secrets.password_file("postgres-bank")
    for province in PROVINCES:
        yield secrets.password_file(f"postgres-admin-{province}")
        yield secrets.password_file(f"postgres-{owner_role(province)}")
        yield secrets.sealing_file(province)
        yield secrets.id_hash_file(province)
        yield bank_token_file(home, province)
        for service in PROVINCE_SERVICES:
            name, role = principal_name(province, service), service_role(province, service)
            yield secrets.password_file(f"kafka-{name}")
            yield secrets.password_file(f"postgres-{role}")
            yield secrets.signing_file(province, service)
            yield _url_file(secrets, f"{name}-database-url", province, f"province_{province}", role)
            yield _url_file(secrets, f"{name}-keys-database-url", province, f"keys_{province}", role)


def _broker_files(secrets: Secrets) -> Iterator[Path]:
    password = secrets.password("kafka-admin")
    # What is published for this machine depends on a port that only Compose knows; start.sh is told by the environment.
    listeners = [
        Listener("CLIENT", f"0.0.0.0:{KAFKA_INSIDE}", f"kafka:{KAFKA_INSIDE}"),
        Listener("HOST", f"0.0.0.0:{KAFKA_PUBLISHED}", f"127.0.0.1:{KAFKA_PUBLISHED}"),
    ]
    properties = broker_properties(password, listeners=listeners, controller="127.0.0.1:9093", data="/var/lib/kafka/data")
    yield _write(secrets.folder / "kafka-server.properties", properties, 0o444)
    formatted = secrets.folder / "kafka-format.arguments"
    if not formatted.exists():  # it names the cluster
        told = f"{_TOLD}/server.properties"
        _write(formatted, format_arguments(password, class_path=_LIBRARIES, properties=told, cluster=cluster_id()), 0o444)
    yield formatted
    run = run_arguments(class_path=_LIBRARIES, properties=f"{_TOLD}/server.properties", log_settings="/jiexu/log4j2.yaml")
    yield _write(secrets.folder / "kafka-run.arguments", run, 0o444)


def _url_file(secrets: Secrets, file: str, owner: str, database: str, role: str) -> Path:
    """The URL of a database for a role, seen from a container: the setting DATABASE_URL or KEYS_DATABASE_URL."""
    # The superuser of the access is not asked for here.
    server = PostgresAccess(host=f"postgres-{owner}", port=5432, username="", password="")
    url = server.url_of(database, role, secrets.password(f"postgres-{role}"))
    return _write(secrets.folder / file, url, 0o444)


def _write(path: Path, text: str, mode: int) -> Path:
    """Write a file as a whole, unless it says that already: a running container would go on with the one that it was given."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return path
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.chmod(mode)
    draft.replace(path)
    return path


def main() -> None:
    """Make the files and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("JIEXU_HOME") or HOME), help="where to make them")
    home: Path = parser.parse_args().home
    make(home)
    print(f"secrets, the signed directory and the place for mails are in {home}")


if __name__ == "__main__":
    main()
