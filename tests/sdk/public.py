"""The public names of the client, and those of the classes among them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import multiturn_client


def list_public() -> Iterator[tuple[str, Any]]:
    """List them, each with what it names."""
    for name in multiturn_client.__all__:
        thing = getattr(multiturn_client, name)
        if not inspect.isclass(thing) or thing.__name__ != name:
            continue
        yield name, thing
        for member, value in vars(thing).items():
            is_public = inspect.isfunction(value) or isinstance(value, property | classmethod)
            if is_public and not member.startswith("_"):
                yield f"{name}.{member}", value


PUBLIC: dict[str, Any] = dict(list_public())
