"""What can be searched besides the conversation: documents in the private stores of sessions, agents and users."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from multiturn.model.policy import SearchMode

OwnerKind = Literal["session", "agent", "user"]


class Owner(Struct, frozen=True):
    """Whose documents they are."""

    kind: OwnerKind
    id: UUID


class KnowledgeItem(Struct, frozen=True, kw_only=True):
    """A document in a store. ``content`` is its text, or the parts that its author cut it into; ``is_embedded`` says
    whether all its chunks have vectors of the present embedding model.
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


class SearchOrder(Struct, frozen=True, kw_only=True):
    """What is searched for: words (``text``), a vector, or both.

    ``confidence`` is the least cosine similarity of a vector hit, ``alpha`` the weight of the vector in a hybrid
    search, ``mmr_strength`` from 0 (by score alone) to below 1 (variety above all). ``metadata`` keeps documents
    whose metadata contain it.
    """

    mode: SearchMode = "hybrid"
    text: str | None = None
    vector: tuple[float, ...] | None = None
    limit: int = 10
    confidence: float | None = None
    alpha: float = 0.5
    mmr_strength: float = 0.0
    metadata: dict[str, Any] = {}


class DocumentHit(Struct, frozen=True, kw_only=True):
    """A chunk that a search found: its text and place in its document, and its scores (None: not computed)."""

    item: KnowledgeItem
    chunk: int
    text: str
    start: int
    end: int
    score: float
    lexical: float | None = None
    similarity: float | None = None
    vector: tuple[float, ...] | None = None
