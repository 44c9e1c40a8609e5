"""What a model is shown in one turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Raw, Struct

from multiturn.model.content import Content, Summary
from multiturn.model.item import Range
from multiturn.model.policy import OverflowStrategy
from multiturn.model.retrieved import RetrievedContext, Snippet

NO_MESSAGES: Mapping[str, Raw] = {}
PartKind = Literal["instructions", "tools", "summary", "items", "retrieved", "input"]


class Said(NamedTuple):
    """Who said what: the last messages before a turn, which say what its input is about."""

    speaker: str
    text: str


class WindowState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model is shown of a session besides its items: the summary stored as item ``summary``, and the recalled
    blocks of the turns from ``blocks_from`` on, if it ``has_blocks`` at all. ``head`` tells whether the instructions
    are still those of the turn before, ``sources`` is the highest number that a source of a knowledge store has had.
    """

    summary: int | None = None
    blocks_from: int = 1
    has_blocks: bool = False
    head: str = ""
    sources: int = 0


class Plan(Struct, frozen=True, kw_only=True):
    """A turn after its input was reconciled with the history.

    ``path`` is the branch it continues, ``input`` what is new. ``asked`` are stored items that this turn answers
    again (a regeneration), ``is_branch`` says that it leaves the active branch.
    """

    path: tuple[Range, ...]
    input: tuple[Content, ...]
    asked: Range | None = None
    is_branch: bool = False


class Part(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a context: the items ``first`` to ``last``, or what stands beside them. ``is_reused`` says that the
    request of the turn before had the same bytes at this place, so that a provider's cache may hold them.
    """

    kind: PartKind
    tokens: int
    first: int | None = None
    last: int | None = None
    is_reused: bool = False


class ContextRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run was shown, as it is kept with the run: what it was made of and what it was allowed to take."""

    strategy: OverflowStrategy
    budget: int
    tokens: int
    cut: int
    parts: tuple[Part, ...]


class Context(Struct, frozen=True, kw_only=True):
    """The messages of one call of a model, as JSON, with their tokens.

    ``own_bodies`` is the body for each provider that made artefacts in it, the latest last; nobody else is shown those.
    ``cut`` is the first ``seq`` that is shown, ``body`` the history and the new input without what stands in front of
    them: what the next context begins with unless it is cut. ``is_closed`` says that every tool call in it has its
    result. ``summary`` stands for what was cut; ``is_new_summary`` that this turn stores it as an item. ``block_at`` is
    the place in the input of the message that what was ``retrieved`` stands in.
    """

    session_id: UUID
    messages: Raw
    body: bytes
    own_bodies: Mapping[str, bytes] = {}
    body_tokens: int
    input_tokens: tuple[int, ...]
    is_closed: bool
    record: ContextRecord
    shown: WindowState
    summary: Summary | None = None
    is_new_summary: bool = False
    retrieved: RetrievedContext | None = None
    block_at: int | None = None
    recent: tuple[Said, ...] = ()
    recalled: tuple[Snippet, ...] = ()

    @property
    def cut(self) -> int:
        """The first ``seq`` that is shown."""
        return self.record.cut

    @property
    def tokens(self) -> int:
        """All its tokens."""
        return self.record.tokens

    @property
    def own(self) -> Mapping[str, Raw]:
        """The messages for each provider that made artefacts in them, the latest last."""
        if not self.own_bodies:
            return NO_MESSAGES
        head = bytes(self.messages)[: -len(self.body) - 1]
        return {name: Raw(head + body + b"]") for name, body in self.own_bodies.items()}
