"""A listing, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from multiturn_client.pages import Page, PageRequest, read_page
from multiturn_client.synchronous.transport import Transport

T = TypeVar("T")


class Pages(Generic[T]):
    """A listing. Its first page is there; going over it with ``for`` fetches further ones as they are needed.

    >>> [session.external_id for session in client.sessions.list(limit=50)]
    ['trip']
    >>> page = client.sessions.list(limit=50)
    >>> len(page.data), page.has_more
    (1, False)
    """

    def __init__(self, transport: Transport, first: PageRequest, read: Callable[[Mapping[str, Any]], T]) -> None:
        self._transport = transport
        self._first = first
        self._read = read
        self._page = self._fetch(first)

    @property
    def data(self) -> tuple[T, ...]:
        """What is on the first page.

        >>> [session.external_id for session in client.sessions.list().data]
        ['trip']
        """
        return self._page.data

    @property
    def has_more(self) -> bool:
        """Whether there is more behind the first page.

        >>> client.sessions.list().has_more
        False
        """
        return self._page.has_more

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> T:
        return self.data[index]

    def __iter__(self) -> Iterator[T]:
        wanted: PageRequest | None = self._first
        page = self._page
        while wanted:
            yield from page.data
            wanted = wanted.behind(page)
            if wanted:
                page = self._fetch(wanted)

    def _fetch(self, wanted: PageRequest) -> Page[T]:
        return read_page(self._transport.send(wanted.request), self._read)
