"""What contexts and recall cost: over a session of 10,000 items in SQLite, and in a server's turns."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from statistics import fmean, median
from typing import Any

import apsw
from msgspec.structs import replace

from multiturn.engine.session_index import SessionIndexes
from multiturn.engine.window.assemble import Assembler
from multiturn.engine.window.budget import Budget
from multiturn.engine.window.question import RecallPlan
from multiturn.engine.window.tokens import count_tokens
from multiturn.model.content import Message
from multiturn.model.context import Context, Plan
from multiturn.model.item import Range
from multiturn.model.session import Session
from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.bench.context_evidence import Rig, make_budget, open_rig
from tests.bench.load import Connection, connect
from tests.bench.measures import data_dir
from tests.bench.processes import ROOT, TICKS, Process, mock_model, server

Figures = dict[str, Any]
ITEMS = 10_000
TIMES = 40
BUDGET = 8000
# As many as the embedded model's vectors have.
DIMENSIONS = 384
VOCABULARY = 20_000
CONTEXT_TOKENS = 2000
TALK_TURNS = 60
ROUNDS = 12
ROUND_TURNS = 25
NOTHING = RecallPlan()
THINGS = [
    f"{first}{second}" for first in ("sea", "moon", "iron", "green", "salt") for second in ("bird", "gate", "stone")
]


def say(random: Random, words: int) -> str:
    """Say words of which some are common and most are rare, as in a language."""
    places = (int(VOCABULARY ** random.random()) for _ in range(words))
    return " ".join(f"w{place}" for place in places)


def list_messages(random: Random, number: int) -> Iterator[tuple[Message, datetime]]:
    """A conversation: short questions, longer answers."""
    said_at = datetime(2026, 1, 1, tzinfo=UTC)
    for place in range(number):
        is_question = place % 2 == 0
        yield Message("user" if is_question else "assistant", say(random, 12 if is_question else 60)), said_at
        said_at += timedelta(minutes=1)


async def time_all(calls: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """The median CPU time of the calls, in ms."""
    took = []
    for call in calls:
        began = time.process_time()
        await call()
        took.append(time.process_time() - began)
    return round(1000 * median(took), 2)


async def measure_assembling() -> Figures:
    """CPU of contexts and recall over a session of 10,000 items, and what its index takes."""
    random = Random(1)
    async with open_rig(ScriptedEmbedder(dimensions=DIMENSIONS), folder=ROOT) as rig:
        print(f"assembling: storing and indexing {ITEMS} items ...", file=sys.stderr)
        session = await rig.store(list(list_messages(random, ITEMS)))
        indexes = rig.open_indexes()
        figures = await measure_index(rig, session, indexes)
        questions = [Message("user", say(random, 12)) for _ in range(TIMES)]
        # The server's own recall, and a context without any.
        with_recall = make_budget(BUDGET)
        without = replace(with_recall, recall=NOTHING)
        whole = await Scene(rig, session, indexes, without).show_cold(questions[0])
        session = replace(session, cut=whole.cut, shown=whole.shown)
        plain, recalling = Scene(rig, session, indexes, without), Scene(rig, session, indexes, with_recall)
        figures["cold_ms"] = await time_all([partial(plain.show_cold, one) for one in questions])
        figures["continued_ms"] = await plain.time_continued(questions)
        uncut = Scene(rig, replace(session, cut=1), indexes, without)
        figures["first_cut_of_all_items_ms"] = await time_all([partial(uncut.show_cold, one) for one in questions[:3]])
        recall_ms = await time_all([partial(recalling.show_cold, one) for one in questions])
        figures["recall_warm_ms"] = round(recall_ms - figures["cold_ms"], 2)
        cold_ms = await time_all([partial(recalling.show_unindexed, one) for one in questions[:10]])
        figures["recall_index_not_in_memory_ms"] = round(cold_ms - figures["cold_ms"], 2)
        figures["query_vector_ms"] = await time_all(
            [partial(rig.embedders.embed_query, str(one.content), ["scripted"]) for one in questions]
        )
    return figures


async def measure_index(rig: Rig, session: Session, indexes: SessionIndexes) -> Figures:
    """What the index costs to make, and what it takes."""
    began = time.process_time()
    await indexes.prepare(session, session.path, session.head + 1)
    words_s = time.process_time() - began
    began = time.process_time()
    while await indexes.embed_due():
        pass
    vectors_s = time.process_time() - began
    index = indexes.opened[session.id].index
    return {
        "items": ITEMS,
        "tokens_of_an_item": round(fmean(count_tokens(one) for one, _ in list_messages(Random(1), 1000)), 1),
        "index_words_us_an_item": round(1e6 * words_s / ITEMS, 1),
        "index_vectors_us_an_item": round(1e6 * vectors_s / ITEMS, 1),
        "index_bytes_an_item_on_disk": round(measure_segments(rig.path) / ITEMS),
        "index_bytes_an_item_in_memory": round(index.size_bytes / ITEMS),
    }


def measure_segments(path: Path) -> int:
    """What the segments take in the database."""
    with apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY) as connection:
        found = connection.execute("SELECT sum(length(body)) FROM session_segments").fetchall()
    return int(str(found[0][0]))


class Scene:
    """A session whose contexts are made under one budget."""

    def __init__(self, rig: Rig, session: Session, indexes: SessionIndexes, budget: Budget) -> None:
        self.rig = rig
        self.session = session
        self.indexes = indexes
        self.budget = budget

    async def show(self, assembler: Assembler, message: Message) -> Context:
        """Make the context of a turn."""
        plan = Plan(path=self.session.path, input=(message,))
        return await assembler.assemble(self.session, plan, self.budget, (count_tokens(message),))

    async def show_cold(self, message: Message) -> Context:
        """Make it with nothing of the session's context in memory."""
        return await self.show(self.rig.open_assembler(self.indexes), message)

    async def show_unindexed(self, message: Message) -> Context:
        """Make it with nothing of the session's index in memory either."""
        return await self.show(self.rig.open_assembler(self.rig.open_indexes()), message)

    async def time_continued(self, messages: Sequence[Message]) -> float:
        """The median CPU time of contexts that each continue the one before, in ms; their turns are not stored."""
        assembler, took = self.rig.open_assembler(self.indexes), []
        answer = Message("assistant", "Well.")
        for message in messages:
            began = time.process_time()
            context = await self.show(assembler, message)
            took.append(time.process_time() - began)
            head = self.session.head + 2
            path = (Range(1, head),)
            assembler.keep(context, path, [answer], count_tokens(answer))
            self.session = replace(self.session, head=head, path=path, cut=context.cut, shown=context.shown)
        return round(1000 * median(took[1:]), 2)


