"""The parameters that operations share: headers that say who asks and in which session, and how to page."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.auth import ID_CHARS_MAX, NAME_PATTERN
from multiturn.api.chat.wire import SESSION_HEADERS
from multiturn.api.description import Parameter
from multiturn.api.native.routes import LIMIT, LIMIT_MAX, NUMBER_MAX

NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX, "pattern": f"^{NAME_PATTERN}$"}
OPTIONAL_NAME: dict[str, Any] = {"type": "string", "maxLength": ID_CHARS_MAX, "pattern": f"^(?:{NAME_PATTERN})?$"}
NUMBER: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": NUMBER_MAX}

USER = Parameter(
    name="X-User-Id",
    place="header",
    schema=NAME,
    text="The user whose sessions are meant, by a name of the client's. Only a key with the scope `users` may send it; "
    "a user that is new is made. Left out: the user of the key.",
    example="user-1",
)
# HTTP names are case-insensitive; these are spelt as the clients' documentation does.
SESSION_HEADER = Parameter(
    name="session-id",
    place="header",
    aliases=("sessionId", "x-session-id", "session_id"),
    schema=OPTIONAL_NAME,
    text="The session to take the turn in: any name of 1 to 255 characters without control characters, unique within "
    "the user, or our id. A name that is new makes the session. Four spellings mean the same; two of them with "
    "different values are a 400. Some proxies (nginx) drop headers with an underscore. Left out, as in the body: no "
    "session, nothing is stored.",
    example=examples.SESSION_NAME,
)
IDEMPOTENCY = Parameter(
    name="Idempotency-Key",
    place="header",
    schema=OPTIONAL_NAME,
    text="Sent again within 24 hours with the same body, the request is not executed again: it gets the first answer, "
    "also while that is being made, and also as a stream. With another body: 409. Without a session it is passed on to "
    "the provider.",
    example="4f1c1a0e-6d0b-4a52-9a3b-0c7a2f6f1d55",
)
RETRY_COUNT = Parameter(
    name="x-stainless-retry-count",
    place="header",
    schema={"type": "string"},
    text="Sent by the official clients. Above 0, and with the body of a turn of the last 10 minutes, the request joins "
    "that turn instead of being a second one.",
)

SESSION_ID = Parameter(
    name="session_id",
    place="path",
    schema=NAME,
    text="The client's name of the session, or our id. A name that holds a slash cannot stand in a path: take our id.",
    example=examples.SESSION_NAME,
)
RUN_ID = Parameter(
    name="run_id", place="path", schema={"type": "string"}, text="Our id of the run.", example=examples.RUN_ID
)
KEY_ID = Parameter(
    name="key_id", place="path", schema={"type": "string"}, text="Our id of the key.", example=examples.KEY["id"]
)
TENANT = Parameter(
    name="tenant",
    place="query",
    schema={**NAME, "default": "default"},
    text="Whose keys, by the name of the tenant.",
)

PAGE_LIMIT = Parameter(
    name="limit",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    text="How many at most.",
)
BEFORE = Parameter(
    name="before",
    place="query",
    schema={"type": "string", "format": "uuid"},
    text="Our id of a session: those that were made before it. `next` of the page before has it.",
)
CURSOR = Parameter(
    name="cursor", place="query", schema=NUMBER, text="Those behind this number. `next` of the page before has it."
)
ORDER = Parameter(
    name="order",
    place="query",
    schema={"type": "string", "enum": ["desc", "asc"], "default": "desc"},
    text="`desc`: the newest first; `asc`: the oldest.",
)
BRANCH = Parameter(
    name="branch",
    place="query",
    schema={"type": "string", "enum": ["active", "all"], "default": "active"},
    text="`active`: the conversation as it stands; `all`: also what edits and regenerations left behind.",
)
STARTING_AFTER = Parameter(
    name="starting_after",
    place="query",
    schema={**NUMBER, "default": 0},
    text="The number of the last event that is known: those behind it.",
)
LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    schema=NUMBER,
    text="The same, as a browser's `EventSource` sends it when it connects again; `starting_after` wins.",
)

assert {name.lower() for name in SESSION_HEADER.names} == set(SESSION_HEADERS)
