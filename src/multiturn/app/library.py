"""Files and knowledge stores: where they are kept, who reads them, and what can be asked of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from multiturn.app.stores import Stores, read_clock
from multiturn.config import Settings
from multiturn.engine.asset_checks import AssetLimits
from multiturn.engine.assets import AssetHooks, Assets
from multiturn.engine.ingestion.equipment import Equipment
from multiturn.engine.ingestion.extractor import ModelExtractor
from multiturn.engine.ingestion.ingestion import Ingestion
from multiturn.engine.links import Links
from multiturn.engine.ports import Embedder, Upstream
from multiturn.engine.ports_assets import Blobs
from multiturn.engine.ports_ingestion import Describer, Extractor, Transcriber
from multiturn.engine.speech import Speech
from multiturn.engine.stores import KnowledgeStores
from multiturn.engine.uploads import Uploads
from multiturn.ingest.processes import ReaderLimits, ReaderProcesses
from multiturn.observe import Metrics
from multiturn.store.blobs import DirectoryBlobs
from multiturn.store.object_blobs import ObjectBlobs, open_bucket
from multiturn.upstream.addresses import is_public
from multiturn.upstream.fetch import FetchLimits, HttpFetcher
from multiturn.upstream.speech_model import SpeechModel
from multiturn.worker.indexers import Indexers, IndexLimits

# Two at a time where nothing is said: a note is not to wait for an hour of video. Readers give way to turns (nice).
INDEX_WORKERS = 2
READER_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What handles files and knowledge stores. ``indexers`` read and index what is put in, once they have begun."""

    assets: Assets
    uploads: Uploads
    links: Links
    speech: Speech
    stores: KnowledgeStores
    indexers: Indexers


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingModels:
    """What files are read with, besides the readers themselves; each may be missing."""

    embedder: Embedder | None = None
    speech: SpeechModel | None = None
    transcriber: Transcriber | None = None
    describer: Describer | None = None
    extractor: Extractor | None = None


class Bell:
    """Wakes the workers, which are made after those who ring."""

    def __init__(self) -> None:
        self.wake: Callable[[], None] = lambda: None

    def __call__(self) -> None:
        """There is something to do."""
        self.wake()


async def open_library(settings: Settings, stores: Stores, models: ReadingModels, metrics: Metrics) -> Library:
    """Open where files are kept and who reads them. Raises SettingsError."""
    bell = Bell()
    knowledge_stores = KnowledgeStores(stores.registry, stores.assets, stores.parts, read_clock, bell)
    hooks = AssetHooks(drop_item=knowledge_stores.drop_item, wake=bell)
    fetcher = HttpFetcher(
        FetchLimits(total_s=settings.fetch_s),
        is_allowed=(lambda _: True) if settings.fetch_private else is_public,
    )
    assets = Assets(stores.assets, open_blobs(settings), fetcher, read_clock, asset_limits(settings), hooks)
    secret = await stores.secrets.find_or_make("links")
    links = Links(secret, read_clock, life_s=settings.links_life_s, public_url=settings.public_url)
    uploads = Uploads(stores.uploads, assets, links, read_clock)
    indexers = Indexers(
        stores.jobs,
        Ingestion(make_equipment(settings, stores, models, assets, metrics)),
        index_limits(settings),
        clock=read_clock,
        metrics=metrics,
        chores=(assets.tidy, uploads.expire),
    )
    bell.wake = indexers.wake
    return Library(
        assets=assets,
        uploads=uploads,
        links=links,
        speech=Speech(stores.assets, stores.parts),
        stores=knowledge_stores,
        indexers=indexers,
    )


def make_equipment(
    settings: Settings, stores: Stores, models: ReadingModels, assets: Assets, metrics: Metrics
) -> Equipment:
    """What files are read with."""
    speech = models.speech
    readers = ReaderProcesses(
        ReaderLimits(reader_s=settings.reader_s, bytes_max=settings.reader_bytes_max, threads=READER_THREADS),
        find_speech_model=speech.find if speech else lambda: None,
    )
    return Equipment(
        jobs=stores.jobs,
        parts=stores.parts,
        registry=stores.registry,
        assets=stores.assets,
        files=assets,
        readers=readers,
        clock=read_clock,
        metrics=metrics,
        embedder=models.embedder,
        describer=models.describer,
        transcriber=models.transcriber,
        extractor=models.extractor,
        is_speech_coming=lambda: speech is not None and speech.find() is None and speech.state().state != "missing",
        tries_max=settings.index_tries,
    )


def make_extractor(settings: Settings, upstream: Upstream, default_model: str | None) -> Extractor | None:
    """The model that is asked about items: the one that writes summaries, else the default one."""
    model = settings.summary_model or default_model
    return ModelExtractor(upstream, model, summarises=settings.item_summaries == "model") if model else None


def open_blobs(settings: Settings) -> Blobs:
    """Where files are kept. Raises SettingsError."""
    if settings.files_url is None:
        return DirectoryBlobs(settings.data_dir / "files")
    is_http = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return ObjectBlobs(open_bucket(settings.files_url, is_http=is_http))


def asset_limits(settings: Settings) -> AssetLimits:
    """The largest files."""
    return AssetLimits(
        upload_bytes_max=settings.upload_bytes_max,
        image_bytes_max=settings.image_bytes_max,
        multipart_bytes_max=settings.multipart_bytes_max,
        fetch_bytes_max=settings.fetch_bytes_max,
        fetch_document_bytes_max=settings.fetch_document_bytes_max,
    )


def index_limits(settings: Settings) -> IndexLimits:
    """How much is read and indexed at the same time."""
    workers = INDEX_WORKERS if settings.index_workers is None else settings.index_workers
    return IndexLimits(workers=workers, tenant_max=settings.index_tenant_max, is_alone=settings.is_sqlite)
