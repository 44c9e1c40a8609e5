"""Files of one tenant on a database, put into stores, and workers that do jobs when a test says so."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from multiturn.engine.asset_checks import AssetLimits
from multiturn.engine.assets import AssetHooks, Assets
from multiturn.engine.embedders import Embedders
from multiturn.engine.ingestion.equipment import Equipment, Stopped
from multiturn.engine.ingestion.ingestion import Ingestion
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.stores import KnowledgeStores
from multiturn.model.asset import Asset, AssetOrder
from multiturn.model.ids import new_id
from multiturn.model.job import Job, JobKind
from multiturn.model.knowledge import DocumentHits, Owner, SearchOrder
from multiturn.model.store import KnowledgeStoreInfo, StoreItem
from multiturn.observe import Metrics
from multiturn.store.assets import SqlAssetStore
from multiturn.store.blobs import DirectoryBlobs
from multiturn.store.database import Database
from multiturn.store.jobs import SqlJobStore
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.store.parts import SqlPartStore
from multiturn.store.stores import SqlStoreRegistry
from tests.contract.ports.scripted_readers import NoFetcher, ScriptedReaders
from tests.contract.ports.stores import HandClock

LIMITS = AssetLimits(
    upload_bytes_max=1 << 20,
    image_bytes_max=1 << 16,
    multipart_bytes_max=1 << 20,
    fetch_bytes_max=1 << 20,
    fetch_document_bytes_max=1 << 20,
)
CLAIM = timedelta(seconds=30)


class Indexing:
    """What a server has of a tenant's files and stores; ``equip`` changes what its workers have."""

    def __init__(self, database: Database, folder: Path, *, clock: HandClock | None = None) -> None:
        self.database = database
        self.folder = folder
        self.clock = clock or HandClock()
        self.tenant_id = new_id()
        self.readers = ScriptedReaders()
        self.jobs = SqlJobStore(database)
        self.parts = SqlPartStore(database)
        self.registry = SqlStoreRegistry(database)
        self.asset_store = SqlAssetStore(database)
        self.stores = KnowledgeStores(self.registry, self.asset_store, self.parts, self.clock, lambda: None)
        hooks = AssetHooks(drop_item=self.stores.delete_item)
        self.blobs = DirectoryBlobs(folder)
        self.files = Assets(self.asset_store, self.blobs, NoFetcher(), self.clock, LIMITS, hooks)
        self.knowledge = Knowledge(SqlKnowledgeStore(database), self.clock, Embedders(None))
        self.equip()

    def equip(self, **parts: Any) -> None:
        """Give the workers something else to work with."""
        self.equipment = Equipment(
            jobs=self.jobs,
            registry=self.registry,
            assets=self.asset_store,
            files=self.files,
            clock=self.clock,
            metrics=Metrics(),
            **{"readers": self.readers, "parts": self.parts, **parts},
        )
        self.ingestion = Ingestion(self.equipment)

    async def put_in(self, *lines: str, name: str = "notes.txt", **order: Any) -> Asset:
        """Put a file in: its kind, and its lines."""
        wanted = AssetOrder(method="direct", filename=name, **{"wants_thumbnail": False, **order})
        return await self.files.add(self.tenant_id, wanted, stream("\n".join(lines).encode()))

    async def make_ready(self, *lines: str, name: str = "notes.txt", **order: Any) -> Asset:
        """Put a file in that is looked at."""
        asset = await self.put_in(*lines, name=name, **order)
        await self.work("asset")
        return await self.find_asset(asset)

    async def find_asset(self, asset: Asset) -> Asset:
        """An asset as it stands now."""
        found = await self.asset_store.find(self.tenant_id, asset.id)
        assert found
        return found

    async def make_store(self, name: str = "shelf", **fields: Any) -> KnowledgeStoreInfo:
        """Make a store."""
        return await self.stores.create(self.tenant_id, name, **fields)

    async def add(self, store: KnowledgeStoreInfo, asset: Asset, **metadata: Any) -> StoreItem:
        """Put a file into a store."""
        return await self.stores.add_item(self.tenant_id, store.id, asset.id.hex, metadata=metadata)

    async def fill(self, store: KnowledgeStoreInfo, *lines: str, name: str = "notes.txt") -> StoreItem:
        """Put a document with these lines into a store, not indexed yet."""
        return await self.add(store, await self.make_ready("document", *lines, name=name))

    async def find_item(self, item: StoreItem) -> StoreItem:
        """An item as it stands now."""
        return (await self.registry.get_items(self.tenant_id, [item.id]))[item.id]

    async def find_asset_of(self, item: StoreItem) -> Asset:
        """The file of an item."""
        found = await self.asset_store.find(self.tenant_id, item.asset_id)
        assert found
        return found

    async def claim(self, kind: JobKind = "item", *, tenant_max: int = 10) -> Job | None:
        """Take a job."""
        return await self.jobs.claim(kind, self.clock(), self.clock() + CLAIM, tenant_max=tenant_max)

    async def do(self, job: Job) -> None:
        """Do a job as a worker does."""
        work = self.ingestion.open(job)
        verdict = None
        try:
            await work.run()
        except Stopped:
            pass
        except Exception as error:
            verdict = await work.settle(error)
        if verdict:
            await self.jobs.retry(job, self.clock() + verdict.after, counts=verdict.counts)
        else:
            await self.jobs.finish(job)

    async def work(self, kind: JobKind = "item", *, limit: int = 100) -> int:
        """Do the jobs that are due; tells how many."""
        done = 0
        while done < limit and (job := await self.claim(kind)):
            await self.do(job)
            done += 1
        return done

    async def index(self, item: StoreItem) -> StoreItem:
        """Do what is due; the item as it stands then."""
        await self.work()
        return await self.find_item(item)

    async def search(self, store: KnowledgeStoreInfo, text: str, **order: Any) -> DocumentHits:
        """Search in a store."""
        wanted = SearchOrder(text=text, **order)
        return await self.knowledge.search(self.tenant_id, [Owner("store", store.id)], wanted)

    async def count_chunks(self, store_id: UUID) -> int:
        """How many chunks a store says that it has."""
        store = await self.registry.find(self.tenant_id, store_id)
        assert store
        return store.chunks


async def stream(data: bytes) -> AsyncIterator[bytes]:
    """A file as it comes."""
    yield data
