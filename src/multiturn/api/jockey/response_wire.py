"""The shapes of responses, whole and as a stream, and of sessions (contracts/twelvelabs 7)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from multiturn.api.jockey.store_wire import Id
from multiturn.api.jockey.wire import Time

CONTENT_CHARS_MAX = 10_000
MESSAGES_MAX = 100
SELECTIONS_MAX = 100

ItemStatus = Literal["completed", "failed", "in_progress", "incomplete"]


class JockeyInputBody(Struct, kw_only=True, omit_defaults=True):
    """What the user says now. `{{sel:N}}` names the selection at the place N, from 0."""

    content: Annotated[str, Meta(min_length=1, max_length=CONTENT_CHARS_MAX)]
    type: Literal["message"] = "message"
    role: Literal["user"] = "user"


class JockeySelectionBody(Struct, kw_only=True):
    """A part of the store that the conversation is about, from now on."""

    kind: Literal["item", "collection"]
    id: Annotated[Id, Meta(description="`ksi_…` of an item, `ksic_…` of a collection.")]


class JockeyFormatBody(Struct, kw_only=True, omit_defaults=True):
    """What the answer is to look like: a text, or JSON that fits a schema."""

    type: Literal["text", "json_schema"] = "text"
    name: Annotated[str | None, Meta(description="With `json_schema`: a name for it.")] = None
    description: str | None = None
    schema: Annotated[
        dict[str, Any] | None,
        Meta(description="With `json_schema`: every property is required, and no others are allowed."),
    ] = None
    strict: Annotated[bool | None, Meta(description="Taken and not used: the answer always fits.")] = None


class JockeyTextBody(Struct, kw_only=True, omit_defaults=True):
    """How the answer is written."""

    format: JockeyFormatBody | None = None


class JockeyToolBody(Struct, kw_only=True, omit_defaults=True):
    """How the first clients name the knowledge store; others are not looked at."""

    type: str = ""
    knowledge_store_id: str | None = None


class JockeyResponseOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A question to a knowledge store. Fields that are not known are not looked at."""

    input: Annotated[list[JockeyInputBody], Meta(min_length=1, max_length=MESSAGES_MAX)]
    knowledge_store_id: Annotated[Id | None, Meta(description="The store; needed unless `tools` names it.")] = None
    session_id: Annotated[
        Id | None, Meta(description="The conversation that goes on. Left out: a new one, whose id comes back.")
    ] = None
    instructions: Annotated[
        Annotated[str, Meta(max_length=200_000)] | None, Meta(description="What the model is told for this turn only.")
    ] = None
    include: Annotated[
        list[Literal["intermediate_outputs"]] | None, Meta(description="Show also what was looked up.")
    ] = None
    selections: Annotated[
        Annotated[list[JockeySelectionBody], Meta(max_length=SELECTIONS_MAX)] | None,
        Meta(description="What the conversation is about above all; it stays so in later turns."),
    ] = None
    text: JockeyTextBody | None = None
    stream: Annotated[bool | None, Meta(description="Whether to answer in server-sent events.")] = None
    model: Annotated[str | None, Meta(description="Comes back; the server's own model answers.")] = None
    tools: Annotated[list[JockeyToolBody] | None, Meta(description="The first clients name the store here.")] = None
    temperature: Annotated[float | None, Meta(description="Ours: goes to the model.")] = None
    top_p: Annotated[float | None, Meta(description="Ours: goes to the model.")] = None
    seed: Annotated[int | None, Meta(description="Ours: goes to the model.")] = None
    max_output_tokens: Annotated[
        Annotated[int, Meta(ge=1, le=10**9)] | None, Meta(description="Ours: how long the answer may be.")
    ] = None


