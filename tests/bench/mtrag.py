"""Search on the MTRAG benchmark (pooled passages): whether a question in a conversation finds what answers it.

Each passage is a document of a store as the server keeps it, and a question is asked as a search with the questions
before it; nothing rewrites it. The vectors of the embedded model are made once and kept in a folder. The data is not
part of the project.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import log2
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from multiturn.engine.chunks import Outline
from multiturn.engine.document_search import list_forms, mix
from multiturn.engine.embedders import Embedders
from multiturn.engine.indexing import build_segments, store_segment
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.ports import Embedder
from multiturn.engine.search.index import Query, SearchOptions
from multiturn.engine.search.pieces import Span
from multiturn.engine.search.ranking import weigh_terms
from multiturn.engine.search.segment import with_vectors
from multiturn.engine.search.terms import TermReader
from multiturn.engine.store_search import StoreSearch, gather, score
from multiturn.engine.store_view import StoreView
from multiturn.model.ids import new_id
from multiturn.model.knowledge import KnowledgeItem, Owner, SearchOrder
from multiturn.store.keys import SqlKeyStore
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.store.sqlite import SqliteDatabase
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.model_files import ModelFiles, find_shared_dir
from tests.bench.baselines import Bm25, fuse_ranks, read_words
from tests.bench.recall import DATA, wait_for

Figures = dict[str, Any]
Kind = TypeVar("Kind")
Vectors = NDArray[np.float32]
FOLDER = Path("retrieval")
CORPORA = ("clapnq", "fiqa")
CACHE = Path(tempfile.gettempdir()) / "multiturn-bench"
SPEAKER = "|user|:"
DEPTH, HITS = 5, 50
BATCH = 256
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Passage(msgspec.Struct, frozen=True):
    """A passage of the corpus."""

    id: str
    title: str
    text: str

    @property
    def outline(self) -> Outline:
        """The passage as a document."""
        return Outline(self.title, [self.text])


class Asked(msgspec.Struct, frozen=True):
    """A question with those before it, as one line each, and the passages that answer it."""

    questions: str
    rewrite: str
    relevant: tuple[str, ...]

    @property
    def turns(self) -> list[str]:
        """What the user asked, the newest last."""
        return [line.removeprefix(SPEAKER).strip() for line in self.questions.split("\n") if line.startswith(SPEAKER)]

    @property
    def alone(self) -> str:
        """What a person made of it, to be understood alone."""
        return self.rewrite.removeprefix(SPEAKER).strip()

    def rate(self, ranked: Sequence[str]) -> tuple[float, float]:
        """Recall and nDCG among the best five."""
        best, wanted = list(dict.fromkeys(ranked))[:DEPTH], set(self.relevant)
        gain = sum(1 / log2(place + 2) for place, id_ in enumerate(best) if id_ in wanted)
        ideal = sum(1 / log2(place + 2) for place in range(min(DEPTH, len(wanted))))
        return len(wanted.intersection(best)) / len(wanted), gain / ideal


class RememberingEmbedder:
    """An embedder that looks up what was embedded before."""

    def __init__(self, embedder: Embedder, known: dict[str, Vectors]) -> None:
        self.embedder = embedder
        self.model = embedder.model
        self.known = known

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> Vectors:
        """Turn each text into a row of length 1."""
        missing = list(dict.fromkeys(text for text in texts if text not in self.known))
        for first in range(0, len(missing), BATCH):
            batch = missing[first : first + BATCH]
            rows = await wait_for(self.embedder.embed, batch)
            self.known.update(zip(batch, rows, strict=True))
        return np.array([self.known[text] for text in texts])

    async def embed_once(self, name: str, texts: Sequence[str]) -> None:
        """Embed texts, or read what an earlier measurement has made of the same."""
        digest = hashlib.sha256(msgspec.json.encode([self.model, list(texts)])).hexdigest()[:16]
        file = CACHE / f"{name}-{digest}.npy"
        if file.exists():
            self.known.update(zip(texts, np.load(file), strict=True))
            return
        rows = await self.embed(texts)
        CACHE.mkdir(exist_ok=True)
        np.save(file, rows)


@dataclass(frozen=True, slots=True)
class Corpus:
    """A corpus in a store of the server, and what is asked of it."""

    name: str
    passages: Sequence[Passage]
    asked: Sequence[Asked]
    knowledge: Knowledge
    embedder: RememberingEmbedder
    tenant_id: UUID
    owner: Owner

    async def look(self) -> StoreView:
        """The index that the server searches."""
        (state,) = await self.knowledge.store.find_stores(self.tenant_id, [self.owner])
        return (await self.knowledge.searching.indexes.open(self.tenant_id, state)).view

    async def ask(self, one: Asked) -> list[str]:
        """The passages that the server finds for a question in its conversation, the best first."""
        order = SearchOrder(text=one.turns[-1], earlier=tuple(one.turns[:-1]), limit=HITS)
        found = await self.knowledge.search(self.tenant_id, [self.owner], order)
        return [str(hit.item.metadata["id"]) for hit in found.hits]


async def measure_mtrag(data: Path = DATA) -> Figures:
    """Recall and nDCG among the best five passages, of simple methods and of ours, and what each part adds."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = ModelFiles(folder, shared_dir=find_shared_dir(os.environ))
        embedder = await stack.enter_async_context(open_embedder(EmbeddingsChoice(), files))
        if embedder is None:
            raise RuntimeError("embeddings are switched off")
        database = SqliteDatabase(folder / "bench.db")
        stack.push_async_callback(database.close)
        await database.migrate()
        known = RememberingEmbedder(embedder, {})
        corpora = [await fill(database, known, data, name) for name in CORPORA]
        return {corpus.name: await compare(corpus) for corpus in corpora}


