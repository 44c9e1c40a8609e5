"""The shapes of a context: what a model was, or would be, shown, part by part."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.citations import PlaceBody
from multiturn.api.native.chat_wire import ChatBody
from multiturn.api.native.wire import Time

Seq = Annotated[int | None, Meta(description="A `seq` of the session.")]


class PartBody(Struct, kw_only=True):
    """A part of a context."""

    kind: Annotated[
        Literal["tools", "instructions", "summary", "items", "retrieved", "input"],
        Meta(
            description="In the order in which they stand. `retrieved` is what was recalled: once for the turns "
            "before, where it stays until the next cut, and once for this turn."
        ),
    ]
    tokens: Annotated[int, Meta(description="What it takes, by our count.")]
    first: Annotated[Seq, Meta(description="Of items, and of what a summary stands for: the first `seq`.")]
    last: Annotated[Seq, Meta(description="The last `seq`.")]
    is_reused: Annotated[
        bool,
        Meta(
            description="Whether the request of the turn before had the same bytes at this place, so that a provider's "
            "prefix cache may hold them."
        ),
    ]


class SummaryBody(Struct, kw_only=True):
    """What stands for items that are no longer shown."""

    text: str
    first: Annotated[int, Meta(description="The first `seq` that it stands for.")]
    last: Annotated[int, Meta(description="The last `seq` that it stands for.")]
    model: Annotated[str, Meta(description="The model that wrote it.")]


class SnippetBody(Struct, kw_only=True):
    """A piece of text that was found, with its place and its scores."""

    source: Annotated[
        Literal["session", "document", "item", "given"],
        Meta(
            description="The session's own past, a document of its stores, what an item of a store is about, or a text "
            "that was given with the turn."
        ),
    ]
    text: str
    number: Annotated[int | None, Meta(description="Of a knowledge store: what the answer cites it by.")]
    omitted: Annotated[
        Literal["budget", "shown_already", "below_threshold"] | None,
        Meta(description="Why it was found and not shown; null when it was shown."),
    ]
    score: Annotated[float, Meta(description="The fused score, from 0 to 1 within its search.")]
    lexical: Annotated[float | None, Meta(description="BM25 of its words; null when they were not searched.")]
    similarity: Annotated[float | None, Meta(description="Cosine of its vector and the query's; null without one.")]
    reranked: Annotated[float | None, Meta(description="The reranker's score; null where there is none.")]
    modality: Annotated[Literal["text", "speech", "screen", "caption"], Meta(description="How the text came to be.")]
    place: Annotated[PlaceBody, Meta(description="Of an item of a store: its page, or seconds.")]
    seq: Annotated[Seq, Meta(description="Of the past: the item.")]
    speaker: Annotated[str | None, Meta(description="Of the past: who said it.")]
    said_at: Annotated[Time | None, Meta(description="Of the past: when, in UTC.")]
    document_id: Annotated[str | None, Meta(description="Of a document: its id.")]
    title: Annotated[str | None, Meta(description="Of a document: its title.")]
    chunk: Annotated[int | None, Meta(description="Of a document: the number of the chunk.")]
    start: Annotated[int, Meta(description="Its first character in the text of the item or the document.")]
    end: Annotated[int, Meta(description="The character behind its last.")]


class RetrievedBody(Struct, kw_only=True):
    """What was found for a turn: shown to the model, or left out and why."""

    object: Literal["retrieved_context"] = "retrieved_context"
    query: Annotated[str, Meta(description="What was searched for.")]
    tokens: Annotated[int, Meta(description="What the block takes of the context.")]
    took_ms: Annotated[float, Meta(description="How long the search took, in milliseconds.")]
    block: Annotated[str, Meta(description="What the model reads in front of the new message; empty: nothing.")]
    snippets: list[SnippetBody]


class ContextBody(Struct, kw_only=True):
    """What a model was, or would be, shown."""

    object: Literal["context"] = "context"
    session_id: Annotated[str, Meta(description="Our id of the session.")]
    run_id: Annotated[str | None, Meta(description="The run that was shown it; null for one that was not sent.")]
    strategy: Annotated[
        Literal["adaptive", "truncate", "summarize", "error"],
        Meta(description="What happens when the budget is full."),
    ]
    budget: Annotated[int, Meta(description="The most that it may take, by our count of tokens.")]
    tokens: Annotated[int, Meta(description="What it takes.")]
    reused_tokens: Annotated[int, Meta(description="Those of the parts that the turn before had sent already.")]
    shown_from: Annotated[int, Meta(description="The first `seq` that is shown; older items are kept.")]
    parts: list[PartBody]
    summary: Annotated[SummaryBody | None, Meta(description="The summary that stands for what is not shown.")] = None
    retrieved: Annotated[RetrievedBody | None, Meta(description="What was found; null when nothing was.")] = None
    messages: Annotated[
        list[dict[str, Any]] | None, Meta(description="The messages themselves, where `messages=true` asks for them.")
    ] = None


class PreviewBody(ChatBody, kw_only=True, omit_defaults=True):
    """A turn that is only thought of: what `POST …/chat` takes."""
