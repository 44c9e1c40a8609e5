"""The real Julep client, 2.21.0, and what its tests ask again and again."""

from __future__ import annotations

import warnings
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.contract.dialects.conftest import Place, open_place

with warnings.catch_warnings():
    # Its pydantic models warn of field names of their own.
    warnings.simplefilter("ignore")
    import julep

__all__ = ["facts_of", "julep", "make_session", "open_client", "open_julep_place", "reason_of", "texts_of", "user"]


def open_julep_place(data_dir: Path) -> AbstractAsyncContextManager[Place]:
    """Open a server with a default model, which Julep's clients need not name, and an embedding model."""
    return open_place(data_dir, None, model="scripted", embedder=ScriptedEmbedder())


def open_client(place: Place, *, key: str = "") -> julep.AsyncJulep:
    """A client without retries of its own, to be closed by who opened it."""
    return julep.AsyncJulep(api_key=key or place.key, base_url=f"{place.url}/julep/api", max_retries=0)


def user(text: str) -> Any:
    """A message of a user."""
    return [{"role": "user", "content": text}]


async def make_session(client: julep.AsyncJulep, **fields: Any) -> Any:
    """A session of an agent of its own."""
    agent = await client.agents.create(name="Ines")
    return await client.sessions.create(agent=agent.id, **fields)


def facts_of(thing: Any) -> dict[str, Any]:
    """A thing without its times, which are stored in milliseconds."""
    return {name: value for name, value in thing.model_dump().items() if not name.endswith("_at")}


def texts_of(history: Any) -> list[str]:
    """What the entries of a history say."""
    return ["".join(part.text for part in entry.content) for entry in history.entries]


def reason_of(error: julep.APIStatusError) -> Any:
    """Our own code of an error."""
    body: Any = error.body
    return body["error"]["reason"]
