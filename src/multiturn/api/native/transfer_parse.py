"""Reads what is sent to be imported: which format it is, and the lines of an exported session."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Literal
from uuid import UUID

import msgspec

from multiturn.api.auth import check_id
from multiturn.api.limits import is_deep
from multiturn.api.native.session_parse import read_instructions
from multiturn.api.native.transfer_chat import ChatLines
from multiturn.api.native.transfer_lines import MARK, Piece, split_lines, split_values
from multiturn.api.native.transfer_openai import read_conversation
from multiturn.api.native.transfer_wire import DocumentLine, EndLine, ItemLine, Line, RunLine, Seqs, SessionLine
from multiturn.api.policy import read_policy
from multiturn.errors import InvalidRequest
from multiturn.model.archive import Archived, ArchivedRun, ArchivedSession, ArchiveEnd, LeftOut, Sourced
from multiturn.model.item import Item, Range
from multiturn.model.knowledge import KnowledgeItem, Owner
from multiturn.model.policy import ContextPolicy
from multiturn.model.run import Run
from multiturn.model.session import SessionSettings
from multiturn.model.turn import AgentVersion

Format = Literal["multiturn", "messages", "openai_chat"]
FORMATS: tuple[Format, ...] = ("multiturn", "messages", "openai_chat")
# Whose it is to be is not said by what is sent.
UNKNOWN = UUID(int=0)

read_line = msgspec.json.Decoder(Line).decode
read_any = msgspec.json.Decoder(dict[str, Any]).decode


async def read_source(
    chunks: AsyncIterator[bytes], *, format_: Format | None, external_id: str | None, left_out: list[LeftOut]
) -> AsyncGenerator[Sourced]:
    """The records of what is sent, in the format that is named, else in the one that it begins like; what cannot be
    taken over is added to ``left_out``. With an external id its one session gets that. Raises InvalidRequest.
    """
    head, whole = await look_ahead(chunks)
    format_ = format_ or guess_format(head)
    records: Iterator[Archived]
    if format_ == "openai_chat":
        pieces, read = split_values(whole), conversations(left_out)
    else:
        pieces = split_lines(whole)
        read = ChatLines(external_id).read if format_ == "messages" else read_record
    sessions = 0
    async for piece in pieces:
        with located(piece):
            records = iter(list(read(piece)))
        for record in records:
            if isinstance(record, ArchivedSession) and external_id is not None:
                sessions += 1
                record = name_session(record, piece, external_id, sessions)
            yield Sourced(piece.where, len(piece.body), record)


def conversations(left_out: list[LeftOut]) -> Callable[[Piece], Iterator[Archived]]:
    """Reads conversations of an OpenAI chat export."""

    def read(piece: Piece) -> Iterator[Archived]:
        return read_conversation(read_json(piece.body), piece.where, left_out)

    return read


def name_session(session: ArchivedSession, piece: Piece, external_id: str, number: int) -> ArchivedSession:
    """The session under the name that the request gives. Raises InvalidRequest for the second one."""
    if number > 1:
        text = f"{piece.where}: 'external_id' names one session, and this is another. Nothing was imported."
        raise InvalidRequest(text, code="import_broken", param="external_id")
    return msgspec.structs.replace(session, external_id=external_id)


async def look_ahead(chunks: AsyncIterator[bytes]) -> tuple[bytes, AsyncIterator[bytes]]:
    """The beginning of a body, to where it says what it is, and all of it."""
    held: list[bytes] = []
    head = b""
    async for chunk in chunks:
        held.append(chunk)
        head = b"".join(held).lstrip()
        if b"\n" in head or len(head) > HEAD_BYTES:
            break
    return head[:HEAD_BYTES], chain(held, chunks)


HEAD_BYTES = 64 * 1024


async def chain(held: list[bytes], rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """What was read already, and what follows."""
    for chunk in held:
        yield chunk
    async for chunk in rest:
        yield chunk


def guess_format(head: bytes) -> Format:
    """The format of what begins like this: a list, an object over many lines and one with a ``mapping`` are an OpenAI
    chat export; a line with a role is a message.
    """
    line, _, _ = head.partition(b"\n")
    if line.startswith(b"[") or line.strip() == b"{" or b'"mapping"' in head[:HEAD_BYTES] and b'"role"' not in line:
        return "openai_chat"
    if line.startswith(b'{"type":"session"') or b'"role"' not in line:
        return "multiturn"
    return "messages"


@contextmanager
def located(piece: Piece) -> Generator[None]:
    """Say of what is wrong inside of the block where it stands."""
    try:
        yield
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise broken(piece.where, f"it is not valid: {error}") from error
    except InvalidRequest as error:
        raise broken(piece.where, error.message) from error


def broken(where: str, text: str) -> InvalidRequest:
    """The error of a line that cannot be imported."""
    said = f"{where}: {text.rstrip('.')}. Nothing was imported."
    return InvalidRequest(said, code="import_broken", param="body")


def read_json(body: bytes) -> dict[str, Any]:
    """An object of JSON. Raises what says that it is none, and InvalidRequest for one that is nested without end."""
    check_depth(body)
    return read_any(body)


def check_depth(body: bytes) -> None:
    """Raise InvalidRequest for JSON that is nested without end."""
    if MARK.search(body) and is_deep(body):
        raise InvalidRequest("it is nested too deep")
