"""What is sent to be imported, taken apart as it arrives: lines, or the members of a JSON list."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import NamedTuple

from starlette.requests import ClientDisconnect, Request

from multiturn.api.limits import is_number
from multiturn.errors import InvalidRequest, TooLarge

MIB = 1024 * 1024
BODY_BYTES_MAX = 256 * MIB
# One line is held in memory: an item with its pictures, or a whole conversation of a list.
PIECE_BYTES_MAX = 32 * MIB
# A body of which nothing comes for so long has broken off.
STALL_S = 60.0
BLANKS = b" \t\r\n"
MARK = re.compile(rb'["\\{}\[\]]')


class Piece(NamedTuple):
    """A line, or a member of a list, as bytes, and where it stands: "Line 3"."""

    where: str
    body: bytes


async def read_chunks(request: Request, *, bytes_max: int = BODY_BYTES_MAX) -> AsyncGenerator[bytes]:
    """The body of a request as it arrives, without a byte order mark.

    Raises TooLarge as soon as it is over the limit, InvalidRequest when it breaks off.
    """
    declared = request.headers.get("content-length", "")
    size = int(declared) if is_number(declared) else 0
    if size > bytes_max:
        raise too_large(bytes_max)
    stream, size = aiter(request.stream()), 0
    try:
        while True:
            async with asyncio.timeout(STALL_S):
                chunk = await anext(stream, None)
            if chunk is None:
                return
            chunk = chunk if size else chunk.removeprefix(b"\xef\xbb\xbf")
            size += len(chunk)
            if size > bytes_max:
                raise too_large(bytes_max)
            yield chunk
    except (ClientDisconnect, TimeoutError) as error:
        raise InvalidRequest("The body broke off. Nothing was imported.", code="incomplete_body") from error


def too_large(bytes_max: int) -> TooLarge:
    """The error of a body over the limit."""
    return TooLarge(f"The body is over the limit of {bytes_max // MIB} MiB for one import. Import it in parts.")


async def split_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Piece]:
    """The lines of a body that are not blank, numbered from 1. Raises InvalidRequest for one that is too long."""
    rest: list[bytes] = []
    size = number = 0
    async for chunk in chunks:
        first, *others = chunk.split(b"\n")
        rest.append(first)
        size += len(first)
        if size > PIECE_BYTES_MAX:
            raise piece_too_long(f"Line {number + 1}")
        if others:
            for line in (b"".join(rest), *others[:-1]):
                number += 1
                if line.strip(BLANKS):
                    yield Piece(f"Line {number}", line)
            rest, size = [others[-1]], len(others[-1])
    if (line := b"".join(rest)).strip(BLANKS):
        yield Piece(f"Line {number + 1}", line)


async def split_values(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Piece]:
    """The objects of a body, one behind the other or the members of one list.

    Raises InvalidRequest for one that is too long, and where the body breaks off.
    """
    finder = ObjectFinder()
    async for chunk in chunks:
        for piece in finder.feed(chunk):
            yield piece
    if finder.depth or finder.lists:
        text = f"{finder.where}: the body breaks off here. Nothing was imported."
        raise InvalidRequest(text, code="import_broken", param="body")


class ObjectFinder:
    """Finds where the outermost objects of JSON begin and end, as it arrives. What they hold is not looked at, nor
    what stands between them. ``depth`` counts what is open inside of an object, ``lists`` what is around it.
    """

    def __init__(self) -> None:
        self.depth = 0
        self.lists = 0
        self.in_text = False
        self.escaped_at = -1
        self.held: list[bytes] = []
        self.held_bytes = 0
        self.number = 0

    @property
    def where(self) -> str:
        """Which object it is."""
        return f"Conversation {self.number}"

    def feed(self, chunk: bytes) -> list[Piece]:
        """Take the next bytes; the objects that end in them."""
        pieces: list[Piece] = []
        begin = 0
        for place, sign in self._list_brackets(chunk):
            if not self.depth:
                begin = place
            was_inside, is_inside = bool(self.depth), self._step(sign)
            if was_inside and not is_inside:
                pieces.append(Piece(self.where, b"".join((*self.held, chunk[begin : place + 1]))))
                self.held, self.held_bytes = [], 0
        if self.depth:
            self._hold(chunk[begin:])
        return pieces

    def _list_brackets(self, chunk: bytes) -> Iterator[tuple[int, bytes]]:
        """Where brackets stand that are not part of a text."""
        for mark in MARK.finditer(chunk):
            place, sign = mark.start(), mark[0]
            if place == self.escaped_at:
                continue
            if sign == b"\\":
                self.escaped_at = place + 1
            elif sign == b'"':
                self.in_text = not self.in_text
            elif not self.in_text:
                yield place, sign
        self.escaped_at = 0 if self.escaped_at == len(chunk) else -1

    def _step(self, sign: bytes) -> bool:
        """Go in or out at a bracket; whether an object is open behind it."""
        if sign in (b"{", b"["):
            if self.depth or sign == b"{":
                self.number += not self.depth
                self.depth += 1
            else:
                self.lists += 1
        elif self.depth:
            self.depth -= 1
        else:
            self.lists -= 1
        return bool(self.depth)

    def _hold(self, part: bytes) -> None:
        self.held.append(part)
        self.held_bytes += len(part)
        if self.held_bytes > PIECE_BYTES_MAX:
            raise piece_too_long(self.where)


def piece_too_long(where: str) -> InvalidRequest:
    """The error of a line that is too long."""
    text = f"{where}: it is longer than {PIECE_BYTES_MAX // MIB} MiB. Nothing was imported."
    return InvalidRequest(text, code="import_broken", param="body")
