"""The keys of a token issuer (a JWKS, RFC 7517): fetched, kept, and fetched again when that is due."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from multiturn.errors import MultiturnError, SettingsError, Unavailable, UpstreamError
from multiturn.upstream.http import NETWORK_ERRORS, read_whole, translate

log = logging.getLogger(__name__)

BYTES_MAX = 1024 * 1024
FETCH_S = 5.0
# Keys that the issuer took back count no longer than this; an unknown one is looked for at most so often.
REFRESH_S = 600.0
RETRY_S = 30.0
NOTHING: tuple[Mapping[str, Any], ...] = ()


class Jwks:
    """The keys of an issuer at a URL, or those given once for all."""

    def __init__(self, url: str | None, keys: Sequence[Mapping[str, Any]] = NOTHING) -> None:
        self.url = url
        self.keys = keys
        self.version = 0
        self.stale_at = float("-inf") if url else float("inf")
        self.retry_at = float("-inf") if url else float("inf")
        self.lock = asyncio.Lock()

    async def refresh(self) -> None:
        """Fetch the keys again when they are old. Where that fails, those that are there stay.

        Raises Unavailable (``jwks_unavailable``) when there never were any.
        """
        if time.monotonic() < self.stale_at:
            return
        if self.keys and self.lock.locked():
            return  # Somebody fetches them; until then the old ones are good.
        async with self.lock:
            if time.monotonic() >= max(self.stale_at, self.retry_at):
                await self._fetch()
        if not self.keys:
            wait_s = max(1.0, self.retry_at - time.monotonic())
            text = "The keys that JWTs are checked with cannot be had from their issuer now."
            raise Unavailable(text, code="jwks_unavailable", retry_after_s=wait_s)

    async def look_again(self) -> bool:
        """Fetch the keys because one is not known; False when that was done a moment ago, or cannot be."""
        version = self.version
        async with self.lock:
            if version == self.version and time.monotonic() >= self.retry_at:
                await self._fetch()
        return version != self.version

    async def _fetch(self) -> None:
        self.retry_at = time.monotonic() + RETRY_S
        try:
            keys = read_keys(await fetch(self.url or ""))
        except (MultiturnError, ValueError) as error:
            log.warning("the keys of JWTs could not be fetched: %s", error)
            return
        self.stale_at = time.monotonic() + REFRESH_S
        if keys != self.keys:
            self.keys = keys
            self.version += 1


async def fetch(url: str) -> bytes:
    """Fetch a small document. Raises UpstreamError."""
    timeout = aiohttp.ClientTimeout(total=FETCH_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "multiturn"}) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise UpstreamError(f"the issuer answered {response.status}", status=response.status)
            return await read_whole(response, bytes_max=BYTES_MAX)
    except NETWORK_ERRORS as error:
        raise translate(error) from error


def read_keys(raw: bytes | str) -> Sequence[Mapping[str, Any]]:
    """The keys of a JWKS that are for signatures. Raises ValueError for what is none, or has none."""
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    keys = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(keys, list):
        raise ValueError("it has no list 'keys'")
    good = tuple(key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig")
    if not good:
        raise ValueError("it has no key for signatures")
    return good


def open_jwks(where: str) -> Jwks:
    """The keys at a URL (fetched with the first token), in a file (``file:``), or in the text itself.

    Raises SettingsError for a file or a text that is no JWKS.
    """
    if where.startswith(("http://", "https://")):
        return Jwks(where)
    try:
        raw = where if where.lstrip().startswith("{") else Path(where.removeprefix("file:")).expanduser().read_bytes()
        return Jwks(None, read_keys(raw))
    except OSError as error:
        raise SettingsError(f"MULTITURN_JWT_JWKS_URL: the file cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"MULTITURN_JWT_JWKS_URL is no JWKS: {error}.") from error
