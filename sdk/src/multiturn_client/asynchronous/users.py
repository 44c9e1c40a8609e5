"""Users: who owns sessions, or takes part in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from multiturn_client import requests
from multiturn_client.asynchronous.docs import AsyncDocs
from multiturn_client.asynchronous.pages import AsyncPages
from multiturn_client.asynchronous.transport import AsyncTransport
from multiturn_client.options import NewUserOptions, UserOptions
from multiturn_client.pages import PageRequest
from multiturn_client.records import ErasureReceipt, User


class AsyncUsers:
    """Makes users, finds and erases them: ``client.users``. Wherever one is named, ``user_id`` is our id or the
    external id that you chose.

    >>> user = await client.users.create(external_id="ada", name="Ada")
    >>> session = await client.sessions.create(user_id="ada")
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self.docs = AsyncDocs(transport, "user")

    async def create(self, **options: Unpack[NewUserOptions]) -> User:
        """Make a user; ``NewUserOptions`` says what may be set. Raises ConflictError for an external id that is taken,
        InvalidRequestError.

        >>> (await client.users.create(name="Ada", about="likes short answers")).name
        'Ada'
        """
        return User.read(await self._transport.send(requests.post("users", body=options)))

    async def get(self, user_id: str) -> User:
        """Get a user. Raises UserNotFoundError.

        >>> user = await client.users.create(name="Ada")
        >>> (await client.users.get(user.id)).name
        'Ada'
        """
        return User.read(await self._transport.send(requests.get("users", user_id)))

    def list(
        self, *, metadata: Mapping[str, Any] | None = None, limit: int | None = None, offset: int | None = None
    ) -> AsyncPages[User]:
        """List users, the newest first, ``limit`` a page (1 to 100, default 20), those whose metadata contain
        ``metadata``.

        >>> user = await client.users.create(name="Ada", metadata={"plan": "free"})
        >>> [user.name async for user in client.users.list(metadata={"plan": "free"})]
        ['Ada']
        """
        asked = requests.get("users", metadata=metadata, limit=limit, offset=offset)
        return AsyncPages(self._transport, PageRequest(request=asked, cursor="cursor"), User.read)

    async def update(self, user_id: str, **changes: Unpack[UserOptions]) -> User:
        """Change a user: what is not named stays, None unsets, the keys of ``metadata`` are merged. Raises
        UserNotFoundError, InvalidRequestError.

        >>> user = await client.users.create(name="Ada")
        >>> (await client.users.update(user.id, about="likes short answers")).about
        'likes short answers'
        """
        return User.read(await self._transport.send(requests.patch("users", user_id, body=changes)))

    async def erase(self, user_id: str) -> ErasureReceipt:
        """Erase a user, with all sessions that are theirs or in which they take part, forks and documents included.

        This cannot be undone. Raises UserNotFoundError.

        >>> user = await client.users.create(name="Ada")
        >>> session = await client.sessions.create(user_id=user.id)
        >>> (await client.users.erase(user.id)).sessions
        1
        """
        return ErasureReceipt.read(await self._transport.send(requests.delete("users", user_id)))
