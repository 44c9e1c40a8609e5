"""Users as resources: made, found, changed. The sessions' service erases them, with all that is theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from multiturn.engine.metadata import check_label, check_object, check_text, merge
from multiturn.engine.ports import Clock, UserStore
from multiturn.engine.times import as_stored
from multiturn.errors import Conflict, Forbidden, NotFound
from multiturn.model.agent import Listing, User, UserBody, UserChange
from multiturn.model.ids import find_id, new_id
from multiturn.model.page import Page
from multiturn.model.tenant import Caller

ABOUT_CHARS_MAX = 10_000


class Users:
    """The users of a tenant. A caller that acts for one of them sees and changes that one only."""

    def __init__(self, store: UserStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    async def get(self, caller: Caller, name: str | UUID) -> User:
        """Get a user by our id, in any form, or by its external id. Raises NotFound."""
        id_ = name if isinstance(name, UUID) else find_id(name)
        user = await self.store.find(caller.tenant_id, id_) if id_ else None
        if user is None and isinstance(name, str) and name:
            user = await self.store.find_by_external_id(caller.tenant_id, name)
        if user is None or (caller.is_bound and user.id != caller.user_id):
            raise user_not_found()
        return user

    async def create(
        self, caller: Caller, body: UserBody, metadata: dict[str, Any], *, user_id: UUID | None = None
    ) -> User:
        """Make a user, by an id of the caller's if it gives one.

        Raises Conflict (``user_exists``) when the id or the external id is taken, InvalidRequest, Forbidden.
        """
        if caller.is_bound:
            raise Forbidden("This key acts for one user: it may not make others.")
        id_, now = user_id or new_id(), as_stored(self.clock())
        user = User(
            id=id_,
            tenant_id=caller.tenant_id,
            external_id=str(id_) if body.external_id is None else body.external_id,
            created_at=now,
            updated_at=now,
            name=body.name,
            about=body.about,
            project=body.project,
            metadata=merge({}, metadata),
        )
        check_user(user)
        if not await self.store.add(user):
            raise Conflict(f"There is a user '{user.external_id}' already.", code="user_exists", param="external_id")
        return user

    async def create_or_overwrite(
        self, caller: Caller, user_id: UUID, body: UserBody, metadata: dict[str, Any]
    ) -> User:
        """Make the user with this id, or make it this. Raises what ``create`` raises.

        A caller that acts for one user learns of no other whether it is there: each is NotFound.
        """
        if caller.is_bound or await self.store.find(caller.tenant_id, user_id):
            return await self.overwrite(caller, user_id, body, metadata)
        return await self.create(caller, body, metadata, user_id=user_id)

    async def update(self, caller: Caller, user_id: UUID, change: UserChange) -> User:
        """Change some of a user. Raises NotFound, Conflict (``user_exists``), InvalidRequest."""
        return await self._store(
            caller, user_id, lambda user: set_body(user, change.body, merge(user.metadata, change.metadata))
        )

    async def overwrite(self, caller: Caller, user_id: UUID, body: UserBody, metadata: dict[str, Any]) -> User:
        """Make a user this; without an external id it keeps its own. Raises what ``update`` raises."""
        given: dict[str, Any] = {"name": body.name, "about": body.about, "project": body.project}
        if body.external_id is not None:
            given["external_id"] = body.external_id
        return await self._store(caller, user_id, lambda user: set_body(user, given, merge({}, metadata)))

    async def _store(self, caller: Caller, user_id: UUID, change: Callable[[User], User]) -> User:
        now = as_stored(self.clock())

        def checked(before: User) -> User:
            user = replace(change(before), updated_at=now)
            check_user(user, is_new=user.external_id != before.external_id)
            return user

        is_seen = not caller.is_bound or user_id == caller.user_id
        user = await self.store.update(caller.tenant_id, user_id, checked) if is_seen else None
        if user is None:
            raise user_not_found()
        return user

    async def list_users(self, caller: Caller, listing: Listing) -> Page[User]:
        """List the tenant's users but its default user. A caller that acts for a user may not.

        Raises Forbidden.
        """
        if caller.is_bound:
            raise Forbidden("This key acts for one user: it may not list others.")
        return await self.store.list_users(caller.tenant_id, listing)


def set_body(user: User, body: dict[str, Any], metadata: dict[str, Any]) -> User:
    """A user with fields of its body set; without an external id it is known by ours."""
    given = dict(body)
    if "external_id" in given and given["external_id"] is None:
        given["external_id"] = str(user.id)
    return replace(user, **given, metadata=metadata)


def check_user(user: User, *, is_new: bool = True) -> None:
    """Raise InvalidRequest for what is over a limit. The default user's external id is empty, and no other's."""
    labels = (("external_id", user.external_id if is_new else None), ("name", user.name), ("project", user.project))
    for param, label in labels:
        check_label(label, param)
    check_text(user.about, "about", chars_max=ABOUT_CHARS_MAX)
    check_object(user.metadata, "metadata")


def user_not_found() -> NotFound:
    """The error of a user that is not there."""
    return NotFound("There is no such user.", code="user_not_found", param="user_id")
