"""Times as they are stored: what is answered now reads the same when it is asked for later."""

from __future__ import annotations

from datetime import datetime


def as_stored(time: datetime) -> datetime:
    """A time as the store gives it back: in whole milliseconds."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
