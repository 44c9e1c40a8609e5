"""The documents of a session, an agent or a user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from multiturn_client import requests
from multiturn_client.documents import Document, SearchResults
from multiturn_client.options import SearchOptions
from multiturn_client.pages import PageRequest
from multiturn_client.records import Deleted
from multiturn_client.synchronous.pages import Pages
from multiturn_client.synchronous.transport import Transport


class OwnerName(TypedDict, total=False):
    """Whose documents are meant: that of ``session_id``, ``agent_id`` or ``user_id`` which the resource is named after,
    and none where the documents are those of an object at hand.

    >>> doc = client.sessions.docs.create("Menu", "Pastéis de nata", session_id=session.id)
    >>> doc = session.docs.create("Wine list", "Vinho verde")
    """

    session_id: str
    agent_id: str
    user_id: str


class Docs:
    """Documents that are searched in chat, and can be searched by themselves: ``client.sessions.docs``,
    ``client.agents.docs``, ``client.users.docs`` and ``session.docs``.

    >>> doc = session.docs.create("Research Notes", "Notes about quantum computing", metadata={"type": "notes"})
    >>> [hit.title for hit in session.docs.search("quantum", metadata_filter={"type": "notes"})]
    ['Research Notes']
    """

    def __init__(self, transport: Transport, kind: str, owner_id: str | None = None) -> None:
        self._transport = transport
        self._kind = kind
        self._owner_id = owner_id

    def create(
        self,
        title: str,
        content: str | Sequence[str],
        *,
        metadata: Mapping[str, Any] | None = None,
        **owner: Unpack[OwnerName],
    ) -> Document:
        """Add a document: a title of at most 800 characters, and a text (or parts of it) of at most 1,000,000.

        It is found by its words when this returns, a small one also by its meaning. Raises ConflictError for one that
        is there already, InvalidRequestError for one that is too large.

        >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €")
        >>> doc.chunks
        1
        """
        body = {"title": title, "content": content, "metadata": metadata or {}}
        return Document.read(self._transport.send(requests.post(*self._path(owner), body=body)))

    def get(self, doc_id: str, **owner: Unpack[OwnerName]) -> Document:
        """Get a document. Raises DocumentNotFoundError.

        >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €")
        >>> session.docs.get(doc.id).content
        'Pastéis de nata, 1.30 €'
        """
        return Document.read(self._transport.send(requests.get(*self._path(owner), doc_id)))

    def list(
        self, *, metadata: Mapping[str, Any] | None = None, limit: int | None = None, **owner: Unpack[OwnerName]
    ) -> Pages[Document]:
        """List documents, the newest first, ``limit`` a page (1 to 100, default 20), those whose metadata contain
        ``metadata``.

        >>> doc = session.docs.create("Menu", "Pastéis de nata", metadata={"type": "menu"})
        >>> [doc.title for doc in session.docs.list(metadata={"type": "menu"})]
        ['Menu']
        """
        asked = requests.get(*self._path(owner), metadata=metadata, limit=limit)
        return Pages(self._transport, PageRequest(request=asked, cursor="cursor"), Document.read)

    def search(
        self,
        text: str | None = None,
        *,
        session_id: str = "",
        agent_id: str = "",
        user_id: str = "",
        **options: Unpack[SearchOptions],
    ) -> SearchResults:
        """Search, by words, meaning or both; the best hits first.

        >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €")
        >>> results = session.docs.search("pastéis", mode="text", limit=3)
        >>> results[0].text
        'Pastéis de nata, 1.30 €'
        """
        named = {"session_id": session_id, "agent_id": agent_id, "user_id": user_id}
        path = self._path({name: value for name, value in named.items() if value})
        body = {**({} if text is None else {"text": text}), **options}
        asked = requests.post(*path, "search", body=body, is_repeatable=True)
        return SearchResults.read(self._transport.send(asked))

    def delete(self, doc_id: str, **owner: Unpack[OwnerName]) -> Deleted:
        """Delete a document. Raises DocumentNotFoundError.

        >>> doc = session.docs.create("Menu", "Pastéis de nata")
        >>> session.docs.delete(doc.id).id == doc.id
        True
        """
        return Deleted.read(self._transport.send(requests.delete(*self._path(owner), doc_id)))

    def _path(self, owner: Mapping[str, Any]) -> tuple[str, str, str]:
        """Where the documents are. Raises TypeError for an owner that is missing, or of another kind."""
        wanted = f"{self._kind}_id"
        names = {wanted: self._owner_id, **owner} if self._owner_id else owner
        if set(names) != {wanted} or not names[wanted]:
            raise TypeError(f"These are documents of one {self._kind}: name it as {wanted}=…, and nothing else")
        return (f"{self._kind}s", str(names[wanted]), "docs")
