"""Reads the named SQL of ``sql/*.sql`` and turns it into the words of one database.

A query is ``-- name: append_item``, comment lines that say why, and the statement. What the two databases do not
share is marked: ``/*postgres: FOR UPDATE */`` stands in PostgreSQL only (it is a comment to SQLite), and ``{now_ms}``
is the database's own clock, ``{each}`` a row for each member of the JSON list ``:values``, ``{ids}`` the same of ids
in 32 digits, ``{month}`` the first day of the month of the column ``day`` (both in days since 1970).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Literal

Dialect = Literal["sqlite", "postgres"]

WORDS: Mapping[Dialect, Mapping[str, str]] = {
    "sqlite": {
        "uuid": "BLOB",
        "int": "INTEGER",
        "bytes": "BLOB",
        "now_ms": "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
        "each": "json_each(:values)",
        "ids": "SELECT unhex(value) FROM json_each(:values)",
        "month": "unixepoch(day * 86400, 'unixepoch', 'start of month') / 86400",
    },
    "postgres": {
        "uuid": "uuid",
        "int": "bigint",
        "bytes": "bytea",
        "now_ms": "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
        "each": "json_array_elements_text(CAST(:values AS json))",
        "ids": "SELECT CAST(value AS uuid) FROM json_array_elements_text(CAST(:values AS json))",
        "month": "(date_trunc('month', DATE '1970-01-01' + day::int)::date - DATE '1970-01-01')::bigint",
    },
}
NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
PARAMETER = re.compile(r"(?<![:\w]):([a-z]\w*)")
POSTGRES_ONLY = re.compile(r"/\*postgres: (.*?)\*/", re.DOTALL)
COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)


def load_queries(dialect: Dialect) -> Mapping[str, str]:
    """Load every named query, with parameters as the driver of this database writes them."""
    queries: dict[str, str] = {}
    for path in sorted(files("multiturn.store").joinpath("sql").iterdir(), key=lambda path: path.name):
        queries |= read_queries(path.read_text("utf-8"), dialect)
    return queries


def read_queries(text: str, dialect: Dialect) -> dict[str, str]:
    """Read the named queries of one file."""
    parts = NAME.split(text)
    return {name: write_sql(body, dialect) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def write_sql(sql: str, dialect: Dialect) -> str:
    """Write one statement, or a script of them, in the words of a database."""
    sql = COMMENT.sub("", sql).strip().removesuffix(";")
    for word, meaning in WORDS[dialect].items():
        sql = sql.replace(f"{{{word}}}", meaning)
    if dialect == "postgres":
        sql = POSTGRES_ONLY.sub(r"\1", sql)
        sql = PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
    return sql


def load_migrations(dialect: Dialect) -> list[tuple[int, str]]:
    """Load the migrations as (version, script), oldest first; the version is the number in the file's name."""
    folder = files("multiturn.store").joinpath("migrations")
    names = sorted(path.name for path in folder.iterdir() if path.name.endswith(".sql"))
    return [(int(name[:4]), write_sql(folder.joinpath(name).read_text("utf-8"), dialect)) for name in names]
