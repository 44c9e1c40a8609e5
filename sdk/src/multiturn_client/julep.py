"""The clients under the names that Julep's documentation gives them: code written for it changes its imports alone.

>>> from multiturn_client.julep import Client
>>> Client(base_url="http://127.0.0.1:8000").base_url
'http://127.0.0.1:8000'
"""

from __future__ import annotations

from multiturn_client.asynchronous.client import AsyncMultiturn
from multiturn_client.synchronous.client import Multiturn

Julep = Client = Multiturn
AsyncJulep = AsyncClient = AsyncMultiturn

__all__ = ["AsyncClient", "AsyncJulep", "Client", "Julep"]
