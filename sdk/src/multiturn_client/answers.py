"""An answer: a text that knows where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from multiturn_client.contexts import Snippet
from multiturn_client.documents import Hit
from multiturn_client.record import Record
from multiturn_client.records import Event, Item, Run, ToolCall, Usage


@dataclass(frozen=True, kw_only=True)
class AnswerMessage(Record):
    """What the model said, in the names of OpenAI's and Julep's clients.

    >>> session.ask("Hello").choices[0].message.content
    'You said: Hello'
    """

    role: str = "assistant"
    content: str | None = None
    tool_calls: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Choice(Record):
    """The answer as a choice, in the names of OpenAI's and Julep's clients; there is one, with the ``index`` 0.

    >>> session.ask("Hello").choices[0].finish_reason
    'stop'
    """

    index: int = 0
    message: AnswerMessage = AnswerMessage()
    finish_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class AnswerFacts(Record):
    """What the server tells with an answer; ``Answer`` shows it.

    >>> Answer(AnswerFacts(text="Hello", finish_reason="stop")).finish_reason
    'stop'
    """

    id: str = ""
    session_id: str = ""
    created_at: datetime | None = None
    model: str = ""
    status: str = "completed"
    finish_reason: str | None = None
    text: str | None = None
    items: tuple[Item, ...] = ()
    usage: Usage | None = None
    docs: tuple[Hit, ...] = ()
    retrieved: int = 0


class Answer(str):
    """What the model said: a text, with what the server tells about it.

    ``status`` is ``incomplete`` when the answer broke off (``finish_reason`` says why: length, content_filter).
    ``items`` are what the turn added to the history, input and output; of a turn with ``save=False`` there are none.
    ``docs`` are the pieces of documents that the model was shown, and ``retrieved`` counts all snippets that it was
    shown, those of the conversation's own past included.

    >>> answer = session.ask("Hello")
    >>> print(answer)
    You said: Hello
    >>> answer.status, answer.finish_reason, len(answer.items)
    ('completed', 'stop', 2)
    """

    facts: AnswerFacts

    def __new__(cls, facts: AnswerFacts) -> Self:
        """Make one of what the server told."""
        answer = super().__new__(cls, facts.text or "")
        answer.facts = facts
        return answer

    def __getnewargs__(self) -> tuple[Any, ...]:
        """What it is copied from."""
        return (self.facts,)

    @property
    def text(self) -> str:
        """What the model said, as a plain ``str``; empty when it called tools instead.

        >>> session.ask("Hello").text
        'You said: Hello'
        """
        return str(self)

    @property
    def id(self) -> str:
        """The id of the run, as ``run_id``.

        >>> answer = session.ask("Hello")
        >>> answer.id == answer.run_id
        True
        """
        return self.facts.id

    @property
    def run_id(self) -> str:
        """The run that made it, for ``client.runs``.

        >>> client.runs.get(session.ask("Hello").run_id).status
        'completed'
        """
        return self.facts.id

    @property
    def session_id(self) -> str:
        """The id of the session.

        >>> session.ask("Hello").session_id == session.id
        True
        """
        return self.facts.session_id

    @property
    def created_at(self) -> datetime | None:
        """When the turn was asked for, in UTC.

        >>> session.ask("Hello").created_at.tzinfo is not None
        True
        """
        return self.facts.created_at

    @property
    def model(self) -> str:
        """The model that was asked.

        >>> session.ask("Hello", model="scripted").model
        'scripted'
        """
        return self.facts.model

    @property
    def status(self) -> str:
        """completed, or incomplete when the answer broke off.

        >>> session.ask("Hello").status
        'completed'
        """
        return self.facts.status

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: stop, length, tool_calls, content_filter, or the provider's own word.

        >>> session.ask("Hello").finish_reason
        'stop'
        """
        return self.facts.finish_reason

    @property
    def items(self) -> tuple[Item, ...]:
        """What the turn added to the history: what was asked, then what was said.

        >>> [item.role for item in session.ask("Hello").items]
        ['user', 'assistant']
        """
        return self.facts.items

    @property
    def usage(self) -> Usage | None:
        """Tokens as the provider counted them; None when it did not.

        >>> session.ask("Hello").usage.output_tokens
        3
        """
        return self.facts.usage

    @property
    def docs(self) -> tuple[Hit, ...]:
        """The pieces of documents that the model was shown.

        >>> doc = session.docs.create("Menu", "Pastéis de nata, 1.30 €")
        >>> [hit.title for hit in session.ask("What do pastéis cost?").docs]
        ['Menu']
        """
        return self.facts.docs

    @property
    def retrieved(self) -> int:
        """How many snippets the model was shown, of documents and of the conversation's own past.

        >>> session.ask("Hello").retrieved
        0
        """
        return self.facts.retrieved

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model asks you to call: not those that the server called itself. Answer with
        ``session.ask`` and messages of the role ``tool``.

        >>> call = session.ask("Will it rain?", tools=[forecast]).tool_calls[0]
        >>> print(session.ask([{"role": "tool", "tool_call_id": call.call_id, "content": "12 mm"}]))
        You said: 12 mm
        """
        answered = {item.call_id for item in self.items if item.type == "function_call_output"}
        calls = [item for item in self.items if item.type == "function_call" and item.call_id not in answered]
        return tuple(
            ToolCall(index=index, call_id=call.call_id, name=call.name, arguments=call.arguments or "")
            for index, call in enumerate(calls)
        )

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The answer in the names of OpenAI's and Julep's clients.

        >>> session.ask("Hello").choices[0].message.content
        'You said: Hello'
        """
        calls = tuple(write_call(call) for call in self.tool_calls)
        message = AnswerMessage(content=self.facts.text, tool_calls=calls or None)
        return (Choice(message=message, finish_reason=self.finish_reason),)


