"""One session on its way in: checked piece by piece, renamed, and stored in batches that nobody sees yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.times import as_stored
from multiturn.engine.transfer import join_ranges, last_of
from multiturn.errors import InvalidRequest
from multiturn.model.archive import ArchivedRun, ArchivedSession
from multiturn.model.content import Summary
from multiturn.model.item import Item, Range
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.session import Session
from multiturn.model.tenant import Caller

# The upper half of a UUIDv7 is its time; the two bits below say which kind of UUID it is.
UPPER = (1 << 128) - (1 << 64)
VARIANT = 0b10 << 62


class StagedSession:
    """A session on its way in: what is known of it, and what of it waits to be stored."""

    def __init__(self, caller: Caller, draft: ArchivedSession, id_: UUID) -> None:
        self.caller = caller
        self.draft = draft
        self.id = id_
        self.items: list[Item] = []
        self.runs: list[ArchivedRun] = []
        self.run_ids: set[UUID] = set()
        self.seen: list[Range] = []
        self.times: list[datetime] = []
        self.ticket = 0
        self.tokens = 0
        self.documents = 0
        self.runs_count = 0

    @property
    def last(self) -> int:
        """The ``seq`` of the last item that came."""
        return self.seen[-1].last if self.seen else self.draft.cleared

    @property
    def items_count(self) -> int:
        """How many items came."""
        return sum(map(len, self.seen))

    def take_item(self, item: Item) -> None:
        """Take an item. Raises InvalidRequest when it is out of order."""
        if item.seq <= self.last:
            raise InvalidRequest(f"the item {item.seq} must stand behind {self.last}")
        if self.draft.head is not None and item.seq > self.draft.head:
            raise InvalidRequest(f"the item {item.seq} is behind the session's last one, {self.draft.head}")
        if self.runs_count or self.documents:
            raise InvalidRequest("items must stand before runs and documents")
        self._see(item.seq)
        created_at = as_stored(item.created_at)
        self.times = [self.times[0] if self.times else created_at, created_at]
        self.tokens += item.tokens
        self.items.append(replace(item, run_id=self.rename(item.run_id), created_at=created_at))

    def _see(self, seq: int) -> None:
        if self.seen and self.seen[-1].last + 1 == seq:
            self.seen[-1] = Range(self.seen[-1].first, seq)
        else:
            self.seen.append(Range(seq, seq))

    def take_run(self, archived: ArchivedRun) -> None:
        """Take a run. Raises InvalidRequest when it is out of order, or names items that are not there."""
        run = archived.run
        if run.ticket <= self.ticket:
            raise InvalidRequest(f"the run with ticket {run.ticket} must stand behind {self.ticket}")
        if run.id in self.run_ids:
            raise InvalidRequest(f"the run {run.id} is there twice")
        if max(last_of(run), archived.retrieved_at or 0) > self.last:
            raise InvalidRequest(f"the run names an item behind the last one, {self.last}")
        if [step.number for step in archived.steps] != list(range(1, len(archived.steps) + 1)):
            raise InvalidRequest("the steps of the run must be numbered 1, 2, 3 …")
        self.ticket = run.ticket
        self.run_ids.add(run.id)
        self.runs_count += 1
        owned = replace(
            run, id=self.rename(run.id), tenant_id=self.caller.tenant_id, session_id=self.id, ticket=run.ticket
        )
        retrieved = archived.retrieved and self._rename_snippets(archived.retrieved)
        self.runs.append(replace(archived, run=owned, retrieved=retrieved))

    def _rename_snippets(self, retrieved: RetrievedContext) -> RetrievedContext:
        """What was retrieved, with the session's own documents by their new ids."""
        return replace(retrieved, snippets=tuple(map(self._rename_snippet, retrieved.snippets)))

    def _rename_snippet(self, snippet: Snippet) -> Snippet:
        if snippet.owner_kind != "session":
            return snippet
        return replace(snippet, item_id=snippet.item_id and self.rename(snippet.item_id), owner_id=self.id)

    def rename(self, id_: UUID) -> UUID:
        """The id here of what had another one: its time stays, so that the order does; the rest is made of that id and
        of the session's, so that it is new, and the same each time.
        """
        if id_ == self.draft.id:
            return self.id
        digest = blake2b(id_.bytes + self.id.bytes, digest_size=8).digest()
        return UUID(int=(id_.int & UPPER) | VARIANT | (int.from_bytes(digest) >> 2))

    def finish(self, now: datetime) -> Session:
        """The session as it is to be. Raises InvalidRequest when items are missing."""
        draft, last = self.draft, self.last
        if draft.head is not None and draft.head != last:
            raise InvalidRequest(
                f"the session's last item is {draft.head}, and the last one here {last}: it breaks off"
            )
        path = join_ranges([(range_.first, range_.last) for range_ in self.seen])
        if draft.path is not None:
            self._check_path(draft.path)
            path = draft.path
        begun, ended = self.times or [now, now]
        created_at = as_stored(draft.created_at or begun)
        active_at = as_stored(draft.active_at or ended)
        # To import a session is to use it: one that expires begins its time anew.
        used_at = min(active_at, now) if draft.idle_expiry_s is None else now
        return Session(
            id=self.id,
            tenant_id=self.caller.tenant_id,
            user_id=self.caller.user_id,
            external_id=draft.external_id,
            created_at=min(created_at, now),
            active_at=used_at,
            idle_expiry_s=draft.idle_expiry_s,
            instructions=draft.instructions,
            metadata=draft.metadata,
            head=last,
            path=path,
            cut=draft.cut,
            settings=draft.settings,
            shown=draft.shown,
            cleared=draft.cleared,
        )

    @property
    def pending(self) -> Summary | None:
        """The summary that waits for the next cut, where it stands for items that are there."""
        pending = self.draft.pending
        return pending if pending and pending.last <= self.last else None

    def _check_path(self, path: Sequence[Range]) -> None:
        before = 0
        for range_ in path:
            if not before < range_.first <= range_.last:
                raise InvalidRequest("the session's path must be ranges of seq, each behind the one before")
            if not any(seen.first <= range_.first and range_.last <= seen.last for seen in self.seen):
                raise InvalidRequest(
                    f"the session's path names the items {range_.first} to {range_.last}; not all came"
                )
            before = range_.last
