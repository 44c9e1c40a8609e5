"""Has pictures described by any OpenAI-compatible model that takes images."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from multiturn.errors import UpstreamError
from multiturn.upstream.http import CallLimits, open_session
from multiturn.upstream.services import Service, ServiceFacts

CONNECTIONS_MAX = 8
DESCRIBING = ServiceFacts(
    name="upstream of the captions", key_setting="MULTITURN_VISION_KEY", answer_s=120.0, answer_bytes_max=1024 * 1024
)
CAPTION_CHARS_MAX = 1000
CONTEXT_CHARS_MAX = 500
ASKED = (
    "Describe this picture in one or two plain sentences for a search index: who or what is to be seen, what happens, "
    "and where. Do not guess names, and do not begin with 'The image shows'."
)


class VisionEndpoint(Struct, frozen=True, kw_only=True):
    """A provider at a URL such as ``https://api.openai.com/v1``, above ``/chat/completions``, and its model."""

    url: str
    model: str
    key: str | None = None


class _Message(Struct):
    content: str | None = None


class _Choice(Struct):
    message: _Message


class _Answer(Struct):
    choices: list[_Choice]


_answers = msgspec.json.Decoder(_Answer)


class Vision:
    """Describes pictures by a model of a provider."""

    def __init__(
        self, endpoint: VisionEndpoint, session: aiohttp.ClientSession, *, limits: CallLimits | None = None
    ) -> None:
        self.model = endpoint.model
        url = f"{endpoint.url.rstrip('/')}/chat/completions"
        self._service = Service(DESCRIBING, session, url=url, key=endpoint.key, limits=limits)

    async def describe(self, jpeg: bytes, context: str) -> str:
        """A sentence or two about a picture; ``context`` names what it is from. Raises UpstreamError."""
        body = await self._service.post_json(self._make_request(jpeg, context))
        return _read_caption(body)

    def _make_request(self, jpeg: bytes, context: str) -> dict[str, Any]:
        picture = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
        said = context[:CONTEXT_CHARS_MAX].encode("utf-8", "replace").decode()
        parts = [
            {"type": "text", "text": f"{ASKED}\nIt is from: {said}" if said else ASKED},
            {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
        ]
        # No limit and no temperature: half of the models refuse them, by one name or by the other.
        return {"model": self.model, "messages": [{"role": "user", "content": parts}]}


def _read_caption(body: bytes) -> str:
    """The caption in one line. Raises UpstreamError (``upstream_invalid``) when there is none."""
    try:
        choices = _answers.decode(body).choices
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UpstreamError("The upstream's answer describes no picture.", code="upstream_invalid") from error
    caption = " ".join((choices[0].message.content or "").split()) if choices else ""
    if not caption:
        raise UpstreamError("The upstream's answer describes no picture.", code="upstream_invalid")
    return caption[:CAPTION_CHARS_MAX]


@asynccontextmanager
async def open_describer(endpoint: VisionEndpoint | None, *, connect_s: float = 10.0) -> AsyncGenerator[Vision | None]:
    """Open the model of the settings that describes pictures, and close it; None where there is none."""
    if endpoint is None:
        yield None
        return
    async with open_session(connections_max=CONNECTIONS_MAX) as session:
        yield Vision(endpoint, session, limits=CallLimits(connect_s=connect_s))
