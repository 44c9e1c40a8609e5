"""What the server tells about turns, people and itself, as typed objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from multiturn_client.record import Record


@dataclass(frozen=True, kw_only=True)
class Usage(Record):
    """Tokens as the provider counted them: ``cached_tokens`` are those of the input that its prefix cache held,
    ``reasoning_tokens`` those of the output that were thought and not said.

    >>> usage = session.ask("Hello").usage
    >>> usage.input_tokens > usage.cached_tokens >= 0
    True
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Item(Record):
    """The smallest unit of a session.

    ``seq`` is its place: 1, 2, 3 … over everything that is stored. ``type`` is message, function_call,
    function_call_output, reasoning or summary, and decides which of the other fields it has: a message has ``role`` and
    ``content`` (a text, or content parts), a call ``call_id``, ``name`` and ``arguments`` (the text that the model
    wrote, usually JSON), its result ``call_id`` and ``output``, reasoning and a summary ``text``; a summary also
    ``stands_for``, the first and last ``seq`` that it stands for, and the ``model`` that wrote it. ``tokens`` were
    counted once. ``status`` is ``incomplete`` for an answer that was cancelled while the model spoke.

    >>> answer = session.ask("Hello")
    >>> [(item.role, item.content) for item in session.history(limit=2)]
    [('user', 'Hello'), ('assistant', 'You said: Hello')]
    """

    seq: int = 0
    type: str = "message"
    status: str = "completed"
    run_id: str | None = None
    created_at: datetime | None = None
    tokens: int = 0
    role: str | None = None
    content: Any = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: Any = None
    text: str | None = None
    stands_for: tuple[int, ...] | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunError(Record):
    """Why a run failed: a stable ``code`` and a text.

    >>> try:
    ...     session.ask("The model is away")
    ... except UpstreamError:
    ...     failed = session.runs().data[0]
    >>> failed.status, failed.error.code
    ('failed', 'upstream_error')
    """

    code: str = ""
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class RunAgent(Record):
    """The agent that answered, as it was then.

    >>> session = client.sessions.create(agent_id=client.agents.create("Guide").id)
    >>> client.runs.get(session.ask("Hello").run_id).agent.version
    1
    """

    id: str = ""
    version: int = 0


@dataclass(frozen=True, kw_only=True)
class Run(Record):
    """One execution of a turn, kept whatever became of it.

    ``status`` is queued, in_progress, waiting, completed, incomplete (the answer broke off and is in the history),
    failed or cancelled. ``input_items`` and ``output_items`` are the first and last ``seq`` of what was asked and
    answered; of a run that is not in the history they are None, and ``input`` and ``output`` have it. ``settings`` are
    the request's other fields. ``first_token_ms`` are milliseconds from the request on. ``agent`` is who answered,
    ``reasoning`` how much it was to think, ``cost_usd`` what it cost, None where no price is known.

    >>> run = client.runs.get(session.ask("Hello").run_id)
    >>> run.status, run.finish_reason
    ('completed', 'stop')
    """

    id: str = ""
    session_id: str = ""
    status: str = ""
    model: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    input_items: tuple[int, ...] | None = None
    output_items: tuple[int, ...] | None = None
    input: tuple[Any, ...] = ()
    output: tuple[Any, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    usage: Usage | None = None
    error: RunError | None = None
    finish_reason: str | None = None
    first_token_ms: int | None = None
    agent: RunAgent | None = None
    reasoning: Mapping[str, Any] | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, kw_only=True)
class ToolCall(Record):
    """The call of a tool, or in a stream a piece of the call at ``index``: the first piece brings ``call_id`` and
    ``name``, every piece more of ``arguments``.

    >>> session.ask("Will it rain?", tools=[forecast]).tool_calls
    (ToolCall(index=0, call_id='call_1', name='forecast', arguments='{"city": "Lisbon"}'),)
    """

    index: int = 0
    call_id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True, kw_only=True)
class Event(Record):
    """What happened in a run. ``number`` counts from 1 without gaps.

    ``type`` is ``delta`` (a piece of the answer: ``text``, ``reasoning``, ``tool_calls``, ``finish_reason``),
    ``answer`` (all of it in one piece), ``step`` (what happened beside the words: ``step`` has its ``type``, as
    ``tool_called`` or ``approval_asked``, and its facts), or ``end`` (``run`` is the run as it is stored, in a turn's
    own stream with the ``answer`` as JSON; nothing follows).

    >>> with client.runs.events(session.ask("Hello").run_id) as events:
    ...     [event.type for event in events]
    ['answer', 'end']
    """

    number: int = 0
    type: str = "delta"
    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str | None = None
    step: Mapping[str, Any] | None = None
    run: Run | None = None
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Agent(Record):
    """Who answers in a session, as it stands: its newest ``version``.

    ``instructions`` is a text or a list of them, ``default_settings`` are fields of the model's request, which a turn
    may override. What is None is left to the tenant's and the server's defaults. ``tools``, ``reasoning`` and
    ``limits`` are as they were set, the headers of tools as ``***``; ``stores`` are ids of knowledge stores.

    >>> agent = client.agents.create("Guide", instructions="Be brief.", model="scripted")
    >>> agent.name, agent.version
    ('Guide', 1)
    """

    id: str = ""
    version: int = 1
    created_at: datetime | None = None
    updated_at: datetime | None = None
    name: str = ""
    about: str = ""
    canonical_name: str | None = None
    model: str | None = None
    instructions: Any = ()
    default_settings: Mapping[str, Any] = field(default_factory=dict)
    system_template: str | None = None
    context_overflow: str | None = None
    token_budget: int | None = None
    recall: bool | None = None
    recall_tokens: int | None = None
    recall_options: Mapping[str, Any] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    project: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    reasoning: Mapping[str, Any] | None = None
    stores: tuple[str, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class User(Record):
    """Somebody who owns sessions or takes part in them; ``external_id`` is the name that your application uses.

    >>> user = client.users.create(name="Ada", external_id="ada@example.org")
    >>> client.users.get("ada@example.org").name
    'Ada'
    """

    id: str = ""
    external_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    name: str | None = None
    about: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    project: str | None = None


@dataclass(frozen=True, kw_only=True)
class ErasureReceipt(Record):
    """What was taken away with a user: how many sessions (``forks`` of them shared items of others), items, runs and
    documents. ``is_complete`` says that their bytes are overwritten already; else that is done within minutes.

    >>> user = client.users.create(name="Ada")
    >>> client.users.erase(user.id).sessions
    0
    """

    user_id: str = ""
    erased_at: datetime | None = None
    sessions: int = 0
    forks: int = 0
    items: int = 0
    runs: int = 0
    documents: int = 0
    is_complete: bool = False


@dataclass(frozen=True, kw_only=True)
class Deleted(Record):
    """What was deleted.

    >>> doc = session.docs.create("Menu", "Pastéis de nata")
    >>> session.docs.delete(doc.id).deleted
    True
    """

    id: str = ""
    deleted: bool = True


@dataclass(frozen=True, kw_only=True)
class Health(Record):
    """How the server is: ``status`` is ok, ``models`` tells of each model that it knows.

    >>> client.health().status
    'ok'
    """

    status: str = ""
    models: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Origin(Record):
    """Where a session was forked: it shares the items of ``session_id`` up to ``seq``.

    >>> answer = session.ask("Hello")
    >>> session.fork(at=2).forked_from.seq
    2
    """

    session_id: str = ""
    seq: int = 0
