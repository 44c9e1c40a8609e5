"""Sessions: conversations that the server keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Unpack

from multiturn_client import requests
from multiturn_client.answers import Answer, read_answer
from multiturn_client.contexts import Context
from multiturn_client.facts import SessionFacts
from multiturn_client.listing import Place, SessionFilter, read_history, write_history, write_lines
from multiturn_client.options import ChatOptions, Messages, NewSessionOptions, RunStatus, SessionOptions
from multiturn_client.pages import Page, PageRequest
from multiturn_client.records import Deleted, Item, Run
from multiturn_client.synchronous.docs import Docs
from multiturn_client.synchronous.pages import Pages
from multiturn_client.synchronous.streams import AnswerStream, Events
from multiturn_client.synchronous.transport import Transport


class Sessions:
    """Makes sessions, finds them, and talks in them: ``client.sessions``.

    Wherever a session is named, ``session_id`` is our id or the external id that you chose.

    >>> session = client.sessions.create(external_id="trip-to-lisbon")
    >>> print(client.sessions.chat("trip-to-lisbon", "Hello"))
    You said: Hello
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.docs = Docs(transport, "session")

    def create(self, **options: Unpack[NewSessionOptions]) -> Session:
        """Make a session; ``NewSessionOptions`` says what may be set.

        Raises ConflictError for an external id that is taken, AgentNotFoundError, UserNotFoundError,
        InvalidRequestError for an option that is wrong.

        >>> session = client.sessions.create(context_overflow="truncate", metadata={"channel": "web"})
        >>> session.metadata
        {'channel': 'web'}
        """
        return self._bind(self._transport.send(requests.post("sessions", body=options)))

    def get(self, session_id: str) -> Session:
        """Get a session. Raises SessionNotFoundError.

        >>> client.sessions.get(session.id).external_id
        'trip'
        """
        return self._bind(self._transport.send(requests.get("sessions", session_id)))

    def list(
        self, *, limit: int | None = None, offset: int | None = None, **filter: Unpack[SessionFilter]
    ) -> Pages[Session]:
        """List sessions, the newest first, ``limit`` a page (1 to 100, default 20), without the first ``offset``.

        ``SessionFilter`` says by what they can be found and sorted.

        >>> [session.external_id for session in client.sessions.list(limit=10)]
        ['trip']
        """
        query = {
            "agent" if name == "agent_id" else "user" if name == "user_id" else name: one
            for name, one in filter.items()
        }
        asked = requests.get("sessions", limit=limit, offset=offset, **query)
        return Pages(self._transport, PageRequest(request=asked, cursor="before"), self._bind)

    def update(self, session_id: str, **changes: Unpack[SessionOptions]) -> Session:
        """Change a session: what is not named stays, None unsets, the keys of ``metadata`` are merged.

        Raises SessionNotFoundError, InvalidRequestError.

        >>> session = client.sessions.update(session.id, metadata={"topic": "quantum computing"})
        >>> session.metadata
        {'topic': 'quantum computing'}
        """
        return self._bind(self._transport.send(requests.patch("sessions", session_id, body=changes)))

    def delete(self, session_id: str) -> Deleted:
        """Delete a session with everything in it. Raises SessionNotFoundError.

        >>> client.sessions.delete(session.id).deleted
        True
        """
        return Deleted.read(self._transport.send(requests.delete("sessions", session_id)))

    def clear(self, session_id: str) -> Session:
        """Delete a session's history; its settings, metadata and documents stay. Raises SessionNotFoundError.

        >>> answer = session.ask("Hello")
        >>> session = client.sessions.clear(session.id)
        >>> session.history().data
        ()
        """
        asked = requests.post("sessions", session_id, "clear", is_repeatable=True)
        return self._bind(self._transport.send(asked))

    def chat(self, session_id: str, messages: Messages, **options: Unpack[ChatOptions]) -> Answer:
        """Take a turn: a text of the user's, or chat messages that are new. They are added to the history.

        It is safe against being sent twice: each call has an idempotency key. Raises SessionNotFoundError,
        ContextOverflowError, SessionBusyError, UpstreamError.

        >>> answer = client.sessions.chat(session.id, [{"role": "user", "content": "Hello"}])
        >>> answer.choices[0].message.content
        'You said: Hello'
        """
        return read_answer(self._transport.send(requests.chat(session_id, messages, options)))

    def stream(self, session_id: str, messages: Messages, **options: Unpack[ChatOptions]) -> AnswerStream:
        """Take a turn and hear the answer as the model speaks it, in a ``with`` block; otherwise as ``chat``.

        >>> with client.sessions.stream(session.id, "Hello") as stream:
        ...     [text for text in stream]
        ['You ', 'said: ', 'Hello']
        """
        asked = requests.chat(session_id, messages, options, is_streamed=True)
        return AnswerStream(Events(self._transport, asked))

    def history(
        self, session_id: str, *, limit: int | None = None, before: Place | None = None, after: Place | None = None
    ) -> Page[Item]:
        """The newest ``limit`` items (1 to 100, default 20) of a session's history, the oldest of them first.

        ``before`` and ``after`` are a ``seq`` or a time; one without a zone is this machine's local time. Raises
        SessionNotFoundError.

        >>> answer = session.ask("Hello")
        >>> [item.content for item in client.sessions.history(session.id, limit=2)]
        ['Hello', 'You said: Hello']
        """
        asked = write_history(session_id, limit=limit, before=before, after=after)
        return read_history(self._transport.send(asked))

    def items(
        self,
        session_id: str,
        *,
        order: Literal["asc", "desc"] = "asc",
        branch: Literal["active", "all"] = "active",
        limit: int | None = None,
    ) -> Pages[Item]:
        """List all items of a session, the oldest first unless ``order="desc"``, ``limit`` a page (1 to 100).

        ``branch="all"`` also lists what edits and regenerations left behind. Raises SessionNotFoundError.

        >>> answer = session.ask("Hello")
        >>> [item.seq for item in client.sessions.items(session.id)]
        [1, 2]
        """
        asked = requests.get("sessions", session_id, "items", order=order, branch=branch, limit=limit)
        return Pages(self._transport, PageRequest(request=asked, cursor="cursor"), Item.read)

    def runs(
        self, session_id: str, *, status: RunStatus | None = None, agent_id: str | None = None, limit: int | None = None
    ) -> Pages[Run]:
        """List a session's runs, the newest first, those that failed among them; or only those of a status, or that an
        agent answered.

        >>> answer = session.ask("Hello")
        >>> [run.status for run in client.sessions.runs(session.id)]
        ['completed']
        """
        asked = requests.get("sessions", session_id, "runs", status=status, agent_id=agent_id, limit=limit)
        return Pages(self._transport, PageRequest(request=asked, cursor="cursor"), Run.read)

    def fork(
        self,
        session_id: str,
        *,
        at: int | None = None,
        external_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Session:
        """Make a session that shares the history of another up to the item ``at`` (its last one), and its settings.

        Nothing is copied. ``metadata`` of None takes over the other's. Raises InvalidRequestError for an ``at`` that is
        not in the history, SessionNotFoundError.

        >>> answer = session.ask("Hello")
        >>> fork = client.sessions.fork(session.id, at=2)
        >>> [item.content for item in fork.history()]
        ['Hello', 'You said: Hello']
        """
        said = {"at": at, "external_id": external_id, "metadata": metadata}
        body = {name: value for name, value in said.items() if value is not None}
        return self._bind(self._transport.send(requests.post("sessions", session_id, "fork", body=body)))

    def export(self, session_id: str, *, documents: bool = False) -> str:
        """Everything in a session as JSON Lines, also its ``documents`` if asked for: what ``import_`` reads.

        >>> lines = client.sessions.export(session.id)
        >>> lines.startswith('{"type":"session"')
        True
        """
        return self._transport.fetch(requests.get("sessions", session_id, "export", documents=documents))

    def import_(
        self,
        lines: str | bytes | Iterable[Mapping[str, Any]],
        *,
        external_id: str | None = None,
        format: Literal["messages", "openai_chat"] | None = None,
    ) -> Session:
        """Make a session of what was exported, or of chat messages (``format="messages"``: one a line).

        Raises InvalidRequestError naming the line that is broken; nothing is imported then.

        >>> told = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi!"}]
        >>> session = client.sessions.import_(told, format="messages")
        >>> session.items
        2
        """
        asked = requests.post("sessions", "import")
        query = requests.write_query({"external_id": external_id, "format": format})
        headers = {"Content-Type": "application/jsonl"}
        asked = replace(asked, query=query, content=write_lines(lines), headers=headers)
        return self._bind(self._transport.send(asked))

    def context(self, session_id: str, *, with_messages: bool = False) -> Context:
        """What the model would be shown next of a session: its parts, with kind, tokens and ``seq`` range; the messages
        themselves only ``with_messages``.

        >>> answer = session.ask("Hello")
        >>> context = client.sessions.context(session.id, with_messages=True)
        >>> [message["content"] for message in context.messages]
        ['Hello', 'You said: Hello']
        """
        asked = requests.get("sessions", session_id, "context", messages=with_messages)
        return Context.read(self._transport.send(asked))

    def preview(
        self, session_id: str, messages: Messages, *, with_messages: bool = False, **options: Unpack[ChatOptions]
    ) -> Context:
        """What the model would be shown in a turn that is not taken; the messages themselves only ``with_messages``.

        >>> context = client.sessions.preview(session.id, "Hello")
        >>> [part.kind for part in context.parts]
        ['input']
        """
        asked = requests.preview(session_id, messages, options, with_messages=with_messages)
        return Context.read(self._transport.send(asked))

    def _bind(self, body: Mapping[str, Any]) -> Session:
        session = Session.read(body)
        session._sessions = self
        return session


@dataclass(kw_only=True)
class Session(SessionFacts):
    """A conversation that the server keeps, bound to the client that it came from. ``SessionFacts`` has what is known
    of it.

    >>> session = client.sessions.create()
    >>> print(session.ask("Hello"))
    You said: Hello
    """

    _sessions: Sessions = field(init=False, repr=False, compare=False)

    @property
    def docs(self) -> Docs:
        """The documents of this session.

        >>> doc = session.docs.create("Menu", "Pastéis de nata")
        >>> [doc.title for doc in session.docs.list()]
        ['Menu']
        """
        return Docs(self._sessions._transport, "session", self.id)

    def ask(self, messages: Messages, **options: Unpack[ChatOptions]) -> Answer:
        """Say something, and get the answer; as ``client.sessions.chat``.

        >>> print(session.ask("Hello"))
        You said: Hello
        """
        return self._sessions.chat(self.id, messages, **options)

    def stream(self, messages: Messages, **options: Unpack[ChatOptions]) -> AnswerStream:
        """Say something, and hear the answer as the model speaks it, in a ``with`` block.

        >>> with session.stream("Hello") as stream:
        ...     [text for text in stream]
        ['You ', 'said: ', 'Hello']
        """
        return self._sessions.stream(self.id, messages, **options)

    def preview(self, messages: Messages, *, with_messages: bool = False, **options: Unpack[ChatOptions]) -> Context:
        """What the model would be shown in a turn that is not taken.

        >>> [part.kind for part in session.preview("Hello").parts]
        ['input']
        """
        return self._sessions.preview(self.id, messages, with_messages=with_messages, **options)

    def context(self, *, with_messages: bool = False) -> Context:
        """What the model would be shown next.

        >>> answer = session.ask("Hello")
        >>> session.context().tokens > 0
        True
        """
        return self._sessions.context(self.id, with_messages=with_messages)

    def history(
        self, *, limit: int | None = None, before: Place | None = None, after: Place | None = None
    ) -> Page[Item]:
        """The newest ``limit`` items (1 to 100, default 20), the oldest of them first; as ``client.sessions.history``.

        >>> answer = session.ask("Hello")
        >>> [item.role for item in session.history(limit=2)]
        ['user', 'assistant']
        """
        return self._sessions.history(self.id, limit=limit, before=before, after=after)

    def runs(
        self, *, status: RunStatus | None = None, agent_id: str | None = None, limit: int | None = None
    ) -> Pages[Run]:
        """List the runs, the newest first; as ``client.sessions.runs``.

        >>> answer = session.ask("Hello")
        >>> [run.id == answer.run_id for run in session.runs()]
        [True]
        """
        return self._sessions.runs(self.id, status=status, agent_id=agent_id, limit=limit)

    def fork(
        self, *, at: int | None = None, external_id: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> Session:
        """Make a session that shares the history up to the item ``at``; as ``client.sessions.fork``.

        >>> answer = session.ask("Hello")
        >>> fork = session.fork(at=1)
        >>> [item.content for item in fork.history()]
        ['Hello']
        """
        return self._sessions.fork(self.id, at=at, external_id=external_id, metadata=metadata)

    def export(self, *, documents: bool = False) -> str:
        """Everything in it as JSON Lines; as ``client.sessions.export``.

        >>> session.export(documents=True).count('"type":"session"')
        1
        """
        return self._sessions.export(self.id, documents=documents)

    def update(self, **changes: Unpack[SessionOptions]) -> Session:
        """Change it, here and on the server; as ``client.sessions.update``.

        >>> session.update(metadata={"topic": "travel"}).metadata
        {'topic': 'travel'}
        """
        return self._take(self._sessions.update(self.id, **changes))

    def clear(self) -> Session:
        """Delete its history; settings, metadata and documents stay.

        >>> answer = session.ask("Hello")
        >>> len(session.clear().history())
        0
        """
        return self._take(self._sessions.clear(self.id))

    def refresh(self) -> Session:
        """Read anew what the server knows of it.

        >>> answer = session.ask("Hello")
        >>> session.refresh().items
        2
        """
        return self._take(self._sessions.get(self.id))

    def delete(self) -> Deleted:
        """Delete it with everything in it.

        >>> session.delete().deleted
        True
        """
        return self._sessions.delete(self.id)

    def _take(self, newer: Session) -> Session:
        self.__dict__.update(newer.__dict__)
        return self
