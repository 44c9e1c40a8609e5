"""Evidence in the contexts of the LoCoMo benchmark: store, index, embedder and assembler as the server has them.

Each conversation is one session, each question its next turn; tokens are the server's estimate.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any
from uuid import UUID

from msgspec import json
from msgspec.structs import replace

from multiturn.engine.embedders import Embedders
from multiturn.engine.grounding.sources import Sources
from multiturn.engine.knowledge import Knowledge
from multiturn.engine.ports import Embedder
from multiturn.engine.recall import Recall, Searched
from multiturn.engine.session_index import SessionIndexes
from multiturn.engine.window.assemble import Assembler
from multiturn.engine.window.budget import Budget, Budgets
from multiturn.engine.window.cache import WindowCache
from multiturn.engine.window.question import RecallPlan
from multiturn.engine.window.tokens import TokenRatios, count_tokens
from multiturn.model.content import Message
from multiturn.model.context import Context, Plan
from multiturn.model.ids import new_id
from multiturn.model.item import Item, Range
from multiturn.model.policy import ContextPolicy, OverflowStrategy
from multiturn.model.session import Session
from multiturn.observe import Metrics
from multiturn.store.contexts import SqlContextStore
from multiturn.store.keys import SqlKeyStore
from multiturn.store.knowledge import SqlKnowledgeStore
from multiturn.store.sessions import SqlItemStore, SqlSessionStore
from multiturn.store.sqlite import SqliteDatabase
from multiturn.store.stores import SqlStoreRegistry
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.model_files import ModelFiles, find_shared_dir
from tests.bench.locomo import Conversation, Question, read_conversations
from tests.bench.recall import CATEGORIES, FILE, wait_for

Figures = dict[str, Any]
ROOMY = 10**6
WINDOW_CACHE_BYTES = 64 * 1024 * 1024


def read_clock() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What assembles contexts, as the server puts it together, over one SQLite file."""

    sessions: SqlSessionStore
    items: SqlItemStore
    contexts: SqlContextStore
    searched: Searched
    embedders: Embedders
    metrics: Metrics
    tenant_id: UUID
    user_id: UUID
    path: Path

    def open_indexes(self) -> SessionIndexes:
        """Indexes of sessions of which nothing is in memory."""
        return SessionIndexes(self.items, self.contexts, self.embedders, self.metrics)

    def open_recall(self, indexes: SessionIndexes) -> Recall:
        """Recall over these indexes."""
        return Recall(self.items, indexes, self.searched, self.embedders, self.metrics)

    def open_assembler(self, indexes: SessionIndexes) -> Assembler:
        """An assembler that has seen nothing yet."""
        cache = WindowCache(bytes_max=WINDOW_CACHE_BYTES)
        return Assembler(self.items, self.contexts, self.open_recall(indexes), cache)

    async def store(self, said: Sequence[tuple[Message, datetime]]) -> Session:
        """Store messages as a session."""
        items = [
            Item(seq=seq, run_id=new_id(), content=content, tokens=count_tokens(content), created_at=said_at)
            for seq, (content, said_at) in enumerate(said, start=1)
        ]
        session = Session(
            id=new_id(),
            tenant_id=self.tenant_id,
            user_id=self.user_id,
            external_id=None,
            created_at=items[0].created_at,
            active_at=read_clock(),
            head=len(items),
            path=(Range(1, len(items)),),
        )
        await self.sessions.create(self.tenant_id, session, items)
        return session


@asynccontextmanager
async def open_rig(embedder: Embedder | None, *, folder: Path | None = None) -> AsyncGenerator[Rig]:
    """Open the stores in a temporary folder, of the disk that is named or of the machine's own."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".bench-") as held:
        database = SqliteDatabase(Path(held) / "multiturn.db")
        try:
            await database.migrate()
            tenant = await SqlKeyStore(database).ensure_tenant("bench", read_clock())
            embedders = Embedders(embedder)
            knowledge = Knowledge(SqlKnowledgeStore(database), read_clock, embedders)
            yield Rig(
                sessions=SqlSessionStore(database),
                items=SqlItemStore(database),
                contexts=SqlContextStore(database),
                searched=Searched(knowledge, Sources(knowledge, SqlStoreRegistry(database))),
                embedders=embedders,
                metrics=Metrics(),
                tenant_id=tenant.id,
                user_id=tenant.default_user_id,
                path=database.path,
            )
        finally:
            await database.close()


async def prepare(indexes: SessionIndexes, session: Session) -> None:
    """Index all that was said, and make its vectors."""
    await indexes.prepare(session, session.path, session.head + 1)
    while await indexes.embed_due():
        pass


def make_budget(tokens_max: int, overflow: OverflowStrategy = "adaptive") -> Budget:
    """The server's own budget of so many tokens."""
    budgets = Budgets(ratios=TokenRatios(), context_tokens=ROOMY, default_tokens=ROOMY)
    policy = ContextPolicy(token_budget=tokens_max, overflow=overflow)
    return budgets.plan("m", policy, window=None, output_max=None, owners=())


