"""What can be asked about documents, described: the same of sessions, of agents and of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.native.documents_wire import (
    DocumentBody,
    DocumentDeletedBody,
    DocumentOrderBody,
    HitsBody,
    SearchBody,
)
from multiturn.api.native.operations import ORDER, PAGE_LIMIT, SESSION_ID
from multiturn.api.native.session_operations import METADATA
from multiturn.api.native.wire import ListBody
from multiturn.api.parameters import NAME, USER

DOCUMENT_ID = "01a1fc90-fa6f-7167-9e60-a7618fad9c04"
ORDERED = {
    "title": "Tram lines",
    "content": "Tram 28 goes from Martim Moniz to Campo de Ourique.",
    "metadata": {"city": "Lisbon"},
}
OWNER = {"kind": "session", "id": examples.SESSION_ID}
DOCUMENT: Mapping[str, Any] = {
    "id": DOCUMENT_ID,
    "object": "document",
    **ORDERED,
    "created_at": examples.BEGAN,
    "chunks": 1,
    "is_embedded": True,
    "owner": OWNER,
}
HIT: Mapping[str, Any] = {
    "document_id": DOCUMENT_ID,
    "title": "Tram lines",
    "chunk": 0,
    "part": 0,
    "text": ORDERED["content"],
    "start": 0,
    "end": 51,
    "score": 1.0,
    "lexical": 0.8631,
    "similarity": 0.6127,
    "metadata": {"city": "Lisbon"},
    "owner": OWNER,
}

OWNERS = {
    "session": SESSION_ID,
    "agent": Parameter(name="agent_id", place="path", schema=NAME, text="Our id of the agent, or its canonical name."),
    "user": Parameter(name="user_id", place="path", schema=NAME, text="Our id of the user, or its external id."),
}

DOC_ID = Parameter(
    name="doc_id",
    place="path",
    schema={"type": "string"},
    text="Our id of the document.",
    example=DOCUMENT_ID,
)

CURSOR = Parameter(
    name="cursor",
    place="query",
    schema={"type": "string", "format": "uuid"},
    text="Our id of a document: those behind it. `next` of the page before has it.",
)

INPUT: Mapping[int, tuple[str, ...]] = {
    **ANY,
    400: ("invalid_request", "invalid_json", "incomplete_body", "not_storable"),
    413: ("request_too_large",),
}


def describe(kind: str) -> tuple[Operation, ...]:
    """The operations on the documents of one kind of owner."""
    return (add(kind), list_(kind), search(kind), get(kind), delete(kind))


def add(kind: str) -> Operation:
    """How a document is stored."""
    return Operation(
        name=f"add{kind.title()}Document",
        method="post",
        paths=(f"/v1/{kind}s/{{{kind}_id}}/docs",),
        tag="Documents",
        summary=f"Give a document to {article(kind)}",
        text="It is cut into chunks at its headings, paragraphs and sentences, and found by its words when this "
        "returns. The vectors of a document of at most 16 chunks are made before this returns, unless the embedding "
        "model is away; others follow in the background (`is_embedded`).",
        parameters=(OWNERS[kind], USER),
        body=Body(shape=DocumentOrderBody, examples=(Example(name="text", title="A text", body=ORDERED),)),
        replies=(
            Reply(
                text="The document.",
                status=201,
                shape=DocumentBody,
                example=dict(DOCUMENT),
                links=(
                    Link(operation=f"get{kind.title()}Document", parameter="doc_id", source="$response.body#/id"),
                    Link(operation=f"delete{kind.title()}Document", parameter="doc_id", source="$response.body#/id"),
                ),
            ),
        ),
        errors={
            **INPUT,
            404: (f"{kind}_not_found",),
            409: ("document_exists",),
            413: ("request_too_large", "document_too_large", "documents_full"),
        },
    )


def list_(kind: str) -> Operation:
    """How documents are listed."""
    return Operation(
        name=f"list{kind.title()}Documents",
        method="get",
        paths=(f"/v1/{kind}s/{{{kind}_id}}/docs",),
        tag="Documents",
        summary=f"List the documents of {article(kind)}",
        text="With their contents, the newest first. A page of long documents holds fewer than `limit`.",
        parameters=(OWNERS[kind], PAGE_LIMIT, CURSOR, ORDER, METADATA, USER),
        replies=(
            Reply(
                text="A page of documents. `next` is the `cursor` of the page behind it.",
                shape=ListBody[DocumentBody],
                example=examples.page(dict(DOCUMENT)),
            ),
        ),
        errors={**ANY, 404: (f"{kind}_not_found",)},
    )


def search(kind: str) -> Operation:
    """How documents are searched."""
    return Operation(
        name=f"search{kind.title()}Documents",
        method="post",
        paths=(f"/v1/{kind}s/{{{kind}_id}}/docs/search",),
        tag="Documents",
        summary=f"Search in the documents of {article(kind)}",
        text="By words (BM25), by vectors (cosine), or both. Turns search in the documents of their session, its agent "
        "and its users by themselves.",
        parameters=(OWNERS[kind], USER),
        body=Body(
            shape=SearchBody,
            examples=(
                Example(name="text", title="A question", body={"text": "Where does tram 28 begin?", "limit": 3}),
                Example(
                    name="filter",
                    title="Among some documents, by words alone",
                    body={"text": "tram", "mode": "text", "metadata_filter": {"city": "Lisbon"}},
                ),
            ),
        ),
        replies=(
            Reply(
                text="The chunks that were found, the best first.",
                shape=HitsBody,
                example={"object": "list", "data": [dict(HIT)], "mode": "hybrid", "took_ms": 3.4},
            ),
        ),
        errors={**INPUT, 404: (f"{kind}_not_found",), 503: ("storage_failed", "embeddings_unavailable")},
    )


def get(kind: str) -> Operation:
    """How one document is read."""
    return Operation(
        name=f"get{kind.title()}Document",
        method="get",
        paths=(f"/v1/{kind}s/{{{kind}_id}}/docs/{{doc_id}}",),
        tag="Documents",
        summary=f"Get a document of {article(kind)}",
        parameters=(OWNERS[kind], DOC_ID, USER),
        replies=(Reply(text="The document.", shape=DocumentBody, example=dict(DOCUMENT)),),
        errors={**ANY, 404: (f"{kind}_not_found", "document_not_found")},
    )


def delete(kind: str) -> Operation:
    """How a document is deleted."""
    return Operation(
        name=f"delete{kind.title()}Document",
        method="delete",
        paths=(f"/v1/{kind}s/{{{kind}_id}}/docs/{{doc_id}}",),
        tag="Documents",
        summary=f"Delete a document of {article(kind)}",
        text="At once and for good, with its index.",
        parameters=(OWNERS[kind], DOC_ID, USER),
        replies=(
            Reply(
                text="It is deleted.",
                shape=DocumentDeletedBody,
                example={"id": DOCUMENT_ID, "object": "document.deleted", "deleted": True},
            ),
        ),
        errors={**ANY, 404: (f"{kind}_not_found", "document_not_found")},
    )


def article(kind: str) -> str:
    """The kind as a sentence says it."""
    return f"an {kind}" if kind == "agent" else f"a {kind}"


OPERATIONS = tuple(operation for kind in OWNERS for operation in describe(kind))
