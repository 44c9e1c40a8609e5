"""Patterns that strangers wrote, matched within a limit of time and memory."""

from __future__ import annotations

import time

import regex

PATTERN_CHARS_MAX = 1000
# A counted repetition is unrolled when it is compiled: (a{300}){300} takes 24 MB, (a{1000}){1000} a gigabyte.
REPEATS_MAX = 50_000
MATCHING_S = 0.25
COUNTED = regex.compile(r"\{(\d*)(?:,(\d*))?\}")


def refuse_pattern(pattern: str) -> str | None:
    """What is wrong with a pattern, in words; None when it may be used."""
    if len(pattern) > PATTERN_CHARS_MAX:
        return f"a pattern has at most {PATTERN_CHARS_MAX} characters"
    product = 1
    for counted in COUNTED.finditer(pattern):
        most = max(len(counted[1] or ""), len(counted[2] or ""))
        product *= 10**6 if most > 6 else max(1, int(counted[1] or 0), int(counted[2] or 0))
    if product > REPEATS_MAX:
        return f"its counted repetitions multiply to more than {REPEATS_MAX}"
    try:
        regex.compile(pattern, regex.ASCII)
    except (regex.error, RecursionError, OverflowError, ValueError) as error:
        return f"it is no regular expression: {error}"
    return None


class Matching:
    """Matches patterns until its time is over; what comes later does not match."""

    def __init__(self, seconds: float = MATCHING_S) -> None:
        self.ends = time.monotonic() + seconds

    def matches(self, pattern: str, text: str) -> bool:
        """Whether a pattern that was not refused is found in the text."""
        left = self.ends - time.monotonic()
        if left <= 0:
            return False
        try:
            return regex.search(pattern, text, regex.ASCII, timeout=left) is not None
        except TimeoutError:
            return False
