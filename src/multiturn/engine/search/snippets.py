"""Snippets: the pieces worth their tokens, written as lines with speaker and date in the order they were said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby, takewhile

from multiturn.engine.search.index import Hit
from multiturn.engine.search.pieces import Span
from multiturn.engine.search.ranking import name_day

# A piece with less than this share of the best one's score is not worth its tokens: in a context of 4,000 it saves a
# sixth of them for 0.1 % of the evidence, half of them (0.5) for 2 %. Scores of words alone fall off faster.
SHARE_MIN, SHARE_MIN_WORDS = 0.4, 0.2
GAP = "…"


@dataclass(frozen=True, slots=True)
class Said:
    """An item as it was said: its whole text, by whom, and when."""

    text: str
    speaker: str
    said_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """The characters ``start`` to ``end`` of an item, and the score of the best piece in them."""

    number: int
    start: int
    end: int
    score: float
    said: Said

    @property
    def day(self) -> date | None:
        """The day on which it was said."""
        return self.said.said_at.date() if self.said.said_at else None

    @property
    def line(self) -> str:
        """The speaker and the piece's own text; where more stood in front of it or behind it, a mark says so."""
        text = self.said.text
        front = GAP if text[: self.start].strip() else ""
        back = GAP if text[self.end :].strip() else ""
        head = f"{self.said.speaker}: " if self.said.speaker else ""
        return f"{head}{front}{text[self.start : self.end]}{back}\n"


def choose_snippets(
    hits: Sequence[Hit],
    said: Mapping[int, Said],
    *,
    tokens_max: int,
    count: Callable[[str], int],
    shown: Iterable[tuple[int, int, int]] = (),
    share_min: float | None = None,
) -> list[Snippet]:
    """Take from the hits, the best first, what fits into the budget, in the order in which it was said.

    Passed over is what stands in one of the ``shown`` places (number, start and end), what is not in ``said``, and what
    has less than ``share_min`` of the score of the best hit, shown or not. ``count`` counts a text's tokens; the lines
    that ``write_snippets`` makes of the result are within the budget.
    """
    shown_at: dict[int, list[Span]] = {}
    for number, start, end in shown:
        shown_at.setdefault(number, []).append(Span(start, end))
    chosen: list[Snippet] = []
    days: set[date | None] = {None}
    lines: set[str] = set()
    left = tokens_max
    for hit in take_worthy(hits, share_min):
        if hit.number not in said or is_within(hit, shown_at.get(hit.number, ())):
            continue
        snippet = Snippet(number=hit.number, start=hit.start, end=hit.end, score=hit.score, said=said[hit.number])
        if snippet.line in lines:
            # Said again in the same words: once is enough.
            continue
        cost = count(snippet.line) + (0 if snippet.day in days else count(write_day(snippet.day)))
        if cost <= left:
            left -= cost
            days.add(snippet.day)
            lines.add(snippet.line)
            chosen.append(snippet)
    return join_snippets(chosen)


def take_worthy(hits: Sequence[Hit], share_min: float | None) -> Iterable[Hit]:
    """The hits whose score is a share of the best one's, by default the one that fits the kind of the score."""
    if not hits:
        return ()
    if share_min is None:
        share_min = SHARE_MIN_WORDS if hits[0].similarity is None else SHARE_MIN
    least = share_min * hits[0].score
    return takewhile(lambda hit: hit.score >= least, hits)


def is_within(hit: Hit, spans: Iterable[Span]) -> bool:
    """Whether one of the spans covers the piece that was found."""
    return any(start <= hit.start and hit.end <= end for start, end in spans)


def join_snippets(snippets: Iterable[Snippet]) -> list[Snippet]:
    """Put snippets into the order in which they were said; those of one item that touch or overlap become one."""
    joined: list[Snippet] = []
    for snippet in sorted(snippets, key=lambda snippet: (snippet.number, snippet.start)):
        last = joined[-1] if joined else None
        if last and last.number == snippet.number and not snippet.said.text[last.end : snippet.start].strip():
            score = max(last.score, snippet.score)
            joined[-1] = replace(last, end=max(last.end, snippet.end), score=score)
        else:
            joined.append(snippet)
    return joined


def write_snippets(snippets: Sequence[Snippet]) -> str:
    """The lines of the snippets under the days on which they were said; empty when there are none."""
    days = groupby(snippets, key=lambda snippet: snippet.day)
    return "".join(write_day(day) + "".join(snippet.line for snippet in same) for day, same in days)


def write_day(day: date | None) -> str:
    """The line above what was said on a day."""
    return f"[{name_day(day)}]\n" if day else ""
