"""A conversation whose contexts are assembled turn by turn, over a memory that finds what it is told to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from msgspec.structs import replace

from multiturn.engine.window.assemble import Assembler
from multiturn.engine.window.budget import Budget, find_low_water
from multiturn.engine.window.cache import WindowCache
from multiturn.engine.window.messages import list_messages
from multiturn.engine.window.pairs import NO_RESULT
from multiturn.engine.window.question import Question, RecallPlan
from multiturn.engine.window.tokens import count_tokens
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning, Summary
from multiturn.model.context import Context, ContextRecord, Plan
from multiturn.model.item import Item, Range
from multiturn.model.listing import EVERYTHING, Span
from multiturn.model.policy import OverflowStrategy
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.session import Session

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INSTRUCTIONS = '[{"role":"system","content":"Be brief."},{"role":"developer","content":"In English."}]'
ROOMY = 10**6


class MemoryItems:
    """Items in memory."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.read = 0

    async def load(self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range]) -> Sequence[Item]:
        items = [item for range_ in ranges for item in self.items[range_.first - 1 : range_.last]]
        self.read += len(items)
        return items

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
        items = [item for range_ in ranges for item in self.items[range_.first - 1 : range_.last]]
        items = (items[::-1] if newest_first else items)[:limit]
        self.read += len(items)
        return items

    async def load_at(self, tenant_id: UUID, session_id: UUID, seqs: Sequence[int]) -> Sequence[Item]:
        return [self.items[seq - 1] for seq in seqs]


class MemoryContexts:
    """What was recalled and summarized, in memory."""

    def __init__(self) -> None:
        self.blocks: dict[int, RetrievedContext] = {}
        self.pending: Summary | None = None

    async def find_retrieved(self, tenant_id: UUID, run_id: UUID) -> RetrievedContext | None:
        return None

    async def find_record(self, tenant_id: UUID, run_id: UUID) -> ContextRecord | None:
        return None

    async def load_blocks(
        self, tenant_id: UUID, session_id: UUID, ranges: Sequence[Range]
    ) -> dict[int, RetrievedContext]:
        held = range(0) if not ranges else range(ranges[0].first, ranges[-1].last + 1)
        return {seq: found for seq, found in self.blocks.items() if seq in held}

    async def find_pending(self, tenant_id: UUID, session_id: UUID) -> Summary | None:
        return self.pending

    async def save_pending(self, tenant_id: UUID, session_id: UUID, summary: Summary) -> None:
        self.pending = summary


class WordyMemory:
    """Recalls as many words as it may, about the turn that asks."""

    def __init__(self, share: float = 1.0) -> None:
        self.share = share
        self.questions: list[Question] = []

    async def holds(self, session: Session, path: tuple[Range, ...], cut: int, plan: RecallPlan) -> bool:
        return plan.finds_past and cut > 1

    async def recall(self, question: Question) -> RetrievedContext | None:
        self.questions.append(question)
        words = int(question.tokens_max * self.share * 4) // len("recall ")
        if not words:
            return None
        text = "recall " * words
        snippet = Snippet(source="session", text=text, seq=1, start=0, end=len(question.path))
        return RetrievedContext(query="", snippets=(snippet,), block=text)


@dataclass
class Conversation:
    """A session whose turns are assembled twice: continued from the cache, and rebuilt from the store.

    Summaries come when ``summarizes``, ahead of need, of everything that stands in the window by then.
    """

    tokens_max: int = ROOMY
    instructions: str | None = None
    overflow: OverflowStrategy = "truncate"
    recall_tokens: int = 0
    summarizes: bool = False
    memory: WordyMemory = field(default_factory=WordyMemory)
    items: MemoryItems = field(default_factory=MemoryItems)
    contexts: MemoryContexts = field(default_factory=MemoryContexts)

    def __post_init__(self) -> None:
        self.warm = self.make_assembler()
        self.session = Session(
            id=UUID(int=1),
            tenant_id=UUID(int=2),
            user_id=UUID(int=3),
            external_id=None,
            created_at=NOW,
            active_at=NOW,
            instructions=self.instructions,
        )

    def make_assembler(self) -> Assembler:
        """An assembler that has seen nothing yet."""
        return Assembler(self.items, self.contexts, self.memory, WindowCache(bytes_max=ROOMY))

    @property
    def budget(self) -> Budget:
        """What each turn may show."""
        recall = RecallPlan(tokens_max=self.recall_tokens, finds_past=self.overflow == "adaptive")
        return Budget(
            tokens_max=self.tokens_max,
            overflow=self.overflow,
            recall=recall,
            low_water=find_low_water(self.overflow, self.tokens_max),
        )

    async def show(self, *contents: Content) -> Context:
        """Show the model what a turn with this input shows it."""
        plan = Plan(path=self.session.path, input=contents)
        tokens = tuple(map(count_tokens, contents))
        context = await self.warm.assemble(self.session, plan, self.budget, tokens)
        cold = await self.make_assembler().assemble(self.session, plan, self.budget, tokens)
        assert bytes(cold.messages) == bytes(context.messages)
        assert (cold.record, cold.is_closed) == (context.record, context.is_closed)
        return context

    def answer(self, context: Context, asked: Sequence[Content], said: Sequence[Content]) -> None:
        """Store the turn as it ends."""
        summary = (context.summary,) if context.summary and context.is_new_summary else ()
        first_input = len(self.items.items) + len(summary) + 1
        for content in (*summary, *asked, *said):
            seq, tokens = len(self.items.items) + 1, count_tokens(content)
            item = Item(seq=seq, run_id=UUID(int=4), content=content, tokens=tokens, created_at=NOW)
            self.items.items.append(item)
        if context.retrieved and context.block_at is not None:
            self.contexts.blocks[first_input + context.block_at] = context.retrieved
        head = len(self.items.items)
        path = (Range(1, head),)
        self.session = replace(self.session, head=head, path=path, cut=context.cut, shown=context.shown)
        self.warm.keep(context, path, said, sum(map(count_tokens, said)))
        if context.is_new_summary:
            self.contexts.pending = None
        if self.summarizes and context.tokens > self.tokens_max * 0.75 and self.contexts.pending is None:
            self.contexts.pending = Summary(text=f"What was said up to {head}. " * 3, first=1, last=head, model="m")

    async def turn(self, asked: Sequence[Content], said: Sequence[Content]) -> Context:
        """Take a turn."""
        context = await self.show(*asked)
        self.answer(context, asked, said)
        return context


