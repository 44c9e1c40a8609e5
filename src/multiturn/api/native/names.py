"""How paths of the native API name a session."""

from __future__ import annotations

from multiturn.api.auth import check_id
from multiturn.model.ids import find_id
from multiturn.model.session import SessionKey
from multiturn.model.tenant import Caller


def session_key(caller: Caller, name: str) -> SessionKey:
    """A session as a path names it: our id, or the client's."""
    return SessionKey(
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        id=find_id(name),
        external_id=check_id(name, "session_id"),
        is_bound=caller.is_bound,
    )
