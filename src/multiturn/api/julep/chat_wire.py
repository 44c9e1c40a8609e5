"""The shapes of Julep's chats: a turn, its answer whole or in chunks, what a model would be shown, and the history."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.julep.wire import Id, JulepDocReferenceBody, Metadata, Positive, Text, Time
from multiturn.api.message_shapes import to_model
from multiturn.api.policy import BUDGET, OPTIONS, OVERFLOW, Name, RecallOptionsBody

# What the handlers take out of a chat; every other field goes to the model, null counting as left out.
CONSUMED_FIELDS = frozenset(
    {
        "messages",
        "model",
        "stream",
        "agent",
        "agent_id",
        "recall",
        "recall_tools",
        "recall_options",
        "save",
        "remember",
        "auto_run_tools",
        "metadata",
        "tools",
        "tool_choice",
        "context_overflow",
        "token_budget",
        "concurrency",
        "on_disconnect",
        "connection_pool",
    }
)

Said = Annotated[
    str | list[str | dict[str, Any]] | None,
    Meta(description="A text, texts, or content parts (`text`, `image_url`, `tool_result`)."),
]


class JulepMessageBody(Struct, kw_only=True, omit_defaults=True):
    """Something said."""

    role: Literal["user", "assistant", "system", "tool"]
    content: Said = None
    name: Annotated[str | None, Meta(description="Which of several that speak in this role.")] = None
    tool_call_id: Annotated[str | None, Meta(description="Of a tool's result: the call that it answers.")] = None
    tool_calls: Annotated[list[dict[str, Any]] | None, Meta(description="Of an assistant: what it called.")] = None


class JulepToolBody(Struct, kw_only=True, omit_defaults=True):
    """A tool that the model may call; further fields are not looked at."""

    name: Text
    type: Annotated[str, Meta(description="Only `function`: the client executes it.")] = "function"
    description: str | None = None
    function: Annotated[dict[str, Any] | None, Meta(description="Its `parameters`, as JSON Schema.")] = None


class JulepChatBody(Struct, kw_only=True, omit_defaults=True):
    """What to say to the model. What is said is stored behind the history; nothing is recognised as said before."""

    messages: Annotated[list[JulepMessageBody], Meta(min_length=1, description="What is new.")]
    agent: Annotated[Id | None, Meta(description="Which of the session's agents answers. Left out: the first.")] = None
    agent_id: Annotated[Id | None, Meta(description="The same as `agent`.")] = None
    model: Annotated[
        Text | None, Meta(description="The model. Left out: the agent's, else the session's, else the server's.")
    ] = None
    stream: Annotated[bool, Meta(description="Whether to answer in server-sent events.")] = False
    save: Annotated[bool, Meta(description="False: keep nothing of the turn but its usage.")] = True
    recall: Annotated[
        bool, Meta(description="False: neither documents nor what was cut from the history are looked through.")
    ] = True
    recall_tools: Annotated[bool, Meta(description="Only true: what tools said stands in the history.")] = True
    auto_run_tools: Annotated[
        bool,
        Meta(
            description="The tools of the agent that the server has run there either way; calls of functions come back "
            "to the client."
        ),
    ] = False
    metadata: Metadata = None
    tools: Annotated[
        list[JulepToolBody] | None,
        Meta(description="What the model may call in this turn, besides the tools of its agent."),
    ] = None
    tool_choice: Annotated[
        str | dict[str, Any] | None, Meta(description='`auto`, `none`, or `{"function": {"name": …}}`.')
    ] = None
    context_overflow: Annotated[Name | None, OVERFLOW] = None
    token_budget: Annotated[Positive | None, BUDGET] = None
    recall_options: Annotated[RecallOptionsBody | None, OPTIONS] = None
    max_tokens: Annotated[Positive | None, Meta(description="How long the answer may be, in tokens.")] = None
    temperature: Annotated[float | None, to_model("0 to 5.")] = None
    top_p: Annotated[float | None, to_model("0 to 1.")] = None
    min_p: Annotated[float | None, to_model("0 to 1.")] = None
    stop: Annotated[str | list[str] | None, to_model("Where the answer is to end.")] = None
    seed: Annotated[int | None, to_model("For answers that can be repeated.")] = None
    frequency_penalty: Annotated[float | None, to_model("-2 to 2.")] = None
    presence_penalty: Annotated[float | None, to_model("-2 to 2.")] = None
    repetition_penalty: Annotated[float | None, to_model("0 to 2.")] = None
    length_penalty: Annotated[float | None, to_model("0 to 2.")] = None
    logit_bias: Annotated[dict[str, float] | None, to_model("By token.")] = None
    response_format: Annotated[dict[str, Any] | None, to_model("Text, JSON, or JSON of a schema.")] = None


class JulepUsageBody(Struct, kw_only=True):
    """Tokens as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class JulepAnswerBody(Struct, kw_only=True):
    """What the model said."""

    role: str = "assistant"
    content: str | list[dict[str, Any]] | None = None
    id: str | None = None
    created_at: Time | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: Annotated[list[dict[str, Any]] | None, Meta(description="Tools that the client is to call.")] = None


