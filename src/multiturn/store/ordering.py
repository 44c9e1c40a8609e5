"""What the listings of agents and of users share: the query of an order, and where a page begins."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from multiturn.model.agent import Listing
from multiturn.store.rows import as_json, as_ms

FIRST = (-1, UUID(int=0))
LAST = (2**62, UUID(int=2**128 - 1))


def list_query(name: str, listing: Listing) -> str:
    """The name of the query that lists in this order."""
    by_update = "_by_update" if listing.sort == "updated_at" else ""
    return f"{name}{by_update}{'' if listing.newest_first else '_oldest_first'}"


def list_where(tenant_id: UUID, listing: Listing) -> dict[str, Any]:
    """The parameters of that query; it gives one row more than the page holds, where there is one."""
    end = LAST if listing.newest_first else FIRST
    at, id_ = (as_ms(listing.after[0]), listing.after[1]) if listing.after else end
    return {
        "tenant_id": tenant_id,
        "at": at,
        "id": id_,
        "wanted": as_json(listing.metadata),
        "limit": listing.limit + 1,
        "offset": listing.offset,
    }