def read(context: Context) -> list[dict[str, Any]]:
    """The messages of a context."""
    messages: list[dict[str, Any]] = json.loads(bytes(context.messages))
    return messages


def user(text: str) -> Message:
    """Something that a user says."""
    return Message("user", text)


def model(text: str) -> Message:
    """Something that the model says."""
    return Message("assistant", text)


def call(name: str, call_id: str | None = None) -> FunctionCall:
    """A call of a tool."""
    return FunctionCall(call_id or name, name, "{}")


def result(name: str, output: str = "done") -> FunctionCallOutput:
    """What a tool answers."""
    return FunctionCallOutput(name, output)


def part_tokens(context: Context, kind: str) -> int:
    """What a kind of part takes."""
    return sum(part.tokens for part in context.record.parts if part.kind == kind)


MARKED = "left out here"
MARK = MARKED.encode()


@dataclass(frozen=True)
class Exchange:
    """The input of a turn, and what the model said to it."""

    asked: list[Content]
    said: list[Content]


TEXTS = st.builds(lambda word, times: word * times, st.sampled_from(["word ", "日本語 ", "x"]), st.integers(0, 120))
LONG_TEXTS = st.builds(lambda times: "long words " * times, st.integers(100, 2000))


@st.composite
def exchanges(draw: st.DrawFn) -> list[Exchange]:
    """Turns with tool calls, parallel ones too; their results come with the next turn, in any order, some never.

    A provider may use its call ids once, or again and again; a client may bring calls of its own.
    """
    reuses_ids = draw(st.booleans())
    turns: list[Exchange] = []
    open_ids: list[str] = []
    for turn in range(draw(st.integers(1, 8))):
        given_ids = [id_ for id_ in draw(st.permutations(open_ids)) if draw(st.integers(0, 5))]
        asked: list[Content] = [result(id_, f"result of turn {turn} for {id_}") for id_ in given_ids]
        if draw(st.integers(0, 5)) == 0:
            own = FunctionCall(f"own_{turn}", "look", json.dumps({"turn": turn - 1}))
            asked += [user("look"), own, result(own.call_id, f"result of turn {turn} for own")]
        if not asked or draw(st.integers(0, 3)) == 0:
            text = draw(st.one_of(TEXTS, TEXTS, TEXTS, LONG_TEXTS))
            parts = [{"type": "text", "text": text}]
            asked.append(Message("user", parts if draw(st.booleans()) else text))
        said: list[Content] = [Reasoning("hm")] if draw(st.booleans()) else []
        count = draw(st.sampled_from([0, 0, 1, 1, 2, 3]))
        if not count or draw(st.booleans()):
            said.append(model(draw(TEXTS)))
        open_ids = [f"call_{place}" if reuses_ids else f"call_{turn}_{place}" for place in range(count)]
        said += [FunctionCall(id_, "look", json.dumps({"turn": turn})) for id_ in open_ids]
        turns.append(Exchange(asked, said))
    return turns


BUDGETS = st.one_of(st.integers(300, 1500), st.just(ROOMY))
HEADS = st.sampled_from([None, INSTRUCTIONS])


def check_strict(messages: Sequence[dict[str, Any]]) -> None:
    """Refuse what the strictest provider refuses: a result without its call directly before it, an open call."""
    open_ids: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_ids, messages
            open_ids.remove(message["tool_call_id"])
            continue
        assert not open_ids, messages
        open_ids = [made["id"] for made in message.get("tool_calls", ())]
        assert len(set(open_ids)) == len(open_ids), messages
    assert not open_ids, messages


def check_results_fit(messages: Sequence[dict[str, Any]]) -> None:
    """Each result stands with the call of the turn before it, though other calls may have the same id."""
    turns: dict[str, int] = {}
    for message in messages:
        turns |= {
            call["id"]: json.loads(call["function"]["arguments"])["turn"] for call in message.get("tool_calls", ())
        }
        if message["role"] == "tool" and message["content"] != NO_RESULT:
            assert message["content"].startswith(f"result of turn {turns[message['tool_call_id']] + 1} "), messages


def check_newest(messages: Sequence[dict[str, Any]], asked: Sequence[Content]) -> None:
    """What was asked is there, the user's words last; of one that is too long the beginning and the end."""
    shown = [message.get("content") for message in messages]
    for message in list_messages(asked):
        said = text_of(message["content"])
        assert any(is_shortened(said, text_of(other)) for other in shown), (message, messages)
    if isinstance(asked[-1], Message):
        assert messages[-1]["role"] == "user"


def text_of(said: Any) -> str:
    return said[0]["text"] if isinstance(said, list) else said or ""


def is_shortened(whole: str, shown: str) -> bool:
    if MARKED not in shown:
        return whole == shown
    before, _, after = shown.partition("\n[…")
    return whole.startswith(before) and whole.endswith(after.partition("…]\n")[2])
