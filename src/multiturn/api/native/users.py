"""Users in the native API: made, listed, read, changed, erased with all that is theirs."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object, read_struct
from multiturn.api.native import users_wire as wire
from multiturn.api.native.listing import read_listing, write_cursor
from multiturn.api.native.users_wire import ErasureBody, ErasureOrderBody, UserChangeBody, UserFields, UserOrderBody
from multiturn.api.native.wire import ListBody
from multiturn.api.services import Services
from multiturn.model.agent import ErasureReceipt, User, UserBody, UserChange
from multiturn.model.tenant import Caller

FIELDS = ("external_id", "name", "about", "project")


class UserRoutes:
    """Users and their erasure."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        one = f"{base}/users/{{user_id}}"
        return [
            Route(f"{base}/users", self.list_users, methods=["GET"]),
            Route(f"{base}/users", self.create_user, methods=["POST"]),
            Route(one, self.get_user, methods=["GET"]),
            Route(one, self.update_user, methods=["PATCH"]),
            Route(one, self.replace_user, methods=["PUT"]),
            Route(one, self.erase_user, methods=["DELETE"]),
            Route(f"{base}/erasures", self.erase_named_user, methods=["POST"]),
        ]

    async def list_users(self, request: Request) -> Response:
        """List users, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        listing = read_listing(request)
        page = await self.services.users.list_users(caller, listing)
        data = [render_user(user) for user in page.data]
        return write_response(ListBody(data=data, has_more=page.has_more, next=write_cursor(page, listing)))

    async def create_user(self, request: Request) -> Response:
        """Make a user."""
        caller = await authenticate(self.services, request)
        body = read_struct(await self._read(request), UserOrderBody)
        user = await self.services.users.create(caller, UserBody(**read_fields(body)), body.metadata or {})
        return write_response(render_user(user), status=201)

    async def get_user(self, request: Request) -> Response:
        """One user."""
        _, user = await self._find(request)
        return write_response(render_user(user))

    async def update_user(self, request: Request) -> Response:
        """Change some of a user."""
        caller, user = await self._find(request)
        body = read_struct(await self._read(request), UserChangeBody)
        change = UserChange(body=read_fields(body), metadata=body.metadata or {})
        return write_response(render_user(await self.services.users.update(caller, user.id, change)))

    async def replace_user(self, request: Request) -> Response:
        """Make a user this, whatever it was."""
        caller, user = await self._find(request)
        body = read_struct(await self._read(request), UserOrderBody)
        asked = UserBody(**read_fields(body))
        return write_response(
            render_user(await self.services.users.overwrite(caller, user.id, asked, body.metadata or {}))
        )

    async def erase_user(self, request: Request) -> Response:
        """Erase a user with all that is theirs."""
        caller, user = await self._find(request)
        return write_response(render_receipt(await self.services.sessions.erase_user(caller, user)))

    async def erase_named_user(self, request: Request) -> Response:
        """The same, the user named in the body."""
        caller = await authenticate(self.services, request)
        body = read_struct(await self._read(request), ErasureOrderBody)
        user = await self.services.users.get(caller, body.user_id)
        return write_response(render_receipt(await self.services.sessions.erase_user(caller, user)))

    async def _find(self, request: Request) -> tuple[Caller, User]:
        caller = await authenticate(self.services, request)
        return caller, await self.services.users.get(caller, request.path_params["user_id"])

    async def _read(self, request: Request) -> bytes:
        body = await read_body(request, bytes_max=self.services.body_bytes_max)
        read_json_object(body)
        return body


def read_fields(body: UserFields) -> dict[str, Any]:
    """What a body sets of a user; None unsets."""
    given = {name: getattr(body, name) for name in FIELDS}
    return {name: value for name, value in given.items() if value is not UNSET}


def render_user(user: User) -> wire.UserBody:
    """A user; the default user, and one that only we named, have no external id."""
    return wire.UserBody(
        id=str(user.id),
        external_id=None if user.external_id in ("", str(user.id)) else user.external_id,
        created_at=user.created_at,
        updated_at=user.updated_at,
        name=user.name,
        about=user.about,
        project=user.project,
        metadata=user.metadata,
    )


def render_receipt(receipt: ErasureReceipt) -> ErasureBody:
    """A receipt."""
    return msgspec.convert({**msgspec.structs.asdict(receipt), "user_id": str(receipt.user_id)}, ErasureBody)
