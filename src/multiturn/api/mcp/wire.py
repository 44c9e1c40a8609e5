"""The messages of the Model Context Protocol (JSON-RPC 2.0), and what its tools are given and give back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from multiturn.api.citations import CitationBody, PlaceBody
from multiturn.api.envelopes import McpErrorFactsBody
from multiturn.model.asset import AssetKind
from multiturn.model.run import RunStatus
from multiturn.model.segment import Modality

# Revisions with a handshake (initialize), and those in which every request says for itself what it needs.
HANDSHAKE_VERSIONS = ("2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)
VERSIONS = (*HANDSHAKE_VERSIONS, *MODERN_VERSIONS)
VERSION_HEADER, METHOD_HEADER, NAME_HEADER = "mcp-protocol-version", "mcp-method", "mcp-name"
META = "io.modelcontextprotocol/"
VERSION_META, CAPABILITIES_META, SERVER_META = (
    f"{META}protocolVersion",
    f"{META}clientCapabilities",
    f"{META}serverInfo",
)

Name = Annotated[str, Meta(min_length=1, max_length=255)]
Offset = Annotated[int, Meta(ge=0, le=1_000_000)]
Query = Annotated[str, Meta(min_length=1, max_length=10_000)]
STORE = "A knowledge store, by its name or id. list_knowledge_stores tells them."
SESSION = "A session, by its name or id. list_sessions tells them."


class McpMessageBody(Struct, kw_only=True, omit_defaults=True):
    """A request or, without an `id`, a notification."""

    jsonrpc: Annotated[Literal["2.0"], Meta(description="The version of JSON-RPC.")]
    method: Annotated[
        Annotated[str, Meta(min_length=1, max_length=255)],
        Meta(description="`initialize`, `ping`, `server/discover`, `tools/list`, `tools/call`, or a notification."),
    ]
    id: Annotated[int | str | UnsetType, Meta(description="What the answer is known by.")] = UNSET
    params: Annotated[dict[str, Any], Meta(description="What the method is given.")] = {}


class McpAnswerBody(Struct, kw_only=True, omit_defaults=True):
    """The answer to a request."""

    jsonrpc: Literal["2.0"]
    id: Annotated[int | str | None, Meta(description="The request's.")]
    result: dict[str, Any] | UnsetType = UNSET
    error: Annotated[
        McpErrorFactsBody | UnsetType, Meta(description="Instead of a result, of a revision before 2026-07-28.")
    ] = UNSET


class McpEventBody(Struct, kw_only=True, omit_defaults=True):
    """A message of a stream: `notifications/progress`, or as the last one the answer."""

    jsonrpc: Literal["2.0"]
    method: Annotated[Literal["notifications/progress"] | UnsetType, Meta(description="Of progress.")] = UNSET
    params: Annotated[dict[str, Any] | UnsetType, Meta(description="Of progress.")] = UNSET
    id: Annotated[int | str | UnsetType, Meta(description="Of the answer: the request's.")] = UNSET
    result: Annotated[dict[str, Any] | UnsetType, Meta(description="Of the answer.")] = UNSET


class ListStores(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which stores are listed."""

    limit: Annotated[int, Meta(ge=1, le=100, description="How many at most.")] = 20
    cursor: Annotated[Offset | None, Meta(description="`next` of the page before, to read on behind it.")] = None


