"""Rolling summaries, made ahead of need and behind the turns: what stands in a context for what was cut.

A summary is asked of the session's own model with the request that it has just answered and one message more, so that
the provider's prefix cache holds nearly all of it. What no longer stands in the window is read in pieces that fit.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from msgspec import Raw, Struct

from multiturn.engine.contexts import Assembled
from multiturn.engine.ports import ContextStore, ItemStore, Upstream
from multiturn.engine.window.head import count_summary
from multiturn.engine.window.messages import write_messages
from multiturn.engine.window.shown import clip, is_on, read_speaker, read_text
from multiturn.engine.window.tokens import count_text
from multiturn.engine.window.truncate import cut_middle
from multiturn.errors import MultiturnError, RateLimited
from multiturn.model.completion import ModelRequest
from multiturn.model.content import Content, Message, Reasoning, Summary
from multiturn.model.item import Item, Range
from multiturn.model.session import Session
from multiturn.model.turn import TurnOrder
from multiturn.observe import Metrics

# A summary takes at most this share of the budget, and no more than these tokens.
SUMMARY_SHARE = 1 / 8
SUMMARY_TOKENS_MAX = 1024
SUMMARY_TOKENS_MIN = 48
# A piece of what no longer stands in the window takes this share of the budget; so many are read behind one turn.
PIECE_SHARE = 0.5
PIECES_MAX = 8
# After failures in a row nobody is asked for a while: 5, 10, 20 … seconds, at most five minutes.
USELESS_MAX = 10_000
PAUSE_S, PAUSE_MAX_S = 5.0, 300.0
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


class Summaries:
    """Makes summaries. At most one is made for a session at a time: the caller sees to it."""

    def __init__(
        self, upstream: Upstream, items: ItemStore, store: ContextStore, metrics: Metrics, *, model: str | None
    ) -> None:
        self.upstream = upstream
        self.items = items
        self.store = store
        self.metrics = metrics
        self.model = model
        self.failures = 0
        self.resumes_at = 0.0
        self.useless: OrderedDict[UUID, int] = OrderedDict()

    async def make(self, source: Source, *, reads_window: bool) -> None:
        """Make the summary that the next cut will need, unless it is there: of what was left out, and of the window
        where that is nearly full.

        A failure is counted and costs nobody anything: the cut then happens without it.
        """
        if self.useless.get(source.session.id) == source.assembled.context.cut:
            # What the model wrote of this window was no shorter than the window: it will not do better now.
            return
        if time.monotonic() < self.resumes_at:
            self.metrics.summaries.labels("skipped").inc()
            return
        try:
            summary = await self._make(source, reads_window=reads_window)
        except RateLimited:
            # Turns come first; behind the next one there may be time.
            self.metrics.summaries.labels("deferred").inc()
            return
        except MultiturnError:
            self.failures += 1
            self.resumes_at = time.monotonic() + min(PAUSE_S * 2 ** (self.failures - 1), PAUSE_MAX_S)
            self.metrics.summaries.labels("failed").inc()
            return
        self.failures = 0
        if summary:
            await self.store.save_pending(source.session.tenant_id, source.session.id, summary)

    async def _make(self, source: Source, *, reads_window: bool) -> Summary | None:
        """What was left out first, in pieces; then the window as it is shown."""
        session, context = source.session, source.assembled.context
        known = await self.store.find_pending(session.tenant_id, session.id)
        if known is None or not is_on(source.path, known.last):
            known = context.summary
        first = source.path[0].first
        covered = known.last if known else first - 1
        if covered + 1 < context.cut:
            return await self._read_pieces(source, known, Range(covered + 1, context.cut - 1))
        if not reads_window or covered >= context.cut:
            # One made of this window is there: it waits for the cut.
            return None
        return await self._read_window(source, known, first)

    async def _read_window(self, source: Source, known: Summary | None, first: int) -> Summary | None:
        """Summarize what the model is shown, from the request that it has just answered."""
        context = source.assembled.context
        earlier = known if known and known != context.summary else None
        tokens_max = measure_summary(source)
        question = Message("user", write_question(tokens_max, earlier))
        shown = bytes(context.messages)[:-1]
        parts = [part for part in (write_messages(source.output), write_messages([question])) if part]
        messages = Raw(b",".join([shown, *parts]) + b"]")
        text = await self._ask(source, messages, tokens_max)
        summary = Summary(text=text, first=first, last=source.path[-1].last, model=self._model(source))
        judged = self._judge(summary, context.body_tokens + count_summary(known))
        if judged is None:
            self._remember_useless(source)
        return judged

    async def _read_pieces(self, source: Source, known: Summary | None, range_: Range) -> Summary | None:
        """Summarize what was cut before a summary of it was there, piece by piece; the rest behind the next turn."""
        session, budget = source.session, source.assembled.budget
        tokens_max = measure_summary(source)
        piece_max = max(int(budget.tokens_max * PIECE_SHARE) - tokens_max - count_summary(known), SUMMARY_TOKENS_MIN)
        ranges = [part for part in clip(source.path, range_.first) if part.first <= range_.last]
        ranges = [Range(part.first, min(part.last, range_.last), part.session_id) for part in ranges]
        made = None
        items = await self.items.list_items(
            session.tenant_id, session.id, ranges, limit=PIECES_MAX * 64, newest_first=False
        )
        for piece in cut_pieces(items, piece_max)[:PIECES_MAX]:
            text = "\n".join(write_line(item, piece_max) for item in piece)
            question = Message("user", f"{text}\n\n{write_question(tokens_max, known)}")
            messages = Raw(b"[" + write_messages([question]) + b"]")
            said = await self._ask(source, messages, tokens_max)
            summary = Summary(text=said, first=source.path[0].first, last=piece[-1].seq, model=self._model(source))
            judged = self._judge(summary, count_text(text) + count_summary(known))
            if judged is None:
                self._remember_useless(source)
                break
            made = known = judged
        return made

    async def _ask(self, source: Source, messages: Raw, tokens_max: int) -> str:
        """Ask the model for a summary. Raises what the upstream raises, and Unavailable for an empty answer."""
        fields = {
            name: source.assembled.speaker.fields[name]
            for name in ("tools",)
            if name in source.assembled.speaker.fields
        }
        if fields:
            # The same tools stand in front of the cached prefix; none of them is to be called.
            fields["tool_choice"] = Raw(b'"none"')
        request = ModelRequest(
            model=self._model(source),
            messages=messages,
            fields={**fields, "max_tokens": Raw(str(tokens_max * 2).encode())},
            cache_key=str(source.session.id),
            is_background=True,
        )
        return ((await self.upstream.complete(request)).text or "").strip()

    def _remember_useless(self, source: Source) -> None:
        """Do not ask again before the next cut."""
        self.useless[source.session.id] = source.assembled.context.cut
        if len(self.useless) > USELESS_MAX:
            self.useless.popitem(last=False)

    def _model(self, source: Source) -> str:
        """Which model writes it: the one that is set, else the session's own."""
        return self.model or source.order.model

    def _judge(self, summary: Summary, source_tokens: int) -> Summary | None:
        """Throw a summary away that says nothing or is not shorter than what it stands for."""
        if not summary.text or count_summary(summary) >= source_tokens:
            self.metrics.summaries.labels("too_long").inc()
            return None
        self.metrics.summaries.labels("made").inc()
        return summary


def measure_summary(source: Source) -> int:
    """How long a summary may be, in tokens."""
    share = int(source.assembled.budget.tokens_max * SUMMARY_SHARE)
    return max(SUMMARY_TOKENS_MIN, min(share, SUMMARY_TOKENS_MAX))


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


def cut_pieces(items: Sequence[Item], tokens_max: int) -> list[list[Item]]:
    """Items with a text in batches that fit together; one that is larger is a batch of its own."""
    pieces: list[list[Item]] = []
    left = 0
    for item in items:
        if isinstance(item.content, Reasoning | Summary) or not read_text(item.content):
            continue
        if not pieces or item.tokens > left:
            pieces.append([])
            left = tokens_max
        pieces[-1].append(item)
        left -= item.tokens
    return pieces
