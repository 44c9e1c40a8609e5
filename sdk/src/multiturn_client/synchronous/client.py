"""The client: where the server is, who asks, and what can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx

from multiturn_client.records import Health
from multiturn_client.requests import Request
from multiturn_client.synchronous.agents import Agents
from multiturn_client.synchronous.approvals import Approvals
from multiturn_client.synchronous.assets import Assets
from multiturn_client.synchronous.runs import Runs
from multiturn_client.synchronous.sessions import Sessions
from multiturn_client.synchronous.stores import Stores
from multiturn_client.synchronous.transport import Transport
from multiturn_client.synchronous.usage import UsageReports
from multiturn_client.synchronous.users import Users

TIMEOUT_S = 600.0
MAX_RETRIES = 3


class Multiturn:
    """A client of a Multiturn server, whose resources are ``sessions``, ``agents``, ``users``, ``runs``, ``approvals``,
    ``assets``, ``stores`` and ``usage``.

    ``api_key`` is left to ``MULTITURN_API_KEY``, ``base_url`` to ``MULTITURN_BASE_URL`` or http://127.0.0.1:8000.
    ``timeout``: seconds between two signs of life of the server (default 600; to connect, at most 5). ``max_retries``:
    how often a request is sent again after a broken connection, a 408, 429 or 5xx (default 3; from 0.5 s to 8 s apart,
    or as the server asks). ``user_id``: the user for whom the key acts, by a name of yours; the key needs the scope
    ``users``. ``default_headers`` go with every request; one that is None is left out. ``http_client`` is used, and
    left open, instead of one of its own.

    It keeps its connections open: close it, or use it in a ``with`` block.

    >>> with Multiturn("mt-…", base_url="http://127.0.0.1:8000", timeout=60) as other:
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
        http_client: httpx.Client | None = None,
    ) -> None:
        self._transport = Transport(
            api_key=api_key,
            base_url=base_url,
            timeout=timeout,
            max_retries=max_retries,
            headers={"X-User-Id": user_id, **(default_headers or {})},
            http_client=http_client,
        )
        self.sessions = Sessions(self._transport)
        self.agents = Agents(self._transport)
        self.users = Users(self._transport)
        self.runs = Runs(self._transport)
        self.approvals = Approvals(self._transport)
        self.assets = Assets(self._transport)
        self.stores = Stores(self._transport)
        self.usage = UsageReports(self._transport)

    @property
    def base_url(self) -> str:
        """Where the server is, without ``/v1``.

        >>> Multiturn(base_url="http://127.0.0.1:8000/v1/").base_url
        'http://127.0.0.1:8000'
        """
        return self._transport.base_url

    def health(self) -> Health:
        """How the server and its models are; no key is needed.

        >>> client.health().status
        'ok'
        """
        return Health.read(self._transport.send(Request(method="GET", path="/healthz")))

    def close(self) -> None:
        """Close the connections.

        >>> other = Multiturn("mt-…")
        >>> other.close()
        """
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
