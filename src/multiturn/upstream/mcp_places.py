"""Where MCP servers are: started as a command, or at a URL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A server that is started here and spoken to through its pipes; ``title`` is what people know it by."""

    title: str
    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server at a URL. One that the settings ``name`` ``is_trusted``: it may be in our own network."""

    url: str
    name: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_trusted: bool = False

    @property
    def title(self) -> str:
        """What it is called in errors: the URL may hold a key."""
        return self.name or urlsplit(self.url).hostname or "?"


Place = Command | Endpoint
