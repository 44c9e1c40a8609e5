"""Search in documents: by words, by vectors, or both, for whoever asks and for turns."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from multiturn.engine.embedders import Embedders
from multiturn.engine.metadata import check_object
from multiturn.engine.places import narrow
from multiturn.engine.ports_knowledge import KnowledgeStore, Reranker
from multiturn.engine.search.index import Query, SearchOptions
from multiturn.engine.search.ranking import weigh_terms
from multiturn.engine.search.terms import TermReader
from multiturn.engine.store_index import INLINE_CHUNKS_MAX, StoreIndexes, carry_out
from multiturn.engine.store_search import Found, StoreSearch, find_models, read_vectors, search_stores
from multiturn.engine.store_view import Limits, StoreView, limits_of
from multiturn.errors import InvalidRequest, MultiturnError, Unavailable, UpstreamError
from multiturn.model.knowledge import DocumentHit, DocumentHits, Owner, Piece, SearchOrder
from multiturn.model.policy import RecallOptions, SearchMode
from multiturn.model.retrieved import Snippet

log = logging.getLogger(__name__)

# Who reads a ranked list page by page asks for all of it until there; other dialects have smaller limits of their own.
LIMIT_MAX = 501
TEXT_CHARS_MAX = 10_000
VECTOR_NUMBERS_MAX = 8192
# Who searches waits for the embedder; a turn does not wait long, and not long for all of it.
SEARCH_EMBED_S = 10.0
TURN_EMBED_S = 0.6
TURN_S = 1.0
# A chunk that shares no word with a turn and is no nearer than this was found only because nothing else was there:
# with the embedded model texts about different things have cosines up to about here.
RELATED_MIN = 0.2
# So many of the best are looked at again by a reranker; a turn waits for it no longer than for the embedder.
RERANKED_MAX = 30
RERANK_S = 10.0
TURN_RERANK_S = 0.6
# What the meaning of a question behind the one before it, and behind all before it, weighs beside that of the question
# alone (docs/decisions/retrieval.md). So much is read of what was before: small models read some 1,000 characters.
BEHIND_ONE, BEHIND_ALL = 0.4, 0.3
EARLIER_CHARS_MAX = 700
# Who says what the stores said before is not asked again.
MACHINES = ("assistant", "tool", "system")

Vector = NDArray[np.float32]


class Ask(Struct, frozen=True, kw_only=True):
    """A search: the order's text is looked for, and embedded for at most ``embed_s``.

    ``is_strict``: a search by vectors that has none fails; another goes by words.
    """

    order: SearchOrder
    embed_s: float
    is_strict: bool

    @property
    def text(self) -> str:
        """What is looked for."""
        return self.order.text or ""


class DocumentSearch:
    """Searches in the stores of documents."""

    def __init__(
        self,
        store: KnowledgeStore,
        indexes: StoreIndexes,
        embedders: Embedders,
        reranker: Reranker | None = None,
    ) -> None:
        self.store = store
        self.indexes = indexes
        self.reader = TermReader()
        self.embedders = embedders
        self.reranker = reranker
        self.model = embedders.current.model if embedders.current else None

    async def search(self, tenant_id: UUID, owners: Sequence[Owner], order: SearchOrder) -> DocumentHits:
        """Search in the documents of these owners. Raises InvalidRequest, Unavailable (``embeddings_unavailable``)."""
        check_order(order)
        if order.mode == "vector" and order.vector is None and self.model is None:
            raise embeddings_unavailable("they are switched off")
        return await self._answer(tenant_id, owners, Ask(order=order, embed_s=SEARCH_EMBED_S, is_strict=True))

    async def retrieve(
        self, tenant_id: UUID, owners: Sequence[Owner], messages: Sequence[tuple[str, str]], options: RecallOptions
    ) -> Sequence[DocumentHit]:
        """Find what a turn needs. Never fails, and takes about a second at most."""
        spoken = [(speaker, text) for speaker, text in messages if text.strip()][-options.messages :]
        if not spoken:
            return ()
        ask = Ask(order=order_of(options, spoken), embed_s=TURN_EMBED_S, is_strict=False)
        try:
            async with asyncio.timeout(TURN_S):
                found = await self._answer(tenant_id, owners, ask)
        except (MultiturnError, TimeoutError) as error:
            log.warning("a turn goes on without its documents: %s", error or "the search takes its time")
            return ()
        return [hit for hit in found.hits if options.confidence is not None or is_related(hit)]

    async def read_chunks(
        self, tenant_id: UUID, owner: Owner, item_id: UUID, *, chunk: int | None = None, limit: int = 100
    ) -> Sequence[DocumentHit]:
        """A chunk of a document by its number, or all of them in their order, at most ``limit``; without scores."""
        found: list[Found] = []
        for state in await self.store.find_stores(tenant_id, [owner]):
            view = (await self.indexes.open(tenant_id, state)).view
            mask = view.allow(Limits(item_ids=frozenset([item_id])))
            rows: list[int] = [] if mask is None else np.flatnonzero(mask).tolist()
            numbered = sorted((int(view.index.numbers[row]), row) for row in rows)
            found += [Found(view, row, 0.0, 0.0, None) for number, row in numbered if chunk in (None, number)]
        return await self._describe(tenant_id, found[:limit], SearchOrder())

    async def _answer(self, tenant_id: UUID, owners: Sequence[Owner], ask: Ask) -> DocumentHits:
        began = time.perf_counter()
        states = [state for state in await self.store.find_stores(tenant_id, owners) if state.chunks]
        stores = [await self.indexes.open(tenant_id, state) for state in states]
        views = [store.view for store in stores]
        vectors = await self._find_vectors(ask, views) if stores else {}
        mode = resolve_mode(ask, vectors)
        terms = weigh_terms(self.reader, ask.text, ask.order.earlier) if mode != "vector" else {}
        search = StoreSearch(
            stores=views,
            query=Query(terms=terms, vectors=vectors),
            options=self._options_of(ask, mode),
            limits=limits_of(ask.order),
        )
        # A thread keeps nobody waiting while much is looked through.
        is_long = sum(len(view.index) for view in views) > INLINE_CHUNKS_MAX
        found = await carry_out(search_stores, search, is_long=is_long) if stores else []
        hits = await self._describe(tenant_id, found, ask.order)
        if self._reranks(ask.order):
            hits = await self._rerank(ask, hits)
        return DocumentHits(hits=hits, mode=mode, query=ask.text, took_ms=1000 * (time.perf_counter() - began))

    def _reranks(self, order: SearchOrder) -> bool:
        return self.reranker is not None and order.reranks and bool((order.text or "").strip())

    def _options_of(self, ask: Ask, mode: SearchMode) -> SearchOptions:
        """How the stores are searched for this."""
        order = ask.order
        return SearchOptions(
            limit=max(order.limit, RERANKED_MAX) if self._reranks(order) else order.limit,
            alpha={"text": 0.0, "vector": 1.0, "hybrid": order.alpha}[mode],
            similarity_min=order.confidence,
            mmr_strength=order.mmr_strength,
        )

    async def _rerank(self, ask: Ask, hits: tuple[DocumentHit, ...]) -> tuple[DocumentHit, ...]:
        """The best hits as the reranker orders them; as they are when it does not answer in time."""
        if self.reranker is None or not hits:
            return hits
        best, limit = hits[:RERANKED_MAX], ask.order.limit
        try:
            async with asyncio.timeout(RERANK_S if ask.is_strict else TURN_RERANK_S):
                scores = await self.reranker.rerank(ask.text, [f"{hit.item.title}\n{hit.text}" for hit in best])
        except (Unavailable, UpstreamError, TimeoutError) as error:
            log.warning("a search goes on without the reranker: %s", error or "it takes its time")
            return hits[:limit]
        scored = [replace(hit, reranked=score) for hit, score in zip(best, scores, strict=True)]
        scored.sort(key=lambda hit: -(hit.reranked or 0.0))
        return (*scored, *hits[RERANKED_MAX:])[:limit]

    async def _find_vectors(self, ask: Ask, stores: Sequence[StoreView]) -> dict[str, Vector]:
        """The vectors of a search, one for each embedding model in the stores that can be asked or is given one."""
        order = ask.order
        models = find_models(stores)
        if order.mode == "text" or not models:
            return {}
        if order.vector is not None:
            return self._take_vector(order.vector, models)
        forms = list_forms(ask.text, order.earlier)
        texts = [text for text, _ in forms]
        if not ask.is_strict:
            rows = await self.embedders.embed_queries(texts, models, wait_s=ask.embed_s)
        else:
            rows = await self._embed_patiently(texts, ask, models)
        shares = [share for _, share in forms]
        return {model: mix(found, shares) for model, found in rows.items() if found.shape[1] == models[model]}

    async def _embed_patiently(self, texts: Sequence[str], ask: Ask, models: Collection[str]) -> dict[str, Vector]:
        """The vectors of a search that somebody waits for. Raises Unavailable where it cannot go by words alone."""
        try:
            async with asyncio.timeout(ask.embed_s):
                return {
                    model: await embedder.embed(texts, is_query=True)
                    for model in models
                    if (embedder := self.embedders.find(model))
                }
        except (Unavailable, UpstreamError, TimeoutError) as error:
            if ask.order.mode == "vector":
                raise embeddings_unavailable(str(error) or "they take too long") from error
            log.info("documents are searched by words alone: %s", error or "the embedder takes its time")
            return {}

    def _take_vector(self, numbers: Sequence[float], models: Mapping[str, int]) -> dict[str, Vector]:
        """A vector that the client made, for the present model; when that made none here, for those of its size.

        Raises InvalidRequest for one of another size.
        """
        sizes = {model: size for model, size in models.items() if model == self.model} or models
        fitting = [model for model, size in sizes.items() if size == len(numbers)]
        if not fitting:
            known = ", ".join(f"{size} ({model})" for model, size in sizes.items())
            text = f"'vector' has {len(numbers)} numbers; the vectors of these documents have {known}."
            raise InvalidRequest(text, param="vector")
        vector = np.array(numbers, np.float64)
        if not vector.any():
            raise InvalidRequest("'vector' must have numbers that are not all 0.", param="vector")
        vector /= np.abs(vector).max()  # The squares of what is left can neither overflow nor vanish.
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        return dict.fromkeys(fitting, unit)

    async def _describe(self, tenant_id: UUID, found: Sequence[Found], order: SearchOrder) -> tuple[DocumentHit, ...]:
        """What was found, with its text; a document that was deleted meanwhile is left out."""
        spans = [(one.document.item.id, one.start, one.end) for one in found]
        pieces = await self.store.load_pieces(tenant_id, spans) if spans else []
        vectors = read_vectors(found) if order.with_vectors else [None] * len(found)
        return tuple(
            describe(one, piece, vector)
            for one, piece, vector in zip(found, pieces, vectors, strict=True)
            if piece is not None
        )


def order_of(options: RecallOptions, spoken: Sequence[tuple[str, str]]) -> SearchOrder:
    """The search of a turn: the last message, and those of people before it."""
    chars_max = options.query_chars_max
    said = [text for speaker, text in spoken[:-1] if speaker not in MACHINES]
    return SearchOrder(
        mode=options.mode,
        text=spoken[-1][1][:chars_max],
        earlier=tuple(text[-chars_max:] for text in said),
        limit=options.limit,
        confidence=options.confidence,
        alpha=options.alpha,
        mmr_strength=options.mmr_strength,
        metadata=options.metadata,
    )


def resolve_mode(ask: Ask, vectors: Mapping[str, Vector]) -> SearchMode:
    """How it is searched with what there is."""
    mode = ask.order.mode
    if vectors:
        return mode if ask.text.strip() else "vector"
    return "vector" if mode == "vector" and ask.is_strict else "text"


def list_forms(text: str, earlier: Sequence[str]) -> list[tuple[str, float]]:
    """What is embedded of a question, with what each weighs: it alone, and behind what was said before it."""
    before = [said for said in earlier if said.strip()]
    if not before:
        return [(text, 1.0)]
    one, whole = (said[-EARLIER_CHARS_MAX:] for said in (before[-1], "\n".join(before)))
    forms = [(text, 1.0), (f"{one}\n{text}", BEHIND_ONE), (f"{whole}\n{text}", BEHIND_ALL)]
    return forms if len(before) > 1 else [(text, 1.0), (f"{one}\n{text}", BEHIND_ONE + BEHIND_ALL)]


def mix(rows: NDArray[np.float32], shares: Sequence[float]) -> Vector:
    """The mean of vectors by their shares, of unit length."""
    mixed: Vector = np.array(shares, np.float32) @ rows
    length = float(np.linalg.norm(mixed))
    return mixed / np.float32(length) if length > 0 else rows[0]


def describe(found: Found, piece: Piece, vector: Vector | None) -> DocumentHit:
    """A chunk that was found."""
    document, start, end = found.document, found.start, found.end
    part, begin = document.locate(start)
    return DocumentHit(
        item=document.item,
        chunk=found.chunk,
        part=part,
        text=piece.text,
        start=start - begin,
        end=end - begin,
        score=found.score,
        lexical=found.lexical,
        similarity=found.similarity,
        vector=None if vector is None else tuple(vector.tolist()),
        modality=piece.modality,
        place=narrow(piece.place, piece.start, end - start),
    )


def is_related(hit: DocumentHit) -> bool:
    """Whether there is any reason to show a chunk besides that something had to be the best."""
    return bool(hit.lexical) or (hit.similarity or 0) >= RELATED_MIN


def check_order(order: SearchOrder) -> None:
    """Raises InvalidRequest for a search that cannot be made."""
    has_text = bool(order.text and order.text.strip())
    if not has_text and (order.vector is None or order.mode == "text"):
        raise InvalidRequest("'text' must say what to search for.", param="text")
    if len(order.text or "") > TEXT_CHARS_MAX:
        raise InvalidRequest(f"'text' must have at most {TEXT_CHARS_MAX} characters.", param="text")
    check_object(order.metadata, "metadata_filter")
    check_range("limit", order.limit, 1, LIMIT_MAX)
    check_range("alpha", order.alpha, 0, 1)
    check_range("confidence", order.confidence, -1, 1)
    check_range("mmr_strength", order.mmr_strength, 0, 1)
    if order.mmr_strength == 1:
        raise InvalidRequest("'mmr_strength' must be below 1.", param="mmr_strength")
    if order.vector is not None:
        check_vector(order.vector)


def check_range(name: str, value: float | None, least: float, most: float) -> None:
    """Raises InvalidRequest for a number out of its range."""
    if value is not None and not least <= value <= most:
        raise InvalidRequest(f"'{name}' must be from {least} to {most}; it is {value}.", param=name)


def check_vector(numbers: Sequence[float]) -> None:
    """Raises InvalidRequest for what points nowhere."""
    if not 0 < len(numbers) <= VECTOR_NUMBERS_MAX:
        raise InvalidRequest(f"'vector' must have 1 to {VECTOR_NUMBERS_MAX} numbers.", param="vector")
    if not all(math.isfinite(number) for number in numbers):
        raise InvalidRequest("'vector' must have finite numbers.", param="vector")


def embeddings_unavailable(reason: str) -> Unavailable:
    """The error of a search that needs an embedding model which is not there."""
    text = f"The text cannot be turned into a vector now: {reason}. Search by words (mode 'text'), or send a vector."
    return Unavailable(text, code="embeddings_unavailable")


def describe_hit(hit: DocumentHit) -> Snippet:
    """A chunk that was found, with its place and its scores."""
    return Snippet(
        source="document",
        text=hit.text,
        start=hit.start,
        end=hit.end,
        score=hit.score,
        lexical=hit.lexical,
        similarity=hit.similarity,
        reranked=hit.reranked,
        item_id=hit.item.id,
        asset_id=hit.item.asset_id,
        kind=hit.item.kind,
        title=hit.item.title,
        chunk=hit.chunk,
        owner_kind=hit.item.owner.kind,
        owner_id=hit.item.owner.id,
        modality=hit.modality,
        place=hit.place,
        metadata=hit.item.metadata,
    )
