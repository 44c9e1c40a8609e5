"""Assembles the context of a turn: instructions, summary, kept history, what was recalled, new input, under a budget.

The law of the prefix (DESIGN section 3): between two cuts, the context of turn n+1 begins with the bytes of the
context of turn n.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from msgspec import Raw
from msgspec.structs import replace

from multiturn.engine.ports import ContextStore, ItemStore
from multiturn.engine.window.blocks import FENCE_TOKENS, fence, find_place, put_block, put_blocks
from multiturn.engine.window.budget import Budget
from multiturn.engine.window.cache import CachedWindow, WindowCache, WindowKey
from multiturn.engine.window.cut import Cut, cut_history, fit
from multiturn.engine.window.head import count_summary, digest_head, write_head
from multiturn.engine.window.messages import MAKERS_MAX, list_makers, write_messages, write_own
from multiturn.engine.window.pairs import check_results, count_stand_ins, has_open_calls, pair_calls
from multiturn.engine.window.parts import Draft, count_instructions, list_parts
from multiturn.engine.window.question import Memory, Question
from multiturn.engine.window.shown import (
    RECENT_MESSAGES,
    Shown,
    clip,
    is_on,
    list_recent,
    show_cached,
    show_items,
    until,
)
from multiturn.engine.window.tokens import count_text
from multiturn.errors import ContextOverflow
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Summary
from multiturn.model.context import Context, ContextRecord, Plan, WindowState
from multiturn.model.item import Item, Range
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.session import Session

# What must be left for the conversation beside instructions and tools.
ROOM_MIN = 16
# So many items are read in one step; few contexts show more.
LOADED_AT_ONCE = 1000
# A summary that takes more of the room than this is not shown: it would leave too little for what was said since.
SUMMARY_SHARE_MAX = 0.5


class Assembler:
    """Makes contexts; keeps the last ones as bytes."""

    def __init__(self, items: ItemStore, contexts: ContextStore, memory: Memory, cache: WindowCache) -> None:
        self.items = items
        self.contexts = contexts
        self.memory = memory
        self.cache = cache

    async def assemble(self, session: Session, plan: Plan, budget: Budget, input_tokens: tuple[int, ...]) -> Context:
        """Assemble the context of a turn whose input has so many tokens. Nothing is stored: asked again, it gives the
        same.

        Raises InvalidRequest for a tool result without its call, ContextOverflow where the strategy is ``error`` or the
        budget does not hold the instructions.
        """
        room = measure_room(session, budget)
        shown = await self._show(session, plan, room)
        recall = budget.recall
        holds = recall.tokens_max > 0 and await self.memory.holds(session, plan.path, shown.cut, recall)
        reserve = recall.tokens_max if holds else 0
        draft = Draft(
            session=session,
            plan=plan,
            budget=budget,
            shown=shown,
            input_tokens=input_tokens,
            asked_tokens=input_tokens,
        )
        if shown.body is None or draft.tokens + reserve > room:
            draft = await self._fit(draft, room=room, reserve=reserve)
        if not holds and recall.tokens_max and draft.shown.cut != shown.cut:
            # What this turn has cut is the first that can be found.
            holds = await self.memory.holds(session, plan.path, draft.shown.cut, recall)
        retrieved = await self._recall(draft, left=room - draft.tokens) if holds else None
        return write_context(draft, retrieved)

    async def _show(self, session: Session, plan: Plan, room: int) -> Shown:
        """What the model is still shown: as the context before has it, when the session stands where that was made."""
        cut = session.cut if plan.path and session.cut <= plan.path[-1].last else 1
        state = session.shown
        if state.summary is not None and not is_on(plan.path, state.summary):
            state = replace(state, summary=None)
        if not any(isinstance(content, FunctionCall | FunctionCallOutput) for content in plan.input):
            key = WindowKey(plan.path, cut, state.summary, state.blocks_from)
            if window := self.cache.find(session.id, key):
                return show_cached(window, state)
        return await self._load(session, plan.path, cut, state, room)

    async def _load(self, session: Session, path: tuple[Range, ...], cut: int, state: WindowState, room: int) -> Shown:
        """What the model is still shown, as the store has it; of what is far too much, such as a conversation that was
        imported, no more than shows that it must be cut.
        """
        ranges = clip(path, cut)
        if sum(map(len, ranges)) > LOADED_AT_ONCE:
            history: Sequence[Item] = await self._load_newest(session, ranges, tokens_max=room)
            cut = history[0].seq if len(history) < sum(map(len, ranges)) else cut
        else:
            history = await self.items.load(session.tenant_id, session.id, ranges)
        retrieved: dict[int, RetrievedContext] = {}
        if state.has_blocks:
            retrieved = await self.contexts.load_blocks(session.tenant_id, session.id, clip(ranges, state.blocks_from))
        summary = await self._find_summary(session, path, state.summary)
        return show_items(history, retrieved, cut=cut, state=state, summary=summary)

    async def _load_newest(self, session: Session, ranges: Sequence[Range], *, tokens_max: int) -> list[Item]:
        """The newest items, until they are more than so many tokens, or all of them."""
        loaded: list[Item] = []
        tokens = 0
        while tokens <= tokens_max:
            older = until(ranges, loaded[-1].seq - 1) if loaded else ranges
            batch = await self.items.list_items(
                session.tenant_id, session.id, older, limit=LOADED_AT_ONCE, newest_first=True
            )
            loaded += batch
            tokens += sum(item.tokens for item in batch if not isinstance(item.content, Summary))
            if len(batch) < LOADED_AT_ONCE:
                break
            await asyncio.sleep(0)
        return loaded[::-1]

    async def _find_summary(self, session: Session, path: Sequence[Range], seq: int | None) -> Summary | None:
        """The summary that is stored as this item."""
        if seq is None:
            return None
        at = [Range(seq, seq, range_.session_id) for range_ in path if range_.first <= seq <= range_.last]
        items = await self.items.load(session.tenant_id, session.id, at)
        content = items[0].content if items else None
        return content if isinstance(content, Summary) else None

    async def _fit(self, draft: Draft, *, room: int, reserve: int) -> Draft:
        """Make what is shown fit into the room, cutting it when it is full; the input may be shortened too."""
        session, plan, shown, budget = draft.session, draft.plan, draft.shown, draft.budget
        if shown.body is not None:
            shown = await self._load(session, plan.path, shown.cut, shown.state, room)
            draft = replace(draft, shown=shown)
        contents: list[Content] = [*shown.contents, *plan.input]
        check_results(plan.input, contents)
        kept = len(shown.contents)
        counts = count_stand_ins(contents, [*shown.counts, *draft.asked_tokens])
        shown = replace(shown, counts=counts[:kept])
        draft = draft.with_input(shown, plan.input, counts[kept:])
        wanted = Cut(
            room=room - count_summary(shown.summary),
            reserve=reserve,
            low_water=budget.low_water,
            first=shown.cut,
            recalled=shown.block_tokens,
        )
        if sum(counts) + wanted.recalled > wanted.room and budget.overflow == "error":
            raise ContextOverflow(
                f"The context takes about {sum(counts)} tokens and the model's budget leaves {max(wanted.room, 0)}. "
                "Begin a new session, or let the server cut it (context_overflow=adaptive).",
                param="messages",
            )
        fitted = fit(contents, counts, wanted, may_cut=budget.overflow != "error" and bool(shown.history))
        if fitted is None:
            return await self._cut(draft, wanted=replace(wanted, room=room))
        contents, counts = fitted
        tokens = sum(counts[:kept]) + shown.block_tokens + count_summary(shown.summary)
        shown = replace(shown, contents=contents[:kept], counts=counts[:kept], tokens=tokens)
        return draft.with_input(shown, contents[kept:], counts[kept:])

    async def _cut(self, draft: Draft, *, wanted: Cut) -> Draft:
        """Cut to the low-water mark. What was recalled goes with it: the next turns recall anew."""
        session, shown = draft.session, draft.shown
        pending = await self._find_pending(session, draft.plan) if draft.budget.has_summary else None
        summary = pending or (shown.summary if draft.budget.has_summary else None)
        if count_summary(summary) > wanted.room * SUMMARY_SHARE_MAX:
            pending = summary = None
        wanted = replace(wanted, room=wanted.room - count_summary(summary), covered=pending.last if pending else 0)
        contents, counts = [*shown.contents, *draft.plan.input], [*shown.counts, *draft.asked_tokens]
        kept, kept_counts, cut = cut_history(shown.history, contents, counts, wanted)
        count = max(0, len(kept) - len(draft.plan.input))
        passed = max(0, len(draft.plan.input) - len(kept))
        if passed:
            # What is cut of the input has no place in the store yet: it comes behind the new summary, if there is one.
            cut = session.head + passed + (2 if pending else 1)
        seq = session.head + 1 if pending else (shown.state.summary if summary else None)
        cut_shown = Shown(
            cut=cut,
            state=replace(shown.state, summary=seq, blocks_from=session.head + 1, has_blocks=False),
            tokens=sum(kept_counts[:count]) + count_summary(summary),
            summary=summary,
            is_new_summary=pending is not None,
            history=shown.history[len(shown.history) - count :],
            contents=kept[:count],
            counts=kept_counts[:count],
            recent=shown.recent,
        )
        return replace(draft.with_input(cut_shown, kept[count:], kept_counts[count:]), passed=passed)

    async def _find_pending(self, session: Session, plan: Plan) -> Summary | None:
        """The summary that was made ahead of need, where it stands for a part of this branch."""
        pending = await self.contexts.find_pending(session.tenant_id, session.id)
        return pending if pending and is_on(plan.path, pending.last) else None

    async def _recall(self, draft: Draft, *, left: int) -> RetrievedContext | None:
        """Find what this turn needs to know of what it is not shown."""
        session, plan, shown, budget = draft.session, draft.plan, draft.shown, draft.budget
        tokens_max = min(budget.recall.tokens_max, left) - FENCE_TOKENS
        if tokens_max <= 0 or find_place(plan.input) is None:
            return None
        question = Question(
            session=session,
            path=plan.path,
            cut=shown.cut,
            input=plan.input,
            recent=shown.recent,
            shown=shown.recalled,
            plan=budget.recall,
            tokens_max=tokens_max,
            numbered=shown.state.sources,
        )
        found = await self.memory.recall(question)
        if found is None or not found.block:
            return found
        block = fence(found.block)
        return replace(found, block=block, tokens=count_text(block))

    def keep(self, context: Context, path: tuple[Range, ...], output: Sequence[Content], output_tokens: int) -> None:
        """Remember the context with its answer: the next turn continues it."""
        if not context.is_closed or has_open_calls(output):
            self.cache.drop(context.session_id)
            return
        own = continue_own(context, output)
        if len(own) > MAKERS_MAX:
            # For one of them nothing is written any more; when it answers again, the store tells what it had made.
            self.cache.drop(context.session_id)
            return
        retrieved = context.retrieved
        new = tuple(found for found in retrieved.snippets if found.omitted is None) if retrieved else ()
        window = CachedWindow(
            key=WindowKey(path, context.cut, context.shown.summary, context.shown.blocks_from),
            body=join(context.body, write_messages(output)),
            own=own,
            tokens=context.body_tokens + output_tokens,
            block_tokens=sum(part.tokens for part in context.record.parts if part.kind == "retrieved"),
            summary=context.summary,
            recent=(*context.recent, *list_recent(output))[-RECENT_MESSAGES:],
            recalled=(*context.recalled, *new),
        )
        self.cache.keep(context.session_id, window)

    def forget(self, session_id: UUID) -> None:
        """Forget what was kept of a session that was deleted."""
        self.cache.drop(session_id)


def continue_own(context: Context, output: Sequence[Content]) -> dict[str, bytes]:
    """The context's body with its answer for each provider that made artefacts in either, the latest last; mostly there
    is none.
    """
    makers = list_makers(output)
    if not makers and not context.own_bodies:
        return {}
    order = [*(name for name in context.own_bodies if name not in makers), *makers]
    return {
        name: join(context.own_bodies.get(name, context.body), write_messages(output, provider=name)) for name in order
    }


def join(*written: bytes) -> bytes:
    """JSON objects behind others."""
    return b",".join([part for part in written if part])


def measure_room(session: Session, budget: Budget) -> int:
    """What instructions and tools leave of the budget for the conversation. Raises ContextOverflow."""
    head = count_instructions(session)
    room = budget.tokens_max - budget.fixed_tokens - head
    if room < ROOM_MIN:
        raise ContextOverflow(
            f"Instructions and tools take about {head + budget.fixed_tokens} tokens and the budget is "
            f"{budget.tokens_max}: that leaves nothing for the conversation. Shorten them, or raise the budget "
            "(token_budget, MULTITURN_CONTEXT_TOKENS).",
            param="token_budget",
        )
    return room


def write_context(draft: Draft, retrieved: RetrievedContext | None) -> Context:
    """Write what was gathered as the messages of one call."""
    session, plan, budget, shown = draft.session, draft.plan, draft.budget, draft.shown
    place = find_place(plan.input)
    block = retrieved.block if retrieved and place is not None else ""
    input_ = list(plan.input)
    if block and place is not None:
        input_[place] = put_block(input_[place], block)
    if shown.body is not None:
        written = write_messages(input_)
        body, own, is_closed = join(shown.body, written), shown.own, True
        if own:
            own = {name: join(known, written) for name, known in own.items()}
    else:
        contents = [*put_blocks(shown.contents, shown.blocks), *input_]
        paired = pair_calls(contents)
        body, own, is_closed = write_messages(paired), write_own(paired), not has_open_calls(contents)
    head = write_head(session.instructions, shown.summary)
    digest = digest_head(session.instructions, budget.fixed)
    parts = list_parts(draft, retrieved if block else None, is_same_head=digest == session.shown.head)
    has_blocks = shown.state.has_blocks or bool(block)
    return Context(
        session_id=session.id,
        messages=Raw(b"[" + join(head, body) + b"]"),
        body=body,
        own_bodies=own,
        body_tokens=shown.tokens - count_summary(shown.summary) + sum(draft.asked_tokens) + count_text(block),
        input_tokens=draft.input_tokens,
        is_closed=is_closed,
        record=ContextRecord(
            strategy=budget.overflow,
            budget=budget.tokens_max,
            tokens=sum(part.tokens for part in parts),
            cut=shown.cut,
            parts=parts,
        ),
        shown=replace(
            shown.state, head=digest, has_blocks=has_blocks, sources=count_sources(shown.state.sources, retrieved)
        ),
        summary=shown.summary,
        is_new_summary=shown.is_new_summary,
        retrieved=retrieved,
        block_at=draft.passed + place if block and place is not None else None,
        recent=(*shown.recent, *list_recent(plan.input))[-RECENT_MESSAGES:],
        recalled=shown.recalled,
    )


def count_sources(numbered: int, retrieved: RetrievedContext | None) -> int:
    """The highest number that a source has had."""
    return max([numbered, *(one.number or 0 for one in (retrieved.snippets if retrieved else ()))])
