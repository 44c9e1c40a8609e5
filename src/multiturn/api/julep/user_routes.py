"""Users as Julep's client asks for them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.julep.reading import read_list_query, read_request, read_uuid
from multiturn.api.julep.render import render_deleted, render_user
from multiturn.api.julep.wire import ItemsBody, JulepUserChangeBody
from multiturn.api.services import Services
from multiturn.model.agent import User, UserBody, UserChange
from multiturn.model.tenant import Caller


class UserRoutes:
    """Who takes part in sessions."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        user = f"{base}/users/{{user_id}}"
        return [
            Route(f"{base}/users", self.list_users, methods=["GET"]),
            Route(f"{base}/users", self.create_user, methods=["POST"]),
            Route(user, self.get_user, methods=["GET"]),
            Route(user, self.put_user, methods=["POST"]),
            Route(user, self.update_user, methods=["PATCH"]),
            Route(user, self.reset_user, methods=["PUT"]),
            Route(user, self.delete_user, methods=["DELETE"]),
        ]

    async def list_users(self, request: Request) -> Response:
        """List users, newest first unless the query says otherwise."""
        caller = await authenticate(self.services, request)
        listing = read_list_query(request.query_params).as_listing()
        page = await self.services.users.list_users(caller, listing)
        return write_response(ItemsBody(items=[render_user(user) for user in page.data]))

    async def create_user(self, request: Request) -> Response:
        """Make a user."""
        caller, body = await read_request(self.services, request, JulepUserChangeBody)
        user = await self.services.users.create(caller, write_body(body), body.metadata or {})
        return write_response(render_user(user), status=201)

    async def put_user(self, request: Request) -> Response:
        """Make the user with this id, or make it this."""
        caller, body = await read_request(self.services, request, JulepUserChangeBody)
        id_ = read_uuid(request, "user_id")
        user = await self.services.users.create_or_overwrite(caller, id_, write_body(body), body.metadata or {})
        return write_response(render_user(user), status=201)

    async def get_user(self, request: Request) -> Response:
        """One user."""
        caller = await authenticate(self.services, request)
        return write_response(render_user(await self._find(caller, request)))

    async def update_user(self, request: Request) -> Response:
        """Change what is named of a user; metadata are merged."""
        caller, body = await read_request(self.services, request, JulepUserChangeBody)
        user = await self._find(caller, request)
        given = {"name": body.name, "about": body.about, "project": body.project}
        kept = {name: value for name, value in given.items() if value is not None}
        change = UserChange(body=kept, metadata=body.metadata or {})
        return write_response(render_user(await self.services.users.update(caller, user.id, change)))

    async def reset_user(self, request: Request) -> Response:
        """Make a user this, whatever it was."""
        caller, body = await read_request(self.services, request, JulepUserChangeBody)
        user = await self._find(caller, request)
        made = await self.services.users.overwrite(caller, user.id, write_body(body), body.metadata or {})
        return write_response(render_user(made))

    async def delete_user(self, request: Request) -> Response:
        """Erase a user with their documents, and the sessions that are theirs or that they take part in."""
        caller = await authenticate(self.services, request)
        user = await self._find(caller, request)
        receipt = await self.services.sessions.erase_user(caller, user)
        return write_response(render_deleted(user.id, receipt.erased_at), status=202)

    async def _find(self, caller: Caller, request: Request) -> User:
        return await self.services.users.get(caller, request.path_params["user_id"])


def write_body(body: JulepUserChangeBody) -> UserBody:
    """A user as they are asked for."""
    return UserBody(name=body.name, about=body.about, project=body.project)
