"""Everything that is kept in the database."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module

from multiturn.config import Settings
from multiturn.store.agents import SqlAgentStore
from multiturn.store.approvals import SqlApprovalStore
from multiturn.store.assets import SqlAssetStore, SqlSecretStore
from multiturn.store.contexts import SqlContextStore
from multiturn.store.database import Database
from multiturn.store.jobs import SqlJobStore
from multiturn.store.keys import SqlKeyStore
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.store.overviews import SqlOverviewStore
from multiturn.store.parts import SqlPartStore
from multiturn.store.prepared import SqlPreparedStore
from multiturn.store.quotas import SqlQuotaStore
from multiturn.store.retention import SqlRetentionStore, SqlServerStore
from multiturn.store.run_listings import SqlRunListingStore
from multiturn.store.runs import SqlRunStore
from multiturn.store.sessions import SqlItemStore, SqlSessionStore
from multiturn.store.sqlite import SqliteDatabase
from multiturn.store.stores import SqlStoreRegistry
from multiturn.store.tenants import SqlTenantStore
from multiturn.store.transfer import SqlTransferStore
from multiturn.store.turns import SqlTurnStore
from multiturn.store.uploads import SqlUploadStore
from multiturn.store.usage import SqlUsageStore
from multiturn.store.users import SqlUserStore


def read_clock() -> datetime:
    """The time, aware and in UTC, in whole milliseconds as it is stored."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


async def open_database(settings: Settings, stack: AsyncExitStack) -> Database:
    """Open the database and bring its tables to this version."""
    database: Database
    if settings.is_sqlite:
        settings.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
        database = SqliteDatabase(settings.sqlite_path)
    else:
        # Loaded here: its driver is a tenth of a start, and SQLite needs none of it.
        postgres = import_module("multiturn.store.postgres")
        database = postgres.PostgresDatabase(
            settings.database_url or "", connections_max=settings.database_connections_max
        )
    stack.push_async_callback(database.close)
    await database.migrate()
    return database


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything that is kept in the database."""

    turns: SqlTurnStore
    approvals: SqlApprovalStore
    items: SqlItemStore
    runs: SqlRunStore
    run_listings: SqlRunListingStore
    sessions: SqlSessionStore
    contexts: SqlContextStore
    retention: SqlRetentionStore
    agents: SqlAgentStore
    users: SqlUserStore
    tenants: SqlTenantStore
    knowledge: SqlKnowledgeStore
    registry: SqlStoreRegistry
    prepared: SqlPreparedStore
    parts: SqlPartStore
    assets: SqlAssetStore
    uploads: SqlUploadStore
    jobs: SqlJobStore
    secrets: SqlSecretStore
    transfer: SqlTransferStore
    overviews: SqlOverviewStore
    usage: SqlUsageStore
    keys: SqlKeyStore
    quotas: SqlQuotaStore
    servers: SqlServerStore


def open_stores(database: Database) -> Stores:
    """The stores over one database."""
    return Stores(
        turns=SqlTurnStore(database),
        approvals=SqlApprovalStore(database),
        items=SqlItemStore(database),
        runs=SqlRunStore(database),
        run_listings=SqlRunListingStore(database),
        sessions=SqlSessionStore(database),
        contexts=SqlContextStore(database),
        retention=SqlRetentionStore(database),
        agents=SqlAgentStore(database),
        users=SqlUserStore(database),
        tenants=SqlTenantStore(database),
        knowledge=SqlKnowledgeStore(database),
        registry=SqlStoreRegistry(database),
        prepared=SqlPreparedStore(database),
        parts=SqlPartStore(database),
        assets=SqlAssetStore(database),
        uploads=SqlUploadStore(database),
        jobs=SqlJobStore(database),
        secrets=SqlSecretStore(database),
        transfer=SqlTransferStore(database),
        overviews=SqlOverviewStore(database),
        usage=SqlUsageStore(database),
        keys=SqlKeyStore(database),
        quotas=SqlQuotaStore(database),
        servers=SqlServerStore(database),
    )
