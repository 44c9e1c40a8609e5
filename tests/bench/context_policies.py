"""Simple policies of what a model is shown, simulated on the lengths of real conversations: what ours is compared with.

What stands in a context is a list of blocks, each a name and its tokens; a prefix cache holds what two requests begin
with in common.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import msgspec

from multiturn.engine.window.tokens import FRAME_TOKENS

SYSTEM_TOKENS = 400
# Caches hold whole pieces of a prompt: 16 tokens with vLLM.
CACHED_TOKENS = 16
RECALLED = "recalled"


class Lengths(msgspec.Struct, frozen=True):
    """A conversation of which only the tokens of each message are known; ``roles`` has a letter for each, u or a."""

    roles: str
    tokens: list[int]

    @property
    def costs(self) -> list[int]:
        """What each message takes, with its frame."""
        return [max(tokens, 1) + FRAME_TOKENS for tokens in self.tokens]

    def size_after(self, messages: int) -> int:
        """What the first so many messages take."""
        return sum(self.costs[:messages])


def read_lengths(path: Path) -> list[Lengths]:
    """Read the file of the benchmark, JSON Lines packed with gzip."""
    lines = gzip.decompress(path.read_bytes()).splitlines()
    return [msgspec.json.decode(line, type=Lengths) for line in lines if line.strip()]


class Block(NamedTuple):
    """A part of a request: a message by its place, or what was recalled for the one at its place."""

    name: tuple[str, int]
    tokens: int


class Hits(NamedTuple):
    """Tokens of prompts, and how many of them a prefix cache held."""

    held: int = 0
    asked: int = 0

    def add(self, other: Hits) -> Hits:
        """Both together."""
        return Hits(self.held + other.held, self.asked + other.asked)

    @property
    def share(self) -> float:
        """The share that was held."""
        return round(self.held / max(self.asked, 1), 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a context that is full is made to fit: it slides, or is cut to the ``low_water`` share of the budget.

    After a cut each turn recalls ``recall_tokens``, which stand in ``front`` of the history, before the ``last``
    message, or there and ``kept`` until the next cut.
    """

    low_water: float | None = 0.5
    recall_tokens: int = 0
    place: str = "last"


POLICIES = {
    "slide every turn": Policy(low_water=None),
    "cut to half, when full": Policy(),
    "cut to half + recall before the history": Policy(recall_tokens=512, place="front"),
    "cut to half + recall before the last message": Policy(recall_tokens=512),
    "cut to half + recall kept in place": Policy(recall_tokens=512, place="kept"),
    "cut to a quarter + recall kept in place": Policy(low_water=0.25, recall_tokens=512, place="kept"),
    "cut to a quarter + recall of 256 kept in place": Policy(low_water=0.25, recall_tokens=256, place="kept"),
}


class Replay:
    """One conversation under a simple policy."""

    def __init__(self, policy: Policy, budget: float) -> None:
        self.policy = policy
        self.budget = budget
        self.kept: list[Block] = []
        self.was_cut = False
        self.seen: list[Block] | None = None
        self.hits = Hits()

    def run(self, lengths: Lengths) -> Hits:
        """Ask for every message of the user."""
        for place, (role, tokens) in enumerate(zip(lengths.roles, lengths.costs, strict=True)):
            said = Block(("message", place), tokens)
            self.kept.append(said)
            if role == "u":
                self._ask(place)
            elif self.seen:
                self.seen.append(said)
        return self.hits

    def _ask(self, place: int) -> None:
        self._fit()
        block = Block((RECALLED, place), self.policy.recall_tokens if self.was_cut else 0)
        history, last = self.kept[:-1], self.kept[-1]
        system = Block(("system", 0), SYSTEM_TOKENS)
        in_front = self.policy.place == "front"
        request = [system, block, *history, last] if in_front else [system, *history, block, last]
        request = [one for one in request if one.tokens]
        self.hits = self.hits.add(measure_hit(self.seen or [system], request))
        self.seen = request
        if self.policy.place == "kept" and block.tokens:
            self.kept.insert(-1, block)

    def _fit(self) -> None:
        """Slide, or cut what is full, with what was recalled."""
        recalled = self.policy.recall_tokens
        if SYSTEM_TOKENS + count(self.kept) + (recalled if self.was_cut else 0) <= self.budget:
            return
        left = self.budget
        if self.policy.low_water is not None:
            self.was_cut = True
            self.kept = [one for one in self.kept if one.name[0] != RECALLED]
            left = self.budget * self.policy.low_water - recalled
        while len(self.kept) > 1 and SYSTEM_TOKENS + count(self.kept) > left:
            del self.kept[0]


def count(blocks: Iterable[Block]) -> int:
    """The tokens of blocks."""
    return sum(block.tokens for block in blocks)


def measure_hit(before: Sequence[Block], request: Sequence[Block]) -> Hits:
    """What a cache holds of a request after the one before and its answer."""
    common = takewhile(lambda pair: pair[0] == pair[1], zip(before, request, strict=False))
    return Hits(round_down(sum(one.tokens for one, _ in common)), count(request))


def round_down(tokens: int) -> int:
    """What a cache holds of so many tokens."""
    return tokens // CACHED_TOKENS * CACHED_TOKENS


def replay_simply(sessions: Iterable[Lengths], policy: Policy, budget: float) -> float:
    """The share of all prompts' tokens that a prefix cache holds."""
    total = Hits()
    for lengths in sessions:
        total = total.add(Replay(policy, budget).run(lengths))
    return total.share