# What is measured side by side: recall as it is by default, by words alone, and none.
SERVERS: Mapping[str, Mapping[str, object]] = {
    "with_recall": {"recall": True},
    "by_words_alone": {"recall": True, "embedding_model": "none"},
    "without": {"recall": False},
}


async def measure_recalling_turns() -> Figures:
    """CPU of stored turns after a cut with recall and without, on servers side by side, and of the embedder."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(mock_model(tokens=32))
        compared: dict[str, tuple[Process, Talk]] = {}
        for name, settings in SERVERS.items():
            folder = await stack.enter_async_context(data_dir())
            process = await stack.enter_async_context(server(folder, model, context_tokens=CONTEXT_TOKENS, **settings))
            (connection,) = await stack.enter_async_context(connect(process, 1))
            compared[name] = process, Talk(connection)
        return await compare_turns(compared)


class Talk:
    """A session in which much is said, of many things."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.random = Random(3)
        self.numbers = count()

    async def take(self, turns: int) -> None:
        """Take turns: each says something new, and asks for something that was said."""
        for _ in range(turns):
            number = next(self.numbers)
            earlier = self.random.randrange(number + 1)
            text = f"Note {number}: {name_note(number)}. And what was it about {name_note(earlier)}?"
            await self.connection.ask(text, "recalling")


def name_note(number: int) -> str:
    """What note ``number`` is about: the same words each time."""
    random = Random(number)
    return " ".join(random.choices(THINGS, k=4))


async def compare_turns(compared: Mapping[str, tuple[Process, Talk]]) -> Figures:
    """Take turns with all of them in turn, and compare what they cost."""
    print("recalling_turns: filling the contexts ...", file=sys.stderr)
    for _, talk in compared.values():
        await talk.take(TALK_TURNS)
    children = list_children(compared["with_recall"][0].pid)
    embedder_s = sum(map(cpu_of, children))
    costs: dict[str, list[float]] = {name: [] for name in compared}
    for _ in range(ROUNDS):
        for name, (process, talk) in compared.items():
            costs[name].append(await cost_of(process, talk))
    embedder_ms = 1000 * (sum(map(cpu_of, children)) - embedder_s) / (ROUNDS * ROUND_TURNS)
    means = {name: fmean(cost) for name, cost in costs.items()}
    return {
        "context_tokens": CONTEXT_TOKENS,
        "turns": ROUNDS * ROUND_TURNS,
        **{f"{name}_ms": round(mean, 2) for name, mean in means.items()},
        "beyond_ms": round(means["with_recall"] - means["without"], 2),
        "beyond_by_words_alone_ms": round(means["by_words_alone"] - means["without"], 2),
        "embedder_ms": round(embedder_ms, 2),
    }


async def cost_of(process: Process, talk: Talk) -> float:
    """CPU of a process for each of some turns, in ms."""
    before = process.cpu_s()
    await talk.take(ROUND_TURNS)
    return 1000 * (process.cpu_s() - before) / ROUND_TURNS


def list_children(pid: int) -> list[int]:
    """The processes that a process has begun."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def cpu_of(pid: int) -> float:
    """CPU time that a process has taken, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
