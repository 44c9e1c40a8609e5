"""What a context is made of, part by part: for the run's record and for people who look."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from multiturn.engine.window.budget import Budget
from multiturn.engine.window.head import count_summary
from multiturn.engine.window.shown import Shown
from multiturn.engine.window.tokens import count_text
from multiturn.model.content import Content
from multiturn.model.context import Part, Plan
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.session import Session


class Draft(Struct, frozen=True, kw_only=True):
    """What a context is made of, before it is written.

    The plan's input is as it is shown, of ``asked_tokens``: what is larger than the budget is shortened.
    ``input_tokens`` are those of the input as it is stored, of which the first ``passed`` are not shown.
    """

    session: Session
    plan: Plan
    budget: Budget
    shown: Shown
    input_tokens: tuple[int, ...]
    asked_tokens: tuple[int, ...]
    passed: int = 0

    @property
    def tokens(self) -> int:
        """What is shown of the history, and the input."""
        return self.shown.tokens + sum(self.asked_tokens)

    def with_input(self, shown: Shown, input_: Sequence[Content], tokens: Sequence[int]) -> Draft:
        """The same with what is shown, and with the input as it is shown."""
        plan = replace(self.plan, input=tuple(input_))
        return replace(self, shown=shown, plan=plan, asked_tokens=tuple(tokens))


def list_parts(draft: Draft, retrieved: RetrievedContext | None, *, is_same_head: bool) -> tuple[Part, ...]:
    """The parts of a context in the order in which they stand, those that take nothing left out."""
    session, shown, path = draft.session, draft.shown, draft.plan.path
    is_same = is_same_head and shown.cut == session.cut and shown.state.summary == session.shown.summary
    items = shown.tokens - count_summary(shown.summary) - shown.block_tokens
    summary = shown.summary
    parts = (
        Part(kind="tools", tokens=draft.budget.fixed_tokens, is_reused=is_same_head),
        Part(kind="instructions", tokens=count_instructions(session), is_reused=is_same_head),
        Part(
            kind="summary",
            tokens=count_summary(summary),
            first=summary.first if summary else None,
            last=summary.last if summary else None,
            is_reused=is_same,
        ),
        Part(
            kind="items",
            tokens=items,
            first=shown.cut if items else None,
            last=path[-1].last if path and items else None,
            is_reused=is_same,
        ),
        Part(kind="retrieved", tokens=shown.block_tokens, is_reused=is_same),
        Part(kind="retrieved", tokens=retrieved.tokens if retrieved else 0),
        Part(kind="input", tokens=sum(draft.asked_tokens)),
    )
    return tuple(part for part in parts if part.tokens)


def count_instructions(session: Session) -> int:
    """What the instructions take."""
    return count_text(session.instructions or "")