class SearchKnowledge(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is searched for."""

    store: Annotated[Name, Meta(description=STORE)]
    query: Annotated[Query, Meta(description="What to search for: a question, or words.")]
    limit: Annotated[int, Meta(ge=1, le=50, description="How many passages at most.")] = 8
    kinds: Annotated[
        list[AssetKind], Meta(description="Only passages of files of these kinds; of all when empty.")
    ] = []


class ListSessions(Struct, kw_only=True, forbid_unknown_fields=True):
    """Which sessions are listed."""

    text: Annotated[
        Annotated[str, Meta(max_length=500)] | None,
        Meta(description="Only sessions in which all of these words were said, case aside."),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=100, description="How many at most.")] = 20
    cursor: Annotated[Offset | None, Meta(description="`next` of the page before, to read on behind it.")] = None


class ReadSession(Struct, kw_only=True, forbid_unknown_fields=True):
    """What is read of a session."""

    session: Annotated[Name, Meta(description=SESSION)]
    limit: Annotated[int, Meta(ge=1, le=100, description="How many items at most.")] = 20
    before: Annotated[
        Annotated[int, Meta(ge=1, le=2**53)] | None,
        Meta(description="Only items before this `seq`: `next` of the page that was read last."),
    ] = None


class Ask(Struct, kw_only=True, forbid_unknown_fields=True):
    """A question, and where it is asked."""

    message: Annotated[str, Meta(min_length=1, description="What is asked.")]
    session: Annotated[
        Name | None,
        Meta(
            description="The session in which it is asked, by its name or id: what was said in it before is known. A "
            "name that is new begins a session of that name. Left out: a new session, whose id the result tells."
        ),
    ] = None
    stores: Annotated[
        list[Name],
        Meta(
            max_length=20,
            description="The knowledge stores that the answer is to rest on and cite, by name or id. A session that "
            "begins here keeps them for what is asked in it later.",
        ),
    ] = []
    agent: Annotated[
        Name | None,
        Meta(
            description="The agent that is to answer, by its canonical name or id; a session has its own from then on."
        ),
    ] = None
    model: Annotated[Name | None, Meta(description="The model that is to answer. Left out: as it is set.")] = None


class StoreOut(Struct, kw_only=True):
    """A knowledge store."""

    id: str
    name: str
    description: str | None
    items: Annotated[int, Meta(description="How many files are in it.")]
    ready: Annotated[int, Meta(description="How many of them are indexed.")]


class StoresOut(Struct, kw_only=True):
    """A page of knowledge stores."""

    stores: list[StoreOut]
    next: Annotated[int | None, Meta(description="The `cursor` of the page behind this; null on the last.")]


class PassageOut(Struct, kw_only=True):
    """A passage that was found."""

    number: Annotated[int, Meta(description="Its place in this result, from 1.")]
    title: Annotated[str, Meta(description="The title of the file.")]
    text: Annotated[str, Meta(description="What it says, word for word.")]
    kind: AssetKind | None
    modality: Annotated[Modality, Meta(description="Written, spoken, seen on a screen, or said of a picture.")]
    place: PlaceBody
    score: float
    item_id: str
    url: Annotated[str | None, Meta(description="Opens the file at this place, without a key and for some days.")]


class PassagesOut(Struct, kw_only=True):
    """What was found, the best first."""

    store_id: str
    store: str
    passages: list[PassageOut]


class SessionOut(Struct, kw_only=True):
    """A session."""

    id: str
    name: Annotated[str | None, Meta(description="What its client calls it.")]
    created_at: datetime
    active_at: Annotated[datetime, Meta(description="When something was last said in it.")]
    items: Annotated[int, Meta(description="How many items are in it.")]
    metadata: dict[str, Any]


class SessionsOut(Struct, kw_only=True):
    """A page of sessions, the one last used first."""

    sessions: list[SessionOut]
    next: Annotated[int | None, Meta(description="The `cursor` of the page behind this; null on the last.")]


class ItemOut(Struct, kw_only=True, omit_defaults=True):
    """Something that was said or done."""

    seq: Annotated[int, Meta(description="Its place in the session.")]
    type: Annotated[str, Meta(description="message, function_call, function_call_output, reasoning or summary.")]
    at: datetime
    text: str
    role: Annotated[str | None, Meta(description="Of a message: who spoke.")] = None
    name: Annotated[str | None, Meta(description="Of a call: the tool.")] = None
    characters: Annotated[int | None, Meta(description="How long a text is of which the beginning is here.")] = None
    citations: list[CitationBody] = []


class ItemsOut(Struct, kw_only=True):
    """A stretch of a session, oldest first."""

    session_id: str
    name: str | None
    items: list[ItemOut]
    next: Annotated[int | None, Meta(description="The `before` of what was said before this; null at the beginning.")]


class AnswerOut(Struct, kw_only=True):
    """An answer, and where it stands."""

    session_id: Annotated[str, Meta(description="Name it as `session` to go on.")]
    session: Annotated[str | None, Meta(description="The name of the session.")]
    run_id: str
    status: Annotated[
        RunStatus,
        Meta(
            description="`completed`; `incomplete`: it was cut off; `waiting`: a person has to allow what a tool is to "
            "do, and read_session shows the answer later."
        ),
    ]
    answer: str
    citations: list[CitationBody]
