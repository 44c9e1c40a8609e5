"""What an error code is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code, which is stable, and its text for people. Without a status it is seen on the command line only."""

    name: str
    status: int | None
    meaning: str
    advice: str
