"""What the server tells, as typed objects.

Times are aware, in UTC. Fields of a newer server that this client does not know are kept: they can be read as
attributes, and stand in ``extra``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
from types import MappingProxyType, UnionType
from typing import TYPE_CHECKING, Any, Self, Union, get_args, get_origin, get_type_hints

NOTHING: Mapping[str, Any] = MappingProxyType({})


class Record:
    """Something that the server told.

    >>> run = client.runs.get(session.ask("Hello").run_id)
    >>> run.object, run.extra["object"]
    ('run', 'run')
    """

    @property
    def extra(self) -> Mapping[str, Any]:
        """The fields that this client does not know, by name.

        >>> client.sessions.get(session.id).extra["object"]
        'session'
        """
        found: Mapping[str, Any] = self.__dict__.get("_extra", NOTHING)
        return found

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Make one of a JSON object; fields that are missing have their defaults.

        >>> Usage.read({"input_tokens": 7, "output_tokens": 2, "spent": "little"}).spent
        'little'
        """
        named: Any = cls
        types = find_types(named)
        record = cls(**{name: read_value(types[name], value) for name, value in body.items() if name in types})
        record.__dict__["_extra"] = {name: value for name, value in body.items() if name not in types}
        return record

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name.startswith("_") or name not in self.extra:
                raise AttributeError(f"{type(self).__name__} has no '{name}'")
            return self.extra[name]


@cache
def find_types(class_: Any) -> dict[str, Any]:
    """The types of a record's fields by name; those that only the client sets have a name with an underscore."""
    hints = get_type_hints(class_)

    return {one.name: hints[one.name] for one in fields(class_) if not one.name.startswith("_")}


def read_value(type_: Any, value: Any) -> Any:
    """A JSON value as a field's type says; what does not fit it stays as it came."""
    if value is None:
        return None
    if get_origin(type_) in (Union, UnionType):
        chosen = [one for one in get_args(type_) if one is not type(None)]
        return read_value(chosen[0], value) if len(chosen) == 1 else value
    if get_origin(type_) is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(read_value(get_args(type_)[0], one) for one in value)
    if type_ is datetime and isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(type_, type) and issubclass(type_, Record) and isinstance(value, Mapping):
        return type_.read(value)
    return value


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
class Run(Record):
    """One execution of a turn, kept whatever became of it.

    ``status`` is queued, in_progress, waiting, completed, incomplete (the answer broke off and is in the history),
    failed or cancelled. ``input_items`` and ``output_items`` are the first and last ``seq`` of what was asked and
    answered; of a run that is not in the history they are None, and ``input`` and ``output`` have it. ``settings`` are
    the request's other fields. ``first_token_ms`` are milliseconds from the request on.

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
    ``answer`` (all of it in one piece), or ``end`` (``run`` is the run as it is stored; nothing follows).

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
    run: Run | None = None
    answer: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Owner(Record):
    """Whose a document is: ``kind`` is session, agent or user.

    >>> session.docs.create("Menu", "Pastéis de nata").owner.kind
    'session'
    """

    kind: str = ""
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class Document(Record):
    """A document of a session, an agent or a user.

    ``content`` is a text, or the parts that its author cut it into. It is searched in ``chunks`` pieces;
    ``is_embedded`` says whether all of them have vectors yet (until then they are found by their words).

    >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €", metadata={"type": "notes"})
    >>> doc.title, doc.chunks, doc.metadata
    ('Menu', 1, {'type': 'notes'})
    """

    id: str = ""
    title: str = ""
    content: Any = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    chunks: int = 0
    is_embedded: bool = False
    owner: Owner | None = None


@dataclass(frozen=True, kw_only=True)
class Hit(Record):
    """A piece of a document that was found: ``text`` is its wording, ``start`` and ``end`` its characters in the
    document, ``chunk`` its number.

    ``score`` is the fused score, the best first; ``lexical`` is BM25 and ``similarity`` the cosine (-1 to 1), each None
    where it was not computed.

    >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €")
    >>> hit = session.docs.search("pastéis")[0]
    >>> hit.title, hit.text
    ('Menu', 'Pastéis de nata, 1.30 €')
    """

    document_id: str = ""
    title: str | None = None
    chunk: int = 0
    text: str = ""
    start: int = 0
    end: int = 0
    score: float = 0.0
    lexical: float | None = None
    similarity: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    owner: Owner | None = None


@dataclass(frozen=True, kw_only=True)
class Agent(Record):
    """Who answers in a session, as it stands: its newest ``version``.

    ``instructions`` is a text or a list of them, ``default_settings`` are fields of the model's request, which a turn
    may override. What is None is left to the tenant's and the server's defaults.

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
class ContextPart(Record):
    """A part of a context: ``kind`` is instructions, tools, summary, items, retrieved or input; ``first`` and ``last``
    are the ``seq`` of its items. ``is_reused`` says that the request before had the same bytes at this place, so that
    a provider's cache may hold them.

    >>> answer = session.ask("Hello")
    >>> [part.kind for part in session.preview("And now?").parts]
    ['items', 'input']
    """

    kind: str = ""
    tokens: int = 0
    first: int | None = None
    last: int | None = None
    is_reused: bool = False


