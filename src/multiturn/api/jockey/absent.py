"""What the hosted service has beside Jockey and this server does not: each says so."""

from __future__ import annotations

from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from multiturn.errors import NotFound

FAMILIES = (
    "analyze",
    "connections",
    "connections:authorize",
    "embed",
    "embed-v2",
    "entity-collections",
    "indexes",
    "search",
    "tasks",
)


def list_absent(base: str) -> list[Mount]:
    """The routes of what is not there, under a base path."""
    return [Mount(f"{base}/{family}", app=Absent(family)) for family in FAMILIES]


class Absent:
    """A family of paths that this server does not have."""

    def __init__(self, family: str) -> None:
        self.family = family

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say that it is not there. Raises NotFound."""
        text = (
            f"This server does not have /{self.family}: it has assets, knowledge-stores, responses and sessions, "
            "which are what Jockey needs."
        )
        raise NotFound(text)
