"""Has pictures described by any OpenAI-compatible model that takes images."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from multiturn.errors import UpstreamError
from multiturn.upstream.http import NETWORK_ERRORS, CallLimits, open_session, read_retry_after, read_whole, translate
from multiturn.upstream.openai_wire import read_error

CONNECTIONS_MAX = 8
ANSWER_S = 120.0
ANSWER_BYTES_MAX = 1024 * 1024
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
        self._session = session
        self._url = URL(f"{endpoint.url.rstrip('/')}/chat/completions")
        self._headers = CIMultiDict({"Content-Type": "application/json"})
        if endpoint.key:
            self._url = self._url.with_user(None)  # aiohttp refuses to be told two ways to authenticate.
            self._headers["Authorization"] = f"Bearer {endpoint.key}"
        self._silence = (limits or CallLimits()).silence(ANSWER_S)

    async def describe(self, jpeg: bytes, context: str) -> str:
        """A sentence or two about a picture; ``context`` names what it is from. Raises UpstreamError."""
        try:
            async with self._session.post(
                self._url,
                data=msgspec.json.encode(self._make_request(jpeg, context)),
                headers=self._headers,
                timeout=self._silence,
                allow_redirects=False,
            ) as response:
                body = await read_whole(response, bytes_max=ANSWER_BYTES_MAX)
                if response.status != 200:
                    raise _read_refusal(response, body)
        except NETWORK_ERRORS as error:
            raise translate(error) from error
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


def _read_refusal(response: aiohttp.ClientResponse, body: bytes) -> UpstreamError:
    if response.status in (401, 403):
        text = f"The upstream of the captions refused the server's key ({response.status})."
        return UpstreamError(
            f"{text} Check MULTITURN_VISION_KEY.", code="upstream_unauthorized", status=response.status
        )
    return read_error(response.status, body, retry_after_s=read_retry_after(response))


@asynccontextmanager
async def open_describer(endpoint: VisionEndpoint | None, *, connect_s: float = 10.0) -> AsyncGenerator[Vision | None]:
    """Open the model of the settings that describes pictures, and close it; None where there is none."""
    if endpoint is None:
        yield None
        return
    async with open_session(connections_max=CONNECTIONS_MAX) as session:
        yield Vision(endpoint, session, limits=CallLimits(connect_s=connect_s))
