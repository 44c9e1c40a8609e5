"""What is sent to be imported, taken apart: however it arrives, the same lines and values come out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiturn.api.native.transfer_lines import PIECE_BYTES_MAX, Piece, split_lines, split_values
from multiturn.api.native.transfer_parse import guess_format
from multiturn.errors import InvalidRequest

VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='ab"\\{}[]\n,é'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='k"\\{'), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(alphabet='k"\\}'), VALUES, max_size=3), max_size=4)
PLACES = st.sets(st.integers(1, 400), max_size=12)


def split(
    body: bytes, places: Sequence[int], how: Callable[[AsyncIterator[bytes]], AsyncIterator[Piece]]
) -> list[Piece]:
    """The pieces of a body that arrives in chunks, cut at these places."""

    async def arrive() -> AsyncIterator[bytes]:
        bounds = [0, *sorted(place for place in places if place < len(body)), len(body)]
        for begin, end in pairwise(bounds):
            yield body[begin:end]

    async def gather() -> list[Piece]:
        return [piece async for piece in how(arrive())]

    return asyncio.run(gather())


@given(objects=OBJECTS, indent=st.sampled_from([None, 1]), places=PLACES)
def test_members_of_a_list_are_found_wherever_it_is_cut(
    objects: list[object], indent: int | None, places: set[int]
) -> None:
    body = json.dumps(objects, indent=indent, ensure_ascii=False).encode()
    pieces = split(body, sorted(places), split_values)
    assert [json.loads(piece.body) for piece in pieces] == objects
    assert [piece.where for piece in pieces] == [f"Conversation {number + 1}" for number in range(len(objects))]


@given(objects=OBJECTS.filter(bool), places=PLACES, data=st.data())
def test_list_that_breaks_off_is_refused(objects: list[object], places: set[int], data: st.DataObject) -> None:
    body = json.dumps(objects).encode()
    end = data.draw(st.integers(1, len(body) - 1))
    with pytest.raises(InvalidRequest, match="breaks off"):
        split(body[:end], sorted(places), split_values)


@given(lines=st.lists(st.text(alphabet="ab é\r", max_size=5), max_size=8), places=PLACES)
def test_lines_keep_their_numbers_wherever_they_are_cut(lines: list[str], places: set[int]) -> None:
    pieces = split("\n".join(lines).encode(), sorted(places), split_lines)
    said = [(f"Line {number}", line.encode()) for number, line in enumerate(lines, start=1) if line.strip(" \r")]
    assert pieces == said


@pytest.mark.parametrize("how", [split_lines, split_values])
def test_line_without_end_is_refused(how: Callable[[AsyncIterator[bytes]], AsyncIterator[Piece]]) -> None:
    body = b'{"a":"' + b"x" * (PIECE_BYTES_MAX + 1)
    with pytest.raises(InvalidRequest, match="longer than 32 MiB"):
        split(body, [1000, 2000], how)


@pytest.mark.parametrize(
    ("line", "format_"),
    [
        (b'{"type":"session","version":1}', "multiturn"),
        (b'{"role":"user","content":"mapping"}', "messages"),
        (b'{"content":"x","role":"user"', "messages"),
        (b'[{"title":"x"}', "openai_chat"),
        (b"[", "openai_chat"),
        (b"{ ", "openai_chat"),
        (b'{"title":"x","mapping":{}}', "openai_chat"),
        (b"", "multiturn"),
        (b"nonsense", "multiturn"),
    ],
)
def test_format_is_known_by_the_first_line(line: bytes, format_: str) -> None:
    assert guess_format(line) == format_
