"""Traces: what a tracer does, and the one that does nothing, which is the default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """One piece of work that is being traced."""

    def note(self, event: str) -> None:
        """Something happened now."""
        ...

    def end(self, attributes: Attributes, *, error: str | None = None) -> None:
        """The work is over; ``error`` is the code of what went wrong."""
        ...


class Tracer(Protocol):
    """Begins spans."""

    def begin(self, name: str, attributes: Attributes, *, parent: str | None) -> Span:
        """Begin a span, below the one that the caller's ``traceparent`` header names (W3C Trace Context)."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class NoSpan:
    """Traces nothing."""

    def note(self, event: str) -> None:
        """Nothing."""

    def end(self, attributes: Attributes, *, error: str | None = None) -> None:
        """Nothing."""


class NoTracer:
    """Traces nothing: tracing is off."""

    def __init__(self) -> None:
        self.span = NoSpan()

    def begin(self, name: str, attributes: Attributes, *, parent: str | None) -> Span:
        """The span that does nothing."""
        return self.span

    def close(self) -> None:
        """Nothing is left."""
