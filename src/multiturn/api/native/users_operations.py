"""What can be asked of users in the native API, described."""

from __future__ import annotations

from typing import Any

from multiturn.api import examples
from multiturn.api.description import ANY, Body, Example, Link, Operation, Parameter, Reply
from multiturn.api.native.listing import FILTER, NEXT, OFFSET, SORT
from multiturn.api.native.operations import ORDER, PAGE_LIMIT
from multiturn.api.native.users_wire import ErasureBody, ErasureOrderBody, UserBody, UserChangeBody, UserOrderBody
from multiturn.api.native.wire import ListBody
from multiturn.api.parameters import NAME, USER

USER_ID = Parameter(
    name="user_id", place="path", schema=NAME, text="Our id of the user, or its external id.", example="user-1"
)

ORDERED: dict[str, Any] = {
    "external_id": "user-1",
    "name": "Ann",
    "about": "Travels light.",
    "metadata": {"plan": "pro"},
}
NEW_USER = Example(name="user", title="A user", body=ORDERED)
USER_CHANGE = Example(name="change", title="Another plan", body={"metadata": {"plan": "free"}})
SHOWN: dict[str, Any] = {
    "id": "01a1fc90-fa6d-7083-a410-20f1880177b2",
    "object": "user",
    "created_at": examples.BEGAN,
    "updated_at": examples.BEGAN,
    "project": None,
    **ORDERED,
}
ERASURE = Example(name="erasure", title="A user by its external id", body={"user_id": "user-1"})
RECEIPT: dict[str, Any] = {
    "object": "erasure",
    "user_id": SHOWN["id"],
    "erased_at": examples.ENDED,
    "sessions": 3,
    "forks": 1,
    "items": 48,
    "runs": 21,
    "documents": 2,
    "is_complete": True,
}
TAG = "Users"
ERASED = (
    "All sessions that are the user's or in which it takes part, with those forked from them; its documents and those "
    "of the sessions; the keys that belong to it open nothing any more; and the user itself, unless it is the tenant's "
    "default user. Turns that run are cancelled."
)
WRITTEN: dict[int, tuple[str, ...]] = {
    400: (*ANY[400], "invalid_json", "incomplete_body", "not_storable"),
    409: ("user_exists",),
    413: ("request_too_large",),
}
MISSING: dict[int, tuple[str, ...]] = {404: ("user_not_found",)}

OPERATIONS = (
    Operation(
        name="listUsers",
        method="get",
        paths=("/v1/users",),
        tag=TAG,
        summary="List users",
        text="Those of the tenant but its default user, the newest first; those that `X-User-Id` or a key made are in "
        "it. A key that acts for one user may not list others.",
        parameters=(PAGE_LIMIT, NEXT, OFFSET, ORDER, SORT, FILTER, USER),
        replies=(
            Reply(
                text="A page of users. `next` is the `cursor` of the page behind it.",
                shape=ListBody[UserBody],
                example=examples.page(SHOWN),
                links=(Link(operation="getUser", parameter="user_id", source="$response.body#/data/0/id"),),
            ),
        ),
        errors=ANY,
    ),
    Operation(
        name="createUser",
        method="post",
        paths=("/v1/users",),
        tag=TAG,
        summary="Make a user",
        parameters=(USER,),
        body=Body(shape=UserOrderBody, examples=(NEW_USER,), is_required=False),
        replies=(
            Reply(
                text="The user.",
                status=201,
                shape=UserBody,
                example=SHOWN,
                links=(
                    Link(operation="getUser", parameter="user_id", source="$response.body#/id"),
                    Link(operation="updateUser", parameter="user_id", source="$response.body#/id"),
                    Link(operation="replaceUser", parameter="user_id", source="$response.body#/id"),
                    Link(operation="eraseUser", parameter="user_id", source="$response.body#/id"),
                ),
            ),
        ),
        errors={**ANY, **WRITTEN},
    ),
    Operation(
        name="getUser",
        method="get",
        paths=("/v1/users/{user_id}",),
        tag=TAG,
        summary="Get a user",
        parameters=(USER_ID, USER),
        replies=(Reply(text="The user.", shape=UserBody, example=SHOWN),),
        errors={**ANY, **MISSING},
    ),
    Operation(
        name="updateUser",
        method="patch",
        paths=("/v1/users/{user_id}",),
        tag=TAG,
        summary="Change a user",
        text="What is left out stays.",
        parameters=(USER_ID, USER),
        body=Body(shape=UserChangeBody, examples=(USER_CHANGE,)),
        replies=(Reply(text="The user as it is now.", shape=UserBody, example=SHOWN),),
        errors={**ANY, **WRITTEN, **MISSING},
    ),
    Operation(
        name="replaceUser",
        method="put",
        paths=("/v1/users/{user_id}",),
        tag=TAG,
        summary="Replace a user",
        text="What is left out has its default, but the external id, which stays.",
        parameters=(USER_ID, USER),
        body=Body(shape=UserOrderBody, examples=(NEW_USER,)),
        replies=(Reply(text="The user as it is now.", shape=UserBody, example=SHOWN),),
        errors={**ANY, **WRITTEN, **MISSING},
    ),
    Operation(
        name="eraseUser",
        method="delete",
        paths=("/v1/users/{user_id}",),
        tag=TAG,
        summary="Erase a user",
        text=ERASED,
        parameters=(USER_ID, USER),
        replies=(Reply(text="What was taken away.", shape=ErasureBody, example=RECEIPT),),
        errors={**ANY, **MISSING},
    ),
    Operation(
        name="createErasure",
        method="post",
        paths=("/v1/erasures",),
        tag=TAG,
        summary="Erase a user by name",
        text=ERASED,
        parameters=(USER,),
        body=Body(shape=ErasureOrderBody, examples=(ERASURE,)),
        replies=(Reply(text="What was taken away.", shape=ErasureBody, example=RECEIPT),),
        errors={
            **ANY,
            **MISSING,
            400: (*ANY[400], "invalid_json", "incomplete_body"),
            413: ("request_too_large",),
        },
    ),
)
