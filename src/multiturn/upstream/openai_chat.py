"""Calls a provider that speaks OpenAI's chat completions, streamed and whole."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncGenerator, Callable, Sequence

import aiohttp
import msgspec
from multidict import CIMultiDict
from msgspec import Raw, Struct
from yarl import URL

from multiturn.errors import UpstreamError
from multiturn.model.completion import Completion, Delta, ModelInfo, ModelRequest
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

BODY_BYTES_AT_ONCE = 2**20  # aiohttp wants a larger body as a file, which it sends in pieces.
LINGER_S = 0.1  # How long a stream that has said its last may take to end, for its connection to be kept.
MODELS_KEPT_S = 60
MODELS_MISSED_S = 5
STREAM_TYPES = ("text/event-stream", "text/plain", "application/octet-stream")  # The last is aiohttp's for none.


class OpenAIChatUpstream:
    """A provider at a URL such as ``https://api.openai.com/v1``, below which ``/chat/completions`` lies.

    ``takes_cache_key`` says whether the provider knows ``prompt_cache_key``; others may refuse a request that
    has it, so that without being told only OpenAI's own host gets it.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        session: aiohttp.ClientSession,
        *,
        limits: CallLimits | None = None,
        takes_cache_key: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = URL(url.rstrip("/"))
        self._session = session
        self._limits = limits or CallLimits()
        self._chat_url = URL(f"{self.url}/chat/completions")
        self._headers = CIMultiDict({"Content-Type": "application/json"})
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        is_openai = self.url.host == "api.openai.com"
        self._takes_cache_key = is_openai if takes_cache_key is None else takes_cache_key
        self._models = _ModelList(self._fetch_models, clock)
