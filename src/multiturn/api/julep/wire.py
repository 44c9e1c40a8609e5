"""The shapes of Julep's sessions, agents, users and documents (contracts/julep 1.2, 1.3).

What a client sends is decoded into these; a field that is null counts as left out, as it did there.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from msgspec import Meta, Struct

from multiturn.api.auth import ID_CHARS_MAX
from multiturn.api.policy import BUDGET, OPTIONS, OVERFLOW, TOKENS_MAX, Name, RecallOptionsBody
from multiturn.engine.knowledge import TITLE_CHARS_MAX
from multiturn.engine.sessions import MEMBERS_MAX

T = TypeVar("T")
Time = Annotated[datetime, Meta(tz=True)]
Id = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX)]
Several = Annotated[list[Id], Meta(max_length=MEMBERS_MAX)]
Text = Annotated[str, Meta(min_length=1)]
Positive = Annotated[int, Meta(ge=1, le=TOKENS_MAX)]
Metadata = Annotated[dict[str, Any] | None, Meta(description="Anything that the application wants to keep here.")]

TEXTS_MAX, TEXT_CHARS_MAX = 100, 30_000


class JulepSessionChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What may be set of a session."""

    situation: Annotated[Text | None, Meta(description="What this conversation is about; templates show it.")] = None
    system_template: Annotated[
        Text | None,
        Meta(description="Jinja that makes the instructions; left out, the agent's, else the standard one."),
    ] = None
    render_templates: Annotated[
        bool | None, Meta(description="Whether users' messages are rendered as Jinja too. Left out: true.")
    ] = None
    token_budget: Annotated[Positive | None, BUDGET] = None
    context_overflow: Annotated[Name | None, OVERFLOW] = None
    forward_tool_calls: Annotated[
        bool | None, Meta(description="Kept and given back. A model's calls always come back to the client.")
    ] = None
    auto_run_tools: Annotated[
        bool | None,
        Meta(
            description="Kept and given back. The tools of the agent that the server has (MCP servers, HTTP APIs, "
            "knowledge) always run there; calls of functions always come back to the client."
        ),
    ] = None
    recall_options: Annotated[RecallOptionsBody | None, OPTIONS] = None
    metadata: Metadata = None


class JulepSessionOrderBody(JulepSessionChangeBody, kw_only=True, omit_defaults=True):
    """A session as it is asked for: with at least one agent."""

    agent: Annotated[Id | None, Meta(description="Who answers: the id of an agent, or its canonical name.")] = None
    agents: Annotated[Several | None, Meta(description="Several; the first answers unless a turn names one.")] = None
    agent_id: Annotated[Id | None, Meta(description="The same as `agent`.")] = None
    user: Annotated[Id | None, Meta(description="Who takes part: the id of a user, or its external id.")] = None
    users: Annotated[Several | None, Meta(description="Several of them.")] = None
    user_id: Annotated[Id | None, Meta(description="The same as `user`.")] = None


class JulepSessionBody(Struct, kw_only=True):
    """A conversation."""

    id: Annotated[str, Meta(description="A UUID; every API of the server knows the session by it.")]
    created_at: Time
    updated_at: Annotated[Time, Meta(description="When it was last used.")]
    kind: Annotated[str | None, Meta(description="Always null, as it was there.")] = None
    situation: str | None
    system_template: str | None
    summary: Annotated[str | None, Meta(description="Always null: summaries are entries of the history.")] = None
    render_templates: bool
    token_budget: int | None
    context_overflow: str | None
    auto_run_tools: bool
    forward_tool_calls: bool
    recall_options: RecallOptionsBody | None
    metadata: dict[str, Any]
    agent: Annotated[str | None, Meta(description="The first of its agents.")]
    agents: list[str]
    user: Annotated[str | None, Meta(description="The first of its users.")]
    users: list[str]


class JulepAgentChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What may be changed of an agent."""

    name: Annotated[Text | None, Meta(description="What it is called.")] = None
    about: Annotated[str | None, Meta(description="What it is.")] = None
    canonical_name: Annotated[Text | None, Meta(description="A name to find it by, unique in the tenant.")] = None
    model: Annotated[Text | None, Meta(description="The model that answers, unless a turn names another.")] = None
    instructions: Annotated[str | list[str] | None, Meta(description="What it is to do.")] = None
    default_settings: Annotated[
        dict[str, Any] | None, Meta(description="Fields of the model's request, such as `temperature`.")
    ] = None
    default_system_template: Annotated[
        str | None, Meta(description="Jinja that makes the instructions of its sessions.")
    ] = None
    project: Annotated[str | None, Meta(description="A label.")] = None
    metadata: Metadata = None


class JulepAgentOrderBody(JulepAgentChangeBody, kw_only=True, omit_defaults=True):
    """An agent as it is asked for."""

    name: Annotated[Text, Meta(description="What it is called.")]


class JulepAgentBody(Struct, kw_only=True):
    """Who answers."""

    id: str
    created_at: Time
    updated_at: Time
    name: str
    about: str
    canonical_name: str | None
    model: str | None
    instructions: str | list[str]
    default_settings: dict[str, Any]
    default_system_template: str | None
    metadata: dict[str, Any]
    project: str | None


class JulepModelBody(Struct, kw_only=True):
    """A model that would be answered."""

    id: str


class JulepModelsBody(Struct, kw_only=True):
    """All models."""

    models: list[JulepModelBody]


class JulepUserChangeBody(Struct, kw_only=True, omit_defaults=True):
    """What may be set of a user."""

    name: Annotated[str | None, Meta(description="What they are called.")] = None
    about: Annotated[str | None, Meta(description="Who they are; templates show it.")] = None
    project: Annotated[str | None, Meta(description="A label.")] = None
    metadata: Metadata = None


class JulepUserBody(Struct, kw_only=True):
    """Who takes part in sessions."""

    id: str
    created_at: Time
    updated_at: Time
    name: str | None
    about: str | None
    metadata: dict[str, Any]
    project: str | None


class JulepDocOrderBody(Struct, kw_only=True, omit_defaults=True):
    """A document as it is put in."""

    title: Annotated[str, Meta(min_length=1, max_length=TITLE_CHARS_MAX)]
    content: Annotated[str | list[str], Meta(description="Its text, or parts of it that the author cut.")]
    metadata: Metadata = None
    embed_instruction: Annotated[str | None, Meta(description="Taken and not used: the model here has none.")] = None


class JulepDocBody(Struct, kw_only=True):
    """A document."""

    id: str
    created_at: Time
    title: str
    content: str | list[str]
    metadata: dict[str, Any]
    embeddings: Annotated[list[float] | None, Meta(description="Always null: searches give those of snippets.")] = None
    modality: str = "text"
    language: str
    embedding_model: Annotated[str | None, Meta(description="Null until all its chunks have vectors.")]
    embedding_dimensions: Annotated[int | None, Meta(description="Always null: look at a vector.")] = None


class JulepSearchBody(Struct, kw_only=True, omit_defaults=True):
    """What is searched for: `text` (by words), a `vector`, or both."""

    text: Annotated[Text | None, Meta(description="Words.")] = None
    vector: Annotated[list[float] | None, Meta(description="A vector of `POST /embed`.")] = None
    mode: Annotated[
        Literal["text", "vector", "hybrid"] | None,
        Meta(
            description="Left out: what is given decides. `vector` or `hybrid` with a text alone embeds the text here."
        ),
    ] = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 10
    confidence: Annotated[
        Annotated[float, Meta(ge=-1, le=1)] | None, Meta(description="The least cosine similarity. Left out: any.")
    ] = None
    alpha: Annotated[float, Meta(ge=0, le=1, description="The weight of the vector: 0, words only.")] = 0.5
    mmr_strength: Annotated[float, Meta(ge=0, lt=1, description="How much variety counts.")] = 0.0
    metadata_filter: Annotated[dict[str, Any] | None, Meta(description="Documents whose metadata contain it.")] = None
    include_embeddings: Annotated[bool, Meta(description="Whether snippets bring their vectors.")] = True
    k_multiplier: Annotated[
        Annotated[int, Meta(ge=1, le=10)] | None, Meta(description="Taken and not used: all are scored.")
    ] = None
    lang: Annotated[str | None, Meta(description="Taken and not used: words are stemmed as English.")] = None
    trigram_similarity_threshold: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Taken and not used: there are no trigrams.")
    ] = None


class JulepOwnerBody(Struct, kw_only=True):
    """Whose document it is."""

    id: str
    role: Literal["user", "agent", "session"]


class JulepSnippetBody(Struct, kw_only=True):
    """The chunk that was found."""

    index: int
    content: str
    embedding: list[float] | None = None


class JulepDocReferenceBody(Struct, kw_only=True):
    """A document, and the chunk of it that was found."""

    id: str
    title: str | None
    owner: JulepOwnerBody
    snippet: JulepSnippetBody
    distance: Annotated[float | None, Meta(description="1 minus the score: lower is better, in every mode.")]
    metadata: dict[str, Any]


class JulepHitsBody(Struct, kw_only=True):
    """What was found, the best first."""

    docs: list[JulepDocReferenceBody]
    time: Annotated[float, Meta(description="Seconds.")]


class JulepEmbedBody(Struct, kw_only=True, omit_defaults=True):
    """Texts to embed."""

    text: Annotated[
        str | list[str], Meta(description=f"One, or up to {TEXTS_MAX}; each of at most {TEXT_CHARS_MAX:,} characters.")
    ]
    embed_instruction: Annotated[str | None, Meta(description="Taken and not used: the model here has none.")] = None


class JulepVectorsBody(Struct, kw_only=True):
    """A vector of unit length for each text."""

    vectors: list[list[float]]


class JulepBulkDeleteBody(Struct, kw_only=True, omit_defaults=True):
    """Which documents to delete."""

    metadata_filter: Annotated[dict[str, Any] | None, Meta(description="Those whose metadata contain it.")] = None
    delete_all: Annotated[bool, Meta(description="All of them; must be said, when there is no filter.")] = False


class JulepDeletedBody(Struct, kw_only=True):
    """What was deleted."""

    id: str
    deleted_at: Time
    jobs: list[str] = []


class ItemsBody(Struct, Generic[T], kw_only=True):
    """A page of a listing: an empty one is behind the last."""

    items: list[T]