@dataclass(frozen=True, kw_only=True)
class Summary(Record):
    """What stands in a context for the items ``first`` to ``last``; written by ``model``.

    >>> answer = session.ask("Hello")
    >>> session.context().summary is None
    True
    """

    text: str = ""
    first: int = 0
    last: int = 0
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class Snippet(Record):
    """A piece of text that was found for a turn.

    ``source`` is session (its own past: ``seq``, ``speaker`` and ``said_at`` say what was said by whom and when) or
    document (``document_id``, ``title``, ``chunk``). ``omitted`` says why it was not shown: budget, shown_already or
    below_threshold; None when it was. ``score`` is the fused score, ``lexical`` BM25, ``similarity`` the cosine.

    >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €")
    >>> snippet = client.runs.retrieved(session.ask("What do pastéis cost?").run_id).snippets[0]
    >>> snippet.source, snippet.title, snippet.omitted
    ('document', 'Menu', None)
    """

    source: str = "session"
    text: str = ""
    omitted: str | None = None
    score: float = 0.0
    lexical: float | None = None
    similarity: float | None = None
    seq: int | None = None
    speaker: str | None = None
    said_at: datetime | None = None
    document_id: str | None = None
    title: str | None = None
    chunk: int | None = None
    start: int = 0
    end: int = 0


@dataclass(frozen=True, kw_only=True)
class RetrievedContext(Record):
    """What was found for a run by its ``query``: ``snippets`` that were shown, and those that were left out and why.

    ``block`` is the text as the model read it, of ``tokens`` tokens; empty: nothing was shown. The search took
    ``took_ms`` milliseconds.

    >>> retrieved = client.runs.retrieved(session.ask("Hello").run_id)
    >>> retrieved.snippets, retrieved.block
    ((), '')
    """

    query: str = ""
    snippets: tuple[Snippet, ...] = ()
    block: str = ""
    tokens: int = 0
    took_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Context(Record):
    """What a model was, or would be, shown: its parts in order.

    ``strategy`` is what happens when the ``budget`` (in tokens) is full. It takes ``tokens``, of which the request
    before had sent ``reused_tokens`` already. ``shown_from`` is the first ``seq`` that is shown, ``summary`` what
    stands for those before it, ``retrieved`` what was found. ``run_id`` is None for one that was not sent.
    ``messages`` are there when they were asked for.

    >>> answer = session.ask("Hello")
    >>> context = client.runs.context(answer.run_id)
    >>> context.strategy, context.tokens <= context.budget, context.run_id == answer.run_id
    ('adaptive', True, True)
    """

    session_id: str = ""
    run_id: str | None = None
    strategy: str = ""
    budget: int = 0
    tokens: int = 0
    reused_tokens: int = 0
    shown_from: int = 1
    parts: tuple[ContextPart, ...] = ()
    summary: Summary | None = None
    retrieved: RetrievedContext | None = None
    messages: tuple[Any, ...] | None = None


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
