"""The shapes of the quotas' API."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0, le=2**53)]
Dollars = Annotated[float, Meta(ge=0, le=1e9)]


class AllowanceOrderBody(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How much may be used; null is any amount, 0 is nothing."""

    turns: Annotated[Count | None, Meta(description="Turns that were answered, and calls without a session.")] = None
    tokens: Annotated[Count | None, Meta(description="Tokens in and out, cached ones too.")] = None
    cost_usd: Annotated[
        Dollars | None, Meta(description="US dollars. A turn whose model has no known price counts as 0.")
    ] = None


class AllowanceBody(Struct, kw_only=True):
    """How much may be used; null is any amount."""

    turns: int | None
    tokens: int | None
    cost_usd: float | None


class QuotaOrderBody(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be used: on a day and in a month (UTC), or in the whole life of a session. It replaces what was set."""

    day: Annotated[AllowanceOrderBody | None, Meta(description="Of a tenant or a user.")] = None
    month: Annotated[AllowanceOrderBody | None, Meta(description="Of a tenant or a user.")] = None
    life: Annotated[AllowanceOrderBody | None, Meta(description="Of a session.")] = None


class SpentBody(Struct, kw_only=True):
    """What was used so far."""

    turns: int
    tokens: int
    cost_usd: float


class QuotaUsedBody(Struct, kw_only=True):
    """What was used so far, in each period that there is for its kind."""

    day: SpentBody | None = None
    month: SpentBody | None = None
    life: SpentBody | None = None


class QuotaBody(Struct, kw_only=True):
    """A quota."""

    object: Literal["quota"] = "quota"
    tenant: Annotated[str, Meta(description="Whose data it is about, by name.")]
    kind: Literal["tenant", "users", "sessions"]
    subject_id: Annotated[
        str | None,
        Meta(description="Our id of the user or session. Null: the tenant, or each that has no quota of its own."),
    ] = None
    user: Annotated[str | None, Meta(description="The user's name.")] = None
    day: AllowanceBody | None = None
    month: AllowanceBody | None = None
    life: AllowanceBody | None = None
    used: Annotated[
        QuotaUsedBody | None,
        Meta(description="Of one that is asked for by itself and is not for each user or session."),
    ] = None


class QuotaListBody(Struct, kw_only=True):
    """Quotas of a tenant: those of sessions, the tenant's, those of users."""

    object: Literal["list"] = "list"
    data: list[QuotaBody]
    has_more: bool
    next: Annotated[str | None, Meta(description="`after` of the next page.")] = None


class DeletedQuotaBody(Struct, kw_only=True):
    """A quota that was deleted."""

    object: Literal["quota.deleted"] = "quota.deleted"
    deleted: Literal[True] = True
