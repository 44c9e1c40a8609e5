"""What a model is shown in one turn."""

from __future__ import annotations

from uuid import UUID

from msgspec import Raw, Struct

from multiturn.model.content import Content
from multiturn.model.item import Range


class WindowState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a model is shown of a session besides its items: the summary stored as item ``summary``, and the recalled
    blocks of the turns from ``blocks_from`` on. ``head`` tells whether the instructions are still those of the turn
    before.
    """

    summary: int | None = None
    blocks_from: int = 1
    head: str = ""


class Plan(Struct, frozen=True, kw_only=True):
    """A turn after its input was reconciled with the history.

    ``path`` is the branch it continues, ``input`` what is new. ``asked`` are stored items that this turn answers
    again (a regeneration), ``is_branch`` says that it leaves the active branch.
    """

    path: tuple[Range, ...]
    input: tuple[Content, ...]
    asked: Range | None = None
    is_branch: bool = False


class Context(Struct, frozen=True, kw_only=True):
    """The messages of one call of a model, as JSON, with their tokens.

    ``cut`` is the first ``seq`` that is shown, ``body`` the history and the new input without the instructions: what
    the next context begins with unless it is cut. ``is_closed`` says that every tool call in it has its result.
    """

    session_id: UUID
    messages: Raw
    body: bytes
    cut: int
    tokens: int
    body_tokens: int
    input_tokens: tuple[int, ...]
    is_closed: bool
