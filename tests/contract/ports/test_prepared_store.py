"""Prepared contexts in the database: kept as they are, a user's own or the tenant's, and gone with their user."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from multiturn.model.citation import StoreQuery
from multiturn.model.ids import new_id
from multiturn.model.prepared import PreparedContext
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.segment import Mark, Place
from multiturn.store.prepared import SqlPreparedStore
from tests.contract.ports.stores import Stores


class Cupboard:
    """The prepared contexts of one tenant."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        self.tenant_id = stores.tenant_id
        self.prepared = SqlPreparedStore(stores.database)

    async def keep(self, query: str = "trams", **fields: Any) -> PreparedContext:
        """Store one."""
        store_id = new_id()
        snippet = Snippet(
            source="document",
            text="Tram 28 runs to Estrela.",
            item_id=new_id(),
            chunk=3,
            number=1,
            owner_kind="store",
            owner_id=store_id,
            place=Place(page=2, marks=(Mark(0, 1.5, 2.5),)),
        )
        prepared = PreparedContext(
            id=new_id(),
            tenant_id=self.tenant_id,
            user_id=self.stores.user_id,
            created_at=self.stores.clock(),
            queries=(StoreQuery(store_id=store_id, limit=3, metadata={"team": "zoo"}, asset_ids=(new_id(),)),),
            tokens_max=1000,
            retrieved=RetrievedContext(query=query, snippets=(snippet,), block="[1] Trams: …\n", tokens=9),
        )
        prepared = replace(prepared, **fields)
        await self.prepared.add(prepared)
        return prepared


@pytest.fixture
def cupboard(stores: Stores) -> Cupboard:
    return Cupboard(stores)


async def test_prepared_context_comes_back_as_it_was(cupboard: Cupboard) -> None:
    kept = await cupboard.keep()
    assert await cupboard.prepared.find(cupboard.tenant_id, kept.id, user_id=None) == kept
    assert await cupboard.prepared.find(cupboard.tenant_id, kept.id, user_id=kept.user_id) == kept


async def test_prepared_context_is_nobody_elses(cupboard: Cupboard) -> None:
    kept = await cupboard.keep()
    for tenant_id, user_id in ((new_id(), None), (cupboard.tenant_id, new_id())):
        assert await cupboard.prepared.find(tenant_id, kept.id, user_id=user_id) is None
        assert await cupboard.prepared.list_prepared(tenant_id, user_id=user_id, limit=9, offset=0) == ([], 0)
        assert not await cupboard.prepared.delete(tenant_id, kept.id, user_id=user_id)
    assert await cupboard.prepared.find(cupboard.tenant_id, kept.id, user_id=None) == kept


async def test_prepared_contexts_are_listed_by_pages(cupboard: Cupboard) -> None:
    kept = [await cupboard.keep(f"question {number}") for number in range(3)]
    page, total = await cupboard.prepared.list_prepared(cupboard.tenant_id, user_id=None, limit=2, offset=1)
    assert ([one.id for one in page], total) == ([kept[1].id, kept[0].id], 3)


async def test_deleted_prepared_context_is_gone(cupboard: Cupboard) -> None:
    kept = await cupboard.keep()
    assert await cupboard.prepared.delete(cupboard.tenant_id, kept.id, user_id=None)
    assert await cupboard.prepared.find(cupboard.tenant_id, kept.id, user_id=None) is None
    assert not await cupboard.prepared.delete(cupboard.tenant_id, kept.id, user_id=None)


async def test_prepared_contexts_go_with_their_user(cupboard: Cupboard) -> None:
    user_id = new_id()
    theirs, other = await cupboard.keep(user_id=user_id), await cupboard.keep()
    await cupboard.stores.retention.erase_owned(cupboard.tenant_id, user_id)
    assert await cupboard.prepared.find(cupboard.tenant_id, theirs.id, user_id=None) is None
    assert await cupboard.prepared.find(cupboard.tenant_id, other.id, user_id=None) == other
