"""What may be said about a session, a turn, an agent, a user: the keywords of the methods that take them.

Whatever is left out is left to whoever stands further out: the turn's is taken before the session's, then the agent's,
the tenant's and the server's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from multiturn_client.tools import AgentLimits, ReasoningOptions, Tool

RunStatus = Literal["queued", "in_progress", "waiting", "completed", "incomplete", "failed", "cancelled"]
ContextOverflow = Literal["adaptive", "truncate", "summarize", "error"]
Message = Mapping[str, Any]
Messages = str | Sequence[Message]


class RecallOptions(TypedDict, total=False):
    """How documents are searched for a turn.

    ``mode``: text (words), vector, or hybrid (both; the default). ``limit``: pieces at most, 1 to 50, default 10.
    ``num_search_messages``: how many of the last messages the query is made of, 1 to 50, default 4.
    ``max_query_length``: its characters at most, 100 to 10,000, default 1,000. ``confidence``: the least cosine
    similarity, -1 to 1. ``alpha``: the weight of vectors in a hybrid search, 0 to 1, default 0.5. ``mmr_strength``: how
    much variety counts, from 0 (not at all, the default) to below 1. ``metadata_filter``: what the documents' metadata
    must contain.

    >>> options: RecallOptions = {"mode": "text", "limit": 3}
    >>> client.sessions.create(recall_options=options).recall_options["limit"]
    3
    """

    mode: Literal["text", "vector", "hybrid"]
    limit: int
    num_search_messages: int
    max_query_length: int
    confidence: float
    alpha: float
    mmr_strength: float
    metadata_filter: Mapping[str, Any]


class ContextOptions(TypedDict, total=False):
    """What decides about contexts.

    ``context_overflow``: what happens when the conversation does not fit: ``adaptive`` (the default; cut, a summary
    stands for what was cut, and what matters of it is recalled verbatim), ``truncate`` (cut), ``summarize`` (cut, with
    a summary), ``error`` (refuse with ContextOverflowError). ``token_budget``: the most that a context may take, in
    tokens of the model; None: the model's window. ``recall``: whether what was cut and what documents say is found
    again. ``recall_tokens``: the most that this may take in a turn, in tokens. ``recall_options``: how documents are
    searched.

    >>> options: ContextOptions = {"context_overflow": "truncate", "token_budget": 4_000}
    >>> client.sessions.create(**options).token_budget
    4000
    """

    context_overflow: ContextOverflow | None
    token_budget: int | None
    recall: bool | None
    recall_tokens: int | None
    recall_options: RecallOptions | None


class SessionOptions(ContextOptions, total=False):
    """What may be set of a session, when it is made and later. None unsets.

    ``agent_id``, ``agents``: who answers (an id or canonical name); the first does unless a turn names another.
    ``user_id``, ``users``: who takes part (an id or external id); whose the session is, the key or the client's
    ``user_id`` says. ``model``: asked unless a turn names one. ``instructions``: a text, or messages, that stand first
    in every context. ``situation``: what the agent's template says about this conversation. ``system_template``: Jinja
    that replaces the agent's. ``render_templates``: whether users' messages are templates as well. ``metadata``: any
    JSON object up to 16 KB; when a session is updated, its keys are merged and a None removes one. ``idle_expiry_s``:
    seconds without use after which it is deleted with everything in it; None keeps it.

    >>> options: SessionOptions = {"instructions": "Be brief.", "metadata": {"channel": "web"}, "idle_expiry_s": 86_400}
    >>> client.sessions.create(**options).metadata
    {'channel': 'web'}
    """

    agent_id: str | None
    agents: Sequence[str]
    user_id: str | None
    users: Sequence[str]
    model: str | None
    instructions: str | Sequence[Message] | None
    situation: str | None
    system_template: str | None
    render_templates: bool
    metadata: Mapping[str, Any]
    idle_expiry_s: int | None


class NewSessionOptions(SessionOptions, total=False):
    """What may be set of a session only when it is made.

    ``external_id``: a name of your own for it, unique among the sessions of its user. ``items``: chat messages (at most
    1,000) that are the beginning of its history.

    >>> options: NewSessionOptions = {"external_id": "trip-to-lisbon", "items": [{"role": "user", "content": "Hi"}]}
    >>> client.sessions.create(**options).items
    1
    """

    external_id: str | None
    items: Iterable[Message]


class ChatOptions(ContextOptions, total=False):
    """What may be said about one turn; ``extra_body`` has fields that are not here, which go to the model as they are.

    ``model``, ``tools``, ``tool_choice``, ``temperature``, ``top_p``, ``max_tokens``, ``stop``, ``seed``,
    ``response_format``: as in OpenAI's chat completions. ``agent_id``: which of the session's agents answers.
    ``reasoning``: how much it is to think. ``save``: False keeps nothing of the turn but its usage. ``concurrency``:
    while another turn of the session runs, ``queue`` (wait; the default), ``reject`` (SessionBusyError) or
    ``interrupt`` (cancel it). ``on_disconnect``: when this client goes away, ``finish`` (the default) or ``cancel``.
    ``metadata``: what templates know by that name.
    ``idempotency_key``: the turn's name, under which it is taken once however often it is sent, for 24 hours; left out,
    the client makes one for each call. ``timeout``: seconds, instead of the client's.

    >>> options: ChatOptions = {"model": "scripted", "temperature": 0.2, "extra_body": {"top_k": 5}}
    >>> print(session.ask("Hello", **options))
    You said: Hello
    """

    model: str
    tools: Sequence[Mapping[str, Any]]
    tool_choice: str | Mapping[str, Any]
    temperature: float
    top_p: float
    max_tokens: int
    stop: str | Sequence[str]
    seed: int
    response_format: Mapping[str, Any]
    agent_id: str
    reasoning: ReasoningOptions | None
    save: bool
    concurrency: Literal["queue", "reject", "interrupt"]
    on_disconnect: Literal["finish", "cancel"]
    metadata: Mapping[str, Any]
    idempotency_key: str
    extra_body: Mapping[str, Any]
    timeout: float


class AgentOptions(ContextOptions, total=False):
    """What may be set of an agent, besides its name.

    ``about``: what it is, for templates. ``canonical_name``: a name of your own, unique, that can stand for its id.
    ``model``: asked unless a session or turn names one. ``instructions``: a text, or a list of them.
    ``default_settings``: fields of the model's request, which a turn may override. ``system_template``: Jinja; None
    takes the standard one. ``metadata``: any JSON object up to 16 KB. ``tools``, ``reasoning``, ``limits``: see
    ``McpTools`` and its like, ``ReasoningOptions``, ``AgentLimits``; each replaces what was there. ``stores``: the
    knowledge stores that its answers rest on, by id or name.

    >>> options: AgentOptions = {"instructions": ["Be brief.", "Be kind."], "default_settings": {"temperature": 0.2}}
    >>> client.agents.create("Guide", **options).default_settings
    {'temperature': 0.2}
    """

    about: str
    canonical_name: str | None
    model: str | None
    instructions: str | Sequence[str]
    default_settings: Mapping[str, Any]
    system_template: str | None
    metadata: Mapping[str, Any]
    project: str | None
    tools: Sequence[Tool] | None
    reasoning: ReasoningOptions | None
    stores: Sequence[str] | None
    limits: AgentLimits | None


class AgentChange(AgentOptions, total=False):
    """What may be changed of an agent: its ``name`` as well.

    >>> change: AgentChange = {"name": "Old guide"}
    >>> client.agents.update(client.agents.create("Guide").id, **change).name
    'Old guide'
    """

    name: str


class UserOptions(TypedDict, total=False):
    """What may be set of a user: a ``name`` and what is known ``about`` them, both for templates, and ``metadata``.

    >>> options: UserOptions = {"name": "Ada", "about": "likes short answers"}
    >>> client.users.create(**options).about
    'likes short answers'
    """

    name: str | None
    about: str | None
    metadata: Mapping[str, Any]
    project: str | None


class NewUserOptions(UserOptions, total=False):
    """What may be set of a user only when it is made: ``external_id``, the name that your application uses.

    >>> options: NewUserOptions = {"external_id": "ada"}
    >>> client.users.create(**options).external_id
    'ada'
    """

    external_id: str


class SearchOptions(TypedDict, total=False):
    """How documents are searched.

    ``vector``: a query that was embedded already. ``mode``: text (words), vector, or hybrid (both; the default).
    ``limit``: hits at most, 1 to 50, default 10. ``confidence``: the least cosine similarity, -1 to 1. ``alpha``: the
    weight of vectors in a hybrid search, 0 to 1, default 0.5. ``mmr_strength``: how much variety counts, from 0 (not at
    all) to below 1. ``metadata_filter``: what the documents' metadata must contain.

    >>> options: SearchOptions = {"mode": "text", "limit": 3, "metadata_filter": {"type": "notes"}}
    >>> session.docs.search("quantum", **options)
    SearchResults(data=(), took_ms=...)
    """

    vector: Sequence[float]
    mode: Literal["text", "vector", "hybrid"]
    limit: int
    confidence: float
    alpha: float
    mmr_strength: float
    metadata_filter: Mapping[str, Any]


class StoreOptions(TypedDict, total=False):
    """What can be changed of a knowledge store: its name, its description, its metadata, which are replaced.

    >>> store = client.stores.create("bees")
    >>> changes: StoreOptions = {"metadata": {"team": "garden"}}
    >>> client.stores.update(store.id, **changes).metadata
    {'team': 'garden'}
    """

    name: str
    description: str | None
    metadata: Mapping[str, Any]


class StoreSearchOptions(SearchOptions, total=False):
    """How a knowledge store is searched; besides what is said at ``SearchOptions``:

    ``earlier``: what was asked before, the oldest first, so that "when does he say that?" finds what it was about.
    ``modalities``: only text, speech, screen or caption. ``kinds``: only document, audio, video or image. ``item_ids``,
    ``collection_id``: only these items. ``rerank``: whether the reranker looks at the best again (default: it does).

    >>> options: StoreSearchOptions = {"earlier": ["Who dances?"], "modalities": ["speech"], "limit": 3}
    >>> client.stores.search(client.stores.create("bees").id, "And when?", **options).data
    ()
    """

    earlier: Sequence[str]
    modalities: Sequence[Literal["text", "speech", "screen", "caption"]]
    kinds: Sequence[Literal["document", "audio", "video", "image"]]
    item_ids: Sequence[str]
    collection_id: str
    rerank: bool
