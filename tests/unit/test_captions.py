"""Captions of pictures: asked beside each other, told in order, and not asked for ever of a model that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from multiturn.engine.ingestion.captions import AT_ONCE_MAX, FAILURES_MAX, Captions
from multiturn.errors import UpstreamError
from multiturn.model.segment import Picture, Place, Segment


class Model:
    """Describes a picture by its bytes, when it is let; empty bytes have no caption, and ``x`` is a failure."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.open = asyncio.Event()
        if is_open:
            self.open.set()
        self.asked: list[tuple[bytes, str]] = []
        self.at_work = self.most_at_work = 0

    async def describe(self, jpeg: bytes, context: str) -> str:
        self.asked.append((jpeg, context))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await self.open.wait()
            if jpeg == b"x":
                raise UpstreamError("The model is away.")
            return f" {jpeg.decode()} "
        finally:
            self.at_work -= 1


def picture(jpeg: bytes, number: int = 0) -> Picture:
    return Picture(kind="frame", jpeg=jpeg, shot=number, start_s=number * 2.0, end_s=number * 2.0 + 2)


async def caption(model: Model, *pictures: Picture) -> tuple[Captions, list[Segment]]:
    """The captions of pictures that come one behind the other."""
    captions = Captions(model, "harbour.mp4")
    told: list[Segment] = []
    for one in pictures:
        told += await captions.add(one)
        await asyncio.sleep(0)
    return captions, [*told, *await captions.finish()]


def texts(segments: Sequence[Segment]) -> list[str]:
    return [segment.text for segment in segments]


async def test_captions_come_in_the_order_of_their_pictures() -> None:
    model = Model()
    _, told = await caption(model, *(picture(f"scene {number}".encode(), number) for number in range(12)))
    assert texts(told) == [f"scene {number}" for number in range(12)]
    assert told[3].place == Place(shot=3, start_s=6.0, end_s=8.0)
    assert {segment.modality for segment in told} == {"caption"}
    assert model.asked[0] == (b"scene 0", "harbour.mp4")


async def test_few_pictures_are_asked_about_at_once() -> None:
    model = Model(is_open=False)
    asking = asyncio.create_task(caption(model, *(picture(b"a", number) for number in range(12))))
    for _ in range(50):
        await asyncio.sleep(0)
    assert model.at_work == AT_ONCE_MAX + 1
    model.open.set()
    assert len((await asking)[1]) == 12
    assert model.most_at_work == AT_ONCE_MAX + 1


async def test_picture_without_words_has_no_caption() -> None:
    captions, told = await caption(Model(), picture(b"quay"), picture(b""), picture(b"ship"))
    assert texts(told) == ["quay", "ship"]
    assert (captions.missing, captions.error) == (0, "")


async def test_model_that_fails_again_and_again_is_left_alone() -> None:
    model = Model()
    captions, told = await caption(model, *(picture(b"x") for _ in range(10)))
    assert told == []
    assert FAILURES_MAX <= len(model.asked) < 10
    assert (captions.missing, captions.error) == (10, "The model is away.")


async def test_failures_count_in_a_row_only() -> None:
    model = Model()
    captions, told = await caption(model, *(picture(jpeg) for jpeg in (b"x", b"x", b"quay") * 4))
    assert texts(told) == ["quay"] * 4
    assert (len(model.asked), captions.missing) == (12, 8)


async def test_closing_asks_for_no_more() -> None:
    model = Model(is_open=False)
    captions = Captions(model, "x")
    await captions.add(picture(b"a"))
    await asyncio.sleep(0)
    await captions.close()
    assert model.at_work == 0
    with suppress(asyncio.CancelledError):
        await captions.finish()


async def test_picture_stands_where_it_is_seen() -> None:
    page = Picture(kind="frame", jpeg=b"page", page=4)
    moment = Picture(kind="frame", jpeg=b"moment", at_s=3.5)
    _, told = await caption(Model(), page, moment)
    assert [segment.place for segment in told] == [Place(page=4), Place(start_s=3.5, end_s=3.5)]
