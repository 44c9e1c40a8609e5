"""The shapes of a chat in a session: what is asked of the model, and its answer."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from multiturn.api.auth import NAME_PATTERN
from multiturn.api.citations import CitationBody
from multiturn.api.message_shapes import ChatMessage, Tokens, to_model
from multiturn.api.native.documents_wire import HitBody
from multiturn.api.native.tools_wire import ReasoningOptionsBody
from multiturn.api.native.wire import EventBody, ItemBody, Time, UsageBody
from multiturn.api.policy import PolicyFields

Name = Annotated[str | None, Meta(extra_json_schema={"maxLength": 255, "pattern": f"^(?:{NAME_PATTERN})?$"})]


class ChatBody(PolicyFields, kw_only=True, omit_defaults=True):
    """What to say in a session. The policy of the context is for this turn alone.

    Only the fields that are described here are read; every other one goes to the model as it came.
    """

    messages: Annotated[
        list[ChatMessage],
        Meta(
            min_length=1,
            description="What is new; it is added to the history. System and developer messages that stand first are "
            "the session's instructions: replaced when sent, kept when left out.",
        ),
    ]
    model: Annotated[
        Name,
        Meta(
            description="The model, by a name of `GET /v1/models`. Left out: the session's, its agent's, the server's."
        ),
    ] = None
    stream: Annotated[
        bool | None,
        Meta(description="Whether to answer in server-sent events; `Accept: text/event-stream` asks for the same."),
    ] = False
    agent_id: Annotated[
        Name,
        Meta(description="Which of the session's agents answers, by its id or canonical name; left out: the first."),
    ] = None
    save: Annotated[
        bool | None,
        Meta(description="False: answer with the session's history, and keep nothing of the turn but its usage."),
    ] = True
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
    metadata: Annotated[dict[str, Any] | None, Meta(description="What templates know as `metadata`.")] = None
    store: Annotated[
        Name,
        Meta(
            description="The knowledge store that this answer is to rest on and cite, by its id or name, besides those "
            "of the session."
        ),
    ] = None
    reasoning: Annotated[
        ReasoningOptionsBody | None,
        Meta(description="How much the model is to think in this turn. Left out: its agent's, else the provider's."),
    ] = None
    max_completion_tokens: Annotated[
        Tokens | None, Meta(description="How long the answer may be, in tokens; goes to the model as well.")
    ] = None
    max_tokens: Annotated[Tokens | None, Meta(description="The older name of `max_completion_tokens`.")] = None
    tools: Annotated[list[dict[str, Any]] | None, to_model("What the model may call; sent with every turn.")] = None
    tool_choice: Annotated[str | dict[str, Any] | None, to_model("`none`, `auto`, `required`, or a tool.")] = None
    temperature: Annotated[float | None, to_model("0 to 2.")] = None
    response_format: Annotated[dict[str, Any] | None, to_model("Text, JSON, or JSON of a schema.")] = None


class AnswerBody(Struct, kw_only=True):
    """What the model answered, and what the turn left behind."""

    id: Annotated[str, Meta(description="Our id of the run.")]
    object: Literal["answer"] = "answer"
    session_id: Annotated[str, Meta(description="Our id of the session.")]
    created_at: Annotated[Time, Meta(description="When the turn was asked for, in UTC.")]
    model: Annotated[str, Meta(description="The model that was asked.")]
    status: Annotated[
        Literal["completed", "incomplete"],
        Meta(description="`incomplete`: the answer broke off (length, content filter); it is in the history."),
    ]
    finish_reason: Annotated[str | None, Meta(description="As the provider gave it: stop, length, tool_calls …")]
    text: Annotated[str | None, Meta(description="What it said; null when it called tools and said nothing.")]
    items: Annotated[
        list[ItemBody],
        Meta(
            description="What the turn added to the history: what was asked, then what was said. Empty without `save`."
        ),
    ]
    usage: UsageBody | None
    citations: Annotated[
        list[CitationBody], Meta(description="What the answer rests on, over a knowledge store: the markers in `text`.")
    ]
    docs: Annotated[list[HitBody], Meta(description="The pieces of documents that the model was shown.")]
    retrieved: Annotated[
        int, Meta(description="How many snippets the model was shown, of documents and of the conversation's own past.")
    ]


class ChatEventBody(EventBody, kw_only=True, omit_defaults=True):
    """What happened in the run of a chat. ``end`` brings the whole answer besides the run.

    Fields that are empty are left out.
    """

    answer: Annotated[AnswerBody | None, Meta(description="Of `end`: the answer as it is without `stream`.")] = None


# Read here and never sent to a model. Everything that is not on this list is.
CONSUMED_FIELDS = frozenset(
    {
        "messages",
        "model",
        "stream",
        "agent_id",
        "save",
        "concurrency",
        "on_disconnect",
        "metadata",
        "store",
        "reasoning",
        "context_overflow",
        "token_budget",
        "recall",
        "recall_tokens",
        "recall_options",
    }
)
