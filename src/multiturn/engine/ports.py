"""The interfaces of what the engine needs from outside; the store and the upstreams fit them by shape."""

from __future__ import annotations

from asyncio import Task
from collections.abc import AsyncGenerator, Callable, Container, Coroutine, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from multiturn.model.agent import Agent, Listing, User
from multiturn.model.completion import Completion, Delta, ModelInfo, ModelRequest, ToolCallDelta
from multiturn.model.content import Summary
from multiturn.model.context import ContextRecord
from multiturn.model.event import EventBatch
from multiturn.model.item import Item, Range
from multiturn.model.listing import EVERYTHING, SessionFilter, Span
from multiturn.model.page import Page
from multiturn.model.policy import ContextPolicy
from multiturn.model.retrieved import RetrievedContext, StoredSegment
from multiturn.model.run import Run
from multiturn.model.session import ForkOrder, RetiredSession, Session, SessionChange, SessionKey
from multiturn.model.step import Step
from multiturn.model.tenant import Tenant
from multiturn.model.turn import Begun, Ending, Lease, RunOrder

Clock = Callable[[], datetime]
Spawn = Callable[[Coroutine[Any, Any, None]], Task[None]]


class Upstream(Protocol):
    """Calls models."""

    async def complete(self, request: ModelRequest) -> Completion:
        """Ask for a whole answer.

        Raises ModelNotFound, ContextTooLong, another UpstreamError, or Unavailable.
        """
        ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Ask for an answer in pieces; those that arrived together come together.

        Raises what ``complete`` raises; retries and fallbacks happen only before the first piece.
        """
        ...

    async def list_models(self) -> Sequence[ModelInfo]:
        """List the models that would be answered."""
        ...

    async def find_context_tokens(self, model: str) -> int | None:
        """Tell the context window of a model in tokens; None where nobody knows."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors."""

    model: str

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> NDArray[np.float32]:
        """One row of unit length for each text.

        Raises Unavailable (it is loading, busy, or failed) or UpstreamError.
        """
        ...


class Tokenizers(Protocol):
    """Counts tokens as models do, where their tokenizer is on the machine."""

    async def count(self, model: str, texts: Sequence[str]) -> Sequence[int] | None:
        """Count the tokens of texts; None where nobody knows the model's tokenizer."""
        ...


class AnswerWire(Protocol):
    """Reads back the pieces that a provider sent and the store kept, and writes them with another text."""

    def read_delta(self, raw: bytes) -> Delta:
        """Read one streamed piece."""
        ...

    def read_completion(self, raw: bytes) -> Completion:
        """Read one whole answer."""
        ...

    def write_text(self, like: Delta, text: str) -> Delta:
        """A piece of the same stream that says a text, and nothing else."""
        ...

    def write_calls(self, like: Delta, calls: Sequence[ToolCallDelta]) -> Delta:
        """A piece of the same stream that calls tools."""
        ...

    def drop_said(self, delta: Delta) -> Delta | None:
        """A piece without its text and calls; None where nothing else is in it."""
        ...

    def rewrite_completion(
        self, completion: Completion, text: str | None, calls: Sequence[ToolCallDelta] | None = None
    ) -> Completion:
        """A whole answer that says another text, and of its calls only some where they are given."""
        ...

    def cut_completion(self, raw: bytes) -> Sequence[bytes]:
        """A whole answer as the pieces of a stream."""
        ...


class TurnStore(Protocol):
    """Keeps turns: one at a time per session, each whole in the history or absent from it."""

    async def begin(self, tenant_id: UUID, order: RunOrder) -> Begun:
        """Find or make the session, store the run with its input, and take the session's lease or a place in its queue.

        Raises SessionBusy (``reject``), RateLimited (queue full), Conflict (an idempotency key with another body),
        NotFound (another user's session).
        """
        ...

    async def find_turn(self, tenant_id: UUID, run_id: UUID) -> Begun | None:
        """Tell how a queued run stands now: still queued, or running with its lease; None when it has ended."""
        ...

    async def end(self, tenant_id: UUID, lease: Lease, ending: Ending) -> None:
        """Store what the turn leaves behind, release the lease, and hand it to the next in the queue.

        The same ending again changes nothing. Raises TurnConflict, and stores nothing, when the lease was lost or the
        session's last item is not ``ending.after``.
        """
        ...

    async def leave(self, tenant_id: UUID, run_id: UUID, ending: Ending) -> bool:
        """End a run that is still queued; False when it is not queued any more."""
        ...


