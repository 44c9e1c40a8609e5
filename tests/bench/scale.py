"""Search in large stores, and what a document costs that comes in: how long, and how much memory."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.embedders import Embedders
from multiturn.engine.indexing import SEGMENT_CHUNKS
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.search.index import Query, SearchOptions
from multiturn.engine.search.segment import IndexSegment, quantize
from multiturn.engine.store_index import INLINE_CHUNKS_MAX, SEGMENTS_PER_PAGE, StoreIndex, carry_out
from multiturn.engine.store_search import StoreSearch, search_stores
from multiturn.model.knowledge import DocumentSegment, KnowledgeItem, Owner, SearchOrder, SegmentChange
from multiturn.store.keys import SqlKeyStore
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.store.sqlite import SqliteDatabase
from multiturn.upstream.scripted_embedder import ScriptedEmbedder

Figures = dict[str, Any]
SIZES = (100_000, 1_000_000)
SEARCHES = 100
# English prose: a word's frequency falls with its rank, and a chunk of 1,000 characters has some 90 words that are
# looked for. With the sizes here a chunk holds about 70 different ones, the common ones of the query in a tenth of all.
WORDS, WORDS_PER_CHUNK = 300_000, 90
RANK_SHIFT, RANK_POWER = 30.0, 1.0
# Vectors as a model makes them: of many topics, near each other within one.
DIMENSIONS, TOPICS, TOPIC_SPREAD = 384, 5_000, 1.2
MODEL = "measured"
QUERY_WORDS, EARLIER_WORDS, EARLIER_WEIGHT = 6, 12, 0.3
PAGES, PAGE_CHARACTERS = 100, 3000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TENANT, STORE, ITEM = UUID(int=1), UUID(int=2), UUID(int=3)


class Corpus:
    """Makes chunks and questions with the statistics of prose, out of chance."""

    def __init__(self) -> None:
        self.chance = np.random.default_rng(7)
        shares = 1 / (np.arange(WORDS) + RANK_SHIFT) ** RANK_POWER
        self.until = np.cumsum(shares / shares.sum())
        self.terms = self.chance.permutation(1 << 24)[:WORDS].astype(np.uint32) * np.uint32(251)
        self.topics = self.chance.standard_normal((TOPICS, DIMENSIONS), dtype=np.float32)

    def draw_words(self, *shape: int) -> NDArray[np.intp]:
        """Words by their ranks."""
        return np.minimum(np.searchsorted(self.until, self.chance.random(shape), "right"), WORDS - 1)

    def draw_vectors(self, count: int) -> NDArray[np.float32]:
        """Vectors of unit length."""
        noise = self.chance.standard_normal((count, DIMENSIONS), dtype=np.float32)
        vectors = self.topics[self.chance.integers(0, TOPICS, count)] + np.float32(TOPIC_SPREAD) * noise
        normal: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        return normal

    def make_segment(self, first: int, count: int) -> IndexSegment:
        """A segment of so many chunks."""
        drawn = np.sort(self.draw_words(count, WORDS_PER_CHUNK), axis=1)
        is_first = np.ones_like(drawn, np.bool_)
        is_first[:, 1:] = drawn[:, 1:] != drawn[:, :-1]
        places = np.flatnonzero(is_first)
        return IndexSegment(
            numbers=np.arange(first, first + count, dtype=np.int32),
            starts=np.zeros(count, np.int32),
            ends=np.full(count, 1000, np.int32),
            lengths=np.full(count, WORDS_PER_CHUNK, np.int32),
            widths=is_first.sum(axis=1).astype(np.int32),
            terms=self.terms[drawn.ravel()[places]],
            counts=np.diff(np.append(places, drawn.size)).astype(np.uint8),
            vectors=quantize(MODEL, self.draw_vectors(count)),
        )

    def ask(self) -> Query:
        """A question in a conversation: its own words, and those of the turns before it."""
        earlier = {int(self.terms[word]): EARLIER_WEIGHT for word in self.draw_words(EARLIER_WORDS)}
        own = {int(self.terms[word]): 1.0 for word in self.draw_words(QUERY_WORDS)}
        return Query(terms=earlier | own, vectors={MODEL: self.draw_vectors(1)[0]})


async def measure_scale() -> Figures:
    """Hybrid searches in stores of many chunks, a thread each as the server does it: the whole search but for the
    embedding of the question and the text of the ten that are found.
    """
    return {f"{size} chunks": await measure_size(size) for size in SIZES}


async def measure_size(size: int) -> Figures:
    """Searches in one store."""
    corpus, before, held = Corpus(), read_memory(), StoreIndex()
    took_s = 0.0
    for changes in list_pages(corpus, size):
        began = perf_counter()
        await carry_out(held.apply, changes, is_long=len(held) > INLINE_CHUNKS_MAX)
        took_s += perf_counter() - began
    held.publish()
    questions = [corpus.ask() for _ in range(SEARCHES)]
    cpu_s = process_time()
    hybrid = [await time_search(held, query) for query in questions]
    cpu_s = process_time() - cpu_s
    new = list(list_pages(corpus, SEGMENT_CHUNKS, first=size))
    began = perf_counter()
    await carry_out(held.apply, new[0], is_long=True)
    held.publish()
    added_s = perf_counter() - began
    found = held.view.index.tables[MODEL]
    return {
        "search_ms": summarise(hybrid),
        "search_cpu_ms": round(1000 * cpu_s / SEARCHES, 1),
        "load": round(os.getloadavg()[0], 1),
        "words_alone_ms": summarise([await time_search(held, query, alpha=0.0) for query in questions]),
        "vectors_alone_ms": summarise([await time_search(held, query, alpha=1.0) for query in questions]),
        "nearest_10_found": round(float(np.mean([rate_nearest(found, query) for query in questions[:20]])), 3),
        "postings": sum(len(part.rows) for part in held.index.postings.sorted),
        "index_mb": round(held.size_bytes / 1e6),
        "process_grew_mb": round((read_memory() - before) / 1e6),
        "loading_s": round(took_s, 1),
        "taking_over_32_chunks_ms": round(1000 * added_s, 1),
    }


def list_pages(corpus: Corpus, size: int, *, first: int = 0) -> Iterator[Sequence[SegmentChange]]:
    """The segments of a store, a page at a time."""
    item = KnowledgeItem(
        id=ITEM, tenant_id=TENANT, store_id=STORE, owner=Owner("store", STORE), created_at=NOW, title="", content=""
    )
    page: list[SegmentChange] = []
    for begin in range(first, first + size, SEGMENT_CHUNKS):
        body = corpus.make_segment(begin, min(SEGMENT_CHUNKS, first + size - begin)).encode()
        number = begin // SEGMENT_CHUNKS
        segment = DocumentSegment(item_id=ITEM, number=number, model=MODEL, body=body, version=1)
        page.append(SegmentChange(segment=segment, item=item))
        if len(page) == SEGMENTS_PER_PAGE:
            yield page
            page = []
    if page:
        yield page


async def time_search(held: StoreIndex, query: Query, *, alpha: float = 0.5) -> float:
    """How long one search takes, in milliseconds."""
    began = perf_counter()
    search = StoreSearch(stores=[held.view], query=query, options=SearchOptions(limit=10, alpha=alpha))
    await carry_out(search_stores, search, is_long=len(held) > INLINE_CHUNKS_MAX)
    return 1000 * (perf_counter() - began)


def rate_nearest(table: Any, query: Query) -> float:
    """The share of the ten nearest vectors that are among the hundred candidates."""
    vector = query.vectors[MODEL]
    nearest = set(np.argsort(-table.compare(vector))[:10].tolist())
    found, _ = table.find_nearest(vector, 100, None)
    return len(nearest.intersection(found.tolist())) / len(nearest)


def summarise(times_ms: Sequence[float]) -> Mapping[str, float]:
    """The median and the 95th part of a hundred."""
    return {"p50": round(float(np.percentile(times_ms, 50)), 1), "p95": round(float(np.percentile(times_ms, 95)), 1)}


def read_memory() -> int:
    """The memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def measure_adding() -> Figures:
    """A document of 100 pages that comes into a store on SQLite: until it is stored, and until it is found."""
    with tempfile.TemporaryDirectory() as folder:
        database = SqliteDatabase(Path(folder) / "bench.db")
        await database.migrate()
        tenant = await SqlKeyStore(database).ensure_tenant("bench", NOW)
        owner, embedder = Owner("user", tenant.default_user_id), ScriptedEmbedder(dimensions=DIMENSIONS)
        knowledge = Knowledge(SqlKnowledgeStore(database), lambda: NOW, Embedders(embedder))
        added = await add_pages(knowledge, tenant.id, owner)
        await database.close()
    return added