def write_call(call: ToolCall) -> dict[str, Any]:
    """A call in OpenAI's shape."""
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def read_answer(body: Mapping[str, Any]) -> Answer:
    """An answer as the server told it."""
    return Answer(AnswerFacts.read(body))


class Transcript:
    """What a stream has told so far; it makes the answer at the end."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.calls: dict[int, list[ToolCall]] = {}
        self.finish_reason: str | None = None

    def add(self, event: Event) -> str:
        """Add an event; the text that it brought, if it brought any that is new."""
        text = event.text
        if event.answer and not self.texts:
            text = str(event.answer.get("text") or "")
        if text:
            self.texts.append(text)
        for call in event.tool_calls:
            self.calls.setdefault(call.index, []).append(call)
        self.finish_reason = event.finish_reason or self.finish_reason
        return text

    def close(self, run: Run, items: Sequence[Item], found: Sequence[Snippet]) -> Answer:
        """The answer, from the run as it ended, what it added to the history and what was found for it."""
        shown = [snippet for snippet in found if snippet.omitted is None]
        facts = AnswerFacts(
            id=run.id,
            session_id=run.session_id,
            created_at=run.created_at,
            model=run.model,
            status=run.status,
            finish_reason=run.finish_reason or self.finish_reason,
            text="".join(self.texts) if self.texts or not self.calls else None,
            items=tuple(items) or tuple(join_call(pieces) for _, pieces in sorted(self.calls.items())),
            usage=run.usage,
            docs=tuple(as_hit(snippet) for snippet in shown if snippet.source == "document"),
            retrieved=len(shown),
        )
        return Answer(facts)


def join_call(pieces: Sequence[ToolCall]) -> Item:
    """A call from its pieces, as an item that is in nobody's history."""
    arguments = "".join(piece.arguments for piece in pieces)
    return Item(type="function_call", call_id=pieces[0].call_id, name=pieces[0].name, arguments=arguments)


def as_hit(snippet: Snippet) -> Hit:
    """A piece of a document that was shown."""
    return Hit(
        document_id=snippet.document_id or "",
        title=snippet.title,
        chunk=snippet.chunk or 0,
        text=snippet.text,
        start=snippet.start,
        end=snippet.end,
        score=snippet.score,
        lexical=snippet.lexical,
        similarity=snippet.similarity,
    )
