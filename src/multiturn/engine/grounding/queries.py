"""Knowledge stores searched as a turn says: each with its own limits, and what they find brought together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.document_search import describe_hit, is_related
from multiturn.engine.grounding.block import write_source
from multiturn.engine.window.tokens import count_text
from multiturn.model.citation import StoreQuery
from multiturn.model.knowledge import DocumentHit, DocumentHits, Owner, SearchOrder
from multiturn.model.retrieved import Snippet

QUERY_CHARS_MAX = 2000
# So many more than are asked for are looked at, to tell what was left out.
BESIDE_MAX = 10


class Search(Protocol):
    """Searches in knowledge stores."""

    async def search(self, tenant_id: UUID, owners: Sequence[Owner], order: SearchOrder) -> DocumentHits:
        """Find the best chunks of these owners' stores. Raises InvalidRequest, Unavailable."""
        ...


class Gathered(NamedTuple):
    """What queries found: the sources, the best first, and what they left out, each with the reason."""

    sources: list[Snippet]
    omitted: list[Snippet]


async def run_queries(
    search: Search, tenant_id: UUID, queries: Sequence[StoreQuery], text: str, *, earlier: Sequence[str] = ()
) -> Gathered:
    """Search each store as its query says. Raises InvalidRequest, Unavailable."""
    found = await asyncio.gather(*(run_query(search, tenant_id, query, text, earlier) for query in queries))
    every = [one for snippets in found for one in snippets]
    sources = [one for one in every if one.omitted is None]
    return Gathered(sorted(sources, key=rate, reverse=True), [one for one in every if one.omitted])


async def run_query(
    search: Search, tenant_id: UUID, query: StoreQuery, text: str, earlier: Sequence[str]
) -> list[Snippet]:
    """What one store holds, and behind it what does not count, with the reason."""
    order = SearchOrder(
        mode=query.mode,
        text=text[-QUERY_CHARS_MAX:],
        earlier=tuple(earlier),
        limit=query.limit + BESIDE_MAX,
        metadata=query.metadata,
        asset_ids=frozenset(query.asset_ids),
        reranks=query.reranks,
    )
    hits = (await search.search(tenant_id, [Owner("store", query.store_id)], order)).hits
    near = [hit for hit in hits if is_near(hit, query)]
    far = [replace(describe_hit(hit), omitted="below_threshold") for hit in hits if not is_near(hit, query)]
    return [*cap([describe_hit(hit) for hit in near[: query.limit]], query.tokens_max), *far[:BESIDE_MAX]]


def is_near(hit: DocumentHit, query: StoreQuery) -> bool:
    """Whether a chunk counts: by the least similarity of the query, where it has one."""
    if query.similarity_min is None:
        return is_related(hit)
    return hit.similarity is None or hit.similarity >= query.similarity_min


def cap(sources: Sequence[Snippet], tokens_max: int | None) -> list[Snippet]:
    """Sources of which those count that fit, the best first."""
    if tokens_max is None:
        return list(sources)
    left, capped = tokens_max, []
    for source in sources:
        cost = count_text(write_source(source))
        fits = cost <= left
        left -= cost if fits else 0
        capped.append(source if fits else replace(source, omitted="budget"))
    return capped


def rate(source: Snippet) -> float:
    """How good a source is: as the reranker says, where it was asked."""
    return source.score if source.reranked is None else source.reranked
