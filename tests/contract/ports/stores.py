"""The stores of one server on a database, a clock that is moved by hand, and builders of what the stores take."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from multiturn.model.content import Content, Message
from multiturn.model.ids import new_id
from multiturn.model.item import Item, Range
from multiturn.model.run import Run, RunError
from multiturn.model.session import Session, SessionKey
from multiturn.model.turn import Begun, Ending, RunOrder, TurnOrder
from multiturn.model.usage import Usage
from multiturn.store.database import Database
from multiturn.store.keys import SqlKeyStore
from multiturn.store.retention import SqlRetentionStore, SqlServerStore
from multiturn.store.runs import SqlRunStore
from multiturn.store.sessions import SqlItemStore, SqlSessionStore
from multiturn.store.turns import SqlTurnStore

LEASE_S = 60.0
# Fields of an order that belong to the run; all others belong to its turn.
RUN_FIELDS = {"run_id", "server_id", "new_session_id", "concurrency", "queue_max", "now"}


class HandClock:
    """The time; it stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 12, 0, 0, 123000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


class Stores:
    """What one server has of a database, and a tenant with a user."""

    def __init__(self, database: Database, *, clock: HandClock | None = None) -> None:
        self.database = database
        self.turns = SqlTurnStore(database)
        self.runs = SqlRunStore(database)
        self.sessions = SqlSessionStore(database)
        self.items = SqlItemStore(database)
        self.keys = SqlKeyStore(database)
        self.retention = SqlRetentionStore(database)
        self.servers = SqlServerStore(database)
        self.clock = clock or HandClock()
        self.server_id = new_id()
        self.tenant_id = new_id()
        self.user_id = new_id()

    def beside(self, database: Database | None = None) -> Stores:
        """Another server for the same tenant, user and clock."""
        other = Stores(database or self.database, clock=self.clock)
        other.tenant_id, other.user_id = self.tenant_id, self.user_id
        return other

    def key(self, name: str | None = "chat", **fields: Any) -> SessionKey:
        """A session as a request names it."""
        who = {"tenant_id": self.tenant_id, "user_id": self.user_id, "external_id": name}
        return SessionKey(**{**who, **fields})

    def order(
        self, session: SessionKey | str = "chat", text: str = "hello", *, expiry_s: int | None = None, **fields: Any
    ) -> RunOrder:
        """A run to begin; the same text is the same body."""
        of_run = {name: fields.pop(name) for name in RUN_FIELDS & fields.keys()}
        turn = TurnOrder(input=(said(text),), model="m", digest=digest(text))
        run = RunOrder(
            run_id=new_id(),
            server_id=self.server_id,
            session=self.key(session) if isinstance(session, str) else session,
            new_session_id=new_id(),
            turn=replace(turn, **fields),
            concurrency="queue",
            idle_expiry_s=expiry_s,
            queue_max=100,
            now=self.clock(),
        )
        return replace(run, **of_run)

    async def begin(self, session: SessionKey | str = "chat", text: str = "hello", **fields: Any) -> Begun:
        """Begin a run of the server, which lives."""
        await self.live()
        order = self.order(session, text, **fields)
        return await self.turns.begin(order.session.tenant_id, order)

    async def live(self) -> None:
        """Say that this server lives."""
        await self.servers.beat(self.server_id, lease_s=LEASE_S)

    def ending(self, begun: Begun, *contents: Content, **fields: Any) -> Ending:
        """What a turn leaves behind: its input and these contents, or an answer."""
        entered = (*begun.run.input, *(contents or (said("hi", "assistant"),)))
        head, asked = begun.session.head, len(begun.run.input)
        ending = Ending(
            status="completed",
            ended_at=self.clock(),
            after=head,
            items=self.number(begun, entered),
            input=(),
            input_items=Range(head + 1, head + asked),
            output_items=Range(head + asked + 1, head + len(entered)),
            usage=Usage(input_tokens=5, output_tokens=7),
            finish_reason="stop",
            first_token_ms=12,
        )
        return replace(ending, **fields)

    def number(self, begun: Begun, contents: Sequence[Content]) -> list[Item]:
        """Contents as the items behind the session's head."""
        return [
            Item(seq=seq, run_id=begun.run.id, content=content, tokens=seq, created_at=self.clock())
            for seq, content in enumerate(contents, start=begun.session.head + 1)
        ]

    def failure(self, **fields: Any) -> Ending:
        """The end of a turn that leaves nothing in the history."""
        failed = Ending(status="failed", ended_at=self.clock(), after=0, error=RunError("broken", "It broke."))
        return replace(failed, **fields)

    async def end(self, begun: Begun, *contents: Content, **fields: Any) -> None:
        """End a turn that runs."""
        assert begun.lease
        await self.turns.end(begun.lease.tenant_id, begun.lease, self.ending(begun, *contents, **fields))

    async def fail(self, begun: Begun, **fields: Any) -> None:
        """End a turn that runs with nothing for the history."""
        assert begun.lease
        await self.turns.end(begun.lease.tenant_id, begun.lease, self.failure(**fields))

    async def take(self, session: SessionKey | str = "chat", text: str = "hello", **fields: Any) -> Begun:
        """A whole turn."""
        begun = await self.begin(session, text, **fields)
        await self.end(begun)
        return begun

    async def started(self, queued: Begun) -> Begun:
        """A turn that waited, now that it has its session."""
        held = await self.turns.find_turn(queued.run.tenant_id, queued.run.id)
        assert held
        assert held.lease
        return held

    async def session(self, name: str = "chat") -> Session:
        """The session of this name."""
        found = await self.sessions.find(self.key(name), self.clock())
        assert found
        return found

    async def run(self, begun: Begun) -> Run:
        """A run as it stands now."""
        found = await self.runs.find(begun.run.tenant_id, begun.run.id)
        assert found
        return found

    async def history(self, session: Session) -> Sequence[Item]:
        """All that is stored of a session, on every branch."""
        return await self.items.load(session.tenant_id, session.id, [Range(1, 10_000)])

    async def erase(self, *, limit: int = 200) -> int:
        """Erase all that was taken away; tells how many batches it took."""
        batches = 0
        while await self.retention.erase_batch(limit=limit):
            batches += 1
        return batches


def said(text: str, role: Any = "user") -> Message:
    """A message."""
    return Message(role=role, content=text)


def texts(items: Sequence[Item]) -> list[object]:
    """What the messages of some items say."""
    return [item.content.content for item in items if isinstance(item.content, Message)]


def digest(text: str) -> bytes:
    """A hash of a body."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def statuses(begun: Sequence[Begun]) -> list[str]:
    """How some runs began, the same ones together."""
    return sorted(one.state for one in begun)
