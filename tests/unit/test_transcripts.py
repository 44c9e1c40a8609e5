"""Speech and pictures are described by providers, and their failures are called by our names."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import web

from multiturn.errors import UpstreamError
from multiturn.model.segment import Segment
from multiturn.upstream.transcripts import TranscriptsEndpoint, open_transcriber
from multiturn.upstream.vision import VisionEndpoint, open_describer

WORDS = [
    {"word": "Bees", "start": 0.5, "end": 0.8},
    {"word": "fly", "start": 0.8, "end": 1.2},
    {"word": "Honey", "start": 4.0, "end": 4.5},
    {"word": "keeps", "start": 4.5, "end": 5.0},
]
SPOKEN = [{"text": " Bees fly. Honey keeps.", "start": 0.5, "end": 5.5}]


class Provider:
    """A provider that answers as it is told, and notes what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = {}
        self.status = 200
        self.asked: dict[str, Any] = {}
        self.key = ""

    async def transcribe(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.asked = {name: form.getall(name) for name in form}
        return self._reply(request)

    async def complete(self, request: web.Request) -> web.Response:
        self.asked = msgspec.json.decode(await request.read())
        return self._reply(request)

    def _reply(self, request: web.Request) -> web.Response:
        self.key = request.headers.get("Authorization", "")
        if isinstance(self.answer, bytes):
            return web.Response(status=self.status, body=self.answer)
        return web.json_response(self.answer, status=self.status)


@asynccontextmanager
async def open_provider() -> AsyncIterator[tuple[Provider, str]]:
    provider, app = Provider(), web.Application()
    app.router.add_post("/v1/audio/transcriptions", provider.transcribe)
    app.router.add_post("/v1/chat/completions", provider.complete)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield provider, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def transcribe(answer: Any, *, status: int = 200, start_s: float = 0.0) -> tuple[Provider, list[Segment]]:
    async with open_provider() as (provider, url):
        provider.answer, provider.status = answer, status
        endpoint = TranscriptsEndpoint(url=url, model="whisper-1", key="secret")
        async with open_transcriber(endpoint) as transcriber:
            assert transcriber is not None
            return provider, list(await transcriber.transcribe(b"RIFF", start_s=start_s))


async def describe(answer: Any, *, status: int = 200) -> tuple[Provider, str]:
    async with open_provider() as (provider, url):
        provider.answer, provider.status = answer, status
        async with open_describer(VisionEndpoint(url=url, model="sees", key="secret")) as describer:
            assert describer is not None
            return provider, await describer.describe(b"\xff\xd8picture", "the film 'Bees'")


async def test_sentences_get_times_of_their_words() -> None:
    answer = {"text": "Bees fly. Honey keeps.", "words": WORDS, "segments": SPOKEN}
    provider, (segment,) = await transcribe(answer, start_s=100.0)
    assert segment.text == "Bees fly. Honey keeps."
    assert [(mark.start, mark.start_s, mark.end_s) for mark in segment.place.marks] == [
        (0, 100.5, 101.2),
        (10, 104, 105),
    ]
    assert (segment.place.start_s, segment.place.end_s, segment.modality) == (100.5, 105.0, "speech")
    assert provider.asked["response_format"] == ["verbose_json"]
    assert provider.asked["timestamp_granularities[]"] == ["word", "segment"]
    assert provider.key == "Bearer secret"


async def test_segments_without_words_keep_their_times() -> None:
    _, (segment,) = await transcribe({"text": "Bees fly. Honey keeps.", "segments": SPOKEN})
    assert [(mark.start_s, mark.end_s) for mark in segment.place.marks] == [(0.5, 5.5)]


async def test_words_alone_are_enough() -> None:
    _, (segment,) = await transcribe({"text": "Bees fly Honey keeps", "words": WORDS})
    assert segment.text == "Bees fly Honey keeps"
    assert [mark.start_s for mark in segment.place.marks] == [0.5, 4.0]


async def test_silence_is_no_segment() -> None:
    assert (await transcribe({"text": ""}))[1] == []


async def test_text_without_times_is_refused() -> None:
    with pytest.raises(UpstreamError, match="gives no times"):
        await transcribe({"text": "Bees fly."})


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ({"error": {"message": "no"}}, 401, "upstream_unauthorized"),
        ({"error": {"message": "too large"}}, 413, "upstream_refused"),
        ({"error": {"message": "on fire"}}, 500, "upstream_error"),
        (b"<html>", 200, "upstream_invalid"),
    ],
)
async def test_failures_are_translated(answer: Any, status: int, code: str) -> None:
    with pytest.raises(UpstreamError) as heard:
        await transcribe(answer, status=status)
    with pytest.raises(UpstreamError) as seen:
        await describe(answer, status=status)
    assert (heard.value.code, seen.value.code) == (code, code)


async def test_refused_key_names_its_setting() -> None:
    with pytest.raises(UpstreamError, match="MULTITURN_SPEECH_KEY"):
        await transcribe({}, status=401)
    with pytest.raises(UpstreamError, match="MULTITURN_VISION_KEY"):
        await describe({}, status=403)


async def test_provider_that_is_away_is_unreachable() -> None:
    async with open_transcriber(TranscriptsEndpoint(url="http://127.0.0.1:9/v1")) as transcriber:
        assert transcriber is not None
        with pytest.raises(UpstreamError) as error:
            await transcriber.transcribe(b"RIFF", start_s=0)
    assert error.value.code == "upstream_unreachable"


async def test_nothing_configured_is_nobody() -> None:
    async with open_transcriber(None) as transcriber, open_describer(None) as describer:
        assert (transcriber, describer) == (None, None)


async def test_picture_is_sent_with_its_context() -> None:
    answer = {"choices": [{"message": {"content": "A hive\n in a garden."}}]}
    provider, caption = await describe(answer)
    assert caption == "A hive in a garden."
    text, picture = provider.asked["messages"][0]["content"]
    assert "the film 'Bees'" in text["text"]
    assert base64.b64decode(picture["image_url"]["url"].removeprefix("data:image/jpeg;base64,")) == b"\xff\xd8picture"


@pytest.mark.parametrize("answer", [{"choices": []}, {"choices": [{"message": {"content": " "}}]}, {"other": 1}])
async def test_answer_without_caption_is_invalid(answer: Any) -> None:
    with pytest.raises(UpstreamError, match="describes no picture") as error:
        await describe(answer)
    assert error.value.code == "upstream_invalid"
