"""A turn as an answer, whole or streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from uuid import UUID

import msgspec

from multiturn.api.citations import list_citations, render_citation
from multiturn.api.errors import write_openai
from multiturn.api.media_links import write_fragment
from multiturn.api.native.chat_wire import AnswerBody, ChatEventBody
from multiturn.api.native.documents_wire import DocumentOwnerBody, HitBody
from multiturn.api.native.render import render_events, render_item, render_run
from multiturn.api.native.wire import UsageBody
from multiturn.errors import MultiturnError
from multiturn.model.citation import Citation
from multiturn.model.content import Content, Message
from multiturn.model.event import Ended, Event
from multiturn.model.item import Item
from multiturn.model.retrieved import RetrievedContext, Snippet

FindAnswer = Callable[[Ended], Awaitable[AnswerBody]]
encode = msgspec.json.Encoder().encode


async def write_whole(find_answer: FindAnswer, first: Event, events: AsyncGenerator[Event]) -> bytes:
    """The body of an answer, when the turn is stored."""
    event = first
    async with aclosing(events):
        while not isinstance(event, Ended):
            event = await anext(events)
    if event.error:
        raise event.error
    return encode(await find_answer(event))


async def write_stream(find_answer: FindAnswer, first: Event, events: AsyncGenerator[Event]) -> AsyncGenerator[bytes]:
    """The frames of a run as it happens; the last one brings the answer, when the turn is stored."""
    event = first
    async with aclosing(events):
        while not isinstance(event, Ended):
            yield b"".join([write_frame(body.number, body.type, encode(body)) for body in render_events(event)])
            event = await anext(events)
    if event.error:
        yield write_error(event.error)
        return
    answer = await find_answer(event)
    end = ChatEventBody(number=event.number, type="end", run=render_run(event.run), answer=answer)
    yield write_frame(end.number, end.type, encode(end))


def write_frame(number: int, name: str, data: bytes) -> bytes:
    """One event, numbered, so that a client that lost the connection says where to go on."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (number, name.encode(), data)


def write_error(error: MultiturnError) -> bytes:
    """The last frame of a stream that failed."""
    return b"event: error\ndata: %s\n\n" % encode(write_openai(error))


def render_answer(
    ended: Ended, items: Sequence[Item], retrieved: RetrievedContext | None, links: Mapping[UUID, str]
) -> AnswerBody:
    """What a run said and left behind, and what its model was shown of what was found; ``links`` open the files that
    it cites.
    """
    run = ended.run
    shown = [snippet for snippet in (retrieved.snippets if retrieved else ()) if snippet.omitted is None]
    return AnswerBody(
        id=str(run.id),
        session_id=str(run.session_id),
        created_at=whole_ms(run.created_at),
        model=run.model,
        status="incomplete" if run.status == "incomplete" else "completed",
        finish_reason=run.finish_reason,
        text=join_texts(ended.output),
        items=[render_item(item) for item in items],
        usage=msgspec.convert(run.usage, UsageBody, from_attributes=True) if run.usage else None,
        citations=[render_citation(one, find_link(one, links)) for one in list_citations(ended.output)],
        docs=[
            render_snippet(one) for one in shown if one.source == "document" and one.owner_kind not in ("store", None)
        ],
        retrieved=len(shown),
    )


def find_link(citation: Citation, links: Mapping[UUID, str]) -> str | None:
    """The link that opens a citation's place."""
    url = links.get(citation.asset_id) if citation.asset_id else None
    return url + write_fragment(citation.place) if url else None


def whole_ms(time: datetime) -> datetime:
    """A time as it is stored, so that an answer that is told again is the same."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def join_texts(output: Sequence[Content]) -> str | None:
    """What the model said; None when it said nothing."""
    said = [content.content for content in output if isinstance(content, Message)]
    texts = [text if isinstance(text, str) else join_parts(text) for text in said if text is not None]
    return "".join(texts) if texts else None


def join_parts(parts: Sequence[dict[str, object]]) -> str:
    """The text of content parts."""
    return "".join(text for part in parts if isinstance(text := part.get("text"), str))


def render_snippet(snippet: Snippet) -> HitBody:
    """A piece of a document that was shown."""
    return HitBody(
        document_id=str(snippet.item_id),
        title=snippet.title or "",
        chunk=snippet.chunk or 0,
        part=0,
        text=snippet.text,
        start=snippet.start,
        end=snippet.end,
        score=snippet.score,
        lexical=snippet.lexical,
        similarity=snippet.similarity,
        metadata=snippet.metadata,
        owner=DocumentOwnerBody(kind=snippet.owner_kind or "session", id=str(snippet.owner_id)),
    )
