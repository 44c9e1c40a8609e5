"""What can be asked of the caller's tenant in the native API, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Operation, Reply
from multiturn.api.native.tenant_wire import TenantBody, TenantChangeBody
from multiturn.api.parameters import USER

TENANT: dict[str, Any] = {
    "id": "01a1fc90-fa6c-7d10-9d0e-3a7c55e1b204",
    "object": "tenant",
    "name": "default",
    "created_at": examples.BEGAN,
    "context_overflow": "adaptive",
    "token_budget": 8192,
    "recall": None,
    "recall_tokens": None,
    "recall_options": None,
}
TENANT_CHANGE = Example(
    name="change", title="A budget for all sessions", body={"token_budget": 8192, "context_overflow": "adaptive"}
)

OPERATIONS = (
    Operation(
        name="getTenant",
        method="get",
        paths=("/v1/tenant",),
        tag="Tenant",
        summary="Get the tenant of the key",
        parameters=(USER,),
        replies=(Reply(text="The tenant, and what it sets.", shape=TenantBody, example=TENANT),),
        errors={**ANY, 404: ("tenant_not_found",)},
    ),
    Operation(
        name="updateTenant",
        method="patch",
        paths=("/v1/tenant",),
        tag="Tenant",
        summary="Change what the tenant sets",
        text="For a key with the scope `admin`. What is left out stays, null unsets. The next turn of any session acts "
        "on it, unless its agent, the session or the turn says otherwise.",
        parameters=(USER,),
        body=Body(shape=TenantChangeBody, examples=(TENANT_CHANGE,)),
        replies=(Reply(text="The tenant as it is now.", shape=TenantBody, example=TENANT),),
        errors={
            **ANY,
            400: (*ANY[400], "invalid_json", "incomplete_body", "not_storable"),
            404: ("tenant_not_found",),
            413: ("request_too_large",),
        },
    ),
)
