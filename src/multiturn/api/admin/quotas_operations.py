"""What can be asked about quotas, described."""

from __future__ import annotations

from typing import Any

from multiturn.api.admin.quotas_wire import DeletedQuotaBody, QuotaBody, QuotaListBody, QuotaOrderBody
from multiturn.api.description import ANY, Body, Example, Operation, Parameter, Reply
from multiturn.api.parameters import NAME, USER

TENANT = Parameter(
    name="tenant",
    place="query",
    schema={**NAME, "default": "default"},
    text="Whose quotas, by the name of the tenant.",
)
KIND = Parameter(
    name="kind",
    place="path",
    schema={"type": "string", "enum": ["tenant", "users", "sessions"]},
    text="`tenant`: what its users may use together. `users`, `sessions`: what each may use that has none of its own.",
    example="tenant",
)
KIND_OF = Parameter(
    name="kind",
    place="path",
    schema={"type": "string", "enum": ["users", "sessions"]},
    text="Of what.",
    example="users",
)
SUBJECT = Parameter(
    name="subject_id",
    place="path",
    schema={"type": "string"},
    text="Our id of the user or session; or the user's external id, or a session's within the default user.",
    example="01a1fc90-fa6d-7083-a410-20f1880177b2",
)
LIMIT = Parameter(
    name="limit",
    place="query",
    schema={"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
    text="How many at most.",
)
PLACE = "^(tenant/|(users|sessions)/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?)$"
AFTER = Parameter(
    name="after", place="query", schema={"type": "string", "pattern": PLACE}, text="The `next` of the page before."
)

QUOTA: dict[str, Any] = {
    "object": "quota",
    "tenant": "default",
    "kind": "users",
    "subject_id": "01a1fc90-fa6d-7083-a410-20f1880177b2",
    "user": "user-1",
    "day": {"turns": 200, "tokens": None, "cost_usd": None},
    "month": {"turns": None, "tokens": None, "cost_usd": 5.0},
    "life": None,
    "used": {
        "day": {"turns": 12, "tokens": 34567, "cost_usd": 0.0123},
        "month": {"turns": 345, "tokens": 1234567, "cost_usd": 0.75},
        "life": None,
    },
}
ORDER = Example(
    name="quota", title="200 turns a day, 5 dollars a month", body={"day": {"turns": 200}, "month": {"cost_usd": 5}}
)
EACH, ONE = "/v1/quotas/{kind}", "/v1/quotas/{kind}/{subject_id}"
MISSING = {404: ("quota_not_found", "tenant_not_found")}
MISSING_ONE = {404: ("quota_not_found", "tenant_not_found", "user_not_found", "session_not_found")}
INPUT = {400: ("invalid_request", "invalid_json"), 413: ("request_too_large",)}
SHOWN = Reply(text="The quota, and what was used of it.", shape=QuotaBody, example=QUOTA)
GONE = Reply(
    text="It is deleted: any amount may be used, unless another quota says otherwise.",
    shape=DeletedQuotaBody,
    example={"object": "quota.deleted", "deleted": True},
)
REPLACES = (
    "It replaces the one before and counts at once, on every server of the database, for what was used already too."
)


def describe(*, of: str, path: str, parameters: tuple[Parameter, ...], missing: Any) -> tuple[Operation, ...]:
    """Reading, setting and deleting a quota of one place."""
    common: Any = {"paths": (path,), "tag": "Quotas", "parameters": (*parameters, TENANT, USER)}
    return (
        Operation(
            name=f"get{of}",
            method="get",
            summary="Get a quota",
            replies=(SHOWN,),
            errors={**ANY, **missing},
            **common,
        ),
        Operation(
            name=f"set{of}",
            method="put",
            summary="Set a quota",
            text=REPLACES,
            body=Body(shape=QuotaOrderBody, examples=(ORDER,)),
            replies=(SHOWN,),
            errors={**ANY, **INPUT, **missing},
            **common,
        ),
        Operation(
            name=f"delete{of}",
            method="delete",
            summary="Delete a quota",
            replies=(GONE,),
            errors={**ANY, **missing},
            **common,
        ),
    )


OPERATIONS = (
    Operation(
        name="listQuotas",
        method="get",
        paths=("/v1/quotas",),
        tag="Quotas",
        summary="List a tenant's quotas",
        parameters=(TENANT, LIMIT, AFTER, USER),
        replies=(
            Reply(
                text="Those of sessions, the tenant's, those of users.",
                shape=QuotaListBody,
                example={"object": "list", "data": [{**QUOTA, "used": None}], "has_more": False, "next": None},
            ),
        ),
        errors={**ANY, 404: ("tenant_not_found",)},
    ),
    *describe(of="Quota", path=EACH, parameters=(KIND,), missing=MISSING),
    *describe(of="OwnQuota", path=ONE, parameters=(KIND_OF, SUBJECT), missing=MISSING_ONE),
)
