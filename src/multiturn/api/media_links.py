"""Links as they leave the server: absolute, by the public URL that is set, else by the host that was asked."""

from __future__ import annotations

from starlette.requests import Request


def absolute(request: Request, url: str) -> str:
    """A link of the engine made absolute: it is a path where no public URL is set."""
    return f"{request.url.scheme}://{request.url.netloc}{url}" if url.startswith("/") else url
