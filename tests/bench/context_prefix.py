"""What a prefix cache holds of the prompts of real conversations, replayed through the assembler.

Only the lengths of what was said are known: the texts stand for them, four bytes a token, no two alike.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any
from uuid import UUID

from msgspec import json
from msgspec.structs import replace

from multiturn.engine.window.assemble import Assembler
from multiturn.engine.window.budget import RECALL_SHARE, RECALL_TOKENS_MAX, Budget, find_low_water
from multiturn.engine.window.cache import WindowCache
from multiturn.engine.window.head import write_summary
from multiturn.engine.window.question import Question, RecallPlan
from multiturn.engine.window.tokens import BYTES_PER_TOKEN, FRAME_TOKENS, count_text
from multiturn.model.content import Content, Message, Summary
from multiturn.model.context import Context, Plan
from multiturn.model.item import Item, Range
from multiturn.model.policy import OverflowStrategy
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.session import Session
from tests.bench.context_policies import POLICIES, SYSTEM_TOKENS, Hits, Lengths, Policy, read_lengths, round_down
from tests.bench.context_policies import replay_simply as replay
from tests.unit.conversations import NOW, MemoryContexts, MemoryItems

Figures = dict[str, Any]
FILE = Path("lengths/sessions.jsonl.gz")
BUDGETS = (2000, 4000, 8000)
# A summary is made when a context is so full (engine/upkeep.py).
SUMMARIZE_AT = 0.75
SAMPLE_EVERY = 40
LOW_WATERS = (0.0, 0.125, 0.25, 0.375, 0.5)
CACHE_BYTES = 1 << 20
HEAD = '[{"role":"system","content":""}]'
INSTRUCTIONS = HEAD.replace('""', '"' + "s" * (SYSTEM_TOKENS * BYTES_PER_TOKEN - len(HEAD)) + '"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How contexts are made: like the server's, but for the low-water mark, and for what each turn after a cut recalls;
    of every ten turns so many recall nothing. ``summary_tokens`` are those of each summary, 0 for none.
    """

    overflow: OverflowStrategy = "adaptive"
    low_water: float | None = None
    recall_tokens: int = 0
    silent_of_ten: int = 0
    summary_tokens: int = 0

    def budget(self, tokens_max: int) -> Budget:
        """What each turn may show."""
        low_water = find_low_water(self.overflow, tokens_max) if self.low_water is None else self.low_water
        recall = RecallPlan(tokens_max=self.recall_tokens, finds_past=True)
        return Budget(tokens_max=tokens_max, overflow=self.overflow, recall=recall, low_water=low_water)


class FullMemory:
    """Recalls as much as it may, in some of ten turns nothing; what it recalls for two turns differs."""

    def __init__(self, silent_of_ten: int) -> None:
        self.silent_of_ten = silent_of_ten

    async def holds(self, session: Session, path: tuple[Range, ...], cut: int, plan: RecallPlan) -> bool:
        """Whether something was cut."""
        return cut > 1

    async def recall(self, question: Question) -> RetrievedContext | None:
        """Recall what fills the tokens."""
        # Spread over the turns: of the first ten multiples of 7, each ends in another digit.
        if question.session.head * 7 // 2 % 10 < self.silent_of_ten:
            return None
        text = f"{question.session.head:04d}".ljust(question.tokens_max * BYTES_PER_TOKEN, "r")
        return RetrievedContext(query="", block=text)


