"""Indexing of documents: their chunks made findable, by words at once and by vectors when there are some."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice

from multiturn.engine.chunks import Outline
from multiturn.engine.ports import Embedder
from multiturn.engine.search.pieces import Span
from multiturn.engine.search.segment import Entry, IndexSegment, build_segment, decode_segment, with_vectors
from multiturn.engine.search.terms import TermReader
from multiturn.model.knowledge import DocumentSegment, KnowledgeItem

# A segment is what is embedded in one step, and what is lost of that work when a server dies.
SEGMENT_CHUNKS = 32


def list_parts(content: str | Sequence[str]) -> Sequence[str]:
    """The parts of a content, also of one that is whole."""
    return [content] if isinstance(content, str) else content


async def build_segments(outline: Outline, reader: TermReader) -> list[IndexSegment]:
    """Cut a document into chunks and index their words, a segment at a time so that turns pass in between."""
    segments: list[IndexSegment] = []
    chunks = outline.list_chunks()
    number = 0
    while spans := list(islice(chunks, SEGMENT_CHUNKS)):
        entries = [Entry(number + place, *span, outline.describe(span)) for place, span in enumerate(spans)]
        segments.append(build_segment(entries, reader))
        number += len(spans)
        await asyncio.sleep(0)
    return segments


async def embed_segment(outline: Outline, segment: IndexSegment, embedder: Embedder) -> IndexSegment:
    """Give a segment of a document vectors of this embedder, whose errors it raises."""
    spans = zip(segment.starts.tolist(), segment.ends.tolist(), strict=True)
    vectors = await embedder.embed([outline.describe(Span(start, end)) for start, end in spans])
    return with_vectors(segment, embedder.model, vectors)


async def embed_stored(
    item: KnowledgeItem, outline: Outline, stored: DocumentSegment, embedder: Embedder
) -> DocumentSegment:
    """A stored segment with vectors of this embedder, whose errors it raises."""
    segment = await embed_segment(outline, decode_segment(stored.body), embedder)
    return store_segment(item, stored.number, segment)


def store_segment(item: KnowledgeItem, number: int, segment: IndexSegment) -> DocumentSegment:
    """A segment as it is stored."""
    model = segment.vectors.model if segment.vectors else None
    return DocumentSegment(item_id=item.id, number=number, model=model, body=segment.encode())
