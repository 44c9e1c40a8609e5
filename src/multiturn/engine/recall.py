"""Recall: finds what a turn needs to know and the model is no longer, or was never, shown.

Snippets of what was cut are verbatim, with speaker and day, since those carry the words of the answer far more often
than summaries do (DESIGN section 3); documents give their best chunks.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.document_search import describe_hit
from multiturn.engine.embedders import Embedders
from multiturn.engine.grounding.sources import Chosen, Sources
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.open_index import SegmentKey, mark_path
from multiturn.engine.ports import ItemStore
from multiturn.engine.search.index import Hit
from multiturn.engine.search.ranking import ask, recall
from multiturn.engine.search.snippets import Said, choose_snippets, write_snippets
from multiturn.engine.search.snippets import Snippet as Piece
from multiturn.engine.session_index import SessionIndexes
from multiturn.engine.window.question import Question, RecallPlan
from multiturn.engine.window.shown import read_speaker, read_text
from multiturn.engine.window.tokens import BYTES_PER_TOKEN, count_text
from multiturn.errors import MultiturnError
from multiturn.model.content import Content, Message
from multiturn.model.item import Range
from multiturn.model.knowledge import DocumentHit
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.session import Session
from multiturn.observe import Metrics

log = logging.getLogger(__name__)

# Where the past and documents both have something to say, documents take at most this share of the tokens.
DOCUMENTS_SHARE = 0.5
# Sources of a knowledge store are what the answer rests on: the rest is for the past and for documents.
SOURCES_SHARE = 0.8
# So many pieces more than fit are read and shown to people who ask why something was left out.
OMITTED_MAX = 10
QUERY_CHARS_MAX = 2000
PAST = "[From earlier in this conversation]\n"
DOCUMENTS = "[From the documents]\n"


class Searched(NamedTuple):
    """What is searched besides the past: documents, and the sources of knowledge stores."""

    knowledge: Knowledge
    sources: Sources


class Recall:
    """Finds what was cut from a session, what its documents say, and what its knowledge stores hold."""

    def __init__(
        self, items: ItemStore, indexes: SessionIndexes, searched: Searched, embedders: Embedders, metrics: Metrics
    ) -> None:
        self.items = items
        self.indexes = indexes
        self.knowledge = searched.knowledge
        self.sources = searched.sources
        self.embedders = embedders
        self.metrics = metrics

    async def holds(self, session: Session, path: tuple[Range, ...], cut: int, plan: RecallPlan) -> bool:
        """Whether there is anything that could be found; over a store also nothing is an answer."""
        if plan.stores is not None:
            return True
        if plan.finds_past and path and path[0].first < cut:
            return True
        return await self.knowledge.holds(session.tenant_id, plan.owners)

    async def recall(self, question: Question) -> RetrievedContext | None:
        """Find what the question is about. Never fails a turn: what cannot be searched is left out.

        Documents and the past are searched at the same time: a turn waits for a slow embedder once, a second at most.
        """
        began = time.perf_counter()
        query, stores = read_query(question), question.plan.stores
        if not query and (stores is None or stores.given is None):
            return None
        finds_past = has_past(question)
        found, hits, chosen = await asyncio.gather(
            self._search_documents(question), self._search_past(question, query), self._find_sources(question, query)
        )
        sources, lines = chosen.snippets, chosen.lines
        left = question.tokens_max - count_text(lines)
        chunks = choose_documents(found, question, tokens_max=int(left * (DOCUMENTS_SHARE if finds_past else 1.0)))
        lines += write_documents(chunks)
        pieces: list[Snippet] = []
        if finds_past:
            pieces, past = await self._choose_past(question, hits, tokens_max=question.tokens_max - count_text(lines))
            lines += past
        took_s = time.perf_counter() - began
        self.metrics.recall.observe(took_s)
        if not (lines or chunks or pieces):
            return None
        snippets = (*sources, *chunks, *pieces)
        return RetrievedContext(query=query, snippets=snippets, block=lines, took_ms=round(took_s * 1000, 2))

    async def _find_sources(self, question: Question, query: str) -> Chosen:
        """What the knowledge stores hold on the question."""
        stores = question.plan.stores
        if stores is None:
            return Chosen((), "")
        share = SOURCES_SHARE if has_past(question) or question.plan.owners else 1.0
        return await self.sources.find(question, stores, query, tokens_max=int(question.tokens_max * share))

    async def _search_documents(self, question: Question) -> Sequence[DocumentHit]:
        """The chunks that the last messages are about."""
        messages = [*question.recent, *((read_speaker(one), read_text(one)) for one in question.input if is_said(one))]
        tenant_id, plan = question.session.tenant_id, question.plan
        return await self.knowledge.retrieve(tenant_id, plan.owners, messages, plan.options)

    async def _search_past(self, question: Question, query: str) -> list[Hit]:
        """What was cut and has to do with the question, the best first."""
        if not has_past(question) or question.tokens_max <= count_text(PAST):
            return []
        try:
            return await self._rank(question, query)
        except MultiturnError as error:
            log.warning("the past was not searched: %s", error)
            return []

    async def _choose_past(
        self, question: Question, hits: Sequence[Hit], *, tokens_max: int
    ) -> tuple[list[Snippet], str]:
        """Snippets of what was cut, and the lines that they make."""
        tokens_max -= count_text(PAST)
        if tokens_max <= 0:
            return [], ""
        wanted = take_enough(hits, tokens_max)
        said = await self._load(question, wanted)
        places = [(one.seq, one.start, one.end) for one in question.shown if one.seq is not None]
        chosen = choose_snippets(wanted, said, tokens_max=tokens_max, count=count_text, shown=places)
        lines = write_snippets(chosen)
        found = [describe_piece(hit, said) for hit in wanted if hit.number in said]
        return note_past(chosen, found, question.shown), PAST + lines if lines else ""

    async def _rank(self, question: Question, query: str) -> list[Hit]:
        """Rank what stands on the path before the cut."""
        index = await self.indexes.open(question.session, question.path, question.cut)
        vectors = await self.embedders.embed_query(query, index.models)
        self.metrics.recall_parts.labels("words_and_vectors" if vectors else "words").inc()
        earlier = [said.text for said in question.recent]
        asked = ask(self.indexes.reader, query, earlier=earlier, vectors=vectors)
        # What a branch that was left says is neither found nor counted: it must not hide what stands on the path.
        allowed = mark_path(index, question.path, question.session.id)
        return recall(index, asked, before=question.cut, allowed=allowed)

    async def _load(self, question: Question, hits: Sequence[Hit]) -> dict[int, Said]:
        """What was said in the items that hits stand in."""
        numbers: dict[UUID, set[int]] = {}
        for hit in hits:
            numbers.setdefault(owner_of(hit), set()).add(hit.number)
        said: dict[int, Said] = {}
        for owner_id, held in numbers.items():
            for item in await self.items.load_at(question.session.tenant_id, owner_id, sorted(held)):
                content = item.content
                said[item.seq] = Said(text=read_text(content), speaker=read_speaker(content), said_at=item.created_at)
        return said


def has_past(question: Question) -> bool:
    """Whether something of the path is not shown, and may be found."""
    return question.plan.finds_past and bool(question.path) and question.path[0].first < question.cut


def read_query(question: Question) -> str:
    """What the new input says: its end, where it is long."""
    said = [read_text(content) for content in question.input if is_said(content)]
    return "\n".join(text for text in said if text)[-QUERY_CHARS_MAX:].strip()


def is_said(content: Content) -> bool:
    """Whether this is something that a user says."""
    return isinstance(content, Message) and content.role == "user"


def owner_of(hit: Hit) -> UUID:
    """The session that stores the item of a hit."""
    assert isinstance(hit.key, SegmentKey)
    return hit.key.session_id


def take_enough(hits: Sequence[Hit], tokens_max: int) -> list[Hit]:
    """The best hits that could fill the tokens, and some more to tell what was left out."""
    left = tokens_max
    for place, hit in enumerate(hits):
        left -= (hit.end - hit.start) // BYTES_PER_TOKEN
        if left < 0:
            return list(hits[: place + 1 + OMITTED_MAX])
    return list(hits)


def note_past(chosen: Sequence[Piece], found: Sequence[Snippet], shown: Sequence[Snippet]) -> list[Snippet]:
    """What was found of the past: what is shown, and the best of what is not, with the reason."""
    least = min((one.score for one in found if is_chosen(one, chosen)), default=0.0)
    taken: list[Snippet] = []
    omitted: list[Snippet] = []
    for one in found:
        if is_chosen(one, chosen):
            taken.append(one)
        elif any(one.seq == other.seq and other.start < one.end and one.start < other.end for other in shown):
            omitted.append(replace(one, omitted="shown_already"))
        else:
            # Those behind the last that was taken were not worth their tokens; one before it was too long.
            omitted.append(replace(one, omitted="budget" if one.score >= least else "below_threshold"))
    return [*taken, *omitted[:OMITTED_MAX]]


def is_chosen(snippet: Snippet, chosen: Sequence[Piece]) -> bool:
    """Whether a piece is among those that are shown."""
    return any(
        piece.number == snippet.seq and piece.start <= snippet.start and snippet.end <= piece.end for piece in chosen
    )


def describe_piece(hit: Hit, said: Mapping[int, Said]) -> Snippet:
    """A piece of the past with its place and its scores."""
    source = said[hit.number]
    return Snippet(
        source="session",
        text=source.text[hit.start : hit.end],
        start=hit.start,
        end=hit.end,
        score=round(hit.score, 4),
        lexical=round(hit.lexical, 3),
        similarity=None if hit.similarity is None else round(hit.similarity, 3),
        seq=hit.number,
        speaker=source.speaker,
        said_at=source.said_at,
    )


def choose_documents(hits: Sequence[DocumentHit], question: Question, *, tokens_max: int) -> list[Snippet]:
    """The chunks that fit, the best first, but for those that are shown already; and what was left out."""
    left = tokens_max - count_text(DOCUMENTS)
    snippets: list[Snippet] = []
    for hit in hits:
        snippet = describe_hit(hit)
        cost = count_text(write_chunk(snippet))
        if any((one.item_id, one.chunk) == (snippet.item_id, snippet.chunk) for one in question.shown):
            snippets.append(replace(snippet, omitted="shown_already"))
        elif cost > left:
            snippets.append(replace(snippet, omitted="budget"))
        else:
            left -= cost
            snippets.append(snippet)
    return snippets


def write_documents(snippets: Sequence[Snippet]) -> str:
    """The lines of the chunks that are shown."""
    lines = "".join(write_chunk(snippet) for snippet in snippets if snippet.omitted is None)
    return DOCUMENTS + lines if lines else ""


def write_chunk(snippet: Snippet) -> str:
    """A chunk under the title of its document."""
    return f"{snippet.title}:\n{snippet.text}\n"
