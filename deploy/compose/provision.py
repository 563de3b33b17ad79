"""The jobs that prepare the servers of the containers: Kafka's, a province's and the bank's. Each runs to its end.

Running one again changes nothing. A job holds the passwords of its own server alone, and no private key at all.
"""

import argparse
import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from contracts.directory import DirectoryEntry, SignedEntry
from deploy.kafka.broker import ADMIN as KAFKA_ADMIN
from deploy.local.exchange import participating, prepare_databases, prepare_kafka, publish
from deploy.local.secrets import Secrets
from deploy.local.stack import KafkaAccess, PostgresAccess
from deploy.postgres.provision import close_maintenance_databases
from deploy.postgres.server import ADMIN as POSTGRES_ADMIN

DIRECTORY = Path("/jiexu/directory.json")
"""Where the job for Kafka finds the signed entries of the directory, one a line."""


def prepare(
    job: str, provinces: tuple[str, ...], secrets: Secrets, *, kafka: str = "", postgres: str = "", directory: Path = DIRECTORY
) -> None:
    """Do one job.

    Args:
        job: `kafka`, `province` or `bank`.
        provinces: their codes; one for `province`.
        secrets: with the passwords that the job needs.
        kafka: `host:port`, for `kafka`.
        postgres: `host` or `host:port`, for the others.
        directory: file of signed entries, for `kafka`.
    """
    if job == "kafka":
        participating(provinces)
        access = KafkaAccess(bootstrap=kafka, username=KAFKA_ADMIN, password=secrets.password("kafka-admin"))
        prepare_kafka(access, secrets, provinces, tell=_tell)
        publish(access, secrets, _signed(directory), tell=_tell)
    else:
        asyncio.run(_databases(_server(postgres, secrets.password("postgres-admin")), secrets, provinces, bank=job == "bank"))


async def _databases(access: PostgresAccess, secrets: Secrets, provinces: tuple[str, ...], *, bank: bool) -> None:
    await close_maintenance_databases(access.url)
    await prepare_databases(access, secrets, provinces, bank=bank, tell=_tell)


def _server(address: str, password: str) -> PostgresAccess:
    host, _, port = address.partition(":")
    return PostgresAccess(host=host, port=int(port or 5432), username=POSTGRES_ADMIN, password=password)


def _signed(file: Path) -> dict[str, SignedEntry]:
    """Signed entries by province. Who reads the directory verifies them."""
    found = [SignedEntry.model_validate_json(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return {DirectoryEntry.model_validate_json(signed.entry).province: signed for signed in found}


def _tell(sentence: str) -> None:
    print(sentence, flush=True)


def main(words: Sequence[str] | None = None) -> None:
    """Do the job that the command names, with servers from KAFKA_BOOTSTRAP or POSTGRES_HOST and secrets from SECRETS_DIR."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=("kafka", "province", "bank"))
    parser.add_argument("provinces", nargs="?", default="", help="codes, separated by commas")
    wanted = parser.parse_args(words)
    provinces = tuple(code for code in wanted.provinces.split(",") if code)
    prepare(
        wanted.job,
        provinces,
        Secrets(Path(os.environ.get("SECRETS_DIR", "/run/secrets"))),
        kafka=os.environ.get("KAFKA_BOOTSTRAP", ""),
        postgres=os.environ.get("POSTGRES_HOST", ""),
        directory=Path(os.environ.get("DIRECTORY_FILE", DIRECTORY)),
    )
    _tell("done")


if __name__ == "__main__":
    main()
