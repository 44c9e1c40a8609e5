"""Providers that answer in one piece: what is sent to them, and what their failures are called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from multiturn.errors import UpstreamError, UpstreamRefused
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.services import Service, ServiceFacts

FACTS = ServiceFacts(name="reader of tea leaves", key_setting="MULTITURN_TEA_KEY", answer_s=5.0, answer_bytes_max=100)


class Provider:
    """A server that answers as it is told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer = web.Response(body=b"two lumps")
        self.asked: list[tuple[str, str | None, bytes]] = []
        self.url = ""

    async def reply(self, request: web.Request) -> web.Response:
        said = request.headers.get("Authorization")
        self.asked.append((request.content_type, said, await request.read()))
        return self.answer


@asynccontextmanager
async def serve(*, user: str = "", key: str | None = None) -> AsyncIterator[tuple[Service, Provider]]:
    """A service, and who answers it."""
    provider, app = Provider(), web.Application()
    app.router.add_post("/read", provider.reply)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://{user}127.0.0.1:{runner.addresses[0][1]}/read"
    async with open_session(connections_max=1) as session:
        yield Service(FACTS, session, url=provider.url, key=key, limits=CallLimits(connect_s=5)), provider
    await runner.cleanup()


async def test_body_is_sent_as_json() -> None:
    async with serve(key="secret") as (service, provider):
        assert await service.post_json({"cup": 1}) == b"two lumps"
    assert provider.asked == [("application/json", "Bearer secret", b'{"cup":1}')]


async def test_form_is_sent_as_a_form() -> None:
    form = aiohttp.FormData()
    form.add_field("file", b"leaves", filename="cup.bin")
    async with serve() as (service, provider):
        assert await service.post_form(form) == b"two lumps"
    ((content_type, said, body),) = provider.asked
    assert (content_type, said) == ("multipart/form-data", None)
    assert b"leaves" in body


async def test_key_counts_before_a_user_in_the_url() -> None:
    async with serve(user="ann:pass@", key="secret") as (service, provider):
        await service.post_json({})
    assert provider.asked[0][1] == "Bearer secret"
    async with serve(user="ann:pass@") as (service, provider):
        await service.post_json({})
    assert str(provider.asked[0][1]).startswith("Basic ")


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_key_names_its_setting_and_quotes_nothing(status: int) -> None:
    async with serve(key="secret") as (service, provider):
        provider.answer = web.Response(status=status, text="wrong key: secret")
        with pytest.raises(UpstreamError) as refused:
            await service.post_json({})
    assert (refused.value.code, refused.value.status) == ("upstream_unauthorized", status)
    assert str(refused.value) == (
        f"The reader of tea leaves refused the server's key ({status}). Check MULTITURN_TEA_KEY."
    )


async def test_other_refusals_are_told_with_their_pause() -> None:
    async with serve() as (service, provider):
        provider.answer = web.Response(status=429, text="slowly", headers={"Retry-After": "7"})
        with pytest.raises(UpstreamRefused) as refused:
            await service.post_json({})
    assert (refused.value.status, refused.value.retry_after_s) == (429, 7.0)


@pytest.mark.parametrize("status", [204, 302])
async def test_only_200_is_an_answer(status: int) -> None:
    async with serve() as (service, provider):
        provider.answer = web.Response(status=status, headers={"Location": "http://127.0.0.1:9/"})
        with pytest.raises(UpstreamError):
            await service.post_json({})
    assert len(provider.asked) == 1


@pytest.mark.parametrize("size", [100, 101])
async def test_answer_has_a_size(size: int) -> None:
    async with serve() as (service, provider):
        provider.answer = web.Response(body=b"x" * size)
        if size <= FACTS.answer_bytes_max:
            assert len(await service.post_json({})) == size
        else:
            with pytest.raises(UpstreamError) as refused:
                await service.post_json({})
            assert refused.value.code == "upstream_too_large"


async def test_provider_that_is_away_is_unreachable() -> None:
    async with serve() as (service, provider):
        url = provider.url
    async with open_session(connections_max=1) as session:
        service = Service(FACTS, session, url=url)
        with pytest.raises(UpstreamError) as refused:
            await service.post_json({})
    assert refused.value.code == "upstream_unreachable"
