"""A client whose server gives the answers that a test lists."""

from __future__ import annotations

import json
from typing import Any

import httpx

from multiturn_client import Multiturn

Reply = httpx.Response | Exception


class Answering:
    """A transport that gives these answers, one a request, and keeps the requests."""

    def __init__(self, *answers: Reply) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Client(Multiturn):
    """A client whose server gives these answers; it keeps the pauses that it would have made."""

    def __init__(self, *answers: Reply, max_retries: int = 3, **headers: str) -> None:
        self.server = Answering(*answers)
        http = httpx.Client(transport=httpx.MockTransport(self.server))
        super().__init__("key", http_client=http, max_retries=max_retries, default_headers=headers)
        self.pauses: list[float] = []
        self._transport.sleep = self.pauses.append

    @property
    def asked(self) -> list[str]:
        """What was asked of the server."""
        return [f"{request.method} {request.url.raw_path.decode()}" for request in self.server.requests]

    def sent(self, number: int = -1) -> Any:
        """The body of a request."""
        return json.loads(self.server.requests[number].content)


def tell(status: int = 200, body: Any = None, **headers: str) -> httpx.Response:
    """A response with a JSON body; an underscore in a header's name is a hyphen."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, json=body if body is not None else {}, headers=named)


def fail(
    status: int, code: str = "x", message: str = "It failed.", param: str | None = None, **headers: str
) -> httpx.Response:
    """A response that is an error, in the server's envelope."""
    return tell(status, {"error": {"message": message, "type": "t", "param": param, "code": code}}, **headers)
