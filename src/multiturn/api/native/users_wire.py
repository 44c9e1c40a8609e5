"""The shapes of users in the native API: as they are shown, asked for, and erased."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from multiturn.api.auth import NAME_PATTERN
from multiturn.api.native.wire import Time
from multiturn.engine.metadata import LABEL_CHARS_MAX
from multiturn.engine.users import ABOUT_CHARS_MAX

EXTERNAL_ID = "The name that the application uses, unique in its tenant; `X-User-Id` names it so."
ABOUT = "What an agent is to know of it; templates show it."
PROJECT = "A label."
METADATA = "Anything that the application wants to keep here, at most 16 KB."

Label = Annotated[
    str, Meta(min_length=1, max_length=LABEL_CHARS_MAX, extra_json_schema={"pattern": f"^{NAME_PATTERN}$"})
]
About = Annotated[str, Meta(max_length=ABOUT_CHARS_MAX)]


class UserBody(Struct, kw_only=True):
    """A user of the tenant: owns sessions, by a key or by `X-User-Id`, or takes part in them."""

    id: Annotated[str, Meta(description="Our id.")]
    object: Literal["user"] = "user"
    external_id: Annotated[str | None, Meta(description=f"{EXTERNAL_ID} Null: it is known by our id only.")]
    created_at: Annotated[Time, Meta(description="When it was made, in UTC.")]
    updated_at: Annotated[Time, Meta(description="When it was changed last, in UTC.")]
    name: str | None
    about: Annotated[str | None, Meta(description=ABOUT)]
    project: Annotated[str | None, Meta(description=PROJECT)]
    metadata: Annotated[dict[str, Any], Meta(description=METADATA)]


class UserFields(Struct, kw_only=True):
    """What may be set of a user; null unsets it."""

    external_id: Annotated[Label | UnsetType | None, Meta(description=EXTERNAL_ID)] = UNSET
    name: Annotated[Label | UnsetType | None, Meta(description="What it is called.")] = UNSET
    about: Annotated[About | UnsetType | None, Meta(description=ABOUT)] = UNSET
    project: Annotated[Label | UnsetType | None, Meta(description=PROJECT)] = UNSET


class UserOrderBody(UserFields, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A user to make, or what one is to be from now on."""

    metadata: Annotated[dict[str, Any] | None, Meta(description=METADATA)] = None


class UserChangeBody(UserFields, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is to be changed of a user; what is left out stays."""

    metadata: Annotated[dict[str, Any] | None, Meta(description="Merged key by key: null takes a key away.")] = None


class ErasureOrderBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Whom to erase."""

    user_id: Annotated[str, Meta(description="Our id of the user, or its external id.", min_length=1)]


class ErasureBody(Struct, kw_only=True):
    """What was taken away with a user, as a receipt."""

    object: Literal["erasure"] = "erasure"
    user_id: Annotated[str, Meta(description="Our id of the user.")]
    erased_at: Annotated[Time, Meta(description="When, in UTC.")]
    sessions: Annotated[
        int, Meta(description="Sessions that were the user's, or in which it took part, and their forks.")
    ]
    forks: Annotated[int, Meta(description="How many of them were forks.")]
    items: int
    runs: int
    documents: int
    is_complete: Annotated[
        bool,
        Meta(description="Whether all bytes are overwritten; otherwise the server goes on with it. Nobody finds them."),
    ]
