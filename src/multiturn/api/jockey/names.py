"""Ids as Jockey's clients know them: our UUIDs behind prefixes, which are read in any form."""

from __future__ import annotations

from uuid import UUID

from multiturn.errors import InvalidRequest, NotFound
from multiturn.model.ids import find_id

SHOWN_CHARACTERS = 60


def write_store(id_: UUID) -> str:
    """A knowledge store's id."""
    return f"ks_{id_}"


def write_item(id_: UUID) -> str:
    """An item's id."""
    return f"ksi_{id_}"


def write_collection(id_: UUID) -> str:
    """A collection's id."""
    return f"ksic_{id_}"


def write_session(id_: UUID) -> str:
    """A session's id."""
    return f"sess_{id_}"


def write_response(id_: UUID) -> str:
    """A run's id."""
    return f"resp_{id_}"


def write_message(session_id: UUID, ticket: int) -> str:
    """The id of the answer of a session's run, whose tickets count from 1."""
    return f"msg_{write_session(session_id)}_{ticket - 1}"


def read_path(text: str, collection: str) -> UUID:
    """An id of a path. Raises NotFound for what is none, in the words of the hosted service."""
    id_ = find_id(text)
    if id_ is None:
        raise NotFound(f"Resource with id {text[:SHOWN_CHARACTERS]} does not exist in {collection}.")
    return id_


def read_given(text: str, name: str, *, prefix: str = "") -> UUID:
    """An id in a body. Raises InvalidRequest for what is none, or does not begin with the prefix that is needed."""
    id_ = find_id(text)
    if id_ is None or not text.startswith(prefix):
        wanted = f"an id that begins with {prefix}" if prefix else "an id"
        raise InvalidRequest(f"'{name}' must be {wanted}; it is '{text[:SHOWN_CHARACTERS]}'.", param=name)
    return id_
