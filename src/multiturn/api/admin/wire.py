"""The shapes of the keys' API; ``/openapi.json`` is made of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from multiturn.api.auth import ID_CHARS_MAX, NAME_PATTERN
from multiturn.model.tenant import DEFAULT_TENANT

Name = Annotated[str, Meta(min_length=1, max_length=ID_CHARS_MAX, extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})]
Label = Annotated[str, Meta(max_length=ID_CHARS_MAX, extra_json_schema={"pattern": f"^(?:{NAME_PATTERN})?$"})]
Time = Annotated[datetime, Meta(tz=True)]


class NewKeyBody(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A key to be made. Its tenant and its user are named, and made where they are new."""

    tenant: Annotated[Name, Meta(description="Whose data it opens.")] = DEFAULT_TENANT
    user: Annotated[
        Name | None,
        Meta(
            description="The user that it belongs to: it then sees that user's sessions only. Null: the tenant's "
            "default user, and it sees all sessions of the tenant by their ids."
        ),
    ] = None
    label: Annotated[Label, Meta(description="For people, to tell keys apart.")] = ""
    scopes: Annotated[
        list[Literal["admin", "users", "read", "jwt"]],
        Meta(
            description="None: it takes turns, and reads and changes what is its tenant's, or its user's. `admin` "
            "manages keys and quotas of every tenant, and may do what `users` may: act for any user of its tenant "
            "(`X-User-Id`). `read` may only read and search. `jwt` opens nothing but beside the JWT of a user, whose "
            "tenant it names: such a key may stand in a web page."
        ),
    ] = []
    expires_at: Annotated[
        Time | None, Meta(description="When it stops to open anything, in the future. Null: never.")
    ] = None


class KeyBody(Struct, kw_only=True):
    """An API key."""

    id: Annotated[str, Meta(description="Our id, a UUIDv7.")]
    object: Literal["key"] = "key"
    tenant: Annotated[str, Meta(description="Whose data it opens, by name.")]
    user_id: Annotated[str, Meta(description="Our id of the user that it acts as.")]
    user: Annotated[str | None, Meta(description="The name of the user that it belongs to; null: to none.")]
    label: str
    hint: Annotated[str, Meta(description="The beginning and the end of the secret.")]
    scopes: list[str]
    created_at: Time
    expires_at: Annotated[Time | None, Meta(description="When it stops to open anything; null: never.")]
    used_at: Annotated[Time | None, Meta(description="When it was last used, to the minute; null: never.")]
    revoked_at: Annotated[Time | None, Meta(description="Since when it opens nothing; null while it is good.")]
    secret: Annotated[
        str | None, Meta(description="The key itself, shown once, when it is made; stored is its SHA-256.")
    ] = None


class KeyListBody(Struct, kw_only=True):
    """All keys of a tenant, oldest first."""

    object: Literal["list"] = "list"
    data: list[KeyBody]


class RevokedKeyBody(Struct, kw_only=True):
    """A key that was revoked."""

    id: str
    object: Literal["key.revoked"] = "key.revoked"
    revoked: Literal[True] = True