def share_out(tokens_max: int, *, low_water: float, recall_tokens: int) -> Budget:
    """A budget with other shares for recent turns and for recall."""
    recall = RecallPlan(tokens_max=recall_tokens, finds_past=True)
    return replace(make_budget(tokens_max), low_water=low_water, recall=recall)


WAYS: Mapping[str, Budget] = {
    "truncation, all recent, 4000": replace(make_budget(4000, "truncate"), low_water=1.0),
    "truncation, the server's, 4000": make_budget(4000, "truncate"),
    "half recent, half recall, 4000": share_out(4000, low_water=0.5, recall_tokens=2000),
    "recall only, 4000": share_out(4000, low_water=0.0, recall_tokens=4000),
    "the server's defaults, 4000": make_budget(4000),
    "the server's defaults, 8000": make_budget(8000),
    "low-water mark an eighth, recall 500, 4000": share_out(4000, low_water=0.125, recall_tokens=500),
    "low-water mark a quarter, recall 1000, 4000": share_out(4000, low_water=0.25, recall_tokens=1000),
    "low-water mark a quarter, recall 512, 8000": share_out(8000, low_water=0.25, recall_tokens=512),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a question's context shows of its evidence, in which way, with its tokens."""

    way: str
    category: int
    share: float
    tokens: int
    recalled_tokens: int


async def measure_evidence(data: Path) -> Figures:
    """The share of the evidence whose text is in the assembled context, means over the questions."""
    files = ModelFiles(Path(tempfile.gettempdir()), shared_dir=find_shared_dir(os.environ))
    shown: list[Shown] = []
    async with open_embedder(EmbeddingsChoice(), files) as embedder:
        if embedder is None:
            raise RuntimeError("embeddings are switched off")
        await wait_for(embedder.embed, ["ready?"])
        async with open_rig(embedder) as rig:
            for number, conversation in enumerate(read_conversations(data / FILE), start=1):
                print(f"evidence: conversation {number} ...", file=sys.stderr)
                shown += await ask_all(rig, conversation)
    return {
        "tokens": "four bytes each, 4 of framing a message",
        "embedder": embedder.model,
        "questions": len(shown) // len(WAYS),
        **{name: rate([one for one in shown if one.way == name]) for name in WAYS},
    }


async def ask_all(rig: Rig, conversation: Conversation) -> list[Shown]:
    """Ask every question of a conversation in every way."""
    first = conversation.turns[0].speaker
    said = [
        (Message("user" if turn.speaker == first else "assistant", turn.text, {"name": turn.speaker}), turn.said_at)
        for turn in conversation.turns
    ]
    session = await rig.store([(message, said_at.replace(tzinfo=UTC)) for message, said_at in said])
    indexes = rig.open_indexes()
    await prepare(indexes, session)
    assembler = rig.open_assembler(indexes)
    texts = [turn.text for turn in conversation.turns]
    shown = []
    for name, budget in WAYS.items():
        for question in conversation.questions:
            asked = Message("user", question.text)
            plan = Plan(path=session.path, input=(asked,))
            context = await assembler.assemble(session, plan, budget, (count_tokens(asked),))
            shown.append(note(name, question, context, texts))
    return shown


def note(way: str, question: Question, context: Context, texts: Sequence[str]) -> Shown:
    """How much of the evidence stands in a context; the question itself is none."""
    messages = [str(message["content"]) for message in json.decode(context.messages)]
    messages[-1] = messages[-1].removesuffix(question.text)
    found = sum(any(texts[place] in text for text in messages) for place in question.evidence)
    recalled = sum(part.tokens for part in context.record.parts if part.kind == "retrieved")
    return Shown(way, question.category, found / len(question.evidence), context.tokens, recalled)


def rate(shown: Sequence[Shown]) -> Figures:
    """Means over questions, all and by category, and what the contexts take."""
    return {
        "evidence": round(fmean(one.share for one in shown), 3),
        **{
            name: round(fmean(one.share for one in shown if one.category == kind), 3)
            for kind, name in CATEGORIES.items()
        },
        "tokens": round(fmean(one.tokens for one in shown)),
        "recalled_tokens": round(fmean(one.recalled_tokens for one in shown)),
        "recall_nothing": round(fmean(one.recalled_tokens == 0 for one in shown), 3),
    }
