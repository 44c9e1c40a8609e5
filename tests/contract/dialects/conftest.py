"""The real server on a real port in the tests' own event loop, before a model that says what it was told to.

Tests share the server of their module and are strangers to each other: each has a tenant of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from multiturn.app import open_server
from multiturn.cli.listening import listen, take_address
from multiturn.config import Settings
from multiturn.engine.keys import Keys, NewKey
from multiturn.engine.ports import Embedder
from multiturn.engine.ports_tools import ToolHost
from multiturn.errors import MultiturnError
from multiturn.upstream.scripted import Script, ScriptedUpstream
from tests.conftest import make_database

TENANTS = count()


@dataclass(kw_only=True)
class Place:
    """A server at work for one tenant: its URL and a key, and the scripts that its model says next ("ok" when there
    are none).
    """

    url: str
    keys: Keys
    upstream: ScriptedUpstream
    scripts: list[Script]
    tenant: str
    key: str
    http: aiohttp.ClientSession
    closing: AsyncExitStack

    def will_say(self, *answers: str | Script | MultiturnError) -> None:
        """Have the model say these next, one a call; an error fails the call before the first token."""
        for answer in answers:
            script = Script(error=answer) if isinstance(answer, MultiturnError) else answer
            self.scripts.append(Script(script) if isinstance(script, str) else script)

    @property
    def seen(self) -> list[dict[str, Any]]:
        """The requests that the model saw."""
        return self.upstream.requests

    @property
    def seen_texts(self) -> list[list[Any]]:
        """What the messages said that the model saw, one list a request."""
        return [[message["content"] for message in request["messages"]] for request in self.seen]

    async def make_key(self, **wanted: Any) -> str:
        """Make a key of this tenant, or of another that is named, and give its secret."""
        _, secret = await self.keys.make(NewKey(**{"tenant": self.tenant, **wanted}))
        return secret

    def client(self, headers: dict[str, str] | None = None, *, key: str = "", base: str = "/v1") -> AsyncOpenAI:
        """The official client, without retries of its own."""
        options: Any = {"max_retries": 0, "default_headers": headers}
        client = AsyncOpenAI(base_url=self.url + base, api_key=key or self.key, **options)
        self.closing.push_async_callback(client.close)
        return client

    def post(self, text: str, *, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        """Begin a turn with one message, in the session ``s`` unless the fields name another."""
        body = {"model": "m", "session_id": "s", "messages": [{"role": "user", "content": text}], **fields}
        return self.http.post("/v1/chat/completions", json=body, headers=headers)

    async def ask(self, text: str, **fields: Any) -> str:
        """Take a turn with one message; what the model answers."""
        async with self.post(text, **fields) as reply:
            body = await reply.json()
            assert reply.status == 200, body
            return str(body["choices"][0]["message"]["content"])

    async def get(self, path: str, *, headers: dict[str, str] | None = None) -> Any:
        """Get something that is there."""
        async with self.http.get(path, headers=headers) as reply:
            assert reply.status == 200, await reply.text()
            return await reply.json()

    async def list_items(self, session: str = "s", *, branch: str = "active") -> list[dict[str, Any]]:
        """List a session's items, oldest first."""
        page = await self.get(f"/v1/sessions/{session}/items?order=asc&limit=100&branch={branch}")
        items: list[dict[str, Any]] = page["data"]
        return items

    async def list_texts(self, session: str = "s", *, branch: str = "active") -> list[Any]:
        """List what a session's messages say, oldest first."""
        return [item["content"] for item in await self.list_items(session, branch=branch)]

    async def list_runs(self, session: str = "s") -> list[dict[str, Any]]:
        """List a session's runs, oldest first."""
        runs: list[dict[str, Any]] = (await self.get(f"/v1/sessions/{session}/runs?limit=100"))["data"]
        return runs[::-1]


OpenPlace = Callable[..., AbstractAsyncContextManager[Place]]


@asynccontextmanager
async def open_place(data_dir: Path, database_url: str | None, **changes: Any) -> AsyncGenerator[Place]:
    """Open a server on a data directory, with changes to the settings; again on the same one, and it goes on.

    With ``upstream_url`` among the changes it asks that model instead of the scripted one; an ``embedder`` among them
    makes its vectors, and a ``tool_host`` among them runs the tools of agents.
    """
    embedder: Embedder | None = changes.pop("embedder", None)
    tool_host: ToolHost | None = changes.pop("tool_host", None)
    settings = Settings(data_dir=data_dir, database_url=database_url, **{"stop_s": 0.2, **changes})
    scripts: list[Script] = []
    upstream = ScriptedUpstream(lambda _: scripts.pop(0) if scripts else Script("ok"))
    async with (
        open_server(
            settings,
            upstream=None if settings.upstream_url else upstream,
            embedder=embedder,
            tool_host=tool_host,
        ) as server,
        listen(server, settings, take_address("127.0.0.1", 0)) as listening,
        enter_tenant(listening.url, server.keys, upstream, scripts) as place,
    ):
        yield place


@asynccontextmanager
async def enter_tenant(
    url: str, keys: Keys, upstream: ScriptedUpstream, scripts: list[Script], *, tenant: str = "default"
) -> AsyncGenerator[Place]:
    """Be a tenant of a server."""
    _, key = await keys.make(NewKey(tenant=tenant))
    upstream.requests.clear()
    scripts.clear()
    async with AsyncExitStack() as closing:
        session = aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {key}"})
        http = await closing.enter_async_context(session)
        who: Any = {"tenant": tenant, "key": key, "http": http, "closing": closing}
        yield Place(url=url, keys=keys, upstream=upstream, scripts=scripts, **who)


def enter_shared(shared: Place) -> AbstractAsyncContextManager[Place]:
    """Be a tenant that nobody was before."""
    tenant = f"tenant-{next(TENANTS)}"
    return enter_tenant(shared.url, shared.keys, shared.upstream, shared.scripts, tenant=tenant)


@pytest.fixture(scope="module")
def database() -> str:
    """The kind of database; a module that tests both replaces this."""
    return "sqlite"


@pytest.fixture
def opening(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> OpenPlace:
    """Opens servers of a test's own, one after the other, on one data directory and database."""
    url = request.getfixturevalue("postgres_database") if database == "postgres" else None
    return partial(open_place, tmp_path / "data", url)


@pytest.fixture(scope="module")
def shared_database(request: pytest.FixtureRequest, database: str) -> Iterator[str | None]:
    """The URL of the database of a module's server."""
    if database == "sqlite":
        yield None
        return
    with make_database(request.getfixturevalue("postgres_url")) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, shared_database: str | None) -> AsyncIterator[Place]:
    """The server of a module, with default settings."""
    async with open_place(tmp_path_factory.mktemp("server"), shared_database) as place:
        yield place


@pytest_asyncio.fixture(loop_scope="module")
async def place(shared: Place) -> AsyncIterator[Place]:
    """The module's server, for a tenant that nobody was before."""
    async with enter_shared(shared) as place:
        yield place
