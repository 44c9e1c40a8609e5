"""A server that a command starts for itself, where none runs on the data directory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

from multiturn.app import open_server
from multiturn.cli.listening import listen, take_address
from multiturn.config import Settings
from multiturn.errors import Unavailable
from multiturn.model.completion import Completion, Delta, ModelInfo, ModelRequest
from multiturn.observe import start_logging


class NoModels:
    """Stands in for the models of a server that a command starts to look at keys or sessions: it takes no turns."""

    async def complete(self, request: ModelRequest) -> Completion:
        """Refuse."""
        raise refuse_turn()

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Refuse."""
        raise refuse_turn()

    async def list_models(self) -> Sequence[ModelInfo]:
        """List none."""
        return ()

    async def find_context_tokens(self, model: str) -> int | None:
        """Know none."""
        return None


def refuse_turn() -> Unavailable:
    """The error of a turn on a server that takes none."""
    return Unavailable("This server was started by a command for itself, and takes no turns.")


async def start_here(settings: Settings, stack: AsyncExitStack, *, takes_turns: bool) -> tuple[str, str]:
    """Start a server in this process, as `serve` does, on a free port of this machine's own; its URL and a key."""
    start_logging("error")
    server = await stack.enter_async_context(open_server(settings, upstream=None if takes_turns else NoModels()))
    taken = stack.enter_context(take_address("127.0.0.1", 0))
    listening = await stack.enter_async_context(listen(server, settings, taken))
    if takes_turns:
        stack.enter_context(listening.announce(settings))
    return listening.url, listening.key
