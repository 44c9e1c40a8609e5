"""A store's index at one moment: what is searched, in a thread if need be, while the next changes are taken over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from multiturn.engine.search.candidates import IndexView
from multiturn.model.asset import AssetKind
from multiturn.model.knowledge import KnowledgeItem, SearchOrder
from multiturn.model.metadata import Filter, contains, matches
from multiturn.model.segment import Modality

# Turns with the same filter ask again and again: so many masks are kept until the store changes.
MASKS_MAX = 8
MODALITIES: tuple[Modality, ...] = ("text", "speech", "screen", "caption")

Mask = NDArray[np.bool_]


class Document(Struct, frozen=True):
    """A document of an index, without its content, and where its parts begin in that."""

    item: KnowledgeItem
    starts: tuple[int, ...] = ()

    def locate(self, place: int) -> tuple[int, int]:
        """The part of a character of the content, and where that part begins."""
        if not self.starts:
            return 0, 0
        part = bisect_right(self.starts, place) - 1
        return part, self.starts[part]


class Limits(Struct, frozen=True, kw_only=True):
    """Which chunks a search is limited to; all where nothing is said."""

    metadata: dict[str, object] = {}
    matching: Filter | None = None
    item_ids: frozenset[UUID] = frozenset()
    asset_ids: frozenset[UUID] = frozenset()
    kinds: frozenset[AssetKind] = frozenset()
    modalities: frozenset[Modality] = frozenset()

    @property
    def limits_documents(self) -> bool:
        """Whether some documents are left out."""
        return bool(self.metadata or self.matching or self.item_ids or self.asset_ids or self.kinds)

    def allows(self, item: KnowledgeItem) -> bool:
        """Whether a document is searched."""
        return (
            (not self.item_ids or item.id in self.item_ids)
            and (not self.asset_ids or item.asset_id in self.asset_ids)
            and (not self.kinds or item.kind in self.kinds)
            and (not self.metadata or contains(item.metadata, self.metadata))
            and (self.matching is None or matches(item.metadata, self.matching))
        )


def limits_of(order: SearchOrder) -> Limits:
    """What a search is limited to."""
    return Limits(
        metadata=order.metadata,
        matching=order.matching,
        item_ids=order.item_ids,
        asset_ids=order.asset_ids,
        kinds=order.kinds,
        modalities=order.modalities,
    )


@dataclass(frozen=True, slots=True, eq=False)
class StoreView:
    """The index of a store at one moment. ``documents`` only grows; of each segment, by the number of its owner in the
    index, ``segment_documents`` is the place of its document there, and ``segment_modalities`` its modality.
    """

    index: IndexView
    documents: Sequence[Document]
    segment_documents: NDArray[np.int32]
    segment_modalities: NDArray[np.int8]
    masks: dict[bytes, Mask] = field(default_factory=dict)

    def find_document(self, row: int) -> Document:
        """The document of an entry."""
        return self.documents[int(self.segment_documents[self.index.owners[row]])]

    def allow(self, limits: Limits) -> Mask | None:
        """Which entries are searched; None when all are."""
        if not (limits.limits_documents or limits.modalities):
            return None
        wanted = msgspec.json.encode(limits, order="sorted")
        mask = self.masks.get(wanted)
        if mask is None:
            if len(self.masks) >= MASKS_MAX:
                self.masks.clear()
            mask = self.masks[wanted] = self._mark_segments(limits)[self.index.owners]
        return mask

    def _mark_segments(self, limits: Limits) -> Mask:
        segments = np.ones(len(self.segment_documents), np.bool_)
        if limits.limits_documents:
            count = int(self.segment_documents.max(initial=-1)) + 1
            allowed = np.array([limits.allows(document.item) for document in self.documents[:count]], np.bool_)
            segments &= allowed[self.segment_documents]
        if limits.modalities:
            wanted = [number for number, modality in enumerate(MODALITIES) if modality in limits.modalities]
            segments &= np.isin(self.segment_modalities, wanted)
        return segments
