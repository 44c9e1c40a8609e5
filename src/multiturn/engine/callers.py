"""What callers may not do, whatever they ask for."""

from __future__ import annotations

from multiturn.errors import Forbidden
from multiturn.model.tenant import Caller


def require_tenant(caller: Caller, what: str) -> None:
    """Raise Forbidden for a caller that acts for one user: ``what`` (agents, assets …) are the tenant's."""
    if caller.is_bound:
        raise Forbidden(f"This key acts for one user, and {what} are the tenant's: it may read them only.")
