"""The client: where the server is, who asks, and what can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from multiturn_client.asynchronous.agents import AsyncAgents
from multiturn_client.asynchronous.approvals import AsyncApprovals
from multiturn_client.asynchronous.assets import AsyncAssets
from multiturn_client.asynchronous.runs import AsyncRuns
from multiturn_client.asynchronous.sessions import AsyncSessions
from multiturn_client.asynchronous.stores import AsyncStores
from multiturn_client.asynchronous.transport import AsyncTransport
from multiturn_client.asynchronous.usage import AsyncUsageReports
from multiturn_client.asynchronous.users import AsyncUsers
from multiturn_client.records import Health
from multiturn_client.requests import Request

TIMEOUT_S = 600.0
MAX_RETRIES = 3


class AsyncMultiturn:
    """A client of a Multiturn server, whose resources are ``sessions``, ``agents``, ``users``, ``runs``, ``approvals``,
    ``assets``, ``stores`` and ``usage``.

    ``api_key`` is left to ``MULTITURN_API_KEY``, ``base_url`` to ``MULTITURN_BASE_URL`` or http://127.0.0.1:8000.
    ``timeout``: seconds between two signs of life of the server (default 600; to connect, at most 5). ``max_retries``:
    how often a request is sent again after a broken connection, a 408, 429 or 5xx (default 3; from 0.5 s to 8 s apart,
    or as the server asks). ``user_id``: the user for whom the key acts, by a name of yours; the key needs the scope
    ``users``. ``default_headers`` go with every request; one that is None is left out. ``http_client`` is used, and
    left open, instead of one of its own.

    It keeps its connections open: close it, or use it in a ``with`` block.

    >>> async with AsyncMultiturn("mt-…", base_url="http://127.0.0.1:8000", timeout=60) as other:
    ...     other.base_url
    'http://127.0.0.1:8000'
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        timeout: float = TIMEOUT_S,
        max_retries: int = MAX_RETRIES,
        user_id: str | None = None,
        default_headers: Mapping[str, str | None] | None = None,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._transport = AsyncTransport(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            headers={"X-User-Id": user_id, **(default_headers or {})},
            http_client=http_client,
        )
        self.sessions = AsyncSessions(self._transport)
        self.agents = AsyncAgents(self._transport)
        self.users = AsyncUsers(self._transport)
        self.runs = AsyncRuns(self._transport)
        self.approvals = AsyncApprovals(self._transport)
        self.assets = AsyncAssets(self._transport)
        self.stores = AsyncStores(self._transport)
        self.usage = AsyncUsageReports(self._transport)

    @property
    def base_url(self) -> str:
        """Where the server is, without ``/v1``.

        >>> AsyncMultiturn(base_url="http://127.0.0.1:8000/v1/").base_url
        'http://127.0.0.1:8000'
        """
        return self._transport.base_url

    async def health(self) -> Health:
        """How the server and its models are; no key is needed.

        >>> (await client.health()).status
        'ok'
        """
        return Health.read(await self._transport.send(Request(method="GET", path="/healthz")))

    async def close(self) -> None:
        """Close the connections.

        >>> other = AsyncMultiturn("mt-…")
        >>> await other.close()
        """
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
