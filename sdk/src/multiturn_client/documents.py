"""Documents, and what is found in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from multiturn_client.record import Record


@dataclass(frozen=True, kw_only=True)
class Owner(Record):
    """Whose a document is: ``kind`` is session, agent or user.

    >>> session.docs.create("Menu", "Pastéis de nata").owner.kind
    'session'
    """

    kind: str = ""
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Document(Record):
    """A document of a session, an agent or a user.

    ``content`` is a text, or the parts that its author cut it into. It is searched in ``chunks`` pieces;
    ``is_embedded`` says whether all of them have vectors yet (until then they are found by their words).

    >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €", metadata={"type": "notes"})
    >>> doc.title, doc.chunks, doc.metadata
    ('Menu', 1, {'type': 'notes'})
    """

    id: str = ""
    title: str = ""
    content: Any = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    chunks: int = 0
    is_embedded: bool = False
    owner: Owner | None = None


@dataclass(frozen=True, kw_only=True)
class Hit(Record):
    """A piece of a document that was found: ``text`` is its wording, ``start`` and ``end`` its characters in the
    document, ``chunk`` its number.

    ``score`` is the fused score, the best first; ``lexical`` is BM25 and ``similarity`` the cosine (-1 to 1), each None
    where it was not computed.

    >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €")
    >>> hit = session.docs.search("pastéis")[0]
    >>> hit.title, hit.text
    ('Menu', 'Pastéis de nata, 1.30 €')
    """

    document_id: str = ""
    title: str | None = None
    chunk: int = 0
    text: str = ""
    start: int = 0
    end: int = 0
    score: float = 0.0
    lexical: float | None = None
    similarity: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    owner: Owner | None = None


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
