"""What the descriptions of Powabase's operations share: parameters, failures, and one conversation as an example."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Parameter
from multiturn.api.parameters import NAME
from multiturn.api.powabase.reading import LIMIT, LIMIT_MAX, OFFSET_MAX

BASE = "/api"
AGENTS, RUNS, SESSIONS, KNOWLEDGE = "Powabase agents", "Powabase runs", "Powabase sessions", "Powabase knowledge"
TAGS = {
    RUNS: "Powabase's runs of agents, whole or as a stream. Every path takes `apikey`, `Authorization`, or both. "
    "Errors are in Powabase's envelope. What is different is in docs/powabase.md.",
    SESSIONS: "Powabase's sessions: what was said, what each answer rests on, what each run did.",
    AGENTS: "Who answers in Powabase's sessions, and with what tools and knowledge.",
    KNOWLEDGE: "Powabase's knowledge bases and sources: this server's stores and assets.",
}

AGENT_ID = "01a1fc90-fa6e-7c1b-8a55-0f6a4d0e6f10"
SESSION_ID = "sess_01a1fc90fa6f71679e60a760fad8ae92"
RUN_ID = "run_01a1fc90fa6f71679e60a75f4edb5903"
AT, ENDED = examples.BEGAN, examples.ENDED

WRITES: dict[int, tuple[str, ...]] = {
    **ANY,
    400: ("invalid_request", "invalid_json", "incomplete_body"),
    413: ("request_too_large",),
}


def name_thing(name: str, text: str, example: str) -> Parameter:
    """A thing as a path names it."""
    return Parameter(name=name, place="path", schema=NAME, text=text, example=example)


IN_SESSION = name_thing("session_id", "The session: `sess_…`, its UUID, or any name that it has here.", SESSION_ID)
OF_AGENT = name_thing("agent_id", "The agent: its UUID, or its canonical name.", AGENT_ID)
OF_RUN = name_thing("run_id", "The run: `run_…`, or its UUID.", RUN_ID)


def page_limit(limit: int = LIMIT, limit_max: int = LIMIT_MAX) -> Parameter:
    """How many rows a listing is to give."""
    schema: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": limit_max, "default": limit}
    return Parameter(name="limit", place="query", schema=schema, text="How many at most.")


OFFSET = Parameter(
    name="offset",
    place="query",
    schema={"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0},
    text="How many to leave out. A page behind the last is empty.",
)
PAGING = (page_limit(), OFFSET)
