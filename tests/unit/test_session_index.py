"""The index of what was said: what becomes of it when servers race, an embedder fails, or what is stored is broken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

import numpy as np
import pytest
from msgspec.structs import replace

from multiturn.engine import session_index
from multiturn.engine.embedders import PAUSE_S, Embedders
from multiturn.engine.open_index import mark_path, read_segment
from multiturn.engine.search.index import SearchIndex
from multiturn.engine.search.ranking import ask, recall
from multiturn.engine.session_index import ASIDE_S, REST_MIN_S, SEGMENT_ITEMS, SessionIndexes
from multiturn.errors import ContextTooLong, MultiturnError, Unavailable, UpstreamError, UpstreamRefused
from multiturn.model.item import Item, Range
from multiturn.model.retrieved import StoredSegment
from multiturn.model.session import Session
from multiturn.observe import Metrics
from multiturn.upstream.scripted_embedder import ScriptedEmbedder
from tests.unit.conversations import NOW, MemoryItems, user

PARROT = "my parrot is called Galileo, a long and true story of it"
PASSING = [
    UpstreamError("The provider failed.", status=500),
    UpstreamError("The key was refused.", code="upstream_unauthorized", status=401),
    UpstreamRefused("Too many requests.", status=429, body=b""),
    Unavailable("The provider is left alone."),
]
FINAL: list[MultiturnError] = [
    ContextTooLong("Too long.", status=400),
    *(UpstreamRefused("No such input.", status=status, body=b"") for status in (400, 413, 422)),
]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class MemorySegments:
    """Segments in memory; whoever saves lets others pass before it counts."""

    def __init__(self) -> None:
        self.held: dict[int, StoredSegment] = {}

    async def list_segments(self, tenant_id: UUID, session_id: UUID, *, after: int) -> Sequence[StoredSegment]:
        return [stored for first, stored in sorted(self.held.items()) if first > after]

    async def list_models(self, tenant_id: UUID, session_id: UUID, *, last: int) -> dict[int, str | None]:
        return {first: stored.model for first, stored in self.held.items() if first <= last}

    async def find_segment(self, tenant_id: UUID, session_id: UUID, first: int) -> StoredSegment | None:
        return self.held.get(first)

    async def save_segment(self, tenant_id: UUID, session_id: UUID, segment: StoredSegment) -> None:
        await asyncio.sleep(0)
        self.held.setdefault(segment.first, segment)

    async def save_vectors(self, tenant_id: UUID, session_id: UUID, segment: StoredSegment) -> None:
        self.held[segment.first] = segment

    async def list_due(self, model: str, *, limit: int) -> Sequence[tuple[UUID, UUID, StoredSegment]]:
        due = [stored for _, stored in sorted(self.held.items()) if stored.model != model]
        return [(UUID(int=2), UUID(int=1), stored) for stored in due[:limit]]

    async def list_models_in_use(self) -> Sequence[str]:
        return sorted({stored.model for stored in self.held.values() if stored.model})

    def vector_models(self) -> list[str | None]:
        """The model of the vectors of each segment, as its bytes have it."""
        read = [read_segment(stored) for _, stored in sorted(self.held.items())]
        return [segment.vectors.model if segment and segment.vectors else None for segment in read]


class Server:
    """A server with one session of so many items; several may share their segments."""

    def __init__(self, items: int | Sequence[str], segments: MemorySegments, model: str | None = "scripted") -> None:
        texts = [f"item number{seq} word" for seq in range(1, items + 1)] if isinstance(items, int) else items
        self.items = MemoryItems()
        self.items.items = [
            Item(seq=seq, run_id=UUID(int=4), content=user(text), tokens=9, created_at=NOW)
            for seq, text in enumerate(texts, start=1)
        ]
        self.segments = segments
        self.clock = Clock()
        self.embedder = ScriptedEmbedder(model=model or "")
        self.embedders = Embedders(self.embedder if model else None, now=self.clock)
        self.indexes = SessionIndexes(self.items, segments, self.embedders, Metrics(), now=self.clock)
        self.session = open_session(len(texts))

    async def prepare(self, before: int | None = None) -> None:
        """Index what stands before an item, behind a turn."""
        await self.indexes.prepare(self.session, self.session.path, before or self.session.head + 1)

    async def open(self, before: int) -> SearchIndex:
        """The index as a turn has it that cuts before an item."""
        return await self.indexes.open(self.session, self.session.path, before)

    async def find(self, text: str, before: int) -> list[int]:
        """The items that a turn finds."""
        index = await self.open(before)
        vectors = await self.embedders.embed_query(text, index.models)
        return [hit.number for hit in recall(index, ask(self.indexes.reader, text, vectors=vectors), before=before)]

    def look_again(self) -> None:
        """Let the time pass after which it looks for vectors that others made."""
        self.indexes.opened[self.session.id].looked_at = float("-inf")


def open_session(head: int) -> Session:
    return Session(
        id=UUID(int=1),
        tenant_id=UUID(int=2),
        user_id=UUID(int=3),
        external_id=None,
        created_at=NOW,
        active_at=NOW,
        head=head,
        path=(Range(1, head),),
    )


@pytest.fixture
def segments() -> MemorySegments:
    return MemorySegments()


@pytest.mark.parametrize("error", PASSING, ids=lambda error: f"{type(error).__name__}-{error.code}")
async def test_passing_failure_leaves_segments_due(segments: MemorySegments, error: MultiturnError) -> None:
    server = Server(100, segments)
    await server.prepare()
    server.embedder.error = error
    assert await server.indexes.embed_due() == 0
    assert [stored.model for stored in segments.held.values()] == [None, None]
    server.embedder.error = None
    server.clock.now_s = ASIDE_S
    assert await server.indexes.embed_due() == 2
    assert segments.vector_models() == ["scripted", "scripted"]


@pytest.mark.parametrize("error", FINAL, ids=lambda error: f"{type(error).__name__}-{error.status}")
async def test_refused_texts_are_not_tried_again(segments: MemorySegments, error: MultiturnError) -> None:
    server = Server(100, segments)
    await server.prepare()
    server.embedder.error = error
    assert await server.indexes.embed_due() == 2
    assert await server.indexes.embed_due() == 0
    assert segments.vector_models() == [None, None]


async def test_missing_model_is_no_final_refusal(segments: MemorySegments) -> None:
    server = Server(100, segments)
    await server.prepare()
    server.embedder.error = UpstreamRefused("The model does not exist.", status=400, body=b"")
    server.embedder.error.code = "model_not_found"
    assert await server.indexes.embed_due() == 0


async def test_failing_embedder_is_asked_more_and_more_rarely(segments: MemorySegments) -> None:
    server = Server(100, segments)
    await server.prepare()
    server.embedder.error = PASSING[0]
    for second in range(300):
        server.clock.now_s = float(second)
        await server.indexes.embed_due()
    assert 3 <= len(server.embedder.calls) <= 12


async def test_one_text_that_always_fails_stops_no_others(segments: MemorySegments) -> None:
    server = Server(100, segments)
    await server.prepare()
    server.embedder.error = PASSING[0]
    await server.indexes.embed_due()
    server.embedder.error = None
    server.clock.now_s = REST_MIN_S
    assert await server.indexes.embed_due() == 1
    assert segments.vector_models() == [None, "scripted"]


@pytest.mark.parametrize(
    "error", [*PASSING, *FINAL], ids=lambda error: f"{error.code}-{getattr(error, 'status', None)}"
)
async def test_old_vectors_stay_until_new_ones_are_there(segments: MemorySegments, error: MultiturnError) -> None:
    server = Server(100, segments, "old")
    await server.prepare()
    await server.indexes.embed_due()
    newer = Server(100, segments, "newer")
    newer.embedder.error = error
    await newer.indexes.embed_due()
    assert segments.vector_models() == ["old", "old"]


async def test_two_servers_hold_what_is_stored(segments: MemorySegments) -> None:
    one, other = Server(100, segments), Server(100, segments)
    await asyncio.gather(one.prepare(65), other.open(41))
    assert len(await other.open(41)) == segments.held[1].last == SEGMENT_ITEMS
    await one.indexes.embed_due()
    other.look_again()
    assert (await other.find("number7 word", 41))[0] == 7
    assert (await other.open(41)).models == ["scripted"]


async def test_shorter_segment_of_another_server_is_completed(segments: MemorySegments) -> None:
    one, other = Server(100, segments), Server(100, segments)
    await asyncio.gather(one.open(41), other.prepare(65))
    assert sorted((await other.open(65)).numbers.tolist()) == list(range(1, 65))
    assert sorted(segments.held) == [1, 41]


async def test_differently_cut_segments_count_once(segments: MemorySegments) -> None:
    one, other = Server(200, segments), Server(200, segments)
    await one.prepare()
    numbers = (await other.open(201)).numbers.tolist()
    segments.held[70] = replace(segments.held[65], first=70, last=128)
    assert (await other.open(201)).numbers.tolist() == numbers == list(range(1, 201))


async def test_turn_beside_work_ahead_indexes_nothing_twice(segments: MemorySegments) -> None:
    server = Server(1000, segments)
    ahead = asyncio.create_task(server.prepare())
    for _ in range(6):
        await asyncio.sleep(0)
    await server.open(951)
    await ahead
    assert sorted((await server.open(1001)).numbers.tolist()) == list(range(1, 1001))
    held = [stored for _, stored in sorted(segments.held.items())]
    assert all(before.last < after.first for before, after in pairwise(held))


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\x90"])
async def test_broken_segment_is_made_anew(segments: MemorySegments, body: bytes) -> None:
    await Server(200, segments).prepare()
    segments.held[65] = replace(segments.held[65], model="scripted", body=body)
    server = Server(200, segments)
    assert (await server.find("number70 word", 190))[0] == 70
    assert read_segment(segments.held[65]) is not None
    assert await server.indexes.embed_due() == 4


async def test_segment_whose_arrays_do_not_fit_is_broken(segments: MemorySegments) -> None:
    server = Server(100, segments)
    await server.prepare()
    whole = read_segment(segments.held[1])
    assert whole is not None
    for name in ("starts", "lengths", "terms", "counts", "widths"):
        shorter = type(whole)(
            **{one: getattr(whole, one) for one in whole.__slots__} | {name: getattr(whole, name)[1:]}
        )
        assert read_segment(replace(segments.held[1], body=shorter.encode())) is None


async def test_broken_segment_does_not_stop_the_vectors(segments: MemorySegments) -> None:
    server = Server(100, segments)
    await server.prepare()
    segments.held[1] = replace(segments.held[1], body=b"nonsense")
    assert await server.indexes.embed_due() == 2
    assert segments.vector_models() == ["scripted", "scripted"]


async def test_vectors_of_another_size_fail_no_turn(segments: MemorySegments) -> None:
    server = Server(100, segments)
    await server.prepare()
    await server.indexes.embed_due()
    server.embedder.dimensions = 32
    assert (await server.find("number7 word", 101))[0] == 7
    segments.held[1] = replace(segments.held[1], model="old")
    await server.indexes.embed_due()
    assert (await Server(100, segments).find("number7 word", 101))[0] == 7


async def test_long_index_is_read_in_slices(segments: MemorySegments) -> None:
    await Server(3000, segments, None).prepare()
    server, passes = Server(3000, segments, None), 0
    opening = asyncio.create_task(server.open(3001))
    while not opening.done():
        await asyncio.sleep(0)
        passes += 1
    assert passes >= len(segments.held) // session_index.SLICE_SEGMENTS
    assert len(opening.result()) == 3000


async def test_memory_is_counted_as_indexes_come_and_go(segments: MemorySegments) -> None:
    server = Server(200, segments)
    await server.prepare()
    await server.indexes.embed_due()
    indexes = server.indexes
    assert indexes.opened_bytes == sum(opened.index.size_bytes for opened in indexes.opened.values()) > 0
    indexes.forget(server.session.id)
    assert indexes.opened_bytes == 0


async def test_left_branch_hides_nothing() -> None:
    left = ["the parrot Galileo question word"] * 450
    talk = [PARROT if seq == 3 else f"small talk {seq}" for seq in range(1, 201)]
    server = Server([*talk, *left, *(f"small talk {seq}" for seq in range(651, 701))], MemorySegments(), None)
    await server.prepare()
    path = (Range(1, 200), Range(651, 700))
    index = await server.indexes.open(server.session, path, 690)
    allowed = mark_path(index, path, server.session.id)
    hits = recall(index, ask(server.indexes.reader, "parrot Galileo"), before=690, allowed=allowed)
    assert hits[0].number == 3
    assert not {hit.number for hit in hits} & set(range(201, 651))
    alone = Server([*talk, *(f"small talk {seq}" for seq in range(651, 701))], MemorySegments(), None)
    await alone.prepare()
    same = recall(await alone.open(240), ask(alone.indexes.reader, "parrot Galileo"), before=240)
    assert np.isclose(hits[0].lexical, same[0].lexical)


async def test_path_over_two_sessions_is_marked_by_owner(segments: MemorySegments) -> None:
    server = Server(100, segments)
    await server.prepare()
    index, other_id = await server.open(101), UUID(int=9)
    assert mark_path(index, server.session.path, server.session.id) is None
    marked = mark_path(index, (Range(1, 100, other_id),), server.session.id)
    assert marked is not None
    assert not marked.any()


async def test_slow_embedder_is_asked_once_and_then_left_alone() -> None:
    clock, slow, quick = Clock(), ScriptedEmbedder(model="slow"), ScriptedEmbedder(model="quick")
    embedders = Embedders(slow, [quick], now=clock)
    slow.pause_s = 30
    began = time.monotonic()
    assert list(await embedders.embed_query("word", ["slow", "quick"], wait_s=0.05)) == ["quick"]
    assert list(await embedders.embed_query("word", ["slow", "quick"])) == ["quick"]
    assert time.monotonic() - began < 0.6
    slow.pause_s, clock.now_s = 0, PAUSE_S
    assert list(await embedders.embed_query("word", ["slow", "quick"])) == ["slow", "quick"]


async def test_models_share_one_deadline() -> None:
    slow = [ScriptedEmbedder(model=f"slow{number}") for number in range(3)]
    for embedder in slow:
        embedder.pause_s = 30
    began = time.monotonic()
    assert await Embedders(slow[0], slow[1:]).embed_query("word", [one.model for one in slow], wait_s=0.2) == {}
    assert time.monotonic() - began < 0.5
