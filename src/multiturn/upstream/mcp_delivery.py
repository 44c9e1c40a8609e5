"""Whether a call has left for its server: one that has not may be sent again, one that has may have run."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Delivery:
    """One call on its way. ``has_left`` is false as long as it is certain that the server did not run it."""

    timeout_s: float
    has_left: bool = False


# The client library carries the context of who sends a message to where it is sent.
delivery: ContextVar[Delivery | None] = ContextVar("delivery", default=None)


def note_sent(*, has_left: bool = True) -> None:
    """The message of this context goes out now; or it came back without having run."""
    if current := delivery.get():
        current.has_left = has_left
