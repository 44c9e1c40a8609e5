"""What the assembler asks of memory, and who answers."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from msgspec import Struct

from multiturn.model.citation import Selection, StoreQuery
from multiturn.model.content import Content
from multiturn.model.context import Said
from multiturn.model.item import Range
from multiturn.model.knowledge import Owner
from multiturn.model.policy import RecallOptions
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.session import Session


class StoreChoice(Struct, frozen=True, kw_only=True):
    """The knowledge stores that answers rest on, and the parts of them that the conversation is about.

    ``queries`` are how some of them are searched; with ``given`` nothing is searched: these are the sources.
    ``tokens_max`` is what sources may take; where it is not ``is_cited``, the answer names none.
    """

    store_ids: tuple[UUID, ...]
    selections: tuple[Selection, ...] = ()
    queries: tuple[StoreQuery, ...] = ()
    given: tuple[Snippet, ...] | None = None
    tokens_max: int | None = None
    is_cited: bool = True


class RecallPlan(Struct, frozen=True, kw_only=True):
    """What a turn may recall: at most so many tokens, 0 for nothing; the past of the session where it ``finds_past``,
    and the documents of these owners. ``stores`` are those that the answer is to rest on, where there are some.
    """

    tokens_max: int = 0
    finds_past: bool = False
    owners: tuple[Owner, ...] = ()
    options: RecallOptions = RecallOptions()
    stores: StoreChoice | None = None


class Question(Struct, frozen=True, kw_only=True):
    """What is to be found for a turn: what its ``input`` is about, ``recent`` being what was said just before.

    The past is what stands on the ``path`` before ``cut``; ``shown`` are snippets that the model is still shown, and
    ``numbered`` is the highest number that a source has had.
    """

    session: Session
    path: tuple[Range, ...]
    cut: int
    input: tuple[Content, ...]
    recent: tuple[Said, ...]
    shown: tuple[Snippet, ...]
    plan: RecallPlan
    tokens_max: int
    numbered: int = 0


class Memory(Protocol):
    """Finds what a turn needs to know and is not shown."""

    async def holds(self, session: Session, path: tuple[Range, ...], cut: int, plan: RecallPlan) -> bool:
        """Whether there is anything that could be found."""
        ...

    async def recall(self, question: Question) -> RetrievedContext | None:
        """Find what the question is about. Never fails a turn: what cannot be searched is left out."""
        ...
