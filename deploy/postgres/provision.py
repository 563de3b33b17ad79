"""Brings a PostgreSQL cluster to the state that is asked for: roles with their passwords, databases and who may connect.

What a role may do with a table is granted by the migration that makes the table. Running it again changes nothing.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_ITERATIONS = 4096  # PostgreSQL's own default
# An arbitrary number that everybody who provisions this cluster takes; "jiexu" in ASCII.
_LOCK = int.from_bytes(b"jiexu", "big")


@dataclass(frozen=True)
class Role:
    """A role that may sign in with this password, and by itself may do nothing more. Roles belong to the whole cluster."""

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Database:
    """A database, the role that owns it and runs its migrations, and the other roles that may connect to it."""

    name: str
    owner: str
    users: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """Roles and databases that belong together."""

    roles: tuple[Role, ...]
    databases: tuple[Database, ...]


def province_layout(code: str, services: Iterable[str], password: Callable[[str], str]) -> Layout:
    """The databases `province_<code>` and `keys_<code>`, their owner and a role a service, such as `p44_origin_agency`.

    `password` is asked for the password of each role by its name.
    """
    owner = owner_role(code)
    users = tuple(service_role(code, service) for service in services)
    return Layout(
        roles=tuple(Role(name, password(name)) for name in (owner, *users)),
        databases=(Database(f"province_{code}", owner, users), Database(f"keys_{code}", owner, users)),
    )


def bank_layout(password: Callable[[str], str]) -> Layout:
    """The database `bank`, its owner `bank_owner` and the role `bank` of the service; `password` as for a province."""
    return Layout(
        roles=(Role("bank_owner", password("bank_owner")), Role("bank", password("bank"))),
        databases=(Database("bank", "bank_owner", ("bank",)),),
    )


def service_role(code: str, service: str) -> str:
    """The role of a province's service: `p44_origin_agency` for `origin-agency` of 44."""
    return f"p{code}_{service.replace('-', '_')}"


def owner_role(code: str) -> str:
    """The role that owns a province's databases and runs their migrations."""
    return f"p{code}_owner"


def database_url(admin_url: str, database: str, *, role: str | None = None, password: str | None = None) -> str:
    """The same server's URL for another database and, if given, another role."""
    parts = urlsplit(admin_url)
    where = parts.netloc
    if role is not None:
        where = f"{quote(role, safe='')}:{quote(password or '', safe='')}@{where.rpartition('@')[2]}"
    return urlunsplit((parts.scheme, where, f"/{quote(database, safe='')}", parts.query, ""))


async def provision(admin_url: str, *, roles: Sequence[Role], databases: Sequence[Database]) -> None:
    """Bring roles and databases to what is given, as a superuser whose URL is `postgresql://user:password@host:port/postgres`.

    Roles and databases that are not named stay as they are. To a named database exactly its owner and `users` may connect
    afterwards, and nobody but a superuser may create anything in its schema `public`.
    Raises `ValueError` for a name or password that is not plain, and asyncpg's errors for what the server refuses.
    """
    for name in [role.name for role in roles] + [database.name for database in databases]:
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no plain name of a role or database")
    connection = await asyncpg.connect(admin_url)
    try:
        # Held by the session, because a database cannot be created inside a transaction. The end of the session frees it.
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await _provision_roles(connection, roles)
        for database in databases:
            await _provision_database(connection, database)
            await _close_public_schema(database_url(admin_url, database.name))
    finally:
        await connection.close()


async def close_maintenance_databases(admin_url: str) -> None:
    """Let only superusers connect to `postgres` and `template1` of a server of our own, to which PUBLIC may from birth."""
    connection = await asyncpg.connect(admin_url)
    try:
        for database in ("postgres", "template1"):
            await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
    finally:
        await connection.close()


async def _provision_roles(connection: "asyncpg.Connection[asyncpg.Record]", roles: Sequence[Role]) -> None:
    names = [role.name for role in roles]
    known = await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1::text[])", names)
    existing = {row["rolname"] for row in known}
    for role in roles:
        if role.name not in existing:
            await _execute(connection, "CREATE ROLE %I", role.name)
        await _execute(
            connection,
            "ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD %L",
            role.name,
            _verifier(role.password),
        )


async def _provision_database(connection: "asyncpg.Connection[asyncpg.Record]", database: Database) -> None:
    owner = await connection.fetchval("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = $1", database.name)
    if owner is None:
        await _execute(connection, "CREATE DATABASE %I OWNER %I", database.name, database.owner)
    elif owner != database.owner:
        await _execute(connection, "ALTER DATABASE %I OWNER TO %I", database.name, database.owner)
    await _execute(connection, "REVOKE ALL ON DATABASE %I FROM PUBLIC", database.name)
    grantees = await connection.fetch(
        """
        SELECT DISTINCT pg_get_userbyid(held.grantee) AS name
          FROM pg_database, aclexplode(datacl) AS held
         WHERE datname = $1
           AND held.grantee NOT IN (0, datdba)
        """,
        database.name,
    )
    held = {row["name"] for row in grantees}
    for name in sorted(held - set(database.users)):
        await _execute(connection, "REVOKE ALL ON DATABASE %I FROM %I", database.name, name)
    for name in sorted(set(database.users) - held):
        await _execute(connection, "GRANT CONNECT ON DATABASE %I TO %I", database.name, name)


async def _close_public_schema(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        owner = await connection.fetchval("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'public'")
        if owner is None:
            return
        # From PostgreSQL 15 on it belongs to whoever owns the database, who could then grant himself everything.
        await connection.execute("ALTER SCHEMA public OWNER TO CURRENT_USER")
        await connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    finally:
        await connection.close()


async def _execute(connection: "asyncpg.Connection[asyncpg.Record]", template: str, *names: str) -> None:
    """Run a statement that takes no parameters; the server itself quotes what is put in for %I and %L."""
    statement = await connection.fetchval("SELECT format($1, VARIADIC $2::text[])", template, list(names))
    await connection.execute(statement)


def _verifier(password: str) -> str:
    """What PostgreSQL stores for a password (RFC 5803). Made here, so that no server log can ever hold the password."""
    if not password or not password.isascii() or not password.isprintable():
        raise ValueError("a password here is printable ASCII, which SCRAM leaves as it is")
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"
