"""Reading ``multipart/form-data`` (RFC 7578) as it arrives, part by part, never more of it than a piece."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncGenerator
from typing import NamedTuple
from urllib.parse import unquote

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from multiturn.errors import InvalidRequest, TooLarge

FORM = "multipart/form-data"
FIELDS_BYTES_MAX = 1024 * 1024
PARTS_MAX = 100
# RFC 7578 forbids it, and clients send it: a name in UTF-8, percent-encoded (RFC 5987).
EXTENDED_NAME = re.compile(r"""filename\*=(?:utf-8|UTF-8)''([^;"\s]+)""")


class Part(NamedTuple):
    """A part of a form: its name, and of a file what its sender calls it and its type."""

    name: str
    filename: str | None
    mime: str | None


class FormReader:
    """Reads one form. Raises InvalidRequest when it is no form or breaks off."""

    def __init__(self, request: Request) -> None:
        self.stream = aiter(request.stream())
        self.events: deque[Part | bytes | None] = deque()
        self.headers: dict[str, str] = {}
        self.header = (bytearray(), bytearray())
        self.is_whole = False
        self.parts = 0
        self.parser = self._make_parser(request)

    def _make_parser(self, request: Request) -> MultipartParser:
        """A parser whose callbacks make events: a part, its bytes, and None at its end."""
        kind, options = parse_options_header(request.headers.get("content-type"))
        boundary = options.get(b"boundary")
        if kind.decode() != FORM or not boundary:
            raise InvalidRequest(f"The body must be {FORM} with its boundary.", param="Content-Type")
        try:
            return MultipartParser(
                boundary,
                {
                    "on_part_begin": self.headers.clear,
                    "on_header_field": lambda data, start, end: self.header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self.header[1].extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._begin_part,
                    "on_part_data": lambda data, start, end: self.events.append(data[start:end]),
                    "on_part_end": lambda: self.events.append(None),
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise InvalidRequest(f"The boundary of the body is not valid: {error}.", param="Content-Type") from error

    def _end_header(self) -> None:
        """A header of a part is there."""
        name, value = (read_text(bytes(piece)) for piece in self.header)
        self.headers[name.lower()] = value
        for piece in self.header:
            piece.clear()

    def _begin_part(self) -> None:
        """The headers of a part are there."""
        self.parts += 1
        self.events.append(read_part(self.headers))

    def _end(self) -> None:
        """The form is whole; what follows does not matter."""
        self.is_whole = True

    async def find_part(self) -> Part | None:
        """The next part, when the bytes of the one before have been read; None behind the last."""
        while not self.events:
            if self.is_whole or not await self._read_more():
                return None
        part = self.events.popleft()
        assert isinstance(part, Part)
        if self.parts > PARTS_MAX:
            raise InvalidRequest(f"The form has more than {PARTS_MAX} parts.")
        return part

    async def read_data(self) -> AsyncGenerator[bytes]:
        """The bytes of the part."""
        while True:
            while not self.events:
                await self._read_more()
            data = self.events.popleft()
            if not isinstance(data, bytes):
                return
            yield data

    async def read_field(self, *, bytes_max: int) -> bytes:
        """The part as a whole. Raises TooLarge."""
        value = bytearray()
        async for data in self.read_data():
            value += data
            if len(value) > bytes_max:
                raise TooLarge(f"The fields of the form are over the limit of {FIELDS_BYTES_MAX} bytes.")
        return bytes(value)

    async def _read_more(self) -> bool:
        """Read a piece of the body; False when there is none, which it may be before the first part only."""
        try:
            piece = await anext(self.stream, b"")
            if piece:
                self.parser.write(piece)
                return True
        except ClientDisconnect as error:
            raise broken_off() from error
        except FormParserError as error:
            raise InvalidRequest(f"The body is no valid form: {error}.") from error
        if not self.is_whole:
            raise broken_off()
        return False


def read_part(headers: dict[str, str]) -> Part:
    """A part by its headers. Raises InvalidRequest for one without a name."""
    disposition = headers.get("content-disposition", "")
    # Names are UTF-8; the parser of headers takes each byte for a character.
    kind, options = parse_options_header(disposition.encode("utf-8", "surrogateescape"))
    if kind != b"form-data" or b"name" not in options:
        raise InvalidRequest("A part of the form has no name.", param="Content-Disposition")
    filename = options.get(b"filename")
    extended = EXTENDED_NAME.search(disposition)
    if extended:
        called: str | None = unquote(extended[1], errors="replace")
    else:
        called = None if filename is None else unescape(read_text(filename))
    return Part(read_text(options[b"name"]), called, headers.get("content-type"))


def read_text(data: bytes) -> str:
    """Bytes of a header or a field as text: UTF-8, else each byte a character."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def unescape(name: str) -> str:
    """A quoted name as it was meant: browsers escape quotes and line ends (WHATWG HTML, 4.10.21.8), others all that is
    not ASCII.
    """
    try:
        return unquote(name, errors="strict")
    except UnicodeDecodeError:
        return name


def broken_off() -> InvalidRequest:
    """The error of a form that ends before its end."""
    return InvalidRequest("The body broke off.", code="incomplete_body")


async def read_pieces(request: Request) -> AsyncGenerator[bytes]:
    """The body of a request that is a file and nothing else, as it arrives. Raises InvalidRequest."""
    try:
        async for piece in request.stream():
            yield piece
    except ClientDisconnect as error:
        raise broken_off() from error
