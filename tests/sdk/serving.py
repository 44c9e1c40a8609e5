"""The real server on a port of this machine, in a thread with a loop of its own, before a model that echoes."""

from __future__ import annotations

import asyncio
import threading
from itertools import count
from pathlib import Path
from typing import Any

import uvloop

from multiturn.app import open_server
from multiturn.cli.listening import listen, take_address
from multiturn.config import Settings
from multiturn.engine.keys import Keys, NewKey
from multiturn.errors import UpstreamError
from multiturn.model.tool import ToolAnswer
from multiturn.upstream.scripted import Script, ScriptedCall, ScriptedUpstream
from tests.unit.tool_hosts import Act, ScriptedHost

TENANTS = count()
AWAY = UpstreamError("The model is away.")
PAUSE_S = 0.05


class Served(threading.Thread):
    """The server; each of its tenants knows nothing of the others."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(name="served", daemon=True)
        self.settings = Settings(
            data_dir=data_dir, model="scripted", embedding_model="none", stop_s=1, log_level="error"
        )
        self.is_up = threading.Event()
        self.loop = uvloop.new_event_loop()
        self.wanted_down = asyncio.Event()
        self.upstream = ScriptedUpstream(answer)
        self.keys: Keys
        self.url = ""

    def run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self.serve())

    async def serve(self) -> None:
        """Answer until it is told to stop."""
        host = ScriptedHost({"find": say("IC 522, 9:30"), "book": say("Seat 12A is booked.")})
        async with open_server(self.settings, upstream=self.upstream, tool_host=host) as server:
            self.keys = server.keys
            async with listen(server, self.settings, take_address("127.0.0.1", 0)) as listening:
                self.url = listening.url
                self.is_up.set()
                await self.wanted_down.wait()

    def stop(self) -> None:
        """Stop, and wait for it."""
        self.loop.call_soon_threadsafe(self.wanted_down.set)
        self.join(timeout=20)
        assert not self.is_alive()

    def enter_tenant(self) -> tuple[str, str]:
        """Make a tenant that nobody was before: a key that may do everything, and one that may do little."""
        tenant = f"tenant-{next(TENANTS)}"
        return self.make_key(tenant, "admin", "users"), self.make_key(tenant)

    def make_key(self, tenant: str, *scopes: str) -> str:
        """Make a key of a tenant."""
        made = asyncio.run_coroutine_threadsafe(self.keys.make(NewKey(tenant=tenant, scopes=scopes)), self.loop)
        return made.result(10)[1]


def say(text: str) -> Act:
    """A tool that says always the same."""
    return lambda _: ToolAnswer(text=text)


def answer(seen: dict[str, Any]) -> Script:
    """Call a tool when there are any, tell slowly or fail when told to, else say again what was said."""
    last = seen["messages"][-1]
    said = last["content"] if isinstance(last.get("content"), str) else ""
    if seen.get("tools") and last["role"] == "user":
        return Script(tool_calls=[ScriptedCall(choose_tool(seen["tools"], said), '{"city": "Lisbon"}')])
    if "The model is away" in said:
        return Script(error=AWAY)
    if "long story" in said:
        return Script("Once upon a time there was a server that never forgot.", pause_s=PAUSE_S)
    return Script(f"You said: {said}")


def choose_tool(tools: list[dict[str, Any]], said: str) -> str:
    """The tool whose name has the first word that was said, else the last one."""
    names = [str(tool["function"]["name"]) for tool in tools]
    return next((name for name in names if said.partition(" ")[0].lower() in name), names[-1])
