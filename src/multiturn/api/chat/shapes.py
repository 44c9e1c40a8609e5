"""The bodies of the chat dialect as ``/openapi.json`` describes them.

The handlers do not decode into these: a request is read field by field (``parse.py``), so that what is not ours reaches
the model byte for byte, and an answer is passed on as the provider wrote it. The fields are those of OpenAI's "Create
chat completion" that are in common use; every other one is allowed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.auth import NAME_PATTERN
from multiturn.api.fields import EXPIRY_MAX_S
from multiturn.api.message_shapes import ChatMessage, Tokens, to_model
from multiturn.api.policy import OVERFLOW_TEXT, OverflowName

Session = Annotated[str | None, Meta(extra_json_schema={"maxLength": 255, "pattern": f"^(?:{NAME_PATTERN})?$"})]
Seconds = Annotated[int, Meta(ge=1, le=EXPIRY_MAX_S)]


class StreamOptions(Struct, omit_defaults=True):
    """How to stream; further fields go to the model."""

    include_usage: Annotated[
        bool | None, Meta(description="Whether a last chunk, without choices, brings the usage.")
    ] = False


class CompletionRequest(Struct, kw_only=True, omit_defaults=True):
    """What to say to the model, and in which session."""

    messages: Annotated[
        list[ChatMessage],
        Meta(
            min_length=1,
            description="Under a session: what is new. The whole conversation may be sent as well, as clients without "
            "sessions do; then what is stored already is recognised, and an edit or a regeneration begins a branch.",
        ),
    ]
    model: Annotated[
        str | None,
        Meta(
            description="The model, by a name of `GET /v1/models`. Left out, the server's default "
            "(`MULTITURN_MODEL`); the embedded model answers to every name.",
            extra_json_schema={"maxLength": 255, "pattern": f"^(?:{NAME_PATTERN})?$"},
        ),
    ] = None
    stream: Annotated[bool | None, Meta(description="Whether to answer in server-sent events.")] = False
    stream_options: Annotated[StreamOptions | None, Meta(description="With `stream` only.")] = None
    session_id: Annotated[
        Session,
        Meta(description="The session, for clients that cannot send a header; with one, it must be the same name."),
    ] = None
    sessionId: Annotated[Session, Meta(description="The same as `session_id`.")] = None
    saveToMemory: Annotated[
        bool | None,
        Meta(description="False: answer with the session's history, and keep nothing of the turn but its usage."),
    ] = True
    context_overflow: Annotated[OverflowName | None, Meta(description=OVERFLOW_TEXT)] = None
    memoryStrategy: Annotated[OverflowName | None, Meta(description="The same as `context_overflow`, which wins.")] = (
        None
    )
    concurrency: Annotated[
        Literal["queue", "reject", "interrupt"] | None,
        Meta(
            description="While another turn of the session runs: wait for it (`queue`), answer 409 `session_busy` "
            "(`reject`), or cancel it (`interrupt`). Left out: `MULTITURN_CONCURRENCY`, which is `queue`."
        ),
    ] = None
    on_disconnect: Annotated[
        Literal["finish", "cancel"] | None,
        Meta(
            description="When the client goes away: the turn goes on and is stored (`finish`), or is cancelled "
            "(`cancel`). Left out: `MULTITURN_ON_DISCONNECT`, which is `finish`."
        ),
    ] = None
    idle_expiry_s: Annotated[
        Seconds | None,
        Meta(
            description="Seconds without use after which the session is deleted with everything in it, from now on. "
            "Left out: as it is; of a new session `MULTITURN_SESSION_IDLE_EXPIRY_S`, which is 86400 (24 hours).",
        ),
    ] = None
    max_completion_tokens: Annotated[
        Tokens | None,
        Meta(description="How long the answer may be, in tokens; goes to the model as well."),
    ] = None
    max_tokens: Annotated[Tokens | None, Meta(description="The older name of `max_completion_tokens`.")] = None
    temperature: Annotated[float | None, to_model("0 to 2.")] = None
    top_p: Annotated[float | None, to_model("0 to 1.")] = None
    n: Annotated[
        int | None, to_model("How many answers. Under a session, the first one (choice 0) enters the history.")
    ] = None
    stop: Annotated[str | list[str] | None, to_model("Where the answer is to end.")] = None
    seed: Annotated[int | None, to_model("For answers that can be repeated, as far as the model can.")] = None
    presence_penalty: Annotated[float | None, to_model("-2 to 2.")] = None
    frequency_penalty: Annotated[float | None, to_model("-2 to 2.")] = None
    logprobs: Annotated[bool | None, to_model("Whether to return log probabilities.")] = None
    top_logprobs: Annotated[int | None, to_model("How many of them a token, 0 to 20.")] = None
    tools: Annotated[list[dict[str, Any]] | None, to_model("What the model may call; sent with every turn.")] = None
    tool_choice: Annotated[str | dict[str, Any] | None, to_model("`none`, `auto`, `required`, or a tool.")] = None
    parallel_tool_calls: Annotated[bool | None, to_model("Whether it may make several calls at once.")] = None
    response_format: Annotated[dict[str, Any] | None, to_model("Text, JSON, or JSON of a schema.")] = None
    reasoning_effort: Annotated[str | None, to_model("How long to think: `minimal`, `low`, `medium`, `high` …")] = None
    user: Annotated[str | None, to_model("A label; whose session it is, the key or `X-User-Id` says.")] = None


class AnswerMessage(Struct, omit_defaults=True):
    """What the model answered, or a piece of it; further fields come as the provider wrote them."""

    role: str | None = None
    content: str | None = None
    reasoning_content: Annotated[str | None, Meta(description="What it thought, where the provider tells.")] = None
    refusal: str | None = None
    tool_calls: Annotated[list[dict[str, Any]] | None, Meta(description="Tools that the client is to call.")] = None


class Choice(Struct, omit_defaults=True):
    """One answer."""

    index: int
    message: AnswerMessage
    finish_reason: Annotated[
        str | None, Meta(description="`stop`, `length`, `tool_calls`, `content_filter`, or the provider's own.")
    ] = None
    logprobs: dict[str, Any] | None = None


class ChunkChoice(Struct, omit_defaults=True):
    """A piece of one answer."""

    index: int
    delta: AnswerMessage
    finish_reason: Annotated[str | None, Meta(description="In the last piece.")] = None


class CompletionUsage(Struct, omit_defaults=True):
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Annotated[
        dict[str, Any] | None, Meta(description="`cached_tokens`: those that the provider's prefix cache held.")
    ] = None
    completion_tokens_details: Annotated[
        dict[str, Any] | None, Meta(description="`reasoning_tokens`: those that were thought and not said.")
    ] = None


class ChatCompletion(Struct, kw_only=True, omit_defaults=True):
    """An answer in one piece, with every field that the provider sent."""

    id: str
    object: Literal["chat.completion"]
    created: Annotated[int, Meta(description="Seconds since 1970.")]
    model: Annotated[str, Meta(description="The model that answered.")]
    choices: list[Choice]
    usage: CompletionUsage | None = None


class ChatCompletionChunk(Struct, kw_only=True, omit_defaults=True):
    """A piece of a streamed answer, with every field that the provider sent."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: Annotated[int, Meta(description="Seconds since 1970.")]
    model: Annotated[str, Meta(description="The model that answers.")]
    choices: Annotated[list[ChunkChoice], Meta(description="Empty in the chunk that brings the usage.")]
    usage: CompletionUsage | None = None


class ModelBody(Struct, kw_only=True, omit_defaults=True):
    """A model that would be answered."""

    id: Annotated[str, Meta(description="The name to ask for.")]
    object: Literal["model"]
    created: Annotated[int, Meta(description="Seconds since 1970; 0 where the provider does not tell.")]
    owned_by: str
    context_window: Annotated[int | None, Meta(description="Tokens that it can read, where known.")] = None


class ModelListBody(Struct, kw_only=True):
    """All models."""

    object: Literal["list"]
    data: list[ModelBody]
