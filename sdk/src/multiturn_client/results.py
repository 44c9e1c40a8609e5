"""What a search found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multiturn_client.records import Hit, Record


@dataclass(frozen=True, kw_only=True)
class SearchResults(Record):
    """What a search found, the best first, and how many milliseconds it took; go over it, or take hits by number.

    >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €")
    >>> results = session.docs.search("pastéis")
    >>> len(results), results[0].title
    (1, 'Menu')
    """

    data: tuple[Hit, ...] = ()
    took_ms: float = 0.0

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.data)

    def __getitem__(self, index: int) -> Hit:
        return self.data[index]
