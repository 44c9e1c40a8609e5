"""What a model was, or would be, shown, and what was found for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from multiturn_client.record import Record


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
