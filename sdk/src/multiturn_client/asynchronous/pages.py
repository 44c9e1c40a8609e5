"""A listing, page by page, for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, Generic, TypeVar

from multiturn_client.asynchronous.transport import AsyncTransport
from multiturn_client.pages import Page, PageRequest, read_page

T = TypeVar("T")


class AsyncPages(Generic[T]):
    """A listing. ``await`` it for its first page, or go over everything with ``async for``: further pages are fetched
    as they are needed.

    >>> [session.external_id async for session in client.sessions.list(limit=50)]
    ['trip']
    >>> page = await client.sessions.list(limit=50)
    >>> len(page.data), page.has_more
    (1, False)
    """

    def __init__(self, transport: AsyncTransport, first: PageRequest, read: Callable[[Mapping[str, Any]], T]) -> None:
        self._transport = transport
        self._first = first
        self._read = read

    def __await__(self) -> Generator[Any, None, Page[T]]:
        return self._fetch(self._first).__await__()

    async def __aiter__(self) -> AsyncIterator[T]:
        wanted: PageRequest | None = self._first
        while wanted:
            page = await self._fetch(wanted)
            for one in page.data:
                yield one
            wanted = wanted.behind(page)

    async def _fetch(self, wanted: PageRequest) -> Page[T]:
        return read_page(await self._transport.send(wanted.request), self._read)
