"""What a doctor sees of Kafka and PostgreSQL: whether they answer, and whether they hold what was provisioned."""

# The client library says it is typed, but re-exports its administrative names in a way that a strict checker refuses.
# mypy: disable-error-code="attr-defined"

import asyncio
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import asyncpg
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError as AioKafkaError
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import (
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ConfigResource,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)

from contracts import topics
from deploy.kafka.provision import AGENCIES, acls_for, admin_client, principal_name
from deploy.local.expected import SERVICES, ExpectedDatabase, databases, principals
from deploy.local.stack import KafkaAccess, PostgresAccess, Stack
from deploy.postgres.provision import service_role
from services.cli.doctor.findings import Finding
from services.messaging.relay import lock_of

_TIMEOUT_S = 5.0
_SKEW_S = 2.0
_CONNECTIONS_LEFT = 0.1
_LAG_LOOK_S = 3.0
_DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


class KafkaDoctor:
    """Looks at Kafka as its administrator.

    Args:
        stack: whose Kafka it is.
        provinces: that take part.
        up: the command that provisions again.
    """

    def __init__(self, stack: Stack, provinces: tuple[str, ...], up: str) -> None:
        self._stack = stack
        self._access: KafkaAccess = stack.kafka
        self._provinces = provinces
        self._up = up
        self._admin: AdminClient = admin_client(self._access.bootstrap, self._access.username, self._access.password)
        self._topics: Mapping[str, Any] = {}

    def answers(self) -> list[Finding]:
        """Whether Kafka answers its administrator."""
        try:
            self._topics = self._admin.list_topics(timeout=_TIMEOUT_S).topics
        except KafkaException as error:
            says = f"Kafka at {self._access.bootstrap} does not answer within {_TIMEOUT_S:.0f} s: {error.args[0].str()}"
            return [Finding("kafka", says, f"look at the end of {self._stack.log('kafka')}; then: {self._up}")]
        return []

    def credentials(self) -> list[Finding]:
        """Whether every principal is known and its password is taken."""
        described = cast(Any, self._admin.describe_user_scram_credentials()).result(_TIMEOUT_S)
        names = [principal_name(*each) for each in principals(self._provinces)]
        missing = [name for name in names if name not in described]
        found = [
            Finding(f"principal {name}", f"Kafka does not know the principal {name}: its SCRAM credentials are gone", self._up)
            for name in missing
        ]
        rest = [name for name in names if name not in missing]
        refused = asyncio.run(self._refused(rest))
        return [
            *found,
            *(
                Finding(
                    f"principal {name}",
                    f"Kafka does not take the password of {name} that stands in secrets/password-kafka-{name}",
                    f"put the right password into that file, or set it in Kafka anew: {self._up}",
                )
                for name in refused
            ),
        ]

    async def _refused(self, names: Iterable[str]) -> list[str]:
        host, _, port = self._access.bootstrap.split(",")[0].rpartition(":")

        async def signs_in(name: str) -> str | None:
            file = self._stack.secrets.folder / f"password-kafka-{name}"
            if not file.exists():
                return name
            try:
                connection = await create_conn(
                    host,
                    int(port),
                    client_id="jiexu-doctor",
                    security_protocol="SASL_PLAINTEXT",
                    sasl_mechanism="SCRAM-SHA-512",
                    sasl_plain_username=name,
                    sasl_plain_password=file.read_text(encoding="ascii"),
                    request_timeout_ms=int(_TIMEOUT_S * 1000),
                )
            except (AioKafkaError, ValueError):
                return name
            connection.close()
            return None

        return [name for name in await asyncio.gather(*map(signs_in, names)) if name is not None]

    def contents(self) -> list[Finding]:
        """Whether the topics are there, with their partitions, settings, leaders and enough replicas in step."""
        found = []
        wanted = topics.topics(self._provinces)
        there = [topic for topic in wanted if topic.name in self._topics]
        for topic in wanted:
            if topic.name not in self._topics:
                says = f"the topic {topic.name} is gone, with all its records"
                remedy = (
                    f"make it again: {self._up}; its records still stand in the outboxes of those who sent them, byte for byte: "
                    "stop what reads it until they were published again"
                )
                found.append(Finding(f"topic {topic.name}", says, remedy))
        configs = self._admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic.name) for topic in there])
        settings = {resource.name: future.result(_TIMEOUT_S) for resource, future in configs.items()}
        for topic in there:
            name, about = topic.name, f"topic {topic.name}"
            partitions = self._topics[name].partitions
            if len(partitions) != topic.partitions:
                says = f"{name} has {len(partitions)} partitions, not {topic.partitions}: keys live elsewhere than before"
                found.append(Finding(about, says, "do not write to it; make a new topic of that name from the outboxes"))
            wrong = {key: settings[name][key].value for key, value in topic.config.items() if settings[name][key].value != value}
            if wrong:
                shown = ", ".join(f"{key} is {value}, not {topic.config[key]}" for key, value in sorted(wrong.items()))
                found.append(Finding(about, f"{name}: {shown}; records may be lost", self._up))
            least = int(settings[name]["min.insync.replicas"].value)
            thin = [at for at, part in partitions.items() if part.leader < 0 or len(part.isrs) < least]
            if thin:
                says = (
                    f"{len(thin)} partitions of {name} have no leader, or fewer than {least} replicas in step: nobody can write"
                )
                found.append(Finding(about, says, "bring the missing brokers back", ("kafka",)))
        return found

    def acls(self) -> list[Finding]:
        """Whether every principal may do what it must, and nothing more."""
        anything = cast(str, None)
        every = AclBindingFilter(
            ResourceType.ANY, anything, ResourcePatternType.ANY, anything, anything, AclOperation.ANY, AclPermissionType.ANY
        )
        held = set(self._admin.describe_acls(every).result(_TIMEOUT_S))
        found = []
        for province, service in principals(self._provinces):
            name = principal_name(province, service)
            wanted = acls_for(province, service)
            own = {acl for acl in held if acl.principal == f"User:{name}"}
            if missing := wanted - own:
                shown = ", ".join(sorted(_in_words(acl) for acl in missing))
                found.append(
                    Finding(f"acl {name}", f"{name} may no longer {shown}: the ACL is gone", self._up, (f"principal {name}",))
                )
            if surplus := own - wanted:
                shown = ", ".join(sorted(_in_words(acl) for acl in surplus))
                found.append(
                    Finding(f"acl {name}", f"{name} may {shown}, which it must not", f"{self._up}  (it withdraws the ACL)")
                )
        return found

    def groups(self) -> list[Finding]:
        """Whether every partition is read by somebody, and whether what is behind moves."""
        names = [(province, service) for province in self._provinces for service in SERVICES]
        groups = [principal_name(*each) for each in names]
        described = self._admin.describe_consumer_groups(groups, request_timeout=_TIMEOUT_S)
        found = []
        for (province, service), group in zip(names, groups, strict=True):
            topic = topics.exchange(province) if service in AGENCIES else topics.journal(province)
            because = (group, f"principal {group}", f"acl {group}", f"topic {topic}", "kafka", "postgres", f"{group}/ready")
            members = described[group].result(_TIMEOUT_S).members
            assigned = {(at.topic, at.partition) for member in members for at in member.assignment.topic_partitions}
            orphans = topics.PARTITIONS - len({at for name, at in assigned if name == topic})
            if orphans:
                says = f"nobody reads {orphans} of the {topics.PARTITIONS} partitions of {topic} for {group}"
                found.append(Finding(f"{group}/partitions", says, f"look what {group} waits for: jiexu status", because))
            elif behind := self._standing(group, topic):
                records, partitions = behind
                says = f"{group} is {records} records behind on {partitions} partitions of {topic}, and does not move"
                found.append(Finding(f"{group}/lag", says, f"look at the end of {self._stack.log(group)}", because))
        return found

    def _standing(self, group: str, topic: str) -> tuple[int, int] | None:
        """Records and partitions that are behind and stay where they are for some seconds."""
        if topic not in self._topics:
            return None
        behind = self._behind(group, topic)
        if not behind:
            return None
        end = time.monotonic() + _LAG_LOOK_S
        while time.monotonic() < end:
            time.sleep(0.5)
            later = self._behind(group, topic)
            behind = {at: found for at, found in later.items() if at in behind and found[0] == behind[at][0]}
            if not behind:
                return None
        return sum(end - at for at, end in behind.values()), len(behind)

    def _behind(self, group: str, topic: str) -> dict[int, tuple[int, int]]:
        """By partition what is committed and where it ends, where these differ."""
        places = [TopicPartition(topic, at) for at in range(topics.PARTITIONS)]
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        committed = {each.partition: max(0, each.offset) for each in asked[group].result(_TIMEOUT_S).topic_partitions}
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        listed = self._admin.list_offsets(dict.fromkeys(places, latest))
        ends = {place.partition: future.result(_TIMEOUT_S).offset for place, future in listed.items()}
        return {at: (committed[at], ends[at]) for at in ends if committed.get(at, 0) < ends[at]}


