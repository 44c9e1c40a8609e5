"""Stops asking a provider that keeps failing, and finds out when it is back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

BreakerState = Literal["closed", "open", "half_open"]


class Breaker:
    """Lets calls through while it is closed; ``failures_max`` failures on end open it.

    While it is open, one call in every ``cool_down_s`` goes through as a probe, and a success closes it. A
    probe that never tells how it went (its caller was cancelled) only costs the time until the next.
    """

    def __init__(self, *, failures_max: int, cool_down_s: float, clock: Callable[[], float]) -> None:
        self._failures_max = failures_max
        self._cool_down_s = cool_down_s
        self._clock = clock
        self._failures = 0
        self._probe_at = 0.0
        self._is_probing = False

    @property
    def state(self) -> BreakerState:
        """Whether calls go through (closed), none does (open), or a probe is on its way (half-open)."""
        if self._failures < self._failures_max:
            return "closed"
        return "half_open" if self._is_probing else "open"

    @property
    def retry_after_s(self) -> float:
        """How long until the next call goes through."""
        return 0.0 if self.state == "closed" else max(0.0, self._probe_at - self._clock())

    def admit(self) -> bool:
        """Say whether a call may be made now; the one that may in spite of an open breaker is its probe."""
        if self.state == "closed":
            return True
        if self._clock() < self._probe_at:
            return False
        self._is_probing = True
        self._probe_at = self._clock() + self._cool_down_s
        return True

    def succeed(self) -> None:
        """Note that the provider answered."""
        self._failures = 0
        self._is_probing = False

    def fail(self) -> None:
        """Note that the provider failed; of a call from before the breaker opened, that delays no probe."""
        self._failures += 1
        if self._is_probing or self._failures == self._failures_max:
            self._probe_at = self._clock() + self._cool_down_s
        self._is_probing = False
