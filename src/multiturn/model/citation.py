"""Citations: which span of an answer rests on which piece of knowledge."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec import Struct

from multiturn.model.asset import AssetKind
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


class Grounding(Struct, frozen=True, kw_only=True):
    """That a turn's answer is to rest on knowledge stores and cite them, on ``selections`` of them above all."""

    store_ids: tuple[UUID, ...]
    selections: tuple[Selection, ...] = ()
