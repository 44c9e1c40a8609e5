"""What Powabase has beside agents and knowledge and this server does not: each says so."""

from __future__ import annotations

from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from multiturn.errors import InvalidRequest

FAMILIES = ("orchestrations", "workflows")


def list_absent(base: str) -> list[Mount]:
    """The routes of what is not there, under a base path."""
    return [Mount(f"{base}/{family}", app=Absent(family)) for family in FAMILIES]


class Absent:
    """A family of paths that this server does not have."""

    def __init__(self, family: str) -> None:
        self.family = family

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say that it is not there. Raises InvalidRequest (``not_implemented``)."""
        text = (
            f"This server has no /{self.family}: one agent answers in a run. It has agents, their runs and sessions, "
            "knowledge bases, sources and context handlers."
        )
        raise InvalidRequest(text, code="not_implemented")
