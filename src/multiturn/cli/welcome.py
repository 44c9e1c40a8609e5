"""What `serve` says at its start: where it is, what it works with, and a first request to try."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import msgspec

from multiturn import __version__
from multiturn.app import Models
from multiturn.config import Settings
from multiturn.errors import MultiturnError

ASK_MODELS_S = 2.0
HELLO = [{"role": "user", "content": "Hello, I am Alice."}]


async def write_welcome(settings: Settings, models: Models, url: str, key: str | None) -> str:
    """The start text; ``key`` is the one made now, None where one was there already."""
    rows = {
        "documentation": f"{url}/docs",
        "public URL": settings.public_url,
        "database": describe_database(settings),
        "model": describe_model(settings, models),
        "key": describe_key(settings, key),
    }
    shown = [f"  {name:<15}{text}" for name, text in rows.items() if text]
    curl = write_curl(url, key if settings.auth == "keys" else None, await find_model(models), settings)
    return "\n".join([f"Multiturn {__version__} listens on {url}", "", *shown, "", "Try it:", "", curl, ""])


def describe_database(settings: Settings) -> str:
    """Where the data is, without a password."""
    if settings.is_sqlite:
        return str(settings.sqlite_path)
    parts = urlsplit(settings.database_url or "")
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"


def describe_model(settings: Settings, models: Models) -> str:
    """What answers."""
    if models.embedded:
        state = models.embedded.state()
        return f"{state.name}, embedded: {state.state}"
    upstream = urlsplit(settings.upstream_url or "")
    place = upstream._replace(netloc=upstream.netloc.rpartition("@")[2]).geturl()
    return f"{settings.model} at {place}" if settings.model else place


def describe_key(settings: Settings, key: str | None) -> str:
    """The key that was made, or how to have one."""
    if settings.auth == "none":
        return "none is needed: authentication is off"
    if key:
        return f"{key}\n{'':17}(shown this once; 'multiturn keys make' makes another)"
    if settings.api_key:
        return "the one of MULTITURN_API_KEY"
    return "one that was made before; 'multiturn keys make' makes another"


async def find_model(models: Models) -> str | None:
    """The name that a request has to give; None where the server has a default, or no upstream tells one."""
    if models.default_model:
        return None
    try:
        async with asyncio.timeout(ASK_MODELS_S):
            known = await models.upstream.list_models()
    except (MultiturnError, TimeoutError):
        return "MODEL"
    return known[0].id if known else "MODEL"


def write_curl(url: str, key: str | None, model: str | None, settings: Settings) -> str:
    """A command that works as it is printed: two turns with this header are one conversation."""
    body = ({"model": model} if model else {}) | {"messages": HELLO}
    lines = [
        f"  curl {url}/v1/chat/completions",
        f'-H "Authorization: Bearer {key or "$MULTITURN_API_KEY"}"',
        '-H "Content-Type: application/json" -H "sessionId: my-first-chat"',
        f"-d '{msgspec.json.encode(body).decode()}'",
    ]
    if settings.auth == "none":
        del lines[1]
    return " \\\n    ".join(lines)
