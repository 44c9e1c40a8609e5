"""When a request is sent again, and how long to wait before."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from multiturn_client.errors import MultiturnError

FIRST_PAUSE_S = 0.5
PAUSE_MAX_S = 8.0
# A server that asks for more patience than this is not waited for: the caller decides.
ASKED_MAX_S = 60.0


class PassingError(Exception):
    """An error that another try may mend, with the headers that say when."""

    def __init__(self, error: MultiturnError, headers: Mapping[str, str]) -> None:
        super().__init__(error.message)
        self.error = error
        self.headers = headers


def may_retry(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a second try may mend this. ``x-should-retry`` decides where the server sends it; a 409 is tried again
    only when the server says after how long.
    """
    said = headers.get("x-should-retry")
    if said in ("true", "false"):
        return said == "true"
    return status in (408, 429) or status >= 500 or (status == 409 and "retry-after" in headers)


def find_pause_s(tries: int, headers: Mapping[str, str], *, chance: float | None = None) -> float | None:
    """Seconds to wait after the ``tries``-th try; None: longer than anybody waits. ``chance`` is from 0 to 1."""
    asked = read_retry_after(headers)
    if asked is not None:
        return asked if asked <= ASKED_MAX_S else None
    spread = random.random() if chance is None else chance
    pause_s: float = min(FIRST_PAUSE_S * 2 ** (tries - 1), PAUSE_MAX_S)
    return pause_s * (0.75 + 0.5 * spread)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a server asks to wait: as a number, or as a date."""
    text = headers.get("retry-after", "").strip()
    if text.replace(".", "", 1).isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
