"""What can be searched besides the conversation: documents in the private stores of sessions, agents and users."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.asset import AssetKind
from multiturn.model.metadata import Filter
from multiturn.model.policy import SearchMode
from multiturn.model.segment import Modality, Place

# A store with a name is its own owner.
OwnerKind = Literal["session", "agent", "user", "store"]


class Owner(Struct, frozen=True):
    """Whose documents they are."""

    kind: OwnerKind
    id: UUID


class KnowledgeItem(Struct, frozen=True, kw_only=True):
    """A document in a store. ``content`` is its text, or the parts that its author cut it into: empty where a search
    names the document, and of an asset, whose text is kept by its parts. ``is_embedded`` says whether all its chunks
    have vectors of the present embedding model.
    """

    id: UUID
    tenant_id: UUID
    store_id: UUID
    owner: Owner
    created_at: datetime
    title: str
    content: str | tuple[str, ...]
    metadata: dict[str, Any] = {}
    language: str = "english"
    chunks: int = 0
    is_embedded: bool = False
    asset_id: UUID | None = None
    kind: AssetKind | None = None


class SearchOrder(Struct, frozen=True, kw_only=True):
    """What is searched for: words (``text``), a vector, or both.

    ``confidence`` is the least cosine similarity of a vector hit, ``alpha`` the weight of the vector in a hybrid
    search, ``mmr_strength`` from 0 (by score alone) to below 1 (variety above all). ``metadata`` keeps documents
    whose metadata contain it. ``with_vectors`` brings the vectors of what was found.

    ``earlier`` is what was said before the text, oldest first: the newest weighs most. ``modalities``, ``kinds``,
    ``item_ids`` and ``asset_ids`` keep chunks of these only (all when empty), ``matching`` those of documents whose
    metadata match;
    ``reranks`` has the best looked at again by the reranker, where there is one.
    """

    mode: SearchMode = "hybrid"
    text: str | None = None
    vector: tuple[float, ...] | None = None
    limit: int = 10
    confidence: float | None = None
    alpha: float = 0.5
    mmr_strength: float = 0.0
    metadata: dict[str, Any] = {}
    with_vectors: bool = False
    earlier: tuple[str, ...] = ()
    modalities: frozenset[Modality] = frozenset()
    kinds: frozenset[AssetKind] = frozenset()
    item_ids: frozenset[UUID] = frozenset()
    asset_ids: frozenset[UUID] = frozenset()
    matching: Filter | None = None
    reranks: bool = True


class DocumentFilter(Struct, frozen=True, kw_only=True):
    """Which documents are listed: those whose metadata contain ``metadata``, behind the document ``cursor`` in the
    order of their making, without the first ``offset`` of them.
    """

    metadata: dict[str, Any] = {}
    cursor: UUID | None = None
    offset: int = 0
    limit: int = 20
    newest_first: bool = True


class DocumentHit(Struct, frozen=True, kw_only=True):
    """A chunk that a search found: its text and place in its document, and its scores (None: not computed).

    ``start`` and ``end`` are characters of the content, or of its part number ``part``; of an asset, of its whole text,
    where ``modality`` and ``place`` tell more. ``reranked`` is the reranker's score.
    """

    item: KnowledgeItem
    chunk: int
    part: int = 0
    text: str
    start: int
    end: int
    score: float
    lexical: float | None = None
    similarity: float | None = None
    reranked: float | None = None
    vector: tuple[float, ...] | None = None
    modality: Modality = "text"
    place: Place = Place()


class DocumentHits(Struct, frozen=True, kw_only=True):
    """What a search found, the best first. ``mode`` is how it searched: a hybrid search without an embedding model is
    one by words (text). ``query`` is what it searched for.
    """

    hits: tuple[DocumentHit, ...] = ()
    mode: SearchMode = "text"
    query: str = ""
    took_ms: float = 0.0


class Piece(Struct, frozen=True):
    """Some characters of a document: of an asset, ``start`` of those of the part that has this place."""

    text: str
    start: int = 0
    modality: Modality = "text"
    place: Place = Place()


class StoreState(Struct, frozen=True, kw_only=True):
    """The store of an owner as it stands. ``version`` counts its changes, ``erased`` is the version of the last that
    took something away, ``chunks`` are all of its documents' chunks.
    """

    id: UUID
    owner: Owner
    version: int
    erased: int
    chunks: int


class DocumentSegment(Struct, frozen=True, kw_only=True):
    """A batch of a document's chunks as the search index keeps it, with vectors of ``model`` (None: without any), and
    the version of the store that it came with.
    """

    item_id: UUID
    number: int
    model: str | None
    body: bytes
    version: int = 0
    modality: Modality = "text"


class SegmentChange(Struct, frozen=True, kw_only=True):
    """A segment that was written, and its document without the content: ``parts`` are the characters of each part."""

    segment: DocumentSegment
    item: KnowledgeItem
    parts: tuple[int, ...] = ()


class StoreSurvey(Struct, frozen=True):
    """What a store holds now: its documents without their contents, each with the characters of its parts, and its
    segments by document and number, with the version that each was written with.
    """

    items: tuple[tuple[KnowledgeItem, tuple[int, ...]], ...]
    segments: Mapping[tuple[UUID, int], int]


class DueItem(Struct, frozen=True, kw_only=True):
    """A document with segments that have no vectors of the present embedding model."""

    item: KnowledgeItem
    segments: tuple[DocumentSegment, ...]
