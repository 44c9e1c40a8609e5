"""A knowledge store in memory: items with what they are about, and a search that finds what it is told to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from multiturn.engine.window.question import Question, RecallPlan, StoreChoice
from multiturn.model.citation import Selection
from multiturn.model.content import Message
from multiturn.model.context import Said
from multiturn.model.knowledge import DocumentHit, DocumentHits, KnowledgeItem, Owner, SearchOrder
from multiturn.model.retrieved import Snippet
from multiturn.model.segment import Place, Segment
from multiturn.model.session import Session
from multiturn.model.store import Counted, Digest, Highlight, StoreItem, StoreItemFilter

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TENANT, STORE = UUID(int=1), UUID(int=2)
BRIDGES = "Bridges carry roads over rivers.", "The first iron bridge opened in 1781.", "Arches hold by pressure alone."
PENGUINS = "Penguins live in the south.", "They eat krill and fish.", "A colony may have a million birds."


def make_item(number: int, title: str, sentences: Sequence[str]) -> StoreItem:
    """An item whose sentences stand ten seconds apart."""
    starts = [sum(len(one) + 1 for one in sentences[:place]) for place in range(len(sentences))]
    highlights = [
        Highlight(text=text, start=start, end=start + len(text), place=Place(start_s=10.0 * at, end_s=10.0 * at + 9))
        for at, (text, start) in enumerate(zip(sentences, starts, strict=True))
    ]
    return StoreItem(
        id=UUID(int=100 + number),
        tenant_id=TENANT,
        store_id=STORE,
        asset_id=UUID(int=200 + number),
        kind="video",
        status="ready",
        created_at=NOW,
        updated_at=NOW,
        title=title,
        chunks=len(sentences),
        digest=Digest(title=title, summary=" ".join(sentences), highlights=tuple(highlights)),
    )


class Shelf:
    """A store with two videos. A search finds the sentences that hold a word of what is looked for, in their order.

    ``orders`` are the searches that it saw.
    """

    def __init__(self) -> None:
        self.items = {item.id: item for item in (make_item(1, "On bridges", BRIDGES), make_item(2, "Birds", PENGUINS))}
        self.orders: list[SearchOrder] = []

    async def search(self, tenant_id: UUID, owners: Sequence[Owner], order: SearchOrder) -> DocumentHits:
        self.orders.append(order)
        words = {word.strip("?.,").lower() for word in (order.text or "").split() if len(word) > 3}
        hits = [
            self.make_hit(item, number)
            for item in self.items.values()
            if not order.item_ids or item.id in order.item_ids
            for number, one in enumerate(item.digest.highlights if item.digest else ())
            if words & {word.strip(".").lower() for word in one.text.split()}
        ]
        return DocumentHits(hits=tuple(hits[: order.limit]))

    def make_hit(self, item: StoreItem, number: int) -> DocumentHit:
        """The chunk that a highlight stands in."""
        assert item.digest is not None
        one = item.digest.highlights[number]
        document = KnowledgeItem(
            id=item.id,
            tenant_id=TENANT,
            store_id=STORE,
            owner=Owner("store", STORE),
            created_at=NOW,
            title=item.title,
            content="",
            asset_id=item.asset_id,
            kind="video",
        )
        return DocumentHit(
            item=document,
            chunk=number,
            text=one.text,
            start=one.start,
            end=one.end,
            score=1.0,
            lexical=1.0,
            modality="speech",
            place=one.place,
        )

    async def get_items(self, tenant_id: UUID, item_ids: Sequence[UUID]) -> Mapping[UUID, StoreItem]:
        return {id_: self.items[id_] for id_ in item_ids if id_ in self.items}

    async def list_items(self, tenant_id: UUID, store_id: UUID, which: StoreItemFilter) -> Counted:
        return Counted(tuple(self.items.values())[which.sorting.offset :], len(self.items))

    async def list_members(self, tenant_id: UUID, collection_ids: Sequence[UUID]) -> Sequence[UUID]:
        return [UUID(int=102)]

    async def list_parts(self, tenant_id: UUID, item_id: UUID, **which: Any) -> Sequence[tuple[int, Segment]]:
        return []

    async def list_parts_between(
        self, tenant_id: UUID, item_id: UUID, start_s: float, end_s: float, *, limit: int = 200
    ) -> Sequence[tuple[int, Segment]]:
        item = self.items[item_id]
        assert item.digest is not None
        return [
            (one.start, Segment(text=one.text, modality="speech", place=one.place))
            for one in item.digest.highlights
            if (one.place.start_s or 0) <= end_s and (one.place.end_s or 0) >= start_s
        ]


def ask(
    text: str,
    *,
    recent: Sequence[Said] = (),
    shown: Sequence[Snippet] = (),
    selections: Sequence[Selection] = (),
) -> Question:
    """A question over the store."""
    session = Session(
        id=UUID(int=3), tenant_id=TENANT, user_id=UUID(int=4), external_id=None, created_at=NOW, active_at=NOW
    )
    stores = StoreChoice(store_ids=(STORE,), selections=tuple(selections))
    return Question(
        session=session,
        path=(),
        cut=1,
        input=(Message("user", text),),
        recent=tuple(recent),
        shown=tuple(shown),
        plan=RecallPlan(tokens_max=1000, stores=stores),
        tokens_max=1000,
    )
