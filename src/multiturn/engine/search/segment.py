"""Segments: what is kept of a batch of texts so that they can be searched, as arrays that are stored as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.terms import TermReader

VERSION = 1
COUNT_MAX = 255
INT8_MAX = 127


class Entry(NamedTuple):
    """A text to be found: its place, and the words that it is found by (which may be more than the text itself).

    ``marked`` are words by which it is preferred when they are asked for, such as its speaker's name.
    """

    number: int
    start: int
    end: int
    text: str
    marked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vectors:
    """Vectors of unit length, one a row, as 8-bit numbers times the row's scale, and the model that made them.

    A model's name stands for one number of dimensions.
    """

    model: str
    rows: NDArray[np.int8]
    scales: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IndexSegment:
    """A batch of entries, never changed: pieces of some items of a session, or the chunks of a document.

    ``numbers`` is each entry's item or chunk, ``starts`` and ``ends`` its characters there. The terms of all entries
    and their marks stand one behind the other, each once with its count: ``widths`` of them belong to each entry.
    ``lengths`` is the number of all its words.
    """

    numbers: NDArray[np.int32]
    starts: NDArray[np.int32]
    ends: NDArray[np.int32]
    lengths: NDArray[np.int32]
    widths: NDArray[np.int32]
    terms: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    vectors: Vectors | None = None

    def __len__(self) -> int:
        return len(self.numbers)

    def encode(self) -> bytes:
        """The segment as bytes, which ``decode`` reads."""
        arrays = {name: getattr(self, name).tobytes() for name in ARRAYS}
        vectors = self.vectors
        if vectors is None or not len(self):
            return msgspec.msgpack.encode(Stored(version=VERSION, **arrays))
        rows, scales = vectors.rows.tobytes(), vectors.scales.tobytes()
        return msgspec.msgpack.encode(Stored(version=VERSION, model=vectors.model, rows=rows, scales=scales, **arrays))


class Stored(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A segment's arrays as bytes (little-endian), in this order."""

    version: int
    numbers: bytes
    starts: bytes
    ends: bytes
    lengths: bytes
    widths: bytes
    terms: bytes
    counts: bytes
    model: str = ""
    rows: bytes = b""
    scales: bytes = b""


ARRAYS: dict[str, Any] = {
    "numbers": np.int32,
    "starts": np.int32,
    "ends": np.int32,
    "lengths": np.int32,
    "widths": np.int32,
    "terms": np.uint32,
    "counts": np.uint8,
}
DECODER = msgspec.msgpack.Decoder(Stored)


def decode_segment(data: bytes) -> IndexSegment:
    """Read a segment back. Raises ValueError when the bytes are none of this version."""
    try:
        stored = DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError("not an index segment") from error
    if stored.version != VERSION:
        raise ValueError(f"index segment of version {stored.version}, not {VERSION}")
    arrays = {name: np.frombuffer(getattr(stored, name), dtype) for name, dtype in ARRAYS.items()}
    vectors = None
    if stored.model:
        scales = np.frombuffer(stored.scales, np.float32)
        rows = np.frombuffer(stored.rows, np.int8).reshape(len(scales), -1)
        vectors = Vectors(model=stored.model, rows=rows, scales=scales)
    return IndexSegment(**arrays, vectors=vectors)


def build_segment(entries: Sequence[Entry], reader: TermReader) -> IndexSegment:
    """Make a segment of texts, without vectors."""
    read = [reader.read(entry.text) for entry in entries]
    counted = [
        Counter(terms) | Counter(reader.read_marks(entry.marked)) for terms, entry in zip(read, entries, strict=True)
    ]
    return IndexSegment(
        numbers=np.array([entry.number for entry in entries], np.int32),
        starts=np.array([entry.start for entry in entries], np.int32),
        ends=np.array([entry.end for entry in entries], np.int32),
        lengths=np.array([len(terms) for terms in read], np.int32),
        widths=np.array([len(counts) for counts in counted], np.int32),
        terms=np.array([term for counts in counted for term in counts], np.uint32),
        counts=np.array([min(count, COUNT_MAX) for counts in counted for count in counts.values()], np.uint8),
    )


def with_vectors(segment: IndexSegment, model: str, vectors: NDArray[np.float32]) -> IndexSegment:
    """The segment with these vectors, one of unit length for each entry, instead of those it had.

    Raises ValueError when their number is not that of the entries.
    """
    if len(vectors) != len(segment):
        raise ValueError(f"{len(vectors)} vectors for {len(segment)} entries")
    return replace(segment, vectors=quantize(model, vectors))


def quantize(model: str, vectors: NDArray[np.float32]) -> Vectors:
    """Write vectors in 8 bits a number: a quarter of the memory, and a cosine that is off by less than 0.01."""
    scales = np.abs(vectors).max(axis=1, initial=0.0).astype(np.float32) / INT8_MAX
    rows = np.rint(vectors / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    return Vectors(model=model, rows=rows, scales=scales)
