"""Cutting a context that is full: rarely, far, at a place where a context may begin."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from multiturn.engine.window.pairs import find_beginnings, match_results
from multiturn.engine.window.tokens import count_tokens
from multiturn.engine.window.truncate import find_cut, shorten, shorten_large
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput
from multiturn.model.item import Item

# A cut where the summary ends leaves nothing out between the two; it may keep this share of the room and no more.
SUMMARY_WATER = 0.5


class Cut(Struct, frozen=True, kw_only=True):
    """What a cut has to do: leave at most ``low_water`` of the ``room``, and ``reserve`` for what is recalled.

    ``recalled`` is what stands in the history besides what was said; a cut takes it away.
    ``covered`` is the last ``seq`` that a new summary stands for; ``first`` the first that was shown so far.
    """

    room: int
    reserve: int
    low_water: float
    first: int
    recalled: int = 0
    covered: int = 0

    @property
    def kept_max(self) -> int:
        """The most that is kept."""
        return max(0, min(int(self.room * self.low_water), self.room - self.reserve))


def fit(
    contents: Sequence[Content], counts: Sequence[int], wanted: Cut, *, may_cut: bool
) -> tuple[list[Content], list[int]] | None:
    """The contents as they fit into the room, texts that are larger than all of it shortened; None when they must be
    cut.

    What is reserved for recall is a reason to cut, but no reason to shorten what was said.
    """
    total = sum(counts) + wanted.recalled
    if total + wanted.reserve <= wanted.room or (total <= wanted.room and not may_cut):
        return list(contents), list(counts)
    shortened = shorten_large(contents, room=wanted.room) if total > wanted.room else list(contents)
    counts = recount(shortened, contents, counts)
    total = sum(counts) + wanted.recalled
    if total + wanted.reserve <= wanted.room or (total <= wanted.room and not may_cut):
        return shortened, counts
    return None


def cut_history(
    history: Sequence[Item], contents: Sequence[Content], counts: Sequence[int], wanted: Cut
) -> tuple[list[Content], list[int], int]:
    """Cut to the low-water mark; the newest input always stays, shortened when it is too large alone. Of an input of
    many messages that is too large even so, the newest stay.

    Tells what is kept of the contents (the history's and the new input's), its tokens, and the first ``seq`` kept,
    where all of the input is.
    """
    whole, contents = contents, shorten_large(contents, room=wanted.room)
    counts = recount(contents, whole, counts)
    index = find_cut(contents, counts, tokens_max=wanted.kept_max)
    if wanted.covered:
        index = meet_summary(history, contents, counts, wanted, index)
    index = min(index, last_beginning(contents, len(history)))
    kept, kept_counts = shorten_kept(contents[index:], counts[index:], room=wanted.room)
    if sum(kept_counts) > wanted.room:
        # An input of many messages that shortening alone does not make fit, such as a whole conversation.
        later = find_cut(contents, counts, tokens_max=wanted.kept_max)
        beginnings = find_beginnings(contents)
        index = max(index, min(later, beginnings[-1])) if beginnings else index
        kept, kept_counts = shorten_kept(contents[index:], counts[index:], room=wanted.room)
    if index < len(history):
        return kept, kept_counts, history[index].seq
    return kept, kept_counts, history[-1].seq + 1 if history else wanted.first


def shorten_kept(contents: Sequence[Content], counts: Sequence[int], *, room: int) -> tuple[list[Content], list[int]]:
    """What is kept, its longest texts shortened as far as the room needs it."""
    excess = sum(counts) - room
    if excess <= 0:
        return list(contents), list(counts)
    kept = shorten(contents, excess=excess)
    return kept, recount(kept, contents, counts)


def recount(shortened: Sequence[Content], whole: Sequence[Content], counts: Sequence[int]) -> list[int]:
    """The tokens of contents of which some were shortened: by the same measure as before, whatever that was."""
    return [
        count if new is old else -(-count_tokens(new) * count // max(count_tokens(old), 1))
        for new, old, count in zip(shortened, whole, counts, strict=True)
    ]


def meet_summary(
    history: Sequence[Item], contents: Sequence[Content], counts: Sequence[int], wanted: Cut, index: int
) -> int:
    """Cut where the summary ends, when that keeps little more than the mark: then it stands for all that is cut."""
    ends = next((place for place, item in enumerate(history) if item.seq > wanted.covered), len(history))
    tokens_max = min(sum(counts[ends:]), int(wanted.room * SUMMARY_WATER), wanted.room - wanted.reserve)
    return min(index, find_cut(contents, counts, tokens_max=tokens_max)) if ends < index else index


def last_beginning(contents: Sequence[Content], history: int) -> int:
    """The last place at which this turn's context may begin: its input, or the calls that its input answers.

    A turn without input answers again what was asked last.
    """
    newest = history
    if newest == len(contents):
        while newest and is_asked(contents[newest - 1]):
            newest -= 1
    answered = (call for call, result in match_results(contents).items() if result >= newest)
    index = min(newest, *answered, newest)
    while 0 < index < newest and not isinstance(contents[index], FunctionCallOutput) and is_answer(contents[index - 1]):
        index -= 1
    return index


def is_asked(content: Content) -> bool:
    """Whether this is what a model answers: what somebody else says, or a tool's result."""
    return isinstance(content, FunctionCallOutput) or getattr(content, "role", "assistant") != "assistant"


def is_answer(content: Content) -> bool:
    """Whether this belongs to an assistant's answer: its words or its calls."""
    return isinstance(content, FunctionCall) or getattr(content, "role", None) == "assistant"
