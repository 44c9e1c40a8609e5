"""Looking at a database from outside, without changing it: its version, and its clock."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import apsw
import psycopg
from msgspec import Struct

from multiturn.errors import SettingsError
from multiturn.store.queries import load_migrations

CONNECT_TIMEOUT_S = 5


class Survey(Struct, frozen=True, kw_only=True):
    """A database as it stands: its version, 0 for one without tables, and the newest that this code knows."""

    version: int
    newest: int
    clock: datetime


def survey_sqlite(path: Path) -> Survey:
    """Look at a SQLite file, whoever has it open. Raises SettingsError when it is none."""
    newest = load_migrations("sqlite")[-1][0]
    version = read_user_version(path) if path.exists() else 0
    return Survey(version=version, newest=newest, clock=datetime.now(UTC))


def read_user_version(path: Path) -> int:
    """Read the version of a file. One without a log is read as it is: opening it would make a log beside it."""
    kind = "mode=ro" if Path(f"{path}-wal").exists() else "mode=ro&immutable=1"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    try:
        connection = apsw.Connection(f"file:{quote(str(path.absolute()))}?{kind}", flags=flags)
        try:
            return int(connection.pragma("user_version"))
        finally:
            connection.close()
    except apsw.Error as error:
        raise SettingsError(f"The database file {path} cannot be read: {error}.", code="database_unusable") from error


async def survey_postgres(url: str) -> Survey:
    """Look at a PostgreSQL database. Raises SettingsError when it cannot be reached."""
    newest = load_migrations("postgres")[-1][0]
    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            found = await (
                await connection.execute("SELECT clock_timestamp(), to_regclass('schema_version')")
            ).fetchone()
            clock, table = found or (datetime.now(UTC), None)
            row = (
                await (await connection.execute("SELECT max(version) FROM schema_version")).fetchone()
                if table
                else None
            )
    except psycopg.Error as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SettingsError(f"PostgreSQL cannot be reached: {text}.", code="database_unusable") from error
    return Survey(version=(row and row[0]) or 0, newest=newest, clock=clock.astimezone(UTC))