class RunStore(Protocol):
    """Keeps runs and their events."""

    async def find(self, tenant_id: UUID, run_id: UUID) -> Run | None:
        """Find a run."""
        ...

    async def list_runs(self, tenant_id: UUID, session_id: UUID, *, before: int | None, limit: int) -> Page[Run]:
        """List a session's runs, newest first, those before ticket ``before``."""
        ...

    async def list_steps(self, tenant_id: UUID, run_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Step]]:
        """List the steps of runs, in order; a run that took a single step without tools has none."""
        ...

    async def list_events(self, tenant_id: UUID, run_id: UUID, *, after: int) -> Sequence[EventBatch]:
        """List the next stored events of a run behind number ``after``; the first batch may begin before it."""
        ...

    async def save_events(self, batches: Sequence[tuple[UUID, UUID, EventBatch]], now: datetime) -> None:
        """Store events of running turns: (tenant id, run id, events) each."""
        ...

    async def request_cancel(self, tenant_id: UUID, run_id: UUID) -> None:
        """Ask the server that holds the run to cancel it; every server hears of it."""
        ...

    async def mark_vanished(self, run: Run, now: datetime) -> None:
        """Note that the client of a run went away, so that the same request again joins it."""
        ...


class SessionStore(Protocol):
    """Keeps sessions. One that has expired is not found."""

    async def find(self, key: SessionKey, now: datetime) -> Session | None:
        """Find a session by our id, else by the external id within the user."""
        ...

    async def list_sessions(
        self, tenant_id: UUID, wanted: SessionFilter, *, now: datetime, limit: int
    ) -> Page[Session]:
        """List the sessions of a tenant that a filter keeps."""
        ...

    async def create(self, tenant_id: UUID, session: Session, items: Sequence[Item]) -> None:
        """Store a new session with the items of its history.

        Raises Conflict when its external id is taken within its user.
        """
        ...

    async def update(self, tenant_id: UUID, session_id: UUID, change: SessionChange, now: datetime) -> Session | None:
        """Change what a caller sets of a session; None when there is none."""
        ...

    async def clear(self, tenant_id: UUID, session_id: UUID, now: datetime) -> Session | None:
        """Empty a session's history at once; what was in it is erased by ``RetentionStore.erase_batch``.

        A session whose turn runs (``run_id``) is given back as it is, with nothing done. None when there is none.
        """
        ...

    async def fork(self, tenant_id: UUID, origin_id: UUID, order: ForkOrder, now: datetime) -> Session | None:
        """Make a session that shares another one's items up to a ``seq``; None when that session is not there.

        Raises InvalidRequest where its active path has no such item, Conflict when the external id is taken.
        """
        ...

    async def delete(self, tenant_id: UUID, session_id: UUID) -> bool:
        """Take a session away at once; what was in it is erased by ``RetentionStore.erase_batch``.

        False when there is none.
        """
        ...


class ItemStore(Protocol):
    """Keeps the items of sessions, in order."""

    async def load(self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range]) -> Sequence[Item]:
        """Load the items of these ranges, oldest first."""
        ...

    async def list_items(
        self,
        tenant_id: UUID,
        session_id: UUID,
        ranges: Sequence[Range],
        *,
        limit: int,
        newest_first: bool,
        span: Span = EVERYTHING,
    ) -> Sequence[Item]:
        """List at most ``limit`` items of these ranges from one end, those within the times of a span."""
        ...

    async def load_at(self, tenant_id: UUID, session_id: UUID, seqs: Sequence[int]) -> Sequence[Item]:
        """Load single items that this session stores itself, oldest first."""
        ...


