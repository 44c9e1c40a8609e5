"""What the dialects' parameters share: what a name is, and the user that a request acts for."""

from __future__ import annotations

from typing import Any

from multiturn.api.auth import ID_CHARS_MAX, NAME_PATTERN
from multiturn.api.description import Parameter

NAME: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": ID_CHARS_MAX, "pattern": f"^{NAME_PATTERN}$"}

OPTIONAL_NAME: dict[str, Any] = {"type": "string", "maxLength": ID_CHARS_MAX, "pattern": f"^(?:{NAME_PATTERN})?$"}

USER = Parameter(
    name="X-User-Id",
    place="header",
    schema=NAME,
    text="The user whose sessions are meant, by a name of the client's. Only a key with the scope `users` or `admin` "
    "may send it; a user that is new is made. Left out: the user of the key. Beside a JWT it may say no other user.",
    example="user-1",
)
