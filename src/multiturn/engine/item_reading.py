"""Reading knowledge items: their outline, and what stands around a place in them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from msgspec.structs import replace

from multiturn.engine.item_parts import list_page_parts, walk_parts
from multiturn.engine.ports_ingestion import PartStore
from multiturn.model.outline import Excerpt, ItemOutline, Section
from multiturn.model.segment import Segment
from multiturn.model.store import StoreItem

SECTIONS_MAX = 400
LABEL_CHARS_MAX = 100
# What is spoken without shots is told minute by minute.
STRETCH_S = 60.0
AROUND_S, AROUND_PAGES, AROUND_CHARACTERS = 30.0, 0, 1000
# What is read at once, and what a stretch of time may hold.
EXCERPT_CHARS_MAX = 20_000
EXCERPTS_MAX = 200


async def read_outline(parts: PartStore, item: StoreItem) -> ItemOutline:
    """What an item is about, and its sections: headings and pages, or shots and minutes."""
    sections: dict[object, Section] = {}
    is_complete = True
    async with aclosing(walk_parts(parts, item.tenant_id, item.id)) as walked:
        async for starts, part in walked:
            key = section_of(part)
            if key in sections:
                sections[key] = extend(sections[key], starts, part)
            elif len(sections) < SECTIONS_MAX:
                sections[key] = begin(starts, part)
            else:
                is_complete = False
                break
    digest = item.digest
    return ItemOutline(
        title=item.title,
        summary=digest.summary if digest else "",
        sections=tuple(sorted(sections.values(), key=order_of)),
        highlights=digest.highlights if digest else (),
        is_complete=is_complete,
    )


def section_of(part: Segment) -> object:
    """What parts of one section have in common."""
    place = part.place
    if place.shot is not None:
        return "shot", place.shot
    if place.start_s is not None:
        return "time", int(place.start_s // STRETCH_S)
    return "page", place.page, place.heading


def begin(starts: int, part: Segment) -> Section:
    """A section with its first part."""
    first = part.place.heading or part.text
    label = " ".join(first.split())
    label = label if len(label) <= LABEL_CHARS_MAX else label[: LABEL_CHARS_MAX - 1] + "…"
    return Section(label=label, start=starts, end=starts + len(part.text), place=replace(part.place, marks=()))


def extend(section: Section, starts: int, part: Segment) -> Section:
    """A section with another part. What is seen may stand far behind what is heard: its characters are left out."""
    place = section.place
    if part.place.start_s is not None and part.place.end_s is not None:
        start_s = min(place.start_s or 0.0, part.place.start_s) if place.start_s is not None else part.place.start_s
        place = replace(place, start_s=start_s, end_s=max(place.end_s or 0.0, part.place.end_s))
    is_next = 0 <= starts - section.end <= LABEL_CHARS_MAX
    return replace(section, place=place, end=starts + len(part.text) if is_next else section.end)


def order_of(section: Section) -> tuple[float, int]:
    """Sections by time, or by their place in the text."""
    return (section.place.start_s or 0.0, section.start)


async def read_at_time(parts: PartStore, item: StoreItem, start_s: float, end_s: float) -> tuple[Excerpt, ...]:
    """What is said and seen between two times."""
    found = await parts.list_parts_between(
        item.tenant_id, item.id, max(0.0, start_s), max(start_s, end_s), limit=EXCERPTS_MAX
    )
    return clip([excerpt(starts, part) for starts, part in found])


async def read_pages(parts: PartStore, item: StoreItem, first: int, last: int) -> tuple[Excerpt, ...]:
    """The text of pages."""
    found = await list_page_parts(parts, item.tenant_id, item.id, first, last, limit=EXCERPTS_MAX)
    return clip([excerpt(starts, part) for starts, part in found])


async def read_characters(parts: PartStore, item: StoreItem, first: int, last: int) -> tuple[Excerpt, ...]:
    """The text from one character to before another, in whole parts but for the first and the last."""
    found: list[Excerpt] = []
    (at,) = await parts.find_parts(item.tenant_id, [(item.id, first)])
    after = at[0] - 1 if at else first - 1
    async with aclosing(walk_parts(parts, item.tenant_id, item.id, after=after)) as walked:
        async for starts, part in walked:
            if starts >= last or len(found) >= EXCERPTS_MAX:
                break
            found.append(cut(excerpt(starts, part), first, last))
    return clip(found)


def excerpt(starts: int, part: Segment) -> Excerpt:
    """A part as it is read."""
    return Excerpt(start=starts, text=part.text, modality=part.modality, place=part.place)


def cut(whole: Excerpt, first: int, last: int) -> Excerpt:
    """The characters of an excerpt that lie in a stretch; its place stays that of the part."""
    start = max(whole.start, first)
    text = whole.text[start - whole.start : last - whole.start]
    place = whole.place if start == whole.start else replace(whole.place, marks=())
    return replace(whole, start=start, text=text, place=place)


def clip(found: Sequence[Excerpt]) -> tuple[Excerpt, ...]:
    """As much as is read at once."""
    kept: list[Excerpt] = []
    left = EXCERPT_CHARS_MAX
    for one in found:
        if left <= 0:
            break
        kept.append(one if len(one.text) <= left else replace(one, text=one.text[:left]))
        left -= len(one.text)
    return tuple(kept)
