"""Powabase's API as its users ask for it: with ``requests``, the key in ``apikey`` and in ``Authorization``."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import requests

from tests.contract.dialects.conftest import Place

Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Api:
    """Asks the API below ``/api`` with a key."""

    url: str
    headers: Headers

    async def send(self, method: str, path: str, body: Any = None, **sent: Any) -> tuple[int, Any]:
        """Ask for something; the status, and the body where there is one."""
        reply = await asyncio.to_thread(
            requests.request, method, f"{self.url}/api{path}", json=body, headers=self.headers, **sent
        )
        return reply.status_code, reply.json() if reply.content else None

    async def get(self, path: str, **query: Any) -> Any:
        """Something that is there."""
        status, body = await self.send("GET", path, params=query)
        assert status == 200, body
        return body

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Something that is made, or done."""
        found, answer = await self.send("POST", path, body)
        assert found == status, answer
        return answer

    async def delete(self, path: str, *, status: int = 200) -> Any:
        """Something that is taken away."""
        found, answer = await self.send("DELETE", path)
        assert found == status, answer
        return answer

    async def refuse(self, method: str, path: str, body: Any = None, **sent: Any) -> tuple[int, str]:
        """Ask for what cannot be; the status and the text."""
        status, answer = await self.send(method, path, body, **sent)
        assert status >= 400, answer
        return status, answer["error"]

    async def make_agent(self, **fields: Any) -> str:
        """The path of a new agent."""
        made = await self.post("/agents", {"name": "Ines", "model": "m", **fields}, status=201)
        return f"/agents/{made['id']}"

    async def run(self, agent: str, text: str = "hi", **fields: Any) -> Any:
        """A run that has ended."""
        return await self.post(f"{agent}/run", {"message": text, **fields})

    async def stream(self, agent: str, text: str = "hi", **fields: Any) -> list[dict[str, Any]]:
        """The events of a run."""
        return await asyncio.to_thread(self._read, f"{agent}/run/stream", {"message": text, **fields})

    def _read(self, path: str, body: Any) -> list[dict[str, Any]]:
        with requests.post(f"{self.url}/api{path}", json=body, headers=self.headers, stream=True) as reply:
            assert reply.status_code == 200, reply.text
            assert reply.headers["Content-Type"].startswith("text/event-stream")
            assert reply.headers["X-Accel-Buffering"] == "no"
            lines = [line for line in reply.iter_lines() if line]
        assert all(line.startswith(b"data: ") for line in lines)
        return [json.loads(line.removeprefix(b"data: ")) for line in lines]


def open_api(place: Place, *, key: str = "") -> Api:
    """The API with a key of the place."""
    secret = key or place.key
    return Api(place.url, {"apikey": secret, "Authorization": f"Bearer {secret}"})


def kinds_of(events: list[dict[str, Any]]) -> list[str]:
    """Which events there were."""
    return [event["event"] for event in events]


def pick(events: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The only event of a kind."""
    (event,) = [event for event in events if event["event"] == kind]
    return event
