"""An exchange among provinces on running servers: who may do what, migrated databases, and the signed directory.

Preparing it again changes nothing; preparing it with another province adds that one. `prepare` does all of it for a local
stack; with containers each part is a job of its own, which holds no more secrets than it needs (deploy/compose/provision.py).
"""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import asyncpg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition

from contracts import topics
from contracts.directory import DirectoryEntry, PublicKey, SignedEntry
from contracts.documents import PayeeAccount
from deploy.kafka.provision import (
    MINISTRY,
    Principal,
    ProvisionError,
    TopicSpec,
    acls_for,
    admin_client,
    principal_name,
)
from deploy.kafka.provision import provision as provision_kafka
from deploy.local.native import Tell, exclusive
from deploy.local.processes import StackError
from deploy.local.secrets import Secrets
from deploy.local.stack import KafkaAccess, PostgresAccess, Stack
from deploy.postgres.provision import bank_layout, owner_role, province_layout
from deploy.postgres.provision import provision as provision_postgres
from services.areas import PROVINCE_SERVICES, bank_areas, keys_areas, province_areas
from services.messaging.directory import sign_entry
from services.messaging.signing import fingerprint, key_id, public_hex
from services.rules.loader import CodeUnknown, Province, ProvinceOutOfScope, load_tables
from services.runtime.clock import SHANGHAI
from services.runtime.migrate import Area, MigrationChanged, migrate

AUDIT = principal_name(MINISTRY, "audit")
"""The Kafka principal that reads everything."""

REGISTRAR = principal_name(MINISTRY, "registrar")
"""The Kafka principal that publishes the directory, and may do nothing else."""

KEYS_VALID_FROM = datetime(2020, 1, 1, tzinfo=SHANGHAI)
"""Before every date of a demo or a test: a record is refused whose key was not yet valid when it was signed."""

_TIMEOUT_S = 30.0


class UnknownProvince(StackError):
    """A code that is no province, or one that takes no part in inter-province transfer."""


def participating(provinces: tuple[str, ...]) -> list[Province]:
    """The provinces with these codes. Raises `UnknownProvince` for one that takes no part, that comes twice, or for none."""
    tables = load_tables()
    if not provinces or len(set(provinces)) != len(provinces):
        raise UnknownProvince(f"name each province once, at least one; not {', '.join(provinces) or 'none'}")
    try:
        return [tables.participating_province(code) for code in provinces]
    except (CodeUnknown, ProvinceOutOfScope) as error:
        raise UnknownProvince(str(error)) from error