async def add_pages(knowledge: Knowledge, tenant_id: UUID, owner: Owner) -> Figures:
    """Add one document of many pages, with vectors that cost nothing."""
    corpus = Corpus()
    pages = [write_page(corpus, number) for number in range(PAGES)]
    began = perf_counter()
    item = await knowledge.add(tenant_id, owner, title="A long document", content=pages, metadata={})
    stored_s = perf_counter() - began
    while await knowledge.embed_due():
        await asyncio.sleep(0)
    embedded_s = perf_counter() - began
    found = await knowledge.search(tenant_id, [owner], SearchOrder(text=f"page{PAGES - 1}", mode="text"))
    return {
        "chunks": item.chunks,
        "stored_s": round(stored_s, 2),
        "with_vectors_s": round(embedded_s, 2),
        "found_s": round(perf_counter() - began, 2),
        "is_found": found.hits[0].part == PAGES - 1,
    }


def write_page(corpus: Corpus, number: int) -> str:
    """A page of prose with a word of its own."""
    words = [f"w{word}" for word in corpus.draw_words(PAGE_CHARACTERS // 6).tolist()]
    sentences = [" ".join(words[first : first + 15]) for first in range(0, len(words), 15)]
    return f"page{number} " + ". ".join(sentences) + ".\n"
