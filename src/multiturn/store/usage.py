"""What was used, in the store: added up by day, and by session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from multiturn.model.ids import first_id_at
from multiturn.model.turn import Ending, Lease
from multiturn.model.usage import NOTHING_USED, Spender, UsageQuery, UsageRow, Used, use_of
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.rows import NANO, as_id, as_ms

DAY_MS = 86_400_000
SHARDS = 16
# A billion dollars: sums of what settings and providers say must fit into 64 bits.
COST_MAX = NANO * 10**9
# Whose server ran an imported run.
NOBODY = UUID(int=0)
# A run is looked for by its id, which begins with the time it was asked for; it may have waited before it ended.
WAITED_DAYS_MAX = 31


class SqlUsageStore:
    """Keeps what was used in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add(self, used: Mapping[Spender, Used]) -> None:
        """Enter what was used beside sessions."""
        # In one order, so that of two servers none waits for the other for ever.
        spenders = sorted(used, key=lambda one: (one.tenant_id, one.user_id, one.day, one.model))
        rows = [{**write_spender(spender), "shard": 0, **write_used(used[spender])} for spender in spenders]
        async with self.database.transaction() as tx:
            await tx.execute_many("count_used", rows)

    async def sum_days(self, tenant_id: UUID, *, user_id: UUID | None = None, first: int, last: int) -> Used:
        """Sum up what a tenant, or one user of it, used from day ``first`` to ``last``, both included."""
        which = {"tenant_id": tenant_id, "first": first, "last": last}
        async with self.database.reading() as tx:
            if user_id is None:
                row = await tx.fetch_one("sum_tenant_usage", which)
            else:
                row = await tx.fetch_one("sum_user_usage", {**which, "user_id": user_id})
        return read_used(row) if row else NOTHING_USED

    async def sum_session(self, tenant_id: UUID, session_id: UUID) -> Used:
        """Tell what a session used in all its life; nothing where there is none."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_session_usage", {"tenant_id": tenant_id, "id": session_id})
        return read_used(row) if row else NOTHING_USED

    async def list_usage(self, tenant_id: UUID, query: UsageQuery, *, limit: int) -> Sequence[UsageRow]:
        """List what was used, newest period first, the most expensive of it first, at most ``limit`` rows."""
        which = {
            "tenant_id": tenant_id,
            "first": query.first,
            "last": query.last,
            "period": query.period,
            "by_user": int("user" in query.by),
            "by_model": int("model" in query.by),
            "user_id": query.user_id,
            "model": query.model,
            "limit": limit,
        }
        name = "list_usage"
        if "session" in query.by or query.session_id:
            name = "list_session_usage"
            of = {"session_id": query.session_id, "by_session": int("session" in query.by), "nobody": NOBODY}
            which |= {**find_span(query), **of}
        async with self.database.reading() as tx:
            rows = await tx.fetch_all(name, which)
        return [read_usage_row(row) for row in rows]


def find_span(query: UsageQuery) -> dict[str, Any]:
    """Between which times runs ended, and between which ids they are."""
    since, until = query.first * DAY_MS, (query.last + 1) * DAY_MS
    first_id = first_id_at(since - WAITED_DAYS_MAX * DAY_MS)
    return {"since": since, "until": until, "first_id": first_id, "last_id": first_id_at(until)}


async def count_turn(tx: Transaction, lease: Lease, ending: Ending, used: Mapping[str, int]) -> None:
    """Enter what a turn used, in the transaction that ends it; the session is there."""
    if used["turns"]:
        which = {"tenant_id": lease.tenant_id, "session_id": lease.session_id, "id": lease.run_id}
        when = {"day": as_ms(ending.ended_at) // DAY_MS, "shard": lease.run_id.int % SHARDS}
        await tx.execute("count_turn", {**which, **when, **used})


def write_ending(ending: Ending) -> dict[str, int]:
    """What a turn used, as the parameters that the queries of usage add up."""
    return write_used(use_of(ending.usage, ending.cost_usd)) if is_used(ending) else NOTHING_WRITTEN


def is_used(ending: Ending) -> bool:
    """Whether a turn counts: one that failed before a model was paid does not."""
    return ending.usage is not None or ending.status in ("completed", "incomplete")


def write_used(used: Used) -> dict[str, int]:
    """What was used, as the parameters of its queries."""
    return {
        "turns": used.turns,
        "input_tokens": used.input_tokens,
        "cached_tokens": used.cached_tokens,
        "cache_write_tokens": used.cache_write_tokens,
        "output_tokens": used.output_tokens,
        "reasoning_tokens": used.reasoning_tokens,
        "cost": min(round(used.cost_usd * NANO), COST_MAX),
        "unpriced": used.unpriced,
    }


NOTHING_WRITTEN = write_used(NOTHING_USED)


def write_spender(spender: Spender) -> dict[str, Any]:
    """Who used a model on a day, as the parameters of ``count_used``."""
    return {
        "tenant_id": spender.tenant_id,
        "user_id": spender.user_id,
        "day": spender.day,
        "model": spender.model,
    }


def read_used(row: Row) -> Used:
    """Sums as the queries select them."""
    turns, given, cached, written, made, thought, cost, unpriced = map(int, row)
    return Used(
        turns=turns,
        input_tokens=given,
        cached_tokens=cached,
        cache_write_tokens=written,
        output_tokens=made,
        reasoning_tokens=thought,
        cost_usd=cost / NANO,
        unpriced=unpriced,
    )


def read_usage_row(row: Row) -> UsageRow:
    """A row of ``list_usage``, or of ``list_session_usage``."""
    day, user_id, user, session_id, model, *sums = row
    return UsageRow(
        used=read_used(sums),
        day=None if day is None else int(day),
        user_id=as_id(user_id) if user_id else None,
        user=user or None,
        session_id=as_id(session_id) if session_id else None,
        model=model,
    )