class ContextStore(Protocol):
    """Keeps what was recalled for turns, and the summaries made ahead of need."""

    async def find_retrieved(self, tenant_id: UUID, run_id: UUID) -> RetrievedContext | None:
        """Find what was retrieved for a run."""
        ...

    async def find_record(self, tenant_id: UUID, run_id: UUID) -> ContextRecord | None:
        """Find what a run's model was shown; None where it was not kept."""
        ...

    async def load_blocks(
        self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range]
    ) -> dict[int, RetrievedContext]:
        """Load what was retrieved for the messages of these ranges, by the message's ``seq``."""
        ...

    async def find_pending(self, tenant_id: UUID, session_id: UUID) -> Summary | None:
        """Find the summary that waits for the next cut."""
        ...

    async def save_pending(self, tenant_id: UUID, session_id: UUID, summary: Summary) -> None:
        """Keep a summary for the next cut instead of the last one.

        Nothing happens when that stands for more, or when what it stands for is gone.
        """
        ...


class SegmentStore(Protocol):
    """Keeps the search index of what was said in sessions."""

    async def list_segments(self, tenant_id: UUID, session_id: UUID, *, after: int) -> Sequence[StoredSegment]:
        """List the segments that begin behind the item ``after``."""
        ...

    async def list_models(self, tenant_id: UUID, session_id: UUID, *, last: int) -> Mapping[int, str | None]:
        """Tell of the segments that begin up to the item ``last`` which model made their vectors."""
        ...

    async def find_segment(self, tenant_id: UUID, session_id: UUID, first: int) -> StoredSegment | None:
        """Find the segment that begins with this item."""
        ...

    async def save_segment(self, tenant_id: UUID, session_id: UUID, segment: StoredSegment) -> None:
        """Keep a segment; nothing happens where one begins there already, or the items are gone."""
        ...

    async def save_vectors(self, tenant_id: UUID, session_id: UUID, segment: StoredSegment) -> None:
        """Replace a segment by the same with other vectors; nothing happens where its items are gone."""
        ...

    async def list_due(self, model: str, *, limit: int) -> Sequence[tuple[UUID, UUID, StoredSegment]]:
        """List some segments that have no vectors of this model: (tenant id, session id, segment) each."""
        ...

    async def list_models_in_use(self) -> Sequence[str]:
        """List the models of which there are vectors, of documents too."""
        ...


class AgentStore(Protocol):
    """Keeps agents, each with every version that it had. Canonical names are unique within a tenant."""

    async def add(self, agent: Agent) -> bool:
        """Store a new agent; False, and nothing stored, when its id or its canonical name is taken."""
        ...

    async def find(self, tenant_id: UUID, agent_id: UUID) -> Agent | None:
        """Find an agent as it stands."""
        ...

    async def find_by_name(self, tenant_id: UUID, canonical_name: str) -> Agent | None:
        """Find an agent by its canonical name."""
        ...

    async def update(self, tenant_id: UUID, agent_id: UUID, change: Callable[[Agent], Agent]) -> Agent | None:
        """Store what ``change`` makes of an agent as its next version; what it leaves alone makes none.

        None when there is no such agent. Raises Conflict (``agent_exists``) for a canonical name that is taken, and
        what ``change`` raises.
        """
        ...

    async def list_agents(self, tenant_id: UUID, listing: Listing) -> Page[Agent]:
        """List a tenant's agents."""
        ...

    async def list_versions(self, agent: Agent, *, before: int | None, limit: int) -> Page[Agent]:
        """List the versions of an agent, newest first, those before version ``before``."""
        ...

    async def find_version(self, agent: Agent, version: int) -> Agent | None:
        """Find an agent as it was."""
        ...

    async def delete(self, tenant_id: UUID, agent_id: UUID) -> bool:
        """Delete an agent with its versions; False when there is none."""
        ...


