"""Files as answers: whole or a range of them (RFC 9110, 14), as a browser may safely have them."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from email.utils import format_datetime
from typing import NamedTuple
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multiturn.engine.media_files import MediaFile

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
# What a browser may show by itself: nothing of this can hold a script.
SHOWN = ("video/", "audio/", "image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/bmp")
STREAMS = ("application/vnd.apple.mpegurl",)
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'"
    ),
    "Cross-Origin-Resource-Policy": "cross-origin",
}
MAX_AGE_S = 3600


class Range(NamedTuple):
    """The bytes from ``start`` to before ``end``."""

    start: int
    end: int


class FileAnswer:
    """A response of a file's bytes, each piece sent when the client has taken the one before."""

    def __init__(
        self, status: int, headers: dict[str, str], pieces: AsyncGenerator[bytes] | None, first: bytes = b""
    ) -> None:
        self.status = status
        self.headers = headers
        self.pieces = pieces
        self.first = first

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the response."""
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        if self.pieces is not None:
            async with aclosing(self.pieces) as pieces:
                await send({"type": "http.response.body", "body": self.first, "more_body": True})
                async for piece in pieces:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def answer_file(
    request: Request, file: MediaFile, read: Callable[[int, int], AsyncGenerator[bytes]]
) -> FileAnswer | Response:
    """The answer to a request for a file: all of it, the range that is asked for, or that the client has it already.

    Raises NotFound when its bytes are not there.
    """
    headers = write_headers(file)
    if request.headers.get("if-none-match") in (headers["ETag"], "*"):
        return Response(status_code=304, headers=headers)
    asked = read_range(request.headers, headers["ETag"])
    wanted = find_range(asked, file.size_bytes) if asked else Range(0, file.size_bytes)
    if wanted is None:
        headers = {**SECURITY, "Content-Type": "text/plain", "Content-Range": f"bytes */{file.size_bytes}"}
        return Response(status_code=416, headers=headers)
    headers["Content-Length"] = str(wanted.end - wanted.start)
    if asked:
        headers["Content-Range"] = f"bytes {wanted.start}-{wanted.end - 1}/{file.size_bytes}"
    status = 206 if asked else 200
    if request.method == "HEAD":
        return FileAnswer(status, headers, None)
    pieces = read(wanted.start, wanted.end)
    return FileAnswer(status, headers, pieces, await anext(pieces, b""))


def write_headers(file: MediaFile) -> dict[str, str]:
    """What is said of a file, whole or not."""
    is_shown = file.is_safe and file.mime.startswith((*SHOWN, *STREAMS))
    disposition = "inline" if is_shown else "attachment"
    return {
        **SECURITY,
        "Content-Type": file.mime if file.is_safe else "application/octet-stream",
        "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(file.filename, safe='')}",
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.tag}"',
        "Last-Modified": format_datetime(file.changed_at, usegmt=True),
        "Cache-Control": f"private, max-age={MAX_AGE_S}",
    }


def read_range(headers: Headers, etag: str) -> tuple[int | None, int | None] | None:
    """The first and the last byte that are asked for, where one range is, of the file as the client knows it. What is
    not understood does not count, and neither do several ranges: both may be answered with the whole file.
    """
    found = RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range", etag) != etag:
        return None
    first, last = (int(digits) if digits else None for digits in found.groups())
    is_empty = first is None and last is None
    is_backwards = first is not None and last is not None and last < first
    return None if is_empty or is_backwards else (first, last)


def find_range(asked: tuple[int | None, int | None], size: int) -> Range | None:
    """The bytes that are asked for; None when the file has none of them."""
    first, last = asked
    if first is None:  # The last so many bytes.
        return Range(max(0, size - (last or 0)), size) if last and size else None
    end = size if last is None else min(last + 1, size)
    return Range(first, end) if first < size else None
