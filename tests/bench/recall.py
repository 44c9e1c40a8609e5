"""Recall on the LoCoMo benchmark: how much of what a question needs is found, and stands in a context of N tokens.

Tokens are the server's estimate of four bytes each, and every line's frame counts. The data is not part of the project.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from multiturn.engine.search.index import Hit, SearchIndex, SearchOptions
from multiturn.engine.search.ranking import RECALL, ask, find_nearest_min, is_worthwhile, list_entries
from multiturn.engine.search.segment import Entry, build_segment, decode_segment, with_vectors
from multiturn.engine.search.snippets import Said, choose_snippets, write_snippets
from multiturn.engine.search.terms import TermReader
from multiturn.engine.window.tokens import FRAME_TOKENS, count_text
from multiturn.errors import Unavailable
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.model_files import ModelFiles, find_shared_dir
from tests.bench.baselines import Bm25, Scores, add_neighbours, fuse_ranks
from tests.bench.locomo import Conversation, Question, Turn, read_conversations

Figures = dict[str, Any]
Vectors = NDArray[np.float32]
DATA = Path("../shared/data")
FILE = Path("memory/locomo-dev.json.gz")
DEPTHS = (5, 10, 25, 50)
BUDGETS = (2000, 4000, 8000)
# What the words around the recalled lines may cost, which tell the model what they are.
BLOCK_FRAME_TOKENS = 24
ALL_HITS = 1000
MODEL_WAIT_S = 300.0
# What nobody wants to be reminded of anything for.
SMALL_TALK = (
    "thanks!",
    "ok",
    "Hello there",
    "Great, sounds good to me",
    "yes please",
    "Can you say that again?",
    "Sure, go on.",
    "I see. Why?",
    "Write a haiku about the sea.",
    "What is the capital of France?",
    "Translate 'good morning' to German.",
    "Explain how TCP congestion control works.",
)
MODEL = "all-MiniLM-L6-v2-int8"
CATEGORIES = {1: "several turns", 2: "time", 3: "open", 4: "one turn", 5: "not said"}


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation with its vectors: of the turns with their speaker, of our entries, and of the questions."""

    conversation: Conversation
    spoken: Vectors
    headed: Vectors
    asked: Vectors
    chatted: Vectors


@dataclass(frozen=True, slots=True)
class Found:
    """A question, and what a search found for it, the best first."""

    turns: Sequence[Turn]
    question: Question
    hits: Sequence[Hit]
    is_worthwhile: bool = True

    @property
    def ranked(self) -> list[int]:
        """The turns that were found, the best first."""
        return list(dict.fromkeys(hit.number for hit in self.hits))

    def share(self, places: Collection[int]) -> float:
        """The share of the question's evidence among these turns."""
        return len(self.question.evidence.intersection(places)) / len(self.question.evidence)

    def fill(self, budget: int, *, recent: float = 0.0, share_min: float | None = None) -> tuple[float, int]:
        """Fill a context with recent turns up to a share of it, else with what was recalled: the share of the
        evidence whose text is in it, and the tokens of what was recalled.
        """
        room = budget - FRAME_TOKENS - count_text(self.question.text)
        first, room_recent = len(self.turns), int(budget * recent) - (budget - room)
        while first and (cost := FRAME_TOKENS + count_text(self.turns[first - 1].text)) <= room_recent:
            first, room_recent, room = first - 1, room_recent - cost, room - cost
        said = {place: Said(turn.text, turn.speaker, turn.said_at) for place, turn in enumerate(self.turns[:first])}
        hits, room = self.hits if self.is_worthwhile else (), room - BLOCK_FRAME_TOKENS
        snippets = choose_snippets(hits, said, tokens_max=room, count=count_text, share_min=share_min)
        block = write_snippets(snippets)
        shown = [place for place in self.question.evidence if place >= first or self.turns[place].text in block]
        return self.share(shown), count_text(block)


EVERYTHING = replace(RECALL, limit=ALL_HITS)


@dataclass(frozen=True, slots=True)
class Way:
    """A way to search: ours, unless something is changed. ``head`` are the facts in front of an indexed text."""

    name: str
    options: SearchOptions = EVERYTHING
    has_stems: bool = True
    has_stop_words: bool = True
    head: tuple[str, ...] = ("speaker", "day")

    def reader(self) -> TermReader:
        """A reader of terms."""
        reader = TermReader() if self.has_stop_words else TermReader(stop_words=frozenset())
        if not self.has_stems:
            reader.stem = str
        return reader

    def entries(self, turns: Sequence[Turn]) -> list[Entry]:
        """The entries of a conversation."""
        return [
            entry._replace(marked=turn.speaker)
            for place, turn in enumerate(turns)
            for entry in list_entries(
                place,
                turn.text,
                speaker=turn.speaker if "speaker" in self.head else "",
                said_at=turn.said_at if "day" in self.head else None,
            )
        ]

    def change(self, name: str, **options: Any) -> Way:
        """The same with other options."""
        return replace(self, name=name, options=replace(self.options, **options))