async def fill(database: SqliteDatabase, embedder: RememberingEmbedder, data: Path, name: str) -> Corpus:
    """Put a corpus into a store, each passage as a document."""
    passages = read(data / FOLDER / f"mtrag-{name}-passages.jsonl.gz", Passage)
    asked = read(data / FOLDER / f"mtrag-{name}-queries.jsonl.gz", Asked)
    texts = dict.fromkeys(text for one in passages for text in list_texts(one))
    await embedder.embed_once(name, list(texts))
    tenant = await SqlKeyStore(database).ensure_tenant(name, NOW)
    owner, reader, store = Owner("user", tenant.default_user_id), TermReader(), SqlKnowledgeStore(database)
    for one in passages:
        segments = [
            with_vectors(segment, embedder.model, await embedder.embed(list_texts(one)))
            for segment in await build_segments(one.outline, reader)
        ]
        item = describe(one, tenant.id, owner, chunks=sum(map(len, segments)))
        stored = [store_segment(item, number, segment) for number, segment in enumerate(segments)]
        await store.add(tenant.id, item, one.id.encode(), stored, chunks_max=1_000_000)
    knowledge = Knowledge(store, lambda: NOW, Embedders(embedder))
    return Corpus(name, passages, asked, knowledge, embedder, tenant.id, owner)


def read(file: Path, kind: type[Kind]) -> list[Kind]:
    """The lines of a file."""
    decoder = msgspec.json.Decoder(kind)
    with gzip.open(file) as lines:
        return [decoder.decode(line) for line in lines]


def list_texts(passage: Passage) -> list[str]:
    """What the chunks of a passage are found by; fiqa has no titles."""
    outline = passage.outline
    return [outline.describe(Span(*span)).strip() for span in outline.list_chunks()]


def describe(passage: Passage, tenant_id: UUID, owner: Owner, *, chunks: int) -> KnowledgeItem:
    """The document of a passage."""
    return KnowledgeItem(
        id=new_id(),
        tenant_id=tenant_id,
        store_id=tenant_id,
        owner=owner,
        created_at=NOW,
        title=passage.title,
        content=passage.text,
        metadata={"id": passage.id},
        chunks=chunks,
    )


async def compare(corpus: Corpus) -> Figures:
    """Simple methods beside ours on one corpus."""
    began = perf_counter()
    ours = [one.rate(await corpus.ask(one)) for one in corpus.asked]
    took_ms = 1000 * (perf_counter() - began) / len(ours)
    return {
        "passages": len(corpus.passages),
        "questions": len(corpus.asked),
        "ours": average(ours),
        "search_ms": round(took_ms, 1),
        "baselines": await rate_baselines(corpus),
        "ablation": await rate_ways(corpus),
    }


def average(rated: Sequence[tuple[float, float]]) -> Figures:
    """The means over the questions."""
    return {"recall@5": round(fmean(one for one, _ in rated), 3), "ndcg@5": round(fmean(two for _, two in rated), 3)}


Scorer = Callable[[Asked], NDArray[np.float64]]


