"""Calls a provider that speaks OpenAI's chat completions, streamed and whole."""

from __future__ import annotations

import asyncio
import io
import math
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

import aiohttp
import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace
from multidict import CIMultiDict
from yarl import URL

from multiturn.errors import UpstreamError
from multiturn.model.completion import Completion, Delta, Maker, ModelInfo, ModelRequest
from multiturn.model.reasoning import StyleChoice
from multiturn.upstream.http import (
    NETWORK_ERRORS,
    CallLimits,
    allow_silence,
    read_retry_after,
    read_whole,
    too_large,
    translate,
)
from multiturn.upstream.openai_wire import (
    cut_completion,
    read_completion,
    read_delta,
    read_error,
    read_models,
    write_request,
)
from multiturn.upstream.reasoning import Manner

BODY_BYTES_AT_ONCE = 2**20  # aiohttp wants a larger body as a file, which it sends in pieces.
LINGER_S = 0.1  # How long a stream may take to end after its last word, for its connection to be kept.
MODELS_KEPT_S = 60.0
MODELS_MISSED_S = 5.0
# The last is what aiohttp takes for none.
STREAM_TYPES = ("text/event-stream", "text/plain", "application/octet-stream")


class Habits(Struct, frozen=True, kw_only=True):
    """What a provider wants to be told where that is not what its host says.

    ``takes_cache_key`` says whether it knows ``prompt_cache_key``; another may refuse a request that has it, so that
    unless told otherwise only OpenAI's own host gets it. ``reasoning`` is how it is spoken to of that.
    """

    takes_cache_key: bool | None = None
    reasoning: StyleChoice = "auto"


AS_ITS_HOST = Habits()