class Replayed:
    """One conversation whose contexts the assembler makes, continued from turn to turn as the server does."""

    def __init__(self, way: Way, tokens_max: int) -> None:
        self.way = way
        self.budget = way.budget(tokens_max)
        self.items = MemoryItems()
        self.contexts = MemoryContexts()
        cache = WindowCache(bytes_max=CACHE_BYTES)
        self.assembler = Assembler(self.items, self.contexts, FullMemory(way.silent_of_ten), cache)
        self.session = Session(
            id=UUID(int=1),
            tenant_id=UUID(int=2),
            user_id=UUID(int=3),
            external_id=None,
            created_at=NOW,
            active_at=NOW,
            instructions=INSTRUCTIONS,
        )
        self.cuts = 0
        self.recalled_tokens = 0

    async def run(self, lengths: Lengths) -> list[tuple[Context, Message | None]]:
        """Take all turns: their contexts, each with its answer, None where the conversation ends with a question."""
        turns = []
        for asked, said in list_turns(lengths):
            plan = Plan(path=self.session.path, input=(asked[0],))
            context = await self.assembler.assemble(self.session, plan, self.budget, (asked[1],))
            self.cuts += context.cut != self.session.cut
            self.recalled_tokens += context.retrieved.tokens if context.retrieved else 0
            turns.append((context, said[0] if said else None))
            if said:
                self._store(context, [asked, said])
        return turns

    def _store(self, context: Context, exchange: Sequence[tuple[Message, int]]) -> None:
        """Store a turn as it ends."""
        held = self.items.items
        new: list[tuple[Content, int]] = list(exchange)
        if context.summary and context.is_new_summary:
            new.insert(0, (context.summary, self.way.summary_tokens))
            self.contexts.pending = None
        for content, tokens in new:
            seq = len(held) + 1
            held.append(Item(seq=seq, run_id=UUID(int=4), content=content, tokens=tokens, created_at=NOW))
        if context.retrieved:
            self.contexts.blocks[len(held) - 1] = context.retrieved
        path = (Range(1, len(held)),)
        self.session = replace(self.session, head=len(held), path=path, cut=context.cut, shown=context.shown)
        answer, tokens = exchange[-1]
        self.assembler.keep(context, path, [answer], tokens)
        if self.way.summary_tokens:
            self._summarize(context)

    def _summarize(self, context: Context) -> None:
        """Make the summary that the next cut needs, as the server does behind the turn."""
        if self.contexts.pending is not None:
            return
        covered = context.summary.last if context.summary else 0
        last = None
        if covered + 1 < context.cut:
            last = context.cut - 1
        elif context.tokens > self.budget.tokens_max * SUMMARIZE_AT:
            last = self.session.head
        if last:
            frame = len(write_summary(Summary("", 1, 1)))
            text = f"{last:06d}".ljust((self.way.summary_tokens - FRAME_TOKENS) * BYTES_PER_TOKEN - frame, "s")
            self.contexts.pending = Summary(text=text, first=1, last=last)


def list_turns(lengths: Lengths) -> Iterator[tuple[tuple[Message, int], tuple[Message, int] | None]]:
    """The questions and their answers, each with its tokens."""
    said = [
        (Message("user" if role == "u" else "assistant", f"{place:04d}".ljust((cost - FRAME_TOKENS) * 4, "x")), cost)
        for place, (role, cost) in enumerate(zip(lengths.roles, lengths.costs, strict=True))
    ]
    for place in range(0, len(said), 2):
        yield said[place], said[place + 1] if place + 1 < len(said) else None


def add_hits(turns: Sequence[tuple[Context, Message | None]]) -> Hits:
    """What a cache held, by what the records say; it holds the instructions before the first request."""
    total = Hits()
    for place, (context, _) in enumerate(turns):
        parts = context.record.parts
        is_held = [part.is_reused or (not place and part.kind == "instructions") for part in parts]
        held = sum(part.tokens for part, one in zip(parts, is_held, strict=True) if one)
        total = total.add(Hits(round_down(held), context.tokens))
    return total


def add_bytes(turns: Sequence[tuple[Context, Message | None]]) -> Hits:
    """The same by the bytes of the requests."""
    total, before = Hits(), [("system", json.decode(INSTRUCTIONS)[0]["content"])]
    for context, said in turns:
        messages = [(one["role"], one["content"]) for one in json.decode(context.messages)]
        total = total.add(Hits(round_down(count_common(before, messages)), sum(map(count_message, messages))))
        before = [*messages, ("assistant", str(said.content))] if said else messages
    return total


