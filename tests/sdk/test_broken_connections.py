"""A connection that really breaks: a relay before the real server cuts the first stream in its middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from multiturn_client import AsyncMultiturn, ConnectionFailed
from tests.sdk.serving import Served

STORY = "Once upon a time there was a server that never forgot."
CUT_BYTES = 700


class Relay:
    """Passes bytes on to a server; the first streams that it is told to cut break off behind some bytes."""

    def __init__(self, url: str, *, cuts: int) -> None:
        self.address = urlsplit(url)
        self.cuts = cuts

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on."""
        there, here = await asyncio.open_connection(self.address.hostname, self.address.port)
        asking = asyncio.create_task(self.pass_on(reader, here))
        try:
            await self.answer(there, writer)
        finally:
            asking.cancel()
            here.close()
            writer.transport.abort()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass requests on."""
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass answers on, and cut a stream."""
        passed, is_stream = 0, False
        while data := await reader.read(65536):
            is_stream = is_stream or b"text/event-stream" in data
            passed += len(data) if is_stream else 0
            if self.cuts and passed > CUT_BYTES:
                self.cuts -= 1
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def relaying(served: Served, *, cuts: int) -> AsyncIterator[AsyncMultiturn]:
    """A client that talks through a relay."""
    key, _ = served.enter_tenant()
    relay = Relay(served.url, cuts=cuts)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with AsyncMultiturn(key, base_url=f"http://{host}:{port}", max_retries=2) as client:
        yield client
    server.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            await server.wait_closed()


async def test_story_is_heard_to_its_end(served: Served) -> None:
    async with relaying(served, cuts=2) as client:
        session = await client.sessions.create()
        doc = await session.docs.create("Server", "The server of the story lives in Lisbon.")
        async with session.stream("Tell a long story about the server.") as stream:
            texts = [text async for text in stream]
        assert "".join(texts) == STORY == stream.answer
        assert [item.role for item in stream.answer.items] == ["user", "assistant"]
        assert [hit.document_id for hit in stream.answer.docs] == [doc.id]
        assert (stream.answer.retrieved, stream.answer.finish_reason) == (1, "stop")
        assert stream.answer.usage
        assert (await session.refresh()).items == 2


async def test_server_that_stays_away_is_given_up(served: Served) -> None:
    async with relaying(served, cuts=100) as client:
        session = await client.sessions.create()
        async with session.stream("Tell a long story.") as stream:
            with pytest.raises(ConnectionFailed):
                await stream.until_done()