class OpenAIChatUpstream:
    """A provider at a URL such as ``https://api.openai.com/v1``, below which ``/chat/completions`` lies."""

    def __init__(
        self,
        url: str,
        key: str | None,
        session: aiohttp.ClientSession,
        *,
        limits: CallLimits | None = None,
        habits: Habits = AS_ITS_HOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = URL(url.rstrip("/"))
        if key and self._url.user:
            self._url = self._url.with_user(None)  # aiohttp refuses to be told two ways to authenticate.
        self._chat_url = URL(f"{self._url}/chat/completions")
        self._manner = Manner(self._url, habits.reasoning)
        self._session = session
        self._limits = limits or CallLimits()
        self._stream_silence = self._limits.silence(self._limits.first_token_s)
        self._whole_silence = self._limits.silence(self._limits.answer_s)
        self._headers = CIMultiDict({"Content-Type": "application/json"})
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        is_openai = self._url.host == "api.openai.com"
        self._takes_cache_key = is_openai if habits.takes_cache_key is None else habits.takes_cache_key
        self._models = _ModelListing(self._fetch_models, clock)

    async def complete(self, request: ModelRequest) -> Completion:
        """Ask for a whole answer.

        Raises ModelMissing, ContextTooLong, UpstreamRefused, UpstreamTimeout or another UpstreamError.
        """
        try:
            async with await self._ask(request, stream=False) as response:
                return read_completion(await self._read_whole(response), self._manner.find_maker(request.model))
        except NETWORK_ERRORS as error:
            raise translate(error) from error

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Ask for an answer in pieces; those that arrived together come together.

        Raises what ``complete`` raises, behind the pieces that came before; UpstreamError
        (``upstream_cut_off``) when the answer stops before its end.
        """
        maker = self._manner.find_maker(request.model)
        try:
            async with await self._ask(request, stream=True) as response:
                if response.content_type not in STREAM_TYPES:
                    yield [read_delta(piece, maker) for piece in cut_completion(await self._read_whole(response))]
                    return
                answer = StreamedAnswer(self._limits.answer_bytes_max, maker)
                piece = await response.content.readany()
                allow_silence(response, self._limits.idle_s)
                while piece and not answer.is_over:
                    if deltas := answer.feed(piece):
                        yield deltas
                    answer.check()
                    piece = await (_linger(response) if answer.is_over else response.content.readany())
                if deltas := answer.end():
                    yield deltas
        except NETWORK_ERRORS as error:
            raise translate(error) from error

    async def list_models(self) -> Sequence[ModelInfo]:
        """List the models that the provider serves, as it told within the last minute."""
        return await self._models.get()

    async def find_context_tokens(self, model: str) -> int | None:
        """Tell the window of a model, where the provider does; one with a single model answers every name."""
        try:
            models = await self._models.get()
        except UpstreamError:
            return None
        if len(models) == 1:
            return models[0].context_tokens
        return next((known.context_tokens for known in models if known.id == model), None)

    async def _ask(self, request: ModelRequest, *, stream: bool) -> aiohttp.ClientResponse:
        """Send the request; the answer has begun, and is not an error."""
        if self._takes_cache_key and request.cache_key and "prompt_cache_key" not in request.fields:
            key = Raw(msgspec.json.encode(request.cache_key))
            request = replace(request, fields={**request.fields, "prompt_cache_key": key})
        body = write_request(self._manner.word(request), stream=stream)
        response = await self._session.post(
            self._chat_url,
            data=body if len(body) <= BODY_BYTES_AT_ONCE else io.BytesIO(body),
            headers=self._write_headers(request),
            timeout=self._stream_silence if stream else self._whole_silence,
            allow_redirects=False,
        )
        return await self._accept(response)

    def _write_headers(self, request: ModelRequest) -> CIMultiDict[str]:
        if not request.headers:
            return self._headers
        headers = CIMultiDict(request.headers)
        headers.update(self._headers)  # Never a client's key instead of the server's.
        return headers

    async def _accept(self, response: aiohttp.ClientResponse) -> aiohttp.ClientResponse:
        """Give back an answer that is not an error, else raise what it says."""
        if response.status == 200:
            return response
        async with response:
            body = await self._read_whole(response)
        raise read_error(response.status, body, retry_after_s=read_retry_after(response))

    async def _read_whole(self, response: aiohttp.ClientResponse) -> bytes:
        return await read_whole(response, bytes_max=self._limits.answer_bytes_max)

    async def _fetch_models(self) -> Sequence[ModelInfo]:
        try:
            response = await self._session.get(
                URL(f"{self._url}/models"),
                headers=self._headers,
                timeout=self._limits.silence(self._limits.connect_s),
                allow_redirects=False,
            )
            async with await self._accept(response):
                return read_models(await self._read_whole(response))
        except NETWORK_ERRORS as error:
            raise translate(error) from error


async def _linger(response: aiohttp.ClientResponse) -> bytes:
    """Wait a moment for a stream to end: only then can its connection be used again."""
    try:
        async with asyncio.timeout(LINGER_S):
            return await response.content.readany()
    except TimeoutError:
        return b""


class StreamedAnswer:
    """What a streamed answer has said so far, and how it ended."""

    def __init__(self, bytes_max: int, maker: Maker | None = None) -> None:
        self._events = EventReader()
        self._maker = maker
        self._bytes_left = self._bytes_max = bytes_max
        self._failure: UpstreamError | None = None
        self._has_finished = False
        self.is_over = False

    def feed(self, piece: bytes) -> list[Delta]:
        """Read the pieces of the answer that ``piece`` completes, up to the first that is an error."""
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            self._failure = too_large(self._bytes_max)
            return []
        return self._read(self._events.feed(piece))

    def check(self) -> None:
        """Raise the error that the answer told."""
        if self._failure is not None:
            raise self._failure

    def end(self) -> list[Delta]:
        """Read what is left. Raises UpstreamError (``upstream_cut_off``) when the answer has no end."""
        deltas = [] if self.is_over else self._read(self._events.end())
        if self.is_over or self._has_finished:
            return deltas
        if self._failure is not None and self._failure.code != "upstream_invalid":
            raise self._failure
        raise UpstreamError("The upstream's answer stopped before its end.", code="upstream_cut_off")

    def _read(self, events: Sequence[bytes]) -> list[Delta]:
        deltas: list[Delta] = []
        for event in events:
            if event.startswith(b"[DONE]"):
                self.is_over = True
                break
            try:
                delta = read_delta(event, self._maker)
            except UpstreamError as error:
                self._failure = error
                break
            if delta.finish_reason is not None:
                self._has_finished = True
            deltas.append(delta)
        return deltas


class EventReader:
    """Finds the data of events in the bytes of a stream (WHATWG HTML, 9.2.6), wherever those are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ends_in_cr = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Read the events that ``piece`` completes."""
        if self._ends_in_cr or b"\r" in piece:
            piece = self._normalize(piece)
        seen = max(0, len(self._buffer) - 1)
        self._buffer += piece
        end = self._buffer.rfind(b"\n\n", seen)
        if end < 0:
            return []
        events = bytes(memoryview(self._buffer)[:end])
        del self._buffer[: end + 2]
        return _read_events(events)

    def end(self) -> list[bytes]:
        """Read the last event, where the stream ended without the empty line behind it."""
        return _read_events(bytes(self._buffer))

    def _normalize(self, piece: bytes) -> bytes:
        """Turn CRLF and CR into LF; a CR at the end waits for what follows it."""
        if self._ends_in_cr:
            piece = b"\r" + piece
        self._ends_in_cr = piece.endswith(b"\r")
        if self._ends_in_cr:
            piece = piece[:-1]
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _read_events(events: bytes) -> list[bytes]:
    found = []
    for event in events.split(b"\n\n"):
        if event.startswith(b"data: ") and b"\n" not in event:
            found.append(event[6:])
        elif data := _read_event(event):
            found.append(data)
    return found


def _read_event(event: bytes) -> bytes:
    """Read an event of any shape; its lines become one, which as JSON is the same and as an event simpler."""
    lines = event.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return b" ".join(line[5:].strip() for line in lines if line.startswith(b"data:"))


class _ModelListing:
    """The models of a provider, asked for when they are needed and kept for a minute.

    While it cannot be asked, an older list holds; without one its error does, for some seconds, so that a
    provider without a list does not delay every turn.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Sequence[ModelInfo]]], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._models: Sequence[ModelInfo] | None = None
        self._failure: UpstreamError | None = None
        self._fresh_until = -math.inf

    async def get(self) -> Sequence[ModelInfo]:
        """List the models. Raises UpstreamError when they were never told."""
        if self._clock() >= self._fresh_until:
            async with self._lock:
                if self._clock() >= self._fresh_until:
                    await self._renew()
        if self._models is None:
            # Not the failure itself: raised again and again, it would gather the frames of all who met it.
            text = f"The upstream's models cannot be listed: {self._failure}"
            raise UpstreamError(text, code=getattr(self._failure, "code", None)) from self._failure
        return self._models

    async def _renew(self) -> None:
        try:
            self._models = await self._fetch()
            self._fresh_until = self._clock() + MODELS_KEPT_S
        except UpstreamError as error:
            self._failure = error
            self._fresh_until = self._clock() + MODELS_MISSED_S
