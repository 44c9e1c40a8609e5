"""Reads what is sent to be imported: in which format it is, and what stands in it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

import msgspec
from msgspec.structs import replace

from multiturn.api.limits import is_deep
from multiturn.api.native.transfer_chat import ChatReader
from multiturn.api.native.transfer_lines import BLANKS, Piece, split_lines, split_values
from multiturn.api.native.transfer_openai import ConversationReader
from multiturn.api.native.transfer_records import RecordReader
from multiturn.errors import InvalidRequest
from multiturn.model.archive import Archived, ArchivedSession, LeftOut, Sourced

Format = Literal["multiturn", "messages", "openai_chat"]
FORMATS: tuple[Format, ...] = ("multiturn", "messages", "openai_chat")
# A first line that is longer is told by its words alone.
HEAD_BYTES_MAX = 1024 * 1024

read_any = msgspec.json.Decoder(dict[str, Any]).decode


class Reader(Protocol):
    """Reads one format, piece by piece."""

    left_out: list[LeftOut]

    def read(self, piece: Piece) -> list[Archived]:
        """What stands in a piece. Raises InvalidRequest, or msgspec's errors."""
        ...

    def finish(self) -> list[Archived]:
        """What is left at the end."""
        ...


class Source:
    """What is sent to be imported: its records, and what of it could not be taken over."""

    def __init__(self, chunks: AsyncIterator[bytes], *, format_: Format | None, external_id: str | None) -> None:
        self.chunks = chunks
        self.format = format_
        self.external_id = external_id
        self.sessions = 0
        self.left_out: list[LeftOut] = []

    async def read(self) -> AsyncGenerator[Sourced]:
        """The records, each with its place. Raises InvalidRequest where something is wrong."""
        head, chunks = await look_ahead(self.chunks)
        format_ = self.format or guess_format(head)
        reader = open_reader(format_)
        self.left_out = reader.left_out
        piece = Piece("The end", b"")
        async for piece in split_values(chunks) if format_ == "openai_chat" else split_lines(chunks):
            with located(piece.where):
                if is_deep(piece.body):
                    raise InvalidRequest("it is nested too deep")
                records = reader.read(piece)
            size = len(piece.body)
            for record in records:
                yield Sourced(piece.where, size, self._name(record, piece.where))
        for record in reader.finish():
            yield Sourced(piece.where, 0, self._name(record, piece.where))

    def _name(self, record: Archived, where: str) -> Archived:
        """A session under the name that the request gives. Raises InvalidRequest for a second one."""
        if self.external_id is None or not isinstance(record, ArchivedSession):
            return record
        self.sessions += 1
        if self.sessions > 1:
            raise broken(where, "'external_id' names one session, and this is another")
        return replace(record, external_id=self.external_id)


def open_reader(format_: Format) -> Reader:
    """What reads a format."""
    if format_ == "openai_chat":
        return ConversationReader()
    return ChatReader() if format_ == "messages" else RecordReader()


async def look_ahead(chunks: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The first line of a body that says something, and the whole body."""
    held: list[bytes] = []
    head = b""
    async for chunk in chunks:
        held.append(chunk)
        head = (head + chunk).lstrip(BLANKS)
        if b"\n" in head or len(head) > HEAD_BYTES_MAX:
            break
    return head.partition(b"\n")[0], chain(held, chunks)


async def chain(held: list[bytes], rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """What was read already, and what follows."""
    for chunk in held:
        yield chunk
    async for chunk in rest:
        yield chunk


def guess_format(line: bytes) -> Format:
    """The format of what begins with this line: a list, or an object over many lines, is an OpenAI chat export."""
    if line.startswith(b"[") or line.strip(BLANKS) == b"{":
        return "openai_chat"
    try:
        names = set(read_any(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        names = {name for name in ("mapping", "role") if f'"{name}"'.encode() in line}
    if "mapping" in names:
        return "openai_chat"
    return "messages" if "role" in names else "multiturn"


@contextmanager
def located(where: str) -> Generator[None]:
    """Say of what is wrong inside of the block where it stands."""
    try:
        yield
    except msgspec.ValidationError as error:
        raise broken(where, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise broken(where, f"it is not valid JSON: {error}") from error
    except InvalidRequest as error:
        raise broken(where, error.message) from error


def broken(where: str, text: str) -> InvalidRequest:
    """The error of what cannot be imported."""
    said = f"{where}: {text.rstrip('.')}. Nothing was imported."
    return InvalidRequest(said, code="import_broken", param="body")
