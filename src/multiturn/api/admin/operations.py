"""What can be asked about keys, described."""

from __future__ import annotations

from multiturn.api import examples
from multiturn.api.admin.quotas_operations import OPERATIONS as QUOTAS
from multiturn.api.admin.wire import KeyBody, KeyListBody, NewKeyBody, RevokedKeyBody
from multiturn.api.description import ANY, Body, Link, Operation, Parameter, Reply
from multiturn.api.parameters import NAME, USER

KEY_ID = Parameter(
    name="key_id", place="path", schema={"type": "string"}, text="Our id of the key.", example=examples.KEY["id"]
)

TENANT = Parameter(
    name="tenant",
    place="query",
    schema={**NAME, "default": "default"},
    text="Whose keys, by the name of the tenant.",
)

OPERATIONS = (
    Operation(
        name="listKeys",
        method="get",
        paths=("/v1/keys",),
        tag="Keys",
        summary="List a tenant's keys",
        parameters=(TENANT, USER),
        replies=(
            Reply(
                text="All of them, the oldest first, revoked ones too.",
                shape=KeyListBody,
                example={"object": "list", "data": [examples.KEY]},
            ),
        ),
        errors={**ANY, 404: ("tenant_not_found",)},
    ),
    Operation(
        name="makeKey",
        method="post",
        paths=("/v1/keys",),
        tag="Keys",
        summary="Make a key",
        text="And its tenant and user where they are new.",
        parameters=(USER,),
        body=Body(shape=NewKeyBody, examples=(examples.NEW_KEY,), is_required=False),
        replies=(
            Reply(
                text="The key, with its secret, which is not shown again.",
                status=201,
                shape=KeyBody,
                example={**examples.KEY, "secret": "mt-QhU2c5Jm0mYw3e1nXfV9pL4rT8kZx7Lw"},
                links=(Link(operation="revokeKey", parameter="key_id", source="$response.body#/id"),),
            ),
        ),
        errors={**ANY, 400: ("invalid_request", "invalid_json"), 413: ("request_too_large",)},
    ),
    Operation(
        name="getKey",
        method="get",
        paths=("/v1/keys/{key_id}",),
        tag="Keys",
        summary="Get a key",
        text="Without its secret, which is not kept.",
        parameters=(KEY_ID, TENANT, USER),
        replies=(Reply(text="The key, revoked or not.", shape=KeyBody, example=examples.KEY),),
        errors={**ANY, 404: ("key_not_found", "tenant_not_found")},
    ),
    Operation(
        name="revokeKey",
        method="delete",
        paths=("/v1/keys/{key_id}",),
        tag="Keys",
        summary="Revoke a key",
        text="At once, on every server of the database; one that does not hear of it finds out within 5 seconds.",
        parameters=(KEY_ID, TENANT, USER),
        replies=(
            Reply(
                text="It is revoked.",
                shape=RevokedKeyBody,
                example={"id": examples.KEY["id"], "object": "key.revoked", "revoked": True},
            ),
        ),
        errors={**ANY, 404: ("key_not_found", "tenant_not_found")},
    ),
    *QUOTAS,
)