Baseline = Callable[[Scores, Scores], Scores]
BASELINES: Mapping[str, Baseline] = {
    "BM25": lambda words, vectors: words,
    "BM25 smoothed with two neighbours": lambda words, vectors: add_neighbours(words),
    "MiniLM": lambda words, vectors: vectors,
    "RRF of smoothed BM25 and MiniLM": lambda words, vectors: fuse_ranks(add_neighbours(words), vectors),
}
OURS = Way("ours")
WORDS = Way("BM25 (k1 0.9, b 0.4)", SearchOptions(limit=ALL_HITS, alpha=0.0), False, False, ())
STEMMED = replace(WORDS, name="+ stems", has_stems=True)
STOPPED = replace(STEMMED, name="+ stop words", has_stop_words=True)
SPOKEN = replace(STOPPED, name="+ speaker", head=("speaker",))
HEADED = replace(SPOKEN, name="+ day", head=("speaker", "day"))
SMOOTHED = HEADED.change("+ smoothing", smoothing=RECALL.smoothing)
FUSED = SMOOTHED.change("+ vectors", alpha=RECALL.alpha)
STRETCHED = FUSED.change("+ stretch", stretch=RECALL.stretch)
NAMED = replace(OURS, name="+ named speaker = ours")
LADDER = (WORDS, STEMMED, STOPPED, SPOKEN, HEADED, SMOOTHED, FUSED, STRETCHED, NAMED)
NO_VECTORS = "vectors"
WITHOUT = (
    replace(OURS, name="stems", has_stems=False),
    replace(OURS, name="stop words", has_stop_words=False),
    replace(OURS, name="day", head=("speaker",)),
    replace(OURS, name="speaker and day", head=()),
    OURS.change("smoothing", smoothing=()),
    OURS.change("second neighbour", smoothing=RECALL.smoothing[:1]),
    OURS.change(NO_VECTORS, alpha=0.0),
    OURS.change("words", alpha=1.0),
    OURS.change("stretch", stretch=0.0),
    OURS.change("named speaker", mark_bonus=0.0),
)
WEIGHTS = tuple(OURS.change(f"alpha {alpha}", alpha=alpha) for alpha in (0.3, 0.4, 0.6, 0.7))
SHARES = (0.0, 0.4, 0.5, 0.6, 0.7)


async def measure_recall(data: Path = DATA) -> Figures:
    """Evidence among the best turns and in a context, for simple methods and for ours, and what each part adds."""
    samples = await embed_all(read_conversations(data / FILE))
    began = perf_counter()
    found = search_all(samples, OURS)
    took_ms = 1000 * (perf_counter() - began) / len(found)
    chatted = search_all([chat_about(sample) for sample in samples], OURS)
    return {
        "tokens": "four bytes each, with the lines' frames",
        "turns": sum(len(sample.conversation.turns) for sample in samples),
        "questions": len(found),
        "baselines": {name: rate(search_simply(samples, score), share_min=0.0) for name, score in BASELINES.items()},
        "ours": rate(found),
        "ladder": {way.name: rate(search_all(samples, way)) for way in LADDER},
        "ours_without": {way.name: rate(search_all(samples, way)) for way in WITHOUT},
        "ours_with": {way.name: rate(search_all(samples, way)) for way in WEIGHTS},
        "contexts": {budget: compare_contexts(found, budget) for budget in BUDGETS},
        "blocks_of_512_by_share_min": {share: rate_block(found, 512, share) for share in SHARES},
        "contexts_of_4000_by_share_min": {share: rate_block(found, 4000, share) for share in SHARES},
        "by_category": {
            name: rate([one for one in found if one.question.category == kind]) for kind, name in CATEGORIES.items()
        },
        "questions_that_recall": round(fmean(one.is_worthwhile for one in found), 3),
        "small_talk_that_recalls": round(fmean(one.is_worthwhile for one in chatted), 3),
        "search_ms": round(took_ms, 2),
    }


