"""Providers that answer in one piece: how each is asked, and what is said when one refuses the server's key."""

from __future__ import annotations

import aiohttp
import msgspec
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from multiturn.errors import UpstreamError
from multiturn.upstream.http import NETWORK_ERRORS, CallLimits, read_retry_after, read_whole, translate
from multiturn.upstream.openai_wire import read_error


class ServiceFacts(Struct, frozen=True, kw_only=True):
    """What messages call a service, which setting has its key, how long it may be silent and how much it may say."""

    name: str
    key_setting: str
    answer_s: float
    answer_bytes_max: int


class Service:
    """One URL of a provider, and the server's key for it."""

    def __init__(
        self,
        facts: ServiceFacts,
        session: aiohttp.ClientSession,
        *,
        url: str,
        key: str | None = None,
        limits: CallLimits | None = None,
    ) -> None:
        self.url = URL(url)
        self._headers: CIMultiDict[str] = CIMultiDict()
        if key:
            self.url = self.url.with_user(None)  # aiohttp refuses to be told two ways to authenticate.
            self._headers["Authorization"] = f"Bearer {key}"
        self._session = session
        self._facts = facts
        self._silence = (limits or CallLimits()).silence(facts.answer_s)

    async def post_json(self, body: object) -> bytes:
        """Ask by JSON; the answer's body. Raises UpstreamError."""
        return await self._post(msgspec.json.encode(body), {"Content-Type": "application/json"})

    async def post_form(self, form: aiohttp.FormData) -> bytes:
        """Ask by a form; the answer's body. Raises UpstreamError."""
        return await self._post(form, {})

    async def _post(self, data: bytes | aiohttp.FormData, headers: dict[str, str]) -> bytes:
        try:
            async with self._session.post(
                self.url,
                data=data,
                headers={**self._headers, **headers},
                timeout=self._silence,
                allow_redirects=False,
            ) as response:
                body = await read_whole(response, bytes_max=self._facts.answer_bytes_max)
                if response.status != 200:
                    raise self._read_refusal(response, body)
        except NETWORK_ERRORS as error:
            raise translate(error) from error
        return body

    def _read_refusal(self, response: aiohttp.ClientResponse, body: bytes) -> UpstreamError:
        if response.status in (401, 403):
            text = (
                f"The {self._facts.name} refused the server's key ({response.status}). Check {self._facts.key_setting}."
            )
            return UpstreamError(text, code="upstream_unauthorized", status=response.status)
        return read_error(response.status, body, retry_after_s=read_retry_after(response))
