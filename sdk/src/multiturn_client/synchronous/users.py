"""Users: who owns sessions, or takes part in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

from multiturn_client import requests
from multiturn_client.options import NewUserOptions, UserOptions
from multiturn_client.pages import PageRequest
from multiturn_client.records import ErasureReceipt, User
from multiturn_client.synchronous.docs import Docs
from multiturn_client.synchronous.pages import Pages
from multiturn_client.synchronous.transport import Transport


class Users:
    """Makes users, finds and erases them: ``client.users``. Wherever one is named, ``user_id`` is our id or the
    external id that you chose.

    >>> user = client.users.create(external_id="ada", name="Ada")
    >>> session = client.sessions.create(user_id="ada")
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.docs = Docs(transport, "user")

    def create(self, **options: Unpack[NewUserOptions]) -> User:
        """Make a user; ``NewUserOptions`` says what may be set. Raises ConflictError for an external id that is taken,
        InvalidRequestError.

        >>> client.users.create(name="Ada", about="likes short answers").name
        'Ada'
        """
        return User.read(self._transport.send(requests.post("users", body=options)))

    def get(self, user_id: str) -> User:
        """Get a user. Raises UserNotFoundError.

        >>> user = client.users.create(name="Ada")
        >>> client.users.get(user.id).name
        'Ada'
        """
        return User.read(self._transport.send(requests.get("users", user_id)))

    def list(
        self, *, metadata: Mapping[str, Any] | None = None, limit: int | None = None, offset: int | None = None
    ) -> Pages[User]:
        """List users, the newest first, ``limit`` a page (1 to 100, default 20), those whose metadata contain
        ``metadata``.

        >>> user = client.users.create(name="Ada", metadata={"plan": "free"})
        >>> [user.name for user in client.users.list(metadata={"plan": "free"})]
        ['Ada']
        """
        asked = requests.get("users", metadata=metadata, limit=limit, offset=offset)
        return Pages(self._transport, PageRequest(request=asked, cursor="cursor"), User.read)

    def update(self, user_id: str, **changes: Unpack[UserOptions]) -> User:
        """Change a user: what is not named stays, None unsets, the keys of ``metadata`` are merged. Raises
        UserNotFoundError, InvalidRequestError.

        >>> user = client.users.create(name="Ada")
        >>> client.users.update(user.id, about="likes short answers").about
        'likes short answers'
        """
        return User.read(self._transport.send(requests.patch("users", user_id, body=changes)))

    def erase(self, user_id: str) -> ErasureReceipt:
        """Erase a user, with all sessions that are theirs or in which they take part, forks and documents included.

        This cannot be undone. Raises UserNotFoundError.

        >>> user = client.users.create(name="Ada")
        >>> session = client.sessions.create(user_id=user.id)
        >>> client.users.erase(user.id).sessions
        1
        """
        return ErasureReceipt.read(self._transport.send(requests.delete("users", user_id)))