async def embed_all(conversations: Sequence[Conversation]) -> list[Sample]:
    """Make all vectors with the embedded model, which is pulled where it is not on this machine yet."""
    with tempfile.TemporaryDirectory() as folder:
        files = ModelFiles(Path(folder), shared_dir=find_shared_dir(os.environ))
        async with open_embedder(EmbeddingsChoice(), files) as embedder:
            if embedder is None:
                raise RuntimeError("embeddings are switched off")

            async def embed(texts: Iterable[str]) -> Vectors:
                return await wait_for(embedder.embed, list(texts))

            return [
                Sample(
                    conversation,
                    await embed(f"{turn.speaker}: {turn.text}" for turn in conversation.turns),
                    await embed(entry.text for entry in OURS.entries(conversation.turns)),
                    await embed(question.text for question in conversation.questions),
                    await embed(SMALL_TALK),
                )
                for conversation in conversations
            ]


async def wait_for(embed: Callable[[Sequence[str]], Awaitable[Vectors]], texts: Sequence[str]) -> Vectors:
    """Embed, as soon as the model is there. Raises Unavailable when it does not come."""
    until = perf_counter() + MODEL_WAIT_S
    while True:
        try:
            return await embed(texts)
        except Unavailable:
            if perf_counter() > until:
                raise
            await asyncio.sleep(0.5)


def chat_about(sample: Sample) -> Sample:
    """The conversation with small talk instead of its questions."""
    small_talk = [Question(text, frozenset(), 0) for text in SMALL_TALK]
    return replace(sample, conversation=Conversation(sample.conversation.turns, small_talk), asked=sample.chatted)


def search_all(samples: Iterable[Sample], way: Way) -> list[Found]:
    """Search for every question."""
    return [found for sample in samples for found in search_sample(sample, way)]


def search_sample(sample: Sample, way: Way) -> Iterable[Found]:
    """Search for the questions of one conversation."""
    turns, reader = sample.conversation.turns, way.reader()
    entries = way.entries(turns)
    vectors = sample.headed if "day" in way.head else sample.spoken[[entry.number for entry in entries]]
    index = SearchIndex()
    # Written and read back, as the server does.
    index.add("all", decode_segment(with_vectors(build_segment(entries, reader), MODEL, vectors).encode()))
    for question, vector in zip(sample.conversation.questions, sample.asked, strict=True):
        query = ask(reader, question.text, vectors={MODEL: vector})
        hits = index.search(query, way.options)
        nearest_min = find_nearest_min([MODEL]) if way.options.alpha else None
        is_found = bool(query.terms) and is_worthwhile(hits, entries=len(index), nearest_min=nearest_min)
        yield Found(turns, question, hits, is_found)


def search_simply(samples: Iterable[Sample], score: Baseline) -> list[Found]:
    """Search for every question with a simple method."""
    found = []
    for sample in samples:
        turns = sample.conversation.turns
        words = Bm25([f"{turn.speaker}: {turn.text}" for turn in turns])
        for question, vector in zip(sample.conversation.questions, sample.asked, strict=True):
            scores = score(words.score(question.text), sample.spoken @ vector)
            order = np.argsort(-scores, kind="stable")[:ALL_HITS].tolist()
            hits = [Hit("", place, 0, len(turns[place].text), float(scores[place]), 0.0, None) for place in order]
            found.append(Found(turns, question, hits))
    return found


def rate(found: Sequence[Found], *, share_min: float | None = None) -> Figures:
    """The share of the evidence among the k best turns and in a context of 4,000 tokens, means over the questions."""
    figures = {f"@{depth}": round(fmean(one.share(one.ranked[:depth]) for one in found), 3) for depth in DEPTHS}
    figures["context_4000"] = rate_context(found, 4000, share_min=share_min)
    figures["half_recent_4000"] = rate_context(found, 4000, recent=0.5, share_min=share_min)
    return figures


def rate_context(found: Sequence[Found], budget: int, **filling: Any) -> float:
    """The share of the evidence whose text stands in a context."""
    return round(fmean(one.fill(budget, **filling)[0] for one in found), 3)


def rate_block(found: Sequence[Found], budget: int, share_min: float) -> Figures:
    """The evidence in a context of recall alone that leaves out what scores less than a share of the best, and the
    tokens that it takes.
    """
    filled = [one.fill(budget, share_min=share_min) for one in found]
    return {
        "evidence": round(fmean(share for share, _ in filled), 3),
        "tokens": round(fmean(used for _, used in filled)),
    }


def compare_contexts(found: Sequence[Found], budget: int) -> Figures:
    """Evidence in contexts that differ in how much of them is recent turns."""
    return {
        "recent_only": rate_context(found, budget, recent=1.0),
        "half_recent_half_recall": rate_context(found, budget, recent=0.5),
        "quarter_recent": rate_context(found, budget, recent=0.25),
        "recall_only": rate_context(found, budget),
    }
