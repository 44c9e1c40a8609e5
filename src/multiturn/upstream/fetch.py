"""Fetches files by their URL: from the public Internet only, within limits, and with a reason when it cannot be."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp

from multiturn.errors import MultiturnError, Unavailable, UnreadableFile
from multiturn.model.asset import Fetched
from multiturn.model.filename import clean_filename, find_url_filename
from multiturn.upstream.addresses import is_public
from multiturn.upstream.guard import Guard, IsAllowed, PrivateAddress
from multiturn.upstream.http import NETWORK_ERRORS
from multiturn.upstream.playlists import MIMES, PLAYLIST_BYTES_MAX, Piece, Playlist, find_variant, read_playlist

REDIRECTS_MAX = 5
REDIRECTS = (301, 302, 303, 307, 308)
# Those after which it may go well another time: too many requests, and failures of the server itself.
PASSING = (408, 425, 429, 500, 502, 503, 504)
READ_BUFFER_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How long a file may take to connect, in silence, and in all; and how slow it may be after ``slow_after_s``."""

    connect_s: float = 15
    idle_s: float = 60
    total_s: float = 3600
    slow_after_s: float = 60
    bytes_per_s_min: int = 1024


class HttpFetcher:
    """Fetches by HTTP and HTTPS. ``is_allowed`` tells of each address, as it is connected to, whether it may be."""

    def __init__(self, limits: FetchLimits, *, is_allowed: IsAllowed = is_public) -> None:
        self.limits = limits
        self.guard = Guard(is_allowed)

    @asynccontextmanager
    async def fetch(self, url: str, *, bytes_max: int) -> AsyncGenerator[Fetched]:
        """Begin to fetch a file, over at most five redirects, and close the connection."""
        began = time.monotonic()
        async with self._open_session() as session, await self._follow(session, Piece(url), began) as response:
            check_answer(response, bytes_max)
            if is_playlist(response):
                yield await self._open_recording(session, response, bytes_max, began)
            else:
                mime = response.content_type if "Content-Type" in response.headers else ""
                yield Fetched(read_filename(response), mime, self._read(response, bytes_max, began))

    async def _open_recording(
        self, session: aiohttp.ClientSession, response: aiohttp.ClientResponse, bytes_max: int, began: float
    ) -> Fetched:
        """The recording that a playlist is of, its best variant. A live stream is refused."""
        stem = read_filename(response).removesuffix(".m3u8")
        url, text = str(response.url), await self._read_text(response, began)
        if variant := find_variant(text, url):
            async with await self._follow(session, Piece(variant), began) as chosen:
                check_answer(chosen, PLAYLIST_BYTES_MAX)
                url, text = str(chosen.url), await self._read_text(chosen, began)
        playlist = read_playlist(text, url)
        name, mime = (f"{stem}.mp4", "video/mp4") if playlist.is_fragmented else (f"{stem}.ts", "video/mp2t")
        return Fetched(name, mime, self._read_recording(session, playlist, bytes_max, began))

    async def _read_recording(
        self, session: aiohttp.ClientSession, playlist: Playlist, bytes_max: int, began: float
    ) -> AsyncIterator[bytes]:
        """The pieces of a recording, one behind the other."""
        left = bytes_max
        for piece in playlist.pieces:
            async with await self._follow(session, piece, began) as response:
                check_answer(response, left, wants_part=piece.size is not None)
                async for data in self._read(response, left, began, before=bytes_max - left):
                    left -= len(data)
                    yield data

    async def _read_text(self, response: aiohttp.ClientResponse, began: float) -> str:
        """A playlist."""
        data = b"".join([piece async for piece in self._read(response, PLAYLIST_BYTES_MAX, began)])
        return data.decode(errors="replace").removeprefix("\ufeff")

    async def _follow(self, session: aiohttp.ClientSession, piece: Piece, began: float) -> aiohttp.ClientResponse:
        """Ask for a file, where it is redirected to. The addresses of each host are checked anew."""
        url = piece.url
        last = "" if piece.size is None else piece.start + piece.size - 1
        headers = {} if piece.size is None else {"Range": f"bytes={piece.start}-{last}"}
        for _ in range(REDIRECTS_MAX + 1):
            check_scheme(url)
            left_s = self.limits.total_s - (time.monotonic() - began)
            timeout = aiohttp.ClientTimeout(
                total=max(left_s, 0.001), sock_connect=self.limits.connect_s, sock_read=self.limits.idle_s
            )
            try:
                response = await session.get(url, headers=headers, allow_redirects=False, timeout=timeout)
            except (*NETWORK_ERRORS, ValueError) as error:
                raise translate(error, url) from error
            if response.status not in REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            url = urljoin(url, response.headers["Location"])
        raise UnreadableFile(f"The URL is redirected more than {REDIRECTS_MAX} times.")

    async def _read(
        self, response: aiohttp.ClientResponse, bytes_max: int, began: float, *, before: int = 0
    ) -> AsyncIterator[bytes]:
        """The bytes of an answer, within all limits; ``before`` came since it ``began`` with the pieces before it."""
        size = 0
        try:
            while piece := await response.content.readany():
                size += len(piece)
                if size > bytes_max:
                    raise too_large(bytes_max)
                self._check_pace(before + size, time.monotonic() - began)
                yield piece
        except NETWORK_ERRORS as error:
            raise translate(error, str(response.url)) from error

    def _check_pace(self, size: int, passed_s: float) -> None:
        """Raises UnreadableFile for a file that comes by drops."""
        if passed_s > self.limits.slow_after_s and size < passed_s * self.limits.bytes_per_s_min:
            raise UnreadableFile(
                f"The server of the URL is too slow: {size} bytes came in {passed_s:.0f} seconds, "
                f"less than {self.limits.bytes_per_s_min} a second."
            )

    def _open_session(self) -> aiohttp.ClientSession:
        """A session for one file: it keeps nothing, takes no proxy, and asks for the file as it is."""
        connector = aiohttp.TCPConnector(use_dns_cache=False, socket_factory=self.guard.open_socket)
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "multiturn", "Accept": "*/*", "Accept-Encoding": "identity"},
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
        )