async def rate_baselines(corpus: Corpus) -> Figures:
    """Methods that need nothing of the server: BM25 over the passages, and the embedding model over their chunks."""
    words = Bm25([f"{one.title} {one.text}" for one in corpus.passages])
    chunks = [(row, text) for row, one in enumerate(corpus.passages) for text in list_texts(one)]
    rows, vectors = np.array([row for row, _ in chunks]), await corpus.embedder.embed([text for _, text in chunks])
    asked = dict.fromkeys(text for one in corpus.asked for text in (one.turns[-1], one.alone))
    known = dict(zip(asked, await corpus.embedder.embed(list(asked), is_query=True), strict=True))

    def near(text: str) -> NDArray[np.float64]:
        best = np.full(len(corpus.passages), -1.0)
        np.maximum.at(best, rows, vectors @ known[text])
        return best

    ways: Mapping[str, Scorer] = {
        "BM25, last turn": lambda one: words.score(one.turns[-1]),
        "BM25, weighted turns": lambda one: words.score_words(weigh_turns(one.turns)),
        "BM25, rewritten by a person": lambda one: words.score(one.alone),
        "MiniLM, last turn": lambda one: near(one.turns[-1]),
        "MiniLM, rewritten by a person": lambda one: near(one.alone),
        "RRF of BM25 and MiniLM, last turn": lambda one: fuse_ranks(words.score(one.turns[-1]), near(one.turns[-1])),
    }
    return {
        name: average([rate_scores(corpus, one, scorer(one)) for one in corpus.asked]) for name, scorer in ways.items()
    }


def weigh_turns(turns: Sequence[str]) -> dict[str, float]:
    """Words of the last turn 1, of the two before it 0.3, of the first 0.2."""
    weights: dict[str, float] = dict.fromkeys(read_words(turns[0]), 0.2)
    for text in turns[-3:-1]:
        weights |= dict.fromkeys(read_words(text), 0.3)
    return weights | dict.fromkeys(read_words(turns[-1]), 1.0)


def rate_scores(corpus: Corpus, one: Asked, scores: NDArray[np.float64]) -> tuple[float, float]:
    """Rate a score for each passage."""
    best = np.argsort(-scores, kind="stable")[:DEPTH].tolist()
    return one.rate([corpus.passages[row].id for row in best])


@dataclass(frozen=True, slots=True)
class Way:
    """A way to search with the server's parts: ours, unless something is changed.

    ``earlier`` is whether the turns before the last count, for words and for vectors; ``trusts_words`` lets words weigh
    the same whatever share of the question the best chunk holds; ``is_rewritten`` asks what a person made of it.
    """

    alpha: float = 0.5
    words_earlier: bool = True
    vectors_earlier: bool = True
    trusts_words: bool = False
    is_rewritten: bool = False


OURS = Way()
WAYS = {
    "words alone, last turn": Way(alpha=0.0, words_earlier=False),
    "words alone, with earlier turns": Way(alpha=0.0),
    "vectors alone, last turn": Way(alpha=1.0, vectors_earlier=False),
    "vectors alone, with earlier turns": Way(alpha=1.0),
    "both, last turn": Way(words_earlier=False, vectors_earlier=False, trusts_words=True),
    "+ words weigh by what they hold": Way(words_earlier=False, vectors_earlier=False),
    "+ earlier turns in words": Way(vectors_earlier=False),
    "+ earlier turns in vectors = ours": OURS,
    "ours, words weigh the same": replace(OURS, trusts_words=True),
    "ours, alpha 0.4": replace(OURS, alpha=0.4),
    "ours, alpha 0.6": replace(OURS, alpha=0.6),
    "ours, rewritten by a person": replace(OURS, words_earlier=False, vectors_earlier=False, is_rewritten=True),
}


async def rate_ways(corpus: Corpus) -> Figures:
    """What each part of ours adds."""
    view, reader = await corpus.look(), TermReader()
    figures: Figures = {}
    for name, way in WAYS.items():
        figures[name] = average([await rate_way(corpus, view, reader, way, one) for one in corpus.asked])
    return figures


async def rate_way(corpus: Corpus, view: StoreView, reader: TermReader, way: Way, one: Asked) -> tuple[float, float]:
    """Rate one question, searched in one way."""
    text, earlier = (one.alone, []) if way.is_rewritten else (one.turns[-1], one.turns[:-1])
    forms = list_forms(text, earlier if way.vectors_earlier else ())
    vector = mix(await corpus.embedder.embed([form for form, _ in forms], is_query=True), [share for _, share in forms])
    query = Query(
        terms=weigh_terms(reader, text, earlier if way.words_earlier else ()), vectors={corpus.embedder.model: vector}
    )
    options = SearchOptions(limit=HITS, alpha=way.alpha)
    pool, words_max = gather(StoreSearch(stores=[view], query=query, options=options))
    if not len(pool.rows):
        return one.rate([])
    scores = score(pool, options, float(pool.lexical.max()) if way.trusts_words else words_max)
    rows = pool.rows[np.argsort(-scores, kind="stable")].tolist()
    return one.rate([str(view.find_document(row).item.metadata["id"]) for row in rows])
