"""Apply SQL migrations in order, under a lock, with checksums. The file format is dbmate's."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

_LOCK = 7_301_001  # one migrator a database


class MigrationChanged(RuntimeError):
    """An applied migration file was edited afterwards; write a new one instead."""


@dataclass(frozen=True, slots=True)
class Area:
    """A folder of migrations; `values` fill `{name}` placeholders, so one folder can serve several schemas."""

    name: str
    folder: Path
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its area, its number and the SQL to run."""

    area: str
    version: str
    sql: str
    checksum: str


def read(area: Area) -> list[Migration]:
    """The migrations of an area in the order of their names."""
    found = []
    for file in sorted(area.folder.glob("*.sql")):
        sql = file.read_text(encoding="utf-8").split("-- migrate:down")[0].replace("-- migrate:up", "")
        for name, value in area.values:
            sql = sql.replace("{" + name + "}", value)
        found.append(Migration(area.name, file.stem, sql, hashlib.sha256(sql.encode()).hexdigest()))
    return found


async def migrate(url: str, areas: Sequence[Area]) -> list[str]:
    """Apply what is missing, each file in its own transaction; returns `area/version` of those applied.

    Raises:
        MigrationChanged: when a file that was applied has another checksum now.
    """
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await connection.execute("CREATE SCHEMA IF NOT EXISTS migrations")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations.applied (area text, version text, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT clock_timestamp(), PRIMARY KEY (area, version))"
        )
        known = {
            (row["area"], row["version"]): row["checksum"]
            for row in await connection.fetch("SELECT area, version, checksum FROM migrations.applied")
        }
        done = []
        for area in areas:
            for migration in read(area):
                applied = known.get((migration.area, migration.version))
                if applied == migration.checksum:
                    continue
                if applied is not None:
                    raise MigrationChanged(f"{migration.area}/{migration.version} was edited after it was applied")
                async with connection.transaction():
                    await connection.execute(migration.sql)
                    await connection.execute(
                        "INSERT INTO migrations.applied (area, version, checksum) VALUES ($1, $2, $3)",
                        migration.area,
                        migration.version,
                        migration.checksum,
                    )
                done.append(f"{migration.area}/{migration.version}")
        return done
    finally:
        await connection.close()
