"""Citations: which span of an answer rests on which piece of knowledge."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from multiturn.model.asset import AssetKind
from multiturn.model.policy import SearchMode
from multiturn.model.retrieved import Snippet
from multiturn.model.segment import Modality, Place


class Citation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A marker ``[n]`` in an answer and what it stands for; it can be read when the item is gone.

    ``start`` and ``end`` are the marker's characters (code points) in the message's text, ``end`` behind the last;
    ``claim_start`` and ``claim_end`` the sentence that rests on it. ``quote`` is the piece of the item that the
    sentence rests on, ``source_start`` and ``source_end`` its characters in the item's text, ``place`` its page or
    seconds. A citation of an item as a whole has no chunk and no place. ``is_aligned``: the server found it, the model
    wrote no marker.
    """

    number: int
    start: int
    end: int
    claim_start: int
    claim_end: int
    title: str
    quote: str
    store_id: UUID | None = None
    item_id: UUID | None = None
    asset_id: UUID | None = None
    collection_id: UUID | None = None
    kind: AssetKind | None = None
    modality: Modality = "text"
    chunk: int | None = None
    source_start: int = 0
    source_end: int = 0
    place: Place = Place()
    is_aligned: bool = False
    metadata: dict[str, Any] = {}


class Selection(Struct, frozen=True, kw_only=True):
    """A part of a store that a conversation is about: an item, or a collection."""

    kind: str
    id: UUID


class StoreQuery(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one store is searched for a turn: its best ``limit`` chunks, within ``tokens_max`` tokens.

    ``similarity_min`` is the least cosine similarity, ``metadata`` keeps items whose metadata contain it, ``asset_ids``
    those of these assets (all when empty); ``reranks`` has the best looked at again, where there is a reranker.
    """

    store_id: UUID
    limit: int = 5
    mode: SearchMode = "hybrid"
    similarity_min: float | None = None
    metadata: dict[str, Any] = {}
    asset_ids: tuple[UUID, ...] = ()
    tokens_max: int | None = None
    reranks: bool = True


class Grounding(Struct, frozen=True, kw_only=True):
    """That a turn's answer is to rest on knowledge stores and cite them, on ``selections`` of them above all.

    ``queries`` say how some of the stores are to be searched; with ``given`` nothing is searched: these are the
    sources. ``tokens_max`` is what all sources may take. ``replaces``: the stores of the session and of its agent do
    not count in this turn. Where it is not ``is_cited``, the answer names no sources.
    """

    store_ids: tuple[UUID, ...] = ()
    selections: tuple[Selection, ...] = ()
    queries: tuple[StoreQuery, ...] = ()
    given: tuple[Snippet, ...] | None = None
    tokens_max: int | None = None
    replaces: bool = False
    is_cited: bool = True
