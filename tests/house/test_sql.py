"""Every named query on tenants' data names its tenant, or is on the list of those that look across."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.house.tree import PACKAGE, ROOT, name_of

ALLOWED = ROOT / "tests" / "house" / "across_tenants.txt"
TABLE = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+) \((.*?)^\)", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
COMMENT = re.compile(r"^-- .*$", re.MULTILINE)
TENANT = re.compile(r"(?<!:):tenant_id\b")
ACROSS = re.compile(r"^-- across tenants: \S", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One named query: its comment lines, and the statement below them."""

    name: str
    place: str
    comment: str
    sql: str

    @property
    def is_on_tenant_data(self) -> bool:
        return not TENANT_TABLES.isdisjoint(re.findall(r"\w+", self.sql))

    @property
    def is_across_tenants(self) -> bool:
        return ACROSS.search(self.comment) is not None


def find_tenant_tables() -> set[str]:
    """Find the tables whose rows belong to a tenant, and the table of tenants itself."""
    scripts = sorted((PACKAGE / "store" / "migrations").glob("*.sql"))
    tables = [table for path in scripts for table in TABLE.findall(path.read_text("utf-8"))]
    return {"tenants"} | {name for name, columns in tables if re.search(r"\btenant_id\b", columns)}


def read_queries() -> list[Query]:
    queries: list[Query] = []
    for path in sorted((PACKAGE / "store" / "sql").glob("*.sql")):
        parts = NAME.split(path.read_text("utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            comment = "\n".join(COMMENT.findall(text))
            sql = COMMENT.sub("", text).strip()
            queries.append(Query(name=name, place=name_of(path), comment=comment, sql=sql))
    return queries


TENANT_TABLES = find_tenant_tables()
QUERIES = read_queries()


def named(query: Query) -> str:
    return query.name


def test_queries_and_tables_are_found() -> None:
    assert {"tenants", "sessions", "items", "runs"} <= TENANT_TABLES
    assert any(query.is_on_tenant_data for query in QUERIES)


def test_queries_are_named_once() -> None:
    names = [query.name for query in QUERIES]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("query", QUERIES, ids=named)
def test_query_says_why_and_ends(query: Query) -> None:
    assert query.comment, f"{query.place}: {query.name} has no comment that says why"
    assert query.sql.endswith(";"), f"{query.place}: {query.name} does not end in a semicolon"


@pytest.mark.parametrize("query", QUERIES, ids=named)
def test_query_names_its_tenant(query: Query) -> None:
    is_held = not query.is_on_tenant_data or query.is_across_tenants or TENANT.search(query.sql)
    assert is_held, f"{query.place}: {query.name} must name :tenant_id, or say '-- across tenants: why'"


def test_queries_across_tenants_are_those_on_the_list() -> None:
    allowed = [line for line in ALLOWED.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    assert allowed == sorted(query.name for query in QUERIES if query.is_across_tenants)
