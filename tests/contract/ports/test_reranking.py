"""A reranker in searches: it orders the best, and is not needed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from multiturn.engine.embedders import Embedders
from multiturn.engine.knowledge import Knowledge
from multiturn.errors import Unavailable, UpstreamError
from multiturn.model.knowledge import SearchOrder
from multiturn.store.database import Database
from tests.contract.ports.shelf import Shelf, open_shelf

AWAY = Unavailable("The reranker is loading.")


@pytest.fixture
async def wordy(database: Database) -> Shelf:
    """Documents without any embedding model."""
    return await open_shelf(database, None)


class Reversing:
    """A reranker that likes best what was found last, and fails when told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.asked: list[tuple[str, int]] = []

    async def rerank(self, query: str, texts: Sequence[str]) -> Sequence[float]:
        self.asked.append((query, len(texts)))
        if self.error:
            raise self.error
        return [float(place) for place in range(len(texts))]


async def test_reranker_orders_the_best(wordy: Shelf) -> None:
    for number in range(4):
        await wordy.add(f"Whales {number}", "Whales sing. " + "Filler text. " * number)
    plain = await wordy.find_titles("whales")
    reranker = Reversing()
    knowledge = Knowledge(wordy.store, wordy.clock, Embedders(None), reranker=reranker)
    order = SearchOrder(text="whales", limit=3)
    hits = (await knowledge.search(wordy.tenant_id, [wordy.owner], order)).hits
    assert [hit.item.title for hit in hits] == plain[::-1][:3]
    assert [hit.reranked for hit in hits] == [3.0, 2.0, 1.0]
    assert reranker.asked == [("whales", 4)]
    unchanged = (await knowledge.search(wordy.tenant_id, [wordy.owner], replace(order, reranks=False))).hits
    assert ([hit.item.title for hit in unchanged], len(reranker.asked)) == (plain[:3], 1)


@pytest.mark.parametrize("error", [AWAY, UpstreamError("broken")], ids=["away", "broken"])
async def test_search_goes_on_without_the_reranker(wordy: Shelf, error: Exception) -> None:
    await wordy.add("Whales", "Whales sing.")
    reranker = Reversing()
    reranker.error = error
    knowledge = Knowledge(wordy.store, wordy.clock, Embedders(None), reranker=reranker)
    (hit,) = (await knowledge.search(wordy.tenant_id, [wordy.owner], SearchOrder(text="whales"))).hits
    assert (hit.item.title, hit.reranked) == ("Whales", None)
