"""Conversations of the LoCoMo benchmark: what was said, and questions with the turns that hold their answers."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

TURN_ID = re.compile(r"D\d+:\d+")


@dataclass(frozen=True, slots=True)
class Turn:
    """What somebody said, and when the talk that it belongs to began."""

    speaker: str
    said_at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question and the places of the turns that hold its answer."""

    text: str
    evidence: frozenset[int]
    category: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """All turns in their order, and the questions that have evidence."""

    turns: list[Turn]
    questions: list[Question]


def read_conversations(path: Path) -> list[Conversation]:
    """Read the file of the benchmark, JSON packed with gzip."""
    return [read_conversation(raw) for raw in msgspec.json.decode(gzip.decompress(path.read_bytes()))]


def read_conversation(raw: dict[str, Any]) -> Conversation:
    """Take over one conversation. Evidence that names no turn is left out, and so are questions without any."""
    said = list(list_turns(raw["conversation"]))
    places = {turn_id: place for place, (turn_id, _) in enumerate(said)}
    questions = []
    for asked in raw["qa"]:
        named = [turn_id for text in asked["evidence"] for turn_id in TURN_ID.findall(text)]
        evidence = frozenset(places[turn_id] for turn_id in named if turn_id in places)
        if evidence:
            questions.append(Question(asked["question"], evidence, asked["category"]))
    return Conversation([turn for _, turn in said], questions)


def list_turns(talks: dict[str, Any]) -> Iterator[tuple[str, Turn]]:
    """The turns of all talks with their ids."""
    numbers = sorted(int(name.removeprefix("session_")) for name in talks if re.fullmatch(r"session_\d+", name))
    for number in numbers:
        said_at = datetime.strptime(talks[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y")
        for turn in talks[f"session_{number}"]:
            yield turn["dia_id"], Turn(turn["speaker"], said_at, turn["text"])