def prepare(
    stack: Stack,
    provinces: tuple[str, ...],
    services: tuple[str, ...] = PROVINCE_SERVICES,
    *,
    tell: Tell = lambda _: None,
) -> None:
    """Bring a running stack to where the services of these provinces can be started.

    Kafka gets a principal a service and province, the topics and the ACLs; PostgreSQL gets databases, roles and migrations; the
    directory gets an entry a province, signed by the stack's own root.
    Raises `UnknownProvince` for a code that takes no part, `StackError` with the reason for all else that cannot be done.
    """
    known = participating(provinces)
    with (
        exclusive(stack.home / "exchange.lock", waiting=lambda: tell("waiting for another command that prepares this exchange")),
        ThreadPoolExecutor(1) as pool,
    ):
        try:
            # A thread of its own, for whoever calls this may be running an event loop already.
            job = prepare_databases(stack.postgres, stack.secrets, provinces, bank=True, services=services, tell=tell)
            databases = pool.submit(lambda: asyncio.run(job))
            prepare_kafka(stack.kafka, stack.secrets, provinces, services, tell=tell)
            publish(stack.kafka, stack.secrets, signed_entries(stack.home, stack.secrets, known, services), tell=tell)
            databases.result()
        except MigrationChanged as error:
            raise StackError(f"{error}; if its data may go: jiexu down --wipe, then jiexu up") from error
        except (ProvisionError, KafkaException, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise StackError(f"the exchange cannot be prepared: {type(error).__name__}: {error}") from error


def root_fingerprint(stack_secrets: Secrets) -> str:
    """What every service is told from outside, and by which it knows the directory's root: DIRECTORY_ROOT."""
    return fingerprint(public_hex(stack_secrets.directory_root_key()))


def database_url(stack: Stack, database: str, role: str) -> str:
    """The URL with which a role of this stack, such as `p44_origin_agency`, reaches a database, such as `province_44`."""
    return stack.postgres_of(database).url_of(database, role, stack.secrets.password(f"postgres-{role}"))


def directory_entry(province: Province, secrets: Secrets, services: Sequence[str], issued_at: datetime) -> DirectoryEntry:
    """The entry of a province's agency. All of it but the names and the keys is made up, and always the same."""
    code = province.code
    agency = f"{province.name_zh}社会保险服务中心"
    signing = [(f"{code}/{service}", public_hex(secrets.signing_key(code, service))) for service in services]
    return DirectoryEntry(
        province=code,
        agency_name=agency,
        agency_name_en=f"{province.name_en} Social Insurance Service Centre",
        # No subscriber's number begins with a zero, so nobody is ever called by mistake.
        phone=f"0{code}0-0012{code}33",
        address=f"{province.name_zh}示范区养老路{int(code)}号",
        postcode=f"{code}0033",
        payee=PayeeAccount(
            account_name=f"{agency}基本养老保险基金收入户",
            bank_name=f"示范银行{province.name_zh}分行",
            account_no=f"9990{code}0000000000{code}1",
            exchange_no=f"999{code}0000001",  # no bank has the number 999
        ),
        keys=(
            *(
                PublicKey(key_id=key_id(key), owner=owner, use="signing", public_hex=key, valid_from=KEYS_VALID_FROM)
                for owner, key in signing
            ),
            _sealing_key(code, secrets),
        ),
        issued_at=issued_at,
    )


def _sealing_key(code: str, secrets: Secrets) -> PublicKey:
    key = public_hex(secrets.sealing_key(code))
    return PublicKey(key_id=key_id(key), owner=f"{code}/sealing", use="sealing", public_hex=key, valid_from=KEYS_VALID_FROM)


def prepare_kafka(
    access: KafkaAccess,
    secrets: Secrets,
    provinces: tuple[str, ...],
    services: tuple[str, ...] = PROVINCE_SERVICES,
    *,
    tell: Tell = lambda _: None,
) -> None:
    """Give Kafka the principals of these services, of the auditor and of the registrar, the topics and the ACLs.

    Raises what `deploy.kafka.provision.provision` raises.
    """
    who = [(province, service) for province in provinces for service in services]
    who += [(MINISTRY, "audit"), (MINISTRY, "registrar")]
    tell("preparing Kafka: principals, topics and ACLs")
    provision_kafka(
        admin_client(access.bootstrap, access.username, access.password),
        principals=[Principal(name, _kafka_password(secrets, name)) for name in (principal_name(*each) for each in who)],
        topics=[TopicSpec(topic.name, topic.partitions, topic.config) for topic in topics.topics(provinces)],
        acls=[acl for each in who for acl in acls_for(*each)],
    )


async def prepare_databases(
    access: PostgresAccess,
    secrets: Secrets,
    provinces: tuple[str, ...],
    *,
    bank: bool,
    services: tuple[str, ...] = PROVINCE_SERVICES,
    tell: Tell = lambda _: None,
) -> None:
    """Give one server the roles and migrated databases of these provinces and, if wanted, of the bank.

    Raises `MigrationChanged`, and asyncpg's errors for what the server refuses.
    """

    def password(role: str) -> str:
        return secrets.password(f"postgres-{role}")

    tell("preparing PostgreSQL: databases, roles and migrations")
    # The migrations grant to every service that has a schema, whether or not it is to run here.
    users = tuple(dict.fromkeys((*PROVINCE_SERVICES, *services)))
    layouts = [province_layout(code, users, password) for code in provinces]
    wanted: list[tuple[str, str, list[Area]]] = []
    for code in provinces:
        owner = owner_role(code)
        wanted += [(f"province_{code}", owner, province_areas(code)), (f"keys_{code}", owner, keys_areas(code))]
    if bank:
        layouts.append(bank_layout(password))
        wanted.append(("bank", "bank_owner", bank_areas()))
    await provision_postgres(
        access.url,
        roles=[role for layout in layouts for role in layout.roles],
        databases=[database for layout in layouts for database in layout.databases],
    )
    urls = {database: access.url_of(database, owner, password(owner)) for database, owner, _ in wanted}
    await asyncio.gather(*(migrate(urls[database], areas) for database, _, areas in wanted))


def signed_entries(
    home: Path, secrets: Secrets, provinces: Sequence[Province], services: Sequence[str]
) -> dict[str, SignedEntry]:
    """The directory's entries of these provinces, signed by the root; one that says what it said before stays the same.

    What was issued is kept in `directory.json` of the home.
    """
    root = secrets.directory_root_key()
    return {entry.province: sign_entry(entry, root) for entry in _entries(home, secrets, provinces, services)}


def _entries(home: Path, secrets: Secrets, provinces: Sequence[Province], services: Sequence[str]) -> list[DirectoryEntry]:
    """The entries as they are to be published; one that says what it said before keeps its time of issue."""
    file = home / "directory.json"
    try:
        issued: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        issued = {}
    now = datetime.now(SHANGHAI).replace(microsecond=0)
    entries = []
    for province in provinces:
        entry = directory_entry(province, secrets, services, now)
        if (text := issued.get(province.code)) is not None:
            before = DirectoryEntry.model_validate_json(text)
            same = entry.model_copy(update={"issued_at": before.issued_at})
            entry = before if same == before else entry
        entries.append(entry)
        issued[province.code] = entry.model_dump_json()
    _write(file, json.dumps(issued, ensure_ascii=False, indent=2) + "\n")
    return entries


def publish(access: KafkaAccess, secrets: Secrets, wanted: Mapping[str, SignedEntry], *, tell: Tell = lambda _: None) -> None:
    """Publish those entries that the directory does not hold yet, exactly as they are now.

    Needs the passwords of the registrar and of the auditor, and no key. Raises `StackError` when Kafka does not take them.
    """
    held = _held(access, secrets)
    missing = {province: signed for province, signed in wanted.items() if held.get(province) != signed.model_dump_json()}
    if not missing:
        return
    tell(f"publishing the directory's entries of {', '.join(missing)}")
    refused: list[KafkaError] = []
    # Java and aiokafka lay keys out by murmur2; with librdkafka's own default a key would move to another partition.
    producer = Producer(
        {**_client(access, secrets, REGISTRAR), "enable.idempotence": True, "linger.ms": 0, "partitioner": "murmur2_random"}
    )
    for province, signed in missing.items():
        producer.produce(
            topics.DIRECTORY,
            key=province.encode(),
            value=signed.model_dump_json().encode(),
            on_delivery=lambda error, _: refused.append(error) if error is not None else None,
        )
    left = producer.flush(_TIMEOUT_S)
    if refused or left:
        raise StackError(f"the directory was not published: {refused[0] if refused else 'Kafka does not answer'}")


def _held(access: KafkaAccess, secrets: Secrets) -> dict[str, str]:
    """The newest signed entry of each province on the `directory` topic, as its exact text."""
    # The registrar may only write; the auditor reads. Nothing is committed, the group is only a name.
    consumer = Consumer(
        {
            **_client(access, secrets, AUDIT),
            "group.id": f"{MINISTRY}.registrar-check",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
    )
    held: dict[str, str] = {}
    ended: set[int] = set()
    try:
        consumer.assign([TopicPartition(topics.DIRECTORY, at, OFFSET_BEGINNING) for at in range(topics.PARTITIONS)])
        while len(ended) < topics.PARTITIONS:
            message = consumer.poll(_TIMEOUT_S)
            if message is None:
                raise StackError(f"the directory could not be read within {_TIMEOUT_S:.0f} s")
            error = message.error()
            if error is None:
                key, value = message.key(), message.value()
                held[(key or b"").decode()] = (value or b"").decode()
            elif error.code() == KafkaError._PARTITION_EOF:
                partition = message.partition()
                assert partition is not None, message
                ended.add(partition)
            elif not error.retriable():
                raise KafkaException(error)
    finally:
        consumer.close()
    return held


def signed_directory(stack: Stack) -> dict[str, SignedEntry]:
    """The directory as it stands on Kafka, by province; nobody has verified it."""
    return {province: SignedEntry.model_validate_json(text) for province, text in _held(stack.kafka, stack.secrets).items()}


def _client(access: KafkaAccess, secrets: Secrets, principal: str) -> dict[str, str | int]:
    return {
        "bootstrap.servers": access.bootstrap,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": principal,
        "sasl.password": _kafka_password(secrets, principal),
        "log_level": 0,
    }


def _kafka_password(secrets: Secrets, principal: str) -> str:
    return secrets.password(f"kafka-{principal}")


def _write(path: Path, text: str) -> None:
    """Replace a file as a whole, so that nobody reads half of it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
