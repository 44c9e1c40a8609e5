"""How requests name a session, whatever the dialect."""

from __future__ import annotations

from multiturn.api.auth import check_id
from multiturn.model.ids import find_id
from multiturn.model.session import SessionKey
from multiturn.model.tenant import Caller


def session_key(caller: Caller, name: str, *, param: str = "session_id") -> SessionKey:
    """A session as a request names it: our id in any form, or the client's. Raises InvalidRequest."""
    return SessionKey(
        tenant_id=caller.tenant_id,
        user_id=caller.user_id,
        id=find_id(name),
        external_id=check_id(name, param),
        is_bound=caller.is_bound,
    )
