"""One page of a listing, and how to ask for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from multiturn_client.requests import Request

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Page(Generic[T]):
    """A page of a listing: ``data``, whether there is more behind it, and the cursor that leads there.

    >>> page = session.history(limit=10)
    >>> len(page), page.has_more
    (0, False)
    """

    data: tuple[T, ...] = ()
    has_more: bool = False
    next: str | int | None = None

    @property
    def entries(self) -> tuple[T, ...]:
        """The same as ``data``, in the word of Julep's client.

        >>> session.history().entries
        ()
        """
        return self.data

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[T]:
        return iter(self.data)

    def __getitem__(self, index: int) -> T:
        return self.data[index]


@dataclass(frozen=True, kw_only=True)
class PageRequest:
    """A request for a page, and the parameter that takes the cursor of the next."""

    request: Request
    cursor: str

    def behind(self, page: Page[Any]) -> PageRequest | None:
        """The request for the page behind one; None behind the last. Where a page names no cursor, what it held is
        counted.
        """
        if not page.has_more or not page.data:
            return None
        if page.next is None:
            offset = int(dict(self.request.query).get("offset", "0"))
            step = ("offset", str(offset + len(page.data)))
        elif self.cursor == "before" and isinstance(page.next, int):
            step = ("offset", str(page.next))
        else:
            step = (self.cursor, str(page.next))
        kept = tuple(pair for pair in self.request.query if pair[0] not in ("offset", self.cursor))
        return replace(self, request=replace(self.request, query=(*kept, step)))


def read_page(body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> Page[T]:
    """A page as the server told it."""
    data = tuple(read(one) for one in body.get("data", ()))
    return Page(data=data, has_more=bool(body.get("has_more")), next=body.get("next"))