class JockeyAnnotationBody(Struct, kw_only=True, omit_defaults=True):
    """A citation: the marker in the text, and what it rests on. Times are left out where there are none."""

    type: Annotated[
        Literal["video_citation", "image_citation", "collection_citation", "audio_citation", "document_citation"],
        Meta(description="The last two are ours."),
    ]
    start_index: Annotated[int, Meta(description="The marker's first character, in code points from 0.")]
    end_index: Annotated[int, Meta(description="Its last one, which belongs to it.")]
    item_id: str | None = None
    collection_id: str | None = None
    start_sec: float | None = None
    end_sec: float | None = None
    title: str | None
    thumbnail_url: str | None
    hls_url: str | None
    asset_id: Annotated[str | None, Meta(description="Ours: the file, as long as it is there.")] = None
    clip_url: Annotated[str | None, Meta(description="Ours: a link that opens the file at this place.")] = None
    quote: Annotated[str | None, Meta(description="Ours: the words of the item that it rests on.")] = None
    page: Annotated[int | None, Meta(description="Ours: the page of a document.")] = None
    modality: Annotated[
        Literal["text", "speech", "screen", "caption"] | None, Meta(description="Ours: how the words came to be.")
    ] = None
    is_aligned: Annotated[
        bool, Meta(description="Ours: the server found what the sentence rests on; the model wrote no marker.")
    ] = False


class JockeyPartBody(Struct, kw_only=True):
    """What is said."""

    type: Literal["output_text", "input_text"] = "output_text"
    text: str
    annotations: list[JockeyAnnotationBody]


class JockeyOutputBody(Struct, kw_only=True, omit_defaults=True):
    """The answer, or a step on the way to it."""

    type: Literal["message", "function_call", "function_call_output"]
    id: str
    status: ItemStatus
    role: Literal["assistant"] | None = None
    phase: Literal["final_answer", "commentary"] | None = None
    content: list[JockeyPartBody] | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: Annotated[str | None, Meta(description="JSON.")] = None
    output: str | None = None


class JockeyUsageBody(Struct, kw_only=True):
    """Tokens as the provider counted them."""

    input_tokens: int
    output_tokens: int


class JockeyIncompleteBody(Struct, kw_only=True):
    """Why an answer is not whole."""

    reason: Annotated[str, Meta(description="`max_output_tokens`, `content_filter`, or `cancelled`.")]


class JockeyFailureBody(Struct, kw_only=True):
    """Why there is no answer."""

    code: str
    message: str


class JockeyResponseBody(Struct, kw_only=True, omit_defaults=True):
    """An answer."""

    id: Annotated[str, Meta(description="`resp_` and the id of the run.")]
    type: Literal["response"]
    same_type: Literal["response"] = field(name="object")
    status: ItemStatus
    incomplete_details: JockeyIncompleteBody | None
    session_id: Annotated[str, Meta(description="Send it with the next question.")]
    knowledge_store_id: str
    output: list[JockeyOutputBody]
    usage: JockeyUsageBody | None = None
    created_at: Time
    model: Annotated[str | None, Meta(description="What the request said.")] = None
    error: Annotated[JockeyFailureBody | None, Meta(description="Ours: of a response that failed.")] = None


class JockeyEventBody(Struct, kw_only=True, omit_defaults=True):
    """One event of a stream; `data: [DONE]` ends it."""

    type: Literal[
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.function_call_arguments.done",
        "response.completed",
        "response.failed",
        "keepalive",
    ]
    sequence_number: Annotated[int, Meta(ge=0, description="From 0, without gaps.")]
    response: JockeyResponseBody | None = None
    item_id: str | None = None
    output_index: int | None = None
    content_index: int | None = None
    item: JockeyOutputBody | None = None
    part: JockeyPartBody | None = None
    delta: str | None = None
    text: str | None = None
    arguments: str | None = None


class JockeySessionBody(Struct, kw_only=True):
    """Ours: a conversation. Those of other APIs of this server are conversations too."""

    id: Annotated[str, Meta(description="`sess_` and a UUID.")]
    knowledge_store_id: Annotated[str | None, Meta(description="Null until its first question here.")]
    selections: list[JockeySelectionBody]
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Annotated[Time, Meta(description="When it was last used.")]


class JockeySaidBody(Struct, kw_only=True, omit_defaults=True):
    """Ours: something that was said in a conversation."""

    id: str
    type: Literal["message"]
    role: Literal["user", "assistant", "system", "developer"]
    content: list[JockeyPartBody]
    response_id: Annotated[str | None, Meta(description="The turn that it belongs to.")] = None
    created_at: Time
