"""What the descriptions of Julep's operations share: parameters, and one conversation as an example."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import Parameter
from multiturn.api.julep.reading import LIMIT, LIMIT_MAX, OFFSET_MAX
from multiturn.api.parameters import NAME

BASE = "/julep/api"
SESSIONS, PEOPLE, DOCUMENTS = "Julep sessions", "Julep agents and users", "Julep documents"
TAGS = {
    SESSIONS: "Julep's sessions: its Python client works with `base_url` set to `/julep/api` of this server. What is "
    "different is in docs/julep.md. Errors are in Julep's envelope.",
    PEOPLE: "Who answers in Julep's sessions, and with whom.",
    DOCUMENTS: "What agents, users and sessions know: turns find it.",
}

AGENT_ID = "01a1fc90-fa6e-7c1b-8a55-0f6a4d0e6f10"
USER_ID = "01a1fc90-fa6d-7083-a410-20f1880177b2"
DOC_ID = "01a1fc90-fa70-7d1e-9d0c-6a1f0f3f2a11"
AT = examples.BEGAN

SESSION: dict[str, Any] = {
    "id": examples.SESSION_ID,
    "created_at": AT,
    "updated_at": examples.ENDED,
    "kind": None,
    "situation": "The user plans a journey.",
    "system_template": None,
    "summary": None,
    "render_templates": True,
    "token_budget": 4000,
    "context_overflow": "adaptive",
    "auto_run_tools": False,
    "forward_tool_calls": False,
    "recall_options": None,
    "metadata": {"channel": "web"},
    "agent": AGENT_ID,
    "agents": [AGENT_ID],
    "user": USER_ID,
    "users": [USER_ID],
}
AGENT: dict[str, Any] = {
    "id": AGENT_ID,
    "created_at": AT,
    "updated_at": AT,
    "name": "Ines",
    "about": "a guide to Lisbon",
    "canonical_name": "guide",
    "model": examples.MODEL,
    "instructions": ["Be brief."],
    "default_settings": {"temperature": 0.5},
    "default_system_template": None,
    "metadata": {},
    "project": None,
}
USER: dict[str, Any] = {
    "id": USER_ID,
    "created_at": AT,
    "updated_at": AT,
    "name": "Ada",
    "about": "likes trams",
    "metadata": {},
    "project": None,
}
DOC: dict[str, Any] = {
    "id": DOC_ID,
    "created_at": AT,
    "title": "Trams",
    "content": "Tram 28 runs from Martim Moniz to Campo de Ourique.",
    "metadata": {"type": "notes"},
    "embeddings": None,
    "modality": "text",
    "language": "english",
    "embedding_model": None,
    "embedding_dimensions": None,
}
HIT: dict[str, Any] = {
    "id": DOC_ID,
    "title": "Trams",
    "owner": {"id": AGENT_ID, "role": "agent"},
    "snippet": {"index": 0, "content": DOC["content"], "embedding": None},
    "distance": 0.2,
    "metadata": {"type": "notes"},
}
DELETED: dict[str, Any] = {"id": DOC_ID, "deleted_at": examples.ENDED, "jobs": []}


def name_thing(name: str, text: str, example: str) -> Parameter:
    """A thing as a path names it."""
    return Parameter(name=name, place="path", schema=NAME, text=text, example=example)


IN_SESSION = name_thing("session_id", "The session: its UUID, or any name that it has here.", examples.SESSION_ID)
OF_AGENT = name_thing("agent_id", "The agent: its UUID, or its canonical name.", AGENT_ID)
OF_USER = name_thing("user_id", "The user: their UUID, or their external id.", USER_ID)
OF_DOC = Parameter(name="doc_id", place="path", schema={"type": "string"}, text="The document's UUID.", example=DOC_ID)

PAGE_LIMIT = Parameter(
    name="limit",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    text="How many at most.",
)
OFFSET = Parameter(
    name="offset",
    place="query",
    schema={"type": "integer", "minimum": 0, "maximum": OFFSET_MAX, "default": 0},
    text="How many to leave out. A page behind the last is empty.",
)
SORT_BY = Parameter(
    name="sort_by",
    place="query",
    schema={"type": "string", "enum": ["created_at", "updated_at"], "default": "created_at"},
    text="What to sort by.",
)
DIRECTION = Parameter(
    name="direction",
    place="query",
    schema={"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    text="`desc`: the newest first; `asc`: the oldest. `metadata_filter.<key>=<value>`, repeated for a list and dotted "
    "for what is nested, keeps what has such metadata.",
)
PAGING = (PAGE_LIMIT, OFFSET, SORT_BY, DIRECTION)
