"""What was found for a turn: shown to the model, or left out and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.asset import AssetKind
from multiturn.model.knowledge import OwnerKind
from multiturn.model.segment import Modality, Place

# Why a snippet was found and not shown.
Omission = Literal["budget", "shown_already", "below_threshold"]


class Snippet(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of text that was found, with its place and its scores.

    Of a session's past: the item ``seq``, who said it and when. Of a document: the knowledge item, its title, its
    owner and the number of the chunk; of an item of a store as a whole, what it is about; of what was given with the
    request, at most its title. ``start`` and ``end`` are characters of the text it was cut from. ``score`` is the fused
    score, ``lexical`` BM25, ``similarity`` the cosine and ``reranked`` the reranker's, where each was computed.
    ``number`` is what an answer cites it by.
    """

    source: Literal["session", "document", "item", "given"]
    text: str
    start: int = 0
    end: int = 0
    score: float = 0.0
    lexical: float | None = None
    similarity: float | None = None
    seq: int | None = None
    speaker: str | None = None
    said_at: datetime | None = None
    item_id: UUID | None = None
    title: str | None = None
    chunk: int | None = None
    owner_kind: OwnerKind | None = None
    owner_id: UUID | None = None
    metadata: dict[str, Any] = {}
    number: int | None = None
    asset_id: UUID | None = None
    kind: AssetKind | None = None
    modality: Modality = "text"
    place: Place = Place()
    reranked: float | None = None
    omitted: Omission | None = None


class StoredSegment(Struct, frozen=True, kw_only=True):
    """The search index of the items ``first`` to ``last``, as bytes; ``model`` made its vectors, if it has any."""

    first: int
    last: int
    model: str | None
    body: bytes


class RetrievedContext(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run was shown of what was found. ``block`` is the text as it stands in the user's message, of ``tokens``
    tokens; an empty one was not shown.
    """

    query: str
    snippets: tuple[Snippet, ...] = ()
    block: str = ""
    tokens: int = 0
    took_ms: float = 0.0
