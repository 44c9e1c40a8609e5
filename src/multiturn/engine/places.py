"""Places of chunks: a chunk of a part of a file stands where the part does, and of what is spoken when it is said."""

from __future__ import annotations

from msgspec.structs import replace

from multiturn.model.segment import Mark, Place


def narrow(place: Place, start: int, length: int) -> Place:
    """The place of ``length`` characters of a part, from its character ``start`` on.

    Its marks are those phrases that it holds some of, counted from its own first character; its time is from the first
    of them to the last.
    """
    if not place.marks:
        return place
    ends = [mark.start for mark in place.marks[1:]]
    held = [
        Mark(max(mark.start - start, 0), mark.start_s, mark.end_s)
        for mark, end in zip(place.marks, [*ends, start + length], strict=True)
        if mark.start < start + length and end > start
    ]
    if not held:
        return replace(place, marks=())
    return replace(place, start_s=held[0].start_s, end_s=max(mark.end_s for mark in held), marks=tuple(held))
