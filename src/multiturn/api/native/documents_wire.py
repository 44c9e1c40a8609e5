"""The shapes of documents in the native API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.auth import NAME_PATTERN

Time = Annotated[datetime, Meta(tz=True)]
Share = Annotated[float, Meta(ge=0, le=1)]
# Some text, without NUL characters; the characters that ECMA-262 takes for text and Python for white space are named.
# The engine checks it: decoding a union of patterns breaks the memory of the process (msgspec 0.22).
SOME_TEXT = {"pattern": r"^[^\u0000]*[^\s\u0000\u001c-\u001f\u0085\ufeff][^\u0000]*$"}
TITLE = {"pattern": f"^{NAME_PATTERN}$", "minLength": 1, "maxLength": 800}
Text = Annotated[str, Meta(max_length=10_000, extra_json_schema=SOME_TEXT)]
Content = Annotated[str, Meta(extra_json_schema=SOME_TEXT)]
Parts = Annotated[list[Content], Meta(extra_json_schema={"minItems": 1, "maxItems": 10_000})]
Numbers = Annotated[list[float], Meta(min_length=1, max_length=8192)]
Cosine = Annotated[float, Meta(ge=-1, le=1)]


class DocumentOrderBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A document to be kept."""

    title: Annotated[str, Meta(extra_json_schema=TITLE)]
    content: Annotated[
        Content | Parts,
        Meta(description="Its text, or parts of it that are to stay apart; 1,000,000 characters in all at most."),
    ]
    metadata: Annotated[
        dict[str, Any] | None, Meta(description="Anything that documents are filtered by; at most 16 KiB of JSON.")
    ] = None


class SearchBody(Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is searched for."""

    text: Annotated[Text | None, Meta(description="What to search for; it may be left out beside a vector.")] = None
    vector: Annotated[
        Numbers | None,
        Meta(description="A vector of the server's embedding model, instead of the text's. It has the model's size."),
    ] = None
    mode: Annotated[
        Literal["text", "vector", "hybrid"] | None,
        Meta(
            description="By words, by vectors, or both weighed (the default; a vector alone is searched for as such). "
            "Without an embedding model `hybrid` goes by words, and the answer says so."
        ),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 10
    confidence: Annotated[Cosine | None, Meta(description="The least cosine of a chunk that has a vector.")] = None
    alpha: Annotated[Share, Meta(description="How much vectors count in a hybrid search; 0 is words alone.")] = 0.5
    mmr_strength: Annotated[float, Meta(ge=0, lt=1, description="How much variety counts.")] = 0.0
    metadata_filter: Annotated[
        dict[str, Any] | None, Meta(description="Only documents whose metadata contain this.")
    ] = None


class DocumentOwnerBody(Struct, kw_only=True):
    """Whose document it is."""

    kind: Literal["session", "agent", "user", "store"]
    id: Annotated[str, Meta(description="Our id of the session, agent or user.")]


class DocumentBody(Struct, kw_only=True):
    """A document."""

    id: Annotated[str, Meta(description="Our id, a UUIDv7: later documents sort behind earlier ones.")]
    object: Literal["document"] = "document"
    title: str
    content: Annotated[str | list[str], Meta(description="As it was given.")]
    metadata: dict[str, Any]
    created_at: Time
    chunks: Annotated[int, Meta(description="How many chunks it was cut into, each of about 1,000 characters.")]
    is_embedded: Annotated[
        bool,
        Meta(
            description="Whether all chunks have vectors of the present embedding model. Until then it is found by its "
            "words, and those of its chunks that have some by these too."
        ),
    ]
    owner: DocumentOwnerBody


class HitBody(Struct, kw_only=True):
    """A chunk that was found."""

    document_id: str
    title: str
    chunk: Annotated[int, Meta(description="The number of the chunk in its document, from 0.")]
    part: Annotated[int, Meta(description="The part of the content that it is of; 0 where that is one text.")]
    text: Annotated[str, Meta(description="Its characters, verbatim.")]
    start: Annotated[int, Meta(description="Where it begins in the content, or in that part: a character.")]
    end: Annotated[int, Meta(description="Behind its last character.")]
    score: Annotated[float, Meta(description="How good it is beside the others of this search; at most 1.")]
    lexical: Annotated[float | None, Meta(description="Its BM25 score.")]
    similarity: Annotated[float | None, Meta(description="Its cosine; null without a vector.")]
    metadata: Annotated[dict[str, Any], Meta(description="The document's.")]
    owner: DocumentOwnerBody


class HitsBody(Struct, kw_only=True):
    """What a search found, the best first."""

    object: Literal["list"] = "list"
    data: list[HitBody]
    mode: Annotated[
        Literal["text", "vector", "hybrid"],
        Meta(description="How it searched: `text` where a hybrid search had no vectors to go by."),
    ]
    took_ms: float


class DocumentDeletedBody(Struct, kw_only=True):
    """What was deleted."""

    id: Annotated[str, Meta(description="Our id of the document.")]
    object: Literal["document.deleted"] = "document.deleted"
    deleted: Literal[True] = True