class JulepChoiceBody(Struct, kw_only=True):
    """The answer."""

    index: int = 0
    message: JulepAnswerBody
    finish_reason: str
    logprobs: dict[str, Any] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class JulepChatResponseBody(Struct, kw_only=True):
    """An answer in one piece."""

    id: Annotated[str, Meta(description="The id of the run.")]
    created_at: Time
    jobs: list[str] = []
    docs: Annotated[list[JulepDocReferenceBody], Meta(description="The snippets of documents that were shown.")]
    usage: JulepUsageBody | None
    choices: list[JulepChoiceBody]


class JulepDeltaBody(Struct, kw_only=True):
    """A piece of what the model says."""

    role: str = "assistant"
    content: str | None = None
    tool_calls: list[dict[str, Any]] | None = None


class JulepChunkChoiceBody(Struct, kw_only=True):
    """A piece of the answer."""

    index: int = 0
    delta: JulepDeltaBody
    finish_reason: Annotated[str, Meta(description="`stop` while the answer goes on, as it was there.")] = "stop"
    logprobs: dict[str, Any] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class JulepChunkBody(Struct, kw_only=True):
    """A piece of a streamed answer. Nothing follows the last one, which has the usage."""

    id: Annotated[str, Meta(description="The id of the run.")]
    created_at: Time
    jobs: list[str] = []
    docs: Annotated[list[JulepDocReferenceBody], Meta(description="The snippets of documents that were shown.")]
    usage: JulepUsageBody | None = None
    choices: list[JulepChunkChoiceBody]


class JulepRenderBody(Struct, kw_only=True):
    """What the model would be shown. It is not asked, and nothing is stored."""

    messages: list[dict[str, Any]]
    docs: Annotated[list[JulepDocReferenceBody], Meta(description="The snippets of documents in it.")]
    tools: list[dict[str, Any]] | None
    tool_choice: str | dict[str, Any] | None


class JulepEntryBody(Struct, kw_only=True):
    """Something in the history."""

    id: Annotated[str, Meta(description="Made of the session's id and the entry's place; it stays the same.")]
    role: Literal["user", "assistant", "system", "tool"]
    name: str | None = None
    content: list[dict[str, Any]]
    source: Annotated[
        Literal["api_request", "api_response", "summarizer"],
        Meta(description="`summarizer`: it stands in the context for older entries, which stay in the history."),
    ]
    token_count: int
    tokenizer: str
    model: Annotated[str | None, Meta(description="Of a summary: who wrote it.")] = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    created_at: Time
    timestamp: Time


class JulepRelationBody(Struct, kw_only=True):
    """An entry that another one stands for in the context."""

    head: Annotated[str, Meta(description="The entry that was summarised.")]
    relation: Literal["summary_of"] = "summary_of"
    tail: Annotated[str, Meta(description="The summary.")]


class JulepHistoryBody(Struct, kw_only=True):
    """What was said, the oldest first."""

    session_id: str
    created_at: Annotated[Time, Meta(description="When the session was made.")]
    entries: list[JulepEntryBody]
    relations: list[JulepRelationBody]
