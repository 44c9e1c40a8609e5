"""The shapes of a tenant in the native API: what it sets for all its sessions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from multiturn.api.native.wire import Time
from multiturn.api.policy import PolicyFields, PolicyShown


class TenantBody(PolicyShown, kw_only=True):
    """Whose data they are, and what it sets for the contexts of all its sessions."""

    id: Annotated[str, Meta(description="Our id.")]
    object: Literal["tenant"] = "tenant"
    name: str
    created_at: Annotated[Time, Meta(description="When it was made, in UTC.")]


class TenantChangeBody(PolicyFields, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a tenant; what is left out stays, null unsets."""