def count_common(before: Sequence[tuple[str, str]], messages: Sequence[tuple[str, str]]) -> int:
    """The tokens that two requests begin with in common, the last message of them perhaps in part."""
    common = 0
    for one, other in zip(before, messages, strict=False):
        if one != other:
            pairs = enumerate(zip(one[1], other[1], strict=False))
            same = next((place for place, (a, b) in pairs if a != b), min(len(one[1]), len(other[1])))
            return common + (same // BYTES_PER_TOKEN if one[0] == other[0] else 0)
        common += count_message(other)
    return common


def count_message(message: tuple[str, str]) -> int:
    """The tokens of a message: the instructions' frame is counted as it is written."""
    role, text = message
    frame = -(-len(HEAD) // BYTES_PER_TOKEN) if role == "system" else FRAME_TOKENS
    return frame + count_text(text)


def list_ways(tokens_max: int) -> Mapping[str, Way]:
    """Our ways, by what is measured with them."""
    own = min(int(tokens_max * RECALL_SHARE), RECALL_TOKENS_MAX)
    ways = {
        "truncate": Way(overflow="truncate"),
        "adaptive, no recall": Way(),
        "adaptive, recall of 512 in every turn": Way(recall_tokens=512),
        "adaptive, recall of 256 in every turn": Way(recall_tokens=256),
        "adaptive, the server's own recall in every turn": Way(recall_tokens=own),
        "the same, 3 of 10 turns recall nothing": Way(recall_tokens=own, silent_of_ten=3),
        "the same, 5 of 10 turns recall nothing": Way(recall_tokens=own, silent_of_ten=5),
        "the same, 7 of 10 turns recall nothing": Way(recall_tokens=own, silent_of_ten=7),
        "adaptive, no recall, summaries of 256": Way(summary_tokens=256),
        "adaptive, recall of 512, summaries of 256": Way(recall_tokens=512, summary_tokens=256),
        "adaptive, 5 of 10 recall nothing, summaries of 256": Way(
            recall_tokens=own, silent_of_ten=5, summary_tokens=256
        ),
    }
    for low_water in LOW_WATERS:
        ways[f"recall of 512, low-water mark {low_water}"] = Way(recall_tokens=512, low_water=low_water)
    for recall_tokens in (256, 512):
        # As the simple policies count it: what is recalled at the cut, and the instructions, stand in the quarter.
        left = max(tokens_max / 4 - SYSTEM_TOKENS - recall_tokens, 0) / (tokens_max - SYSTEM_TOKENS)
        way = Way(recall_tokens=recall_tokens, low_water=left)
        ways[f"recall of {recall_tokens}, a quarter with it and the instructions"] = way
    return ways


async def measure_prefix(data: Path, *, every: int = 1) -> Figures:
    """The share of prompt tokens that a prefix cache holds: simple policies, simulated, and ours, replayed."""
    sessions = read_lengths(data / FILE)[::every]
    whole = {"no budget, whole history": replay(sessions, Policy(), inf)}
    figures: Figures = {
        "sessions": len(sessions),
        "turns": sum(lengths.roles.count("u") for lengths in sessions),
        "tokens": "as counted in the data, 4 of framing a message, instructions of 400",
        **whole,
    }
    for tokens_max in BUDGETS:
        print(f"prefix: replaying at a budget of {tokens_max} ...", file=sys.stderr)
        figures[f"budget_{tokens_max}"] = {
            "simple": {name: replay(sessions, policy, tokens_max) for name, policy in POLICIES.items()},
            "ours": await replay_ways(sessions, tokens_max),
        }
    return figures


async def replay_ways(sessions: Sequence[Lengths], tokens_max: int) -> Figures:
    """Replay each session in all ways; one that never fills a context is the same in all of them."""
    ways = list_ways(tokens_max)
    totals, counts = dict.fromkeys(ways, Hits()), {name: [0, 0] for name in ways}
    sampled, of_bytes = Hits(), Hits()
    for number, lengths in enumerate(sessions):
        is_roomy = SYSTEM_TOKENS + lengths.size_after(len(lengths.tokens)) <= tokens_max * SUMMARIZE_AT
        hits = Hits()
        for place, (name, way) in enumerate(ways.items()):
            if not place or not is_roomy:
                replayed = Replayed(way, tokens_max)
                turns = await replayed.run(lengths)
                hits = add_hits(turns)
                counts[name][0] += replayed.cuts
                counts[name][1] += replayed.recalled_tokens
                if number % SAMPLE_EVERY == 0:
                    sampled, of_bytes = sampled.add(hits), of_bytes.add(add_bytes(turns))
            totals[name] = totals[name].add(hits)
    return {
        **{
            name: {"share": totals[name].share, "cuts": cuts, "recalled_tokens": recalled}
            for name, (cuts, recalled) in counts.items()
        },
        "checked_on_a_sample": {"by_records": sampled.share, "by_bytes": of_bytes.share},
    }