class UserStore(Protocol):
    """Keeps users. External ids are unique within a tenant."""

    async def add(self, user: User) -> bool:
        """Store a new user; False, and nothing stored, when its id or its external id is taken."""
        ...

    async def find(self, tenant_id: UUID, user_id: UUID) -> User | None:
        """Find a user."""
        ...

    async def find_by_external_id(self, tenant_id: UUID, external_id: str) -> User | None:
        """Find a user by the name that the application uses."""
        ...

    async def update(self, tenant_id: UUID, user_id: UUID, change: Callable[[User], User]) -> User | None:
        """Store what ``change`` makes of a user.

        None when there is no such user. Raises Conflict (``user_exists``) for an external id that is taken, and what
        ``change`` raises.
        """
        ...

    async def list_users(self, tenant_id: UUID, listing: Listing) -> Page[User]:
        """List a tenant's users but its default user."""
        ...

    async def delete(self, tenant_id: UUID, user_id: UUID, now: datetime) -> bool:
        """Delete a user's row and revoke the keys that belong to it; False when there is none.

        Every server hears of it. What else is the user's is erased before.
        """
        ...


class TenantStore(Protocol):
    """Keeps what a tenant sets for all its sessions."""

    async def find(self, tenant_id: UUID) -> Tenant | None:
        """Find a tenant."""
        ...

    async def find_policy(self, tenant_id: UUID) -> ContextPolicy:
        """Tell a tenant's policy; one that sets nothing where there is none."""
        ...

    async def change_policy(
        self, tenant_id: UUID, change: Callable[[ContextPolicy], ContextPolicy]
    ) -> ContextPolicy | None:
        """Store what ``change`` makes of a tenant's policy; None when there is no such tenant. Every server hears of
        it.
        """
        ...


class RetentionStore(Protocol):
    """Finds what has had its time, and erases in small batches so that turns never wait."""

    async def retire_expired(self, now: datetime, *, limit: int) -> int:
        """Take away sessions whose idle time is over; tells how many were looked at, 0 when none is due."""
        ...

    async def retire_user(self, tenant_id: UUID, user_id: UUID, *, limit: int) -> Sequence[RetiredSession]:
        """Take away about ``limit`` sessions that a user owns or takes part in, and those forked from them; none when
        none is left.
        """
        ...

    async def erase_owned(self, tenant_id: UUID, owner_id: UUID) -> int:
        """Have the documents of an agent or a user erased by ``erase_batch``; tells how many they are."""
        ...

    async def erase_batch(self, *, limit: int) -> int:
        """Erase about ``limit`` rows of what was taken away; 0 when nothing is left to this server."""
        ...

    async def expire_events(self, before: datetime, *, limit: int) -> int:
        """Erase stored events from before this time; tells how many batches."""
        ...

    async def expire_idempotency(self, before: datetime, *, limit: int) -> int:
        """Forget idempotency keys from before this time; tells how many."""
        ...

    async def vacuum(self) -> None:
        """Leave no erased bytes behind in files of our own."""
        ...


class ServerStore(Protocol):
    """Keeps which server processes live: a lease on a session is good as long as its server's heartbeat."""

    async def beat(self, server_id: UUID, *, lease_s: float) -> None:
        """Say that this server lives for another ``lease_s`` seconds."""
        ...

    async def list_orphans(self, server_id: UUID, *, limit: int) -> Sequence[tuple[Run, Lease | None]]:
        """List unfinished runs of servers that no longer live, with the lease of those that hold one."""
        ...

    async def list_lost(
        self, server_id: UUID, live: Container[UUID], *, before: datetime
    ) -> Sequence[tuple[Run, Lease | None]]:
        """List this server's unfinished runs from ``before`` that are not among the ``live`` ones: their end could
        not be stored.
        """
        ...

    async def list_cancelled(self, server_id: UUID) -> Sequence[UUID]:
        """List this server's unfinished runs that somebody asked to cancel."""
        ...

    async def leave(self, server_id: UUID) -> None:
        """Say that this server is gone."""
        ...