def _in_words(acl: Any) -> str:
    prefix = "…" if acl.resource_pattern_type == ResourcePatternType.PREFIXED else ""
    return f"{acl.operation.name.lower()} {acl.restype.name.lower()} {acl.name}{prefix}"


class PostgresDoctor:
    """Looks at PostgreSQL as its superuser.

    Args:
        stack: whose servers they are.
        provinces: that take part.
        up: the command that provisions again.
    """

    def __init__(self, stack: Stack, provinces: tuple[str, ...], up: str) -> None:
        self._stack = stack
        self._provinces = provinces
        self._up = up
        self._databases = databases(provinces)
        self._servers: dict[str, PostgresAccess] = {}
        for each in self._databases:
            access = stack.postgres_of(each.name)
            self._servers[f"{access.host}:{access.port}"] = access

    def answers(self) -> list[Finding]:
        """Whether each server answers its superuser."""
        found = []
        for where, access in self._servers.items():
            try:
                asyncio.run(_ask(access.url, "SELECT 1"))
            except _FAILED as error:
                says = f"PostgreSQL at {where} does not answer: {_short(error)}"
                found.append(Finding("postgres", says, f"look at the end of {self._stack.log('postgres')}; then: {self._up}"))
        return found

    def server(self) -> list[Finding]:
        """Whether what is committed is durable, connections are left, and the clocks agree."""
        found = []
        for where, access in self._servers.items():
            found += asyncio.run(self._server(where, access))
        return found

    async def _server(self, where: str, access: PostgresAccess) -> list[Finding]:
        connection = await asyncpg.connect(access.url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
        try:
            settings = {
                row["name"]: row["setting"]
                for row in await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY ($1)", [*_DURABLE])
            }
            own = await connection.fetch("SELECT unnest(setconfig) AS setting FROM pg_db_role_setting")
            used = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            most = await connection.fetchval("SELECT current_setting('max_connections')::int")
            before = time.time()
            there = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
            after = time.time()
        finally:
            await connection.close()
        found = []
        off = sorted(f"{name} is {settings[name]}" for name, value in _DURABLE.items() if settings[name] != value)
        off += sorted(row["setting"] for row in own if row["setting"].partition("=")[0] in _DURABLE)
        if off:
            says = f"PostgreSQL at {where} may lose what it has committed: {', '.join(off)}"
            reset = "; ".join(f"ALTER SYSTEM RESET {name}" for name in _DURABLE if name in " ".join(off))
            remedy = f"as superuser: {reset}; SELECT pg_reload_conf()  (or reset the role or database it was set for)"
            found.append(Finding("postgres durability", says, remedy))
        if used > most * (1 - _CONNECTIONS_LEFT):
            says = f"PostgreSQL at {where} has {used} of {most} connections in use"
            found.append(
                Finding("postgres connections", says, "end what holds them (pg_stat_activity), or raise max_connections")
            )
        skew = there - (before + after) / 2
        if abs(skew) > _SKEW_S + (after - before):
            says = f"the clock of PostgreSQL at {where} differs from this machine's by {skew:+.0f} s"
            found.append(Finding("clock postgres", says, "let both machines follow the same time servers"))
        return found

    def roles(self) -> list[Finding]:
        """Whether every service may sign in to its databases with its password."""
        wanted = [(each.name, role) for each in self._databases for role in each.users]

        def look(database: str, role: str) -> Finding | None:
            file = self._stack.secrets.folder / f"password-postgres-{role}"
            password = file.read_text(encoding="ascii") if file.exists() else ""
            try:
                asyncio.run(_ask(self._stack.postgres_of(database).url_of(database, role, password), "SELECT 1"))
            except _FAILED as error:
                says = f"the role {role} cannot sign in to {database}: {_short(error)}"
                return Finding(f"role {role}", says, self._up)
            return None

        with ThreadPoolExecutor(8) as pool:
            found = [each for each in pool.map(lambda each: look(*each), wanted) if each is not None]
        return list({each.about: each for each in found}.values())

    def migrations(self) -> list[Finding]:
        """Whether every migration is applied as its file says."""
        found: list[Finding] = []
        for each in self._databases:
            found += asyncio.run(self._migrations(each))
        return found

    async def _migrations(self, database: ExpectedDatabase) -> list[Finding]:
        about = f"database {database.name}"
        try:
            rows = await _ask(self._url(database.name), "SELECT area, version, checksum FROM migrations.applied")
        except (asyncpg.InvalidCatalogNameError, asyncpg.UndefinedTableError):
            return [Finding(about, f"the database {database.name} is missing, or was never migrated", self._up)]
        applied = {(row["area"], row["version"]): row["checksum"] for row in rows}
        found = []
        missing = [each for each in database.migrations if (each.area, each.version) not in applied]
        if missing:
            shown = ", ".join(f"{each.area}/{each.version}" for each in missing)
            found.append(Finding(about, f"{database.name} lacks the migrations {shown}", f"{self._up}  (it applies them)"))
        edited = [each for each in database.migrations if applied.get((each.area, each.version), each.checksum) != each.checksum]
        if edited:
            shown = ", ".join(f"{each.area}/{each.version}" for each in edited)
            remedy = "restore the file as it was applied (git log -p on it), and write a new migration for the change"
            found.append(Finding(about, f"migrations of {database.name} were edited after they were applied: {shown}", remedy))
        return found

    def relays(self) -> list[Finding]:
        """Whether each service's relay leads, and nobody else holds its lock."""
        found = []
        for province in self._provinces:
            found += asyncio.run(self._relays(province))
        return found

    async def _relays(self, province: str) -> list[Finding]:
        rows = await _ask(
            self._url(f"province_{province}"),
            "SELECT (l.classid::bigint << 32) | l.objid::bigint AS key, a.pid, a.usename, a.application_name"
            "  FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1"
            "   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        holders = {row["key"]: row for row in rows}
        found = []
        for service in SERVICES:
            name, role = principal_name(province, service), service_role(province, service)
            holder = holders.get(lock_of(service.replace("-", "_")))
            because = (name, "kafka", "postgres", f"role {role}", f"database province_{province}", f"{name}/ready")
            if holder is None:
                says = f"no relay of {name} leads: nobody publishes its outbox"
                found.append(Finding(f"relay {name}", says, f"look what {name} waits for: jiexu status", because))
            elif holder["usename"] != role:
                who = f"process {holder['pid']} of PostgreSQL ({holder['usename']}, {holder['application_name'] or 'no name'})"
                says = f"a stranger holds the relay's lock of {name}: {who}; its outbox is not published"
                remedy = f"end that session: SELECT pg_terminate_backend({holder['pid']}) in province_{province}"
                found.append(Finding(f"relay {name}", says, remedy))
        return found

    def _url(self, database: str) -> str:
        access = self._stack.postgres_of(database)
        return access.url_of(database, access.username, access.password)


_FAILED = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


async def _ask(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S)
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()
