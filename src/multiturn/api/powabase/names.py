"""Ids as Powabase's clients know them: ``sess_`` and ``run_`` before 32 digits, plain UUIDs for the rest.

They are read in any form.
"""

from __future__ import annotations

from uuid import UUID

from multiturn.errors import InvalidRequest
from multiturn.model.ids import chunk_id, find_id
from multiturn.model.session import Session

SHOWN_CHARACTERS = 60


def write_session(session: Session) -> str:
    """A session's id: the name that a client gave it, else ours."""
    return write_session_id(session.id) if session.external_id is None else session.external_id


def write_session_id(id_: UUID) -> str:
    """Our id of a session."""
    return f"sess_{id_.hex}"


def write_run(id_: UUID) -> str:
    """A run's id."""
    return f"run_{id_.hex}"


def read_given(text: str, name: str) -> UUID:
    """An id in a body or a query. Raises InvalidRequest for what is none."""
    id_ = find_id(text)
    if id_ is None:
        raise InvalidRequest(f"{name} must be a uuid; it is '{text[:SHOWN_CHARACTERS]}'", param=name)
    return id_


def write_chunk(item_id: UUID, chunk: int | None) -> str:
    """The id of a chunk of an item; without a number it is the item as a whole."""
    return str(chunk_id(item_id, chunk))


def echo_session(session: Session, name: str) -> str:
    """A session's id as a request named it, where that was by the client's own name."""
    return name if name == session.external_id else write_session_id(session.id)
