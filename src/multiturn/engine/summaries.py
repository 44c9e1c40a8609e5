"""Rolling summaries, made ahead of need and behind the turns: what stands in a context for what was cut.

A summary is asked of the session's own model with the request that it has just answered and one message more, so that
the provider's prefix cache holds nearly all of it. What no longer stands in the window is read in pieces that fit.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from msgspec import Raw, Struct
from msgspec.structs import replace

from multiturn.engine.contexts import Assembled
from multiturn.engine.ports import Clock, ContextStore, ItemStore, SessionStore, Upstream
from multiturn.engine.thoughts import extend
from multiturn.engine.window.head import count_summary
from multiturn.engine.window.messages import write_messages
from multiturn.engine.window.pairs import pair_calls
from multiturn.engine.window.shown import clip, is_on, read_speaker, read_text
from multiturn.engine.window.tokens import count_text
from multiturn.engine.window.truncate import cut_middle
from multiturn.errors import MultiturnError, RateLimited
from multiturn.model.completion import ModelRequest
from multiturn.model.content import Content, Message, Reasoning, Summary
from multiturn.model.item import Item, Range
from multiturn.model.session import Session, SessionKey
from multiturn.model.turn import TurnOrder
from multiturn.observe import Metrics

# A summary takes at most this share of the budget, and no more than these tokens.
SUMMARY_SHARE = 1 / 8
SUMMARY_TOKENS_MAX = 1024
SUMMARY_TOKENS_MIN = 48
# A piece of what no longer stands in the window takes this share of the budget; so many are read behind one turn.
PIECE_SHARE = 0.5
PIECES_MAX = 8
# So many items are read at once.
ITEMS_MAX = PIECES_MAX * 64
USELESS_MAX = 10_000
# After failures in a row a model is not asked for a while: 5, 10, 20 … seconds, at most five minutes.
PAUSE_S, PAUSE_MAX_S = 5.0, 300.0
PAUSES_MAX = 1000
ASK = (
    "Summarize the conversation above for yourself: you will go on with it and see only your summary of this part. "
    "Keep names, numbers, dates, decisions, preferences, open questions and what was promised. Leave out greetings. "
    "At most {words} words, plain text, in the language of the conversation. Write only the summary."
)
EARLIER = "What came before it was summarized as follows; take over what still matters:\n{text}\n\n"


class Source(Struct, frozen=True, kw_only=True):
    """What a summary is made of: a session as it stands behind a turn, and how its turn was asked."""

    session: Session
    path: tuple[Range, ...]
    order: TurnOrder
    assembled: Assembled
    output: tuple[Content, ...]


class ShownWindow(Struct, frozen=True, kw_only=True):
    """A window as the model was shown it, with its answer, and the tokens of its items; ``own`` as its makers were."""

    messages: Raw
    own: Mapping[str, Raw]
    output: tuple[Content, ...]
    tokens: int


class SummaryOrder(Struct, frozen=True, kw_only=True):
    """What a summary is made of and no more, for it may wait a while: the ``window`` only where that is to be read.

    ``budget`` are the tokens that the session's contexts may take, ``tools`` those that stand in front of them.
    """

    session: Session
    path: tuple[Range, ...]
    model: str
    budget: int
    cut: int
    summary: Summary | None = None
    tools: Raw | None = None
    window: ShownWindow | None = None

    @property
    def tokens_max(self) -> int:
        """How long the summary may be."""
        return max(SUMMARY_TOKENS_MIN, min(int(self.budget * SUMMARY_SHARE), SUMMARY_TOKENS_MAX))


class Piece(NamedTuple):
    """Items that are read together, and how far a summary of them reaches."""

    items: Sequence[Item]
    last: int


class Pause(Struct, frozen=True):
    """How often a model failed in a row, and when it is asked again."""

    failures: int = 0
    ends_at: float = 0.0


class SummaryStores(Protocol):
    """Where summaries are made from and kept."""

    @property
    def sessions(self) -> SessionStore: ...

    @property
    def items(self) -> ItemStore: ...

    @property
    def contexts(self) -> ContextStore: ...


class Summaries:
    """Makes summaries. At most one is made for a session at a time: the caller sees to it.

    ``model`` writes them where it is given, else each session's own.
    """

    def __init__(
        self, upstream: Upstream, stores: SummaryStores, metrics: Metrics, clock: Clock, *, model: str | None
    ) -> None:
        self.upstream = upstream
        self.stores = stores
        self.metrics = metrics
        self.clock = clock
        self.model = model
        self.pauses: OrderedDict[str, Pause] = OrderedDict()
        self.useless: OrderedDict[UUID, int] = OrderedDict()

    async def make(self, order: SummaryOrder) -> None:
        """Make the summary that the next cut will need, unless it is there: of what was left out, and of the window
        where that is given.

        A failure is counted and costs nobody anything: the cut then happens without it.
        """
        if self.useless.get(order.session.id) == order.cut:
            # What the model wrote of this window was no shorter than the window: it will not do better now.
            return
        order = replace(order, model=self.model or order.model)
        if time.monotonic() < self.pauses.get(order.model, Pause()).ends_at:
            self.metrics.summaries.labels("skipped").inc()
            return
        try:
            summary = await self._make(order)
        except RateLimited:
            # Turns come first; behind the next one there may be time.
            self.metrics.summaries.labels("deferred").inc()
            return
        except MultiturnError:
            self._pause(order.model)
            self.metrics.summaries.labels("failed").inc()
            return
        if summary:
            await self.stores.contexts.save_pending(order.session.tenant_id, order.session.id, summary)

    def _pause(self, model: str) -> None:
        """Do not ask a model that failed for a while; others are asked."""
        failures = self.pauses.pop(model, Pause()).failures + 1
        pause_s = min(PAUSE_S * 2 ** min(failures - 1, 10), PAUSE_MAX_S)
        self.pauses[model] = Pause(failures, time.monotonic() + pause_s)
        if len(self.pauses) > PAUSES_MAX:
            self.pauses.popitem(last=False)

    async def _make(self, order: SummaryOrder) -> Summary | None:
        """What was left out first, in pieces; then the window as it is shown."""
        session = order.session
        known = await self.stores.contexts.find_pending(session.tenant_id, session.id)
        if known is None or not is_on(order.path, known.last):
            known = order.summary
        covered = known.last if known else order.path[0].first - 1
        if left_out := list_between(order.path, covered + 1, order.cut - 1):
            piece_max = max(
                int(order.budget * PIECE_SHARE) - order.tokens_max - count_summary(known), SUMMARY_TOKENS_MIN
            )
            if pieces := await self._load_pieces(order, left_out, piece_max):
                return await self._read_pieces(order, known, pieces, piece_max)
        if order.window is None or covered >= order.cut:
            # One made of this window is there: it waits for the cut.
            return None
        return await self._read_window(order, order.window, known)

    async def _read_window(self, order: SummaryOrder, window: ShownWindow, known: Summary | None) -> Summary | None:
        """Summarize what the model is shown, from the request that it has just answered."""
        earlier = known if known and known != order.summary else None
        question = Message("user", write_question(order.tokens_max, earlier))
        shown = ModelRequest(model=order.model, messages=window.messages, own=window.own)
        text = await self._ask(order, extend(shown, [*pair_calls(window.output), question]))
        if text is None:
            return None
        summary = Summary(text=text, first=order.path[0].first, last=order.path[-1].last, model=order.model)
        return self._judge(order, summary, window.tokens + count_summary(known))

    async def _load_pieces(self, order: SummaryOrder, left_out: Sequence[Range], tokens_max: int) -> Sequence[Piece]:
        """The next pieces of what was left out; none when nothing in it can be read."""
        session, end = order.session, left_out[-1].last
        while left_out:
            items = await self.stores.items.list_items(
                session.tenant_id, session.id, left_out, limit=ITEMS_MAX, newest_first=False
            )
            is_all = len(items) < ITEMS_MAX
            if pieces := cut_pieces(items, tokens_max, end=end if is_all else items[-1].seq):
                return pieces[:PIECES_MAX]
            left_out = [] if is_all else list_between(order.path, items[-1].seq + 1, end)
        return []

    async def _read_pieces(
        self, order: SummaryOrder, known: Summary | None, pieces: Sequence[Piece], tokens_max: int
    ) -> Summary | None:
        """Summarize what was cut before a summary of it was there, piece by piece; the rest behind the next turn."""
        made = None
        for piece in pieces:
            text = "\n".join(write_line(item, tokens_max) for item in piece.items)
            question = Message("user", f"{text}\n\n{write_question(order.tokens_max, known)}")
            asked = ModelRequest(model=order.model, messages=Raw(b"[" + write_messages([question]) + b"]"))
            said = await self._ask(order, asked)
            if said is None:
                return None
            summary = Summary(text=said, first=order.path[0].first, last=piece.last, model=order.model)
            judged = self._judge(order, summary, count_text(text) + count_summary(known))
            if judged is None:
                break
            made = known = judged
        return made

    async def _ask(self, order: SummaryOrder, asked: ModelRequest) -> str | None:
        """Ask the model for a summary by these messages; None, and it is not asked, where the session is no longer what
        it was.

        Raises what the upstream raises.
        """
        if not await self._still_stands(order):
            self.metrics.summaries.labels("skipped").inc()
            return None
        # The same tools stand in front of the cached prefix; none of them is to be called.
        fields = {"tools": order.tools, "tool_choice": Raw(b'"none"')} if order.tools else {}
        request = replace(
            asked,
            fields={**fields, "max_tokens": Raw(str(order.tokens_max * 2).encode())},
            cache_key=str(order.session.id),
            is_background=True,
        )
        completion = await self.upstream.complete(request)
        self.pauses.pop(order.model, None)
        return (completion.text or "").strip()

    async def _still_stands(self, order: SummaryOrder) -> bool:
        """Whether what a session said is still there: what was deleted or cleared since goes to no model."""
        session = order.session
        key = SessionKey(tenant_id=session.tenant_id, user_id=session.user_id, id=session.id)
        found = await self.stores.sessions.find(key, self.clock())
        return found is not None and found.cleared == session.cleared and found.head >= order.path[-1].last

    def _judge(self, order: SummaryOrder, summary: Summary, source_tokens: int) -> Summary | None:
        """Throw a summary away that says nothing or is not shorter than what it stands for, and do not ask again before
        the next cut.
        """
        if summary.text and count_summary(summary) < source_tokens:
            self.metrics.summaries.labels("made").inc()
            return summary
        self.metrics.summaries.labels("too_long").inc()
        self.useless[order.session.id] = order.cut
        if len(self.useless) > USELESS_MAX:
            self.useless.popitem(last=False)
        return None


def order_summary(source: Source, *, reads_window: bool) -> SummaryOrder:
    """What a summary needs of its source."""
    context, speaker = source.assembled.context, source.assembled.speaker
    window = ShownWindow(messages=context.messages, own=context.own, output=source.output, tokens=context.body_tokens)
    return SummaryOrder(
        session=replace(source.session, instructions=None),
        path=source.path,
        model=source.order.model,
        budget=source.assembled.budget.tokens_max,
        cut=context.cut,
        summary=context.summary,
        tools=speaker.fields.get("tools"),
        window=window if reads_window else None,
    )


def write_question(tokens_max: int, earlier: Summary | None) -> str:
    """What the model is asked for; three words take about four tokens."""
    before = EARLIER.format(text=earlier.text) if earlier else ""
    return before + ASK.format(words=tokens_max * 3 // 4)


def write_line(item: Item, tokens_max: int) -> str:
    """An item as a line; what is larger than a piece is shortened in its middle."""
    text = read_text(item.content)
    if count_text(text) > tokens_max:
        text = cut_middle(text, tokens_max=tokens_max)
    return f"{read_speaker(item.content)}: {text}"


def list_between(path: Sequence[Range], first: int, last: int) -> list[Range]:
    """The part of a path between two items."""
    return [
        Range(range_.first, min(range_.last, last), range_.session_id)
        for range_ in clip(path, first)
        if range_.first <= last
    ]


def cut_pieces(items: Sequence[Item], tokens_max: int, *, end: int) -> list[Piece]:
    """Items with a text in batches that fit together; one that is larger is a batch of its own. The last one reaches
    to the item ``end``, for nothing behind it can be read.
    """
    batches: list[list[Item]] = []
    left = 0
    for item in items:
        if isinstance(item.content, Reasoning | Summary) or not read_text(item.content):
            continue
        if not batches or item.tokens > left:
            batches.append([])
            left = tokens_max
        batches[-1].append(item)
        left -= item.tokens
    ends = [*(batch[-1].seq for batch in batches[:-1]), end]
    return [Piece(batch, last) for batch, last in zip(batches, ends, strict=False)]
