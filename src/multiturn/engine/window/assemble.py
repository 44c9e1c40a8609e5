"""Assembles the context of a turn: instructions, kept history, new input, under the model's budget.

The law of the prefix (DESIGN section 3): between two cuts, the context of turn n+1 begins with the bytes of the
context of turn n.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from msgspec import Raw, Struct

from multiturn.engine.ports import ItemStore
from multiturn.engine.window.cache import CachedWindow, WindowCache
from multiturn.engine.window.messages import write_messages
from multiturn.engine.window.pairs import check_results, has_open_calls, match_results, pair_calls
from multiturn.engine.window.tokens import TokenRatios, count_bytes, count_tokens
from multiturn.engine.window.truncate import LOW_WATER, find_cut, shorten, shorten_large
from multiturn.errors import ContextOverflow
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput
from multiturn.model.context import Context, Plan
from multiturn.model.item import Item, Range
from multiturn.model.policy import OverflowStrategy
from multiturn.model.session import Session

# What an answer may take of the window when the request does not say: a quarter, and no more than this.
OUTPUT_SHARE = 0.25
OUTPUT_TOKENS = 1024
# A window is not learned to be a smaller share than this of what a model's is taken for.
LEARNED_SHARE_MIN = 1 / 8


class Budget(Struct, frozen=True, kw_only=True):
    """What a turn may show, in tokens of ours: the whole context, and what stands in it besides the messages (tools,
    schemas).
    """

    tokens_max: int
    fixed_tokens: int = 0
    overflow: OverflowStrategy = "truncate"


class Assembler:
    """Makes contexts; keeps the last ones as bytes."""

    def __init__(self, items: ItemStore, cache: WindowCache) -> None:
        self.items = items
        self.cache = cache

    async def assemble(self, session: Session, plan: Plan, budget: Budget) -> Context:
        """Assemble the context of a turn.

        Raises InvalidRequest for a tool result without its call, ContextOverflow where the strategy is ``error``.
        """
        input_tokens = tuple(count_tokens(content) for content in plan.input)
        head = session.instructions[1:-1].encode() if session.instructions else b""
        room = budget.tokens_max - budget.fixed_tokens - count_bytes(len(head))
        cut = session.cut if plan.path and session.cut <= plan.path[-1].last else 1
        context = None
        if not any(isinstance(content, FunctionCall | FunctionCallOutput) for content in plan.input):
            context = self._continue(session.id, plan, cut, room, input_tokens)
        if context is None:
            context = await self._rebuild(session, plan, cut, room, budget, input_tokens)
        messages = b"[" + b",".join([part for part in (head, context.body) if part]) + b"]"
        fixed = budget.tokens_max - room
        return Context(
            session_id=session.id,
            messages=Raw(messages),
            body=context.body,
            cut=context.cut,
            tokens=context.tokens + fixed,
            body_tokens=context.tokens,
            input_tokens=input_tokens,
            is_closed=context.is_closed,
        )

    def _continue(
        self, session_id: UUID, plan: Plan, cut: int, room: int, input_tokens: Sequence[int]
    ) -> AssembledBody | None:
        """Continue the last context, when the session still stands where it was made and there is room."""
        window = self.cache.find(session_id, plan.path, cut)
        if window is None or window.tokens + sum(input_tokens) > room:
            return None
        parts = [window.body, write_messages(plan.input)]
        return AssembledBody(
            body=b",".join([part for part in parts if part]),
            cut=cut,
            tokens=window.tokens + sum(input_tokens),
            is_closed=True,
        )

    async def _rebuild(
        self, session: Session, plan: Plan, cut: int, room: int, budget: Budget, input_tokens: Sequence[int]
    ) -> AssembledBody:
        """Make the context from the store, cutting it when it is full."""
        history = await self.items.load(session.tenant_id, session.id, clip(plan.path, cut))
        contents: list[Content] = [*(item.content for item in history), *plan.input]
        tokens = [*(item.tokens for item in history), *input_tokens]
        check_results(plan.input, contents)
        if sum(tokens) > room:
            if budget.overflow == "error":
                raise ContextOverflow(
                    f"The context takes about {sum(tokens)} tokens and the model's budget leaves {max(room, 0)}. "
                    "Begin a new session, or let the server cut it (context_overflow=truncate).",
                    param="messages",
                )
            contents = shorten_large(contents, room=room)
            tokens = [count_tokens(content) for content in contents]
            if sum(tokens) > room:
                contents, tokens, cut = cut_history(history, contents, tokens, room, cut)
        shown = pair_calls(contents)
        return AssembledBody(
            body=write_messages(shown), cut=cut, tokens=sum(tokens), is_closed=not has_open_calls(contents)
        )

    def keep(self, context: Context, path: tuple[Range, ...], output: Sequence[Content], output_tokens: int) -> None:
        """Remember the context with its answer: the next turn continues it."""
        if not context.is_closed or has_open_calls(output):
            self.cache.drop(context.session_id)
            return
        body = b",".join([part for part in (context.body, write_messages(output)) if part])
        tokens = context.body_tokens + output_tokens
        self.cache.keep(context.session_id, CachedWindow(path=path, cut=context.cut, body=body, tokens=tokens))

    def forget(self, session_id: UUID) -> None:
        """Forget what was kept of a session that was deleted."""
        self.cache.drop(session_id)


class AssembledBody(Struct, frozen=True, kw_only=True):
    """History and input as bytes, before the instructions stand in front of them."""

    body: bytes
    cut: int
    tokens: int
    is_closed: bool


class Budgets:
    """The budget of each model: its window less what the answer takes, corrected by what its provider says."""

    def __init__(self, *, ratios: TokenRatios, context_tokens: int | None, default_tokens: int) -> None:
        self.ratios = ratios
        self.context_tokens = context_tokens
        self.default_tokens = default_tokens
        self.learned: dict[str, int] = {}

    def measure(self, model: str, *, window: int | None, output_max: int | None) -> int:
        """The budget of a turn in tokens of ours."""
        tokens = self.context_tokens or window or self.default_tokens
        tokens = min(tokens, self.learned.get(model, tokens))
        reserve = min(output_max, tokens // 2) if output_max else min(OUTPUT_TOKENS, int(tokens * OUTPUT_SHARE))
        return int((tokens - reserve) / self.ratios.ratio(model))

    def learn_limit(self, model: str, *, tokens_max: int | None, tokens_sent: int) -> None:
        """The provider refused a context as too long: from now on at most what it named, or three quarters of what
        was sent.

        A context that was far from full was refused for something that we cannot count: that says nothing of others.
        """
        sent = int(tokens_sent * self.ratios.ratio(model))
        limit = tokens_max if tokens_max and tokens_max < sent else sent * 3 // 4
        if limit >= (self.context_tokens or self.default_tokens) * LEARNED_SHARE_MIN:
            self.learned[model] = limit


def clip(path: Sequence[Range], cut: int) -> list[Range]:
    """The part of a path from ``cut`` on."""
    return [Range(max(range_.first, cut), range_.last, range_.session_id) for range_ in path if range_.last >= cut]


def cut_history(
    history: Sequence[Item], contents: Sequence[Content], tokens: Sequence[int], room: int, cut: int
) -> tuple[list[Content], list[int], int]:
    """Cut to the low-water mark; the newest input always stays, shortened when it is too large alone."""
    index = min(find_cut(contents, tokens, tokens_max=int(room * LOW_WATER)), last_beginning(contents, len(history)))
    kept, kept_tokens = list(contents[index:]), list(tokens[index:])
    if sum(kept_tokens) > room:
        kept = shorten(kept, excess=sum(kept_tokens) - room)
        kept_tokens = [count_tokens(content) for content in kept]
    if index < len(history):
        return kept, kept_tokens, history[index].seq
    return kept, kept_tokens, history[-1].seq + 1 if history else cut


def last_beginning(contents: Sequence[Content], history: int) -> int:
    """The last place at which this turn's context may begin: its input, or the calls that its input answers."""
    answered = (call for call, result in match_results(contents).items() if result >= history)
    index = min(history, *answered, history)
    while (
        0 < index < history and not isinstance(contents[index], FunctionCallOutput) and is_answer(contents[index - 1])
    ):
        index -= 1
    return index


def is_answer(content: Content) -> bool:
    """Whether this belongs to an assistant's answer: its words or its calls."""
    return isinstance(content, FunctionCall) or getattr(content, "role", None) == "assistant"