def check_scheme(url: str) -> None:
    """Raises UnreadableFile for a URL of another protocol."""
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise translate(error, url) from error
    if scheme not in ("http", "https"):
        raise UnreadableFile("The URL leads to an address that is neither http nor https.")


def is_playlist(response: aiohttp.ClientResponse) -> bool:
    """Whether an answer is the playlist of a recording."""
    return response.content_type.lower() in MIMES or response.url.path.lower().endswith(".m3u8")


def check_answer(response: aiohttp.ClientResponse, bytes_max: int, *, wants_part: bool = False) -> None:
    """Raises UnreadableFile for an answer that is no file or too large, Unavailable when it may be one later."""
    if response.status != (206 if wants_part else 200):
        text = f"The server of the URL answered {response.status} {response.reason or ''}".rstrip() + "."
        raise Unavailable(text, code="fetch_failed") if response.status in PASSING else UnreadableFile(text)
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("", "identity"):
        raise UnreadableFile(f"The server of the URL sends the file compressed ({encoding[:40]}); it was asked not to.")
    if (response.content_length or 0) > bytes_max:
        raise too_large(bytes_max)


def read_filename(response: aiohttp.ClientResponse) -> str:
    """What a server calls a file, else what its URL does."""
    disposition = response.content_disposition
    if disposition and disposition.filename:
        return clean_filename(disposition.filename)
    return find_url_filename(str(response.url))


def too_large(bytes_max: int) -> UnreadableFile:
    """The error of a file over the limit."""
    return UnreadableFile(f"The file at the URL is too large: {bytes_max / 1024 / 1024:.4g} MiB are the most.")


def translate(error: Exception, url: str) -> MultiturnError:
    """Why a file cannot be fetched, for a person; what may pass is Unavailable. No address is told: a name's private
    addresses are not everybody's business.
    """
    host = find_host(url)
    match error:
        case aiohttp.ClientConnectorDNSError():
            return UnreadableFile(f"The host '{host}' is not known.")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            return UnreadableFile(f"The connection to '{host}' is not secure: its certificate cannot be trusted.")
        case aiohttp.ClientConnectorError(os_error=PrivateAddress()):
            return UnreadableFile(
                f"'{host}' is not on the public Internet: files are not fetched from this machine or its network "
                "(MULTITURN_FETCH_PRIVATE)."
            )
        case aiohttp.ConnectionTimeoutError():
            return Unavailable(f"The host '{host}' could not be connected to in time.", code="fetch_failed")
        case aiohttp.ClientConnectorError():
            return UnreadableFile(f"The host '{host}' cannot be reached.")
        case aiohttp.SocketTimeoutError():
            return Unavailable(f"The host '{host}' was silent for too long.", code="fetch_failed")
        case TimeoutError():
            return UnreadableFile(f"The file at '{host}' took too long.")
        case aiohttp.InvalidURL() | ValueError():
            return UnreadableFile("The URL, or one that it is redirected to, is not valid.")
        case aiohttp.ClientResponseError():
            return UnreadableFile(f"The host '{host}' does not speak HTTP.")
        case _:
            return Unavailable(f"The host '{host}' broke off.", code="fetch_failed")


def find_host(url: str) -> str:
    """The host of a URL, for a person."""
    try:
        return urlsplit(url).hostname or url[:80]
    except ValueError:
        return url[:80]
