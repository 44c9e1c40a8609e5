"""The limits of tools that are somewhere else: what of them is offered, and how much of an answer is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from multiturn.errors import InvalidRequest
from multiturn.model.tool import ToolAnswer, ToolSpec

MIB = 1024 * 1024
ANY_ARGUMENTS: dict[str, Any] = {"type": "object"}
TOO_LARGE = "(What its arguments are is too long to be told.)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolLimits:
    """How long a source of tools may take, and how much it may say.

    A source that could not be reached is not tried again for ``retry_s``; what it lists is asked for again after
    ``listing_s``. Of one source ``tools_max`` are offered, which is what providers take, and ``listed_max`` are read.
    """

    connect_s: float = 30
    idle_s: float = 300
    retry_s: float = 5
    listing_s: float = 300
    result_bytes_max: int = MIB
    message_bytes_min: int = 4 * MIB
    document_bytes_max: int = 8 * MIB
    tools_max: int = 128
    listed_max: int = 20_000
    listed_bytes_max: int = 16 * MIB
    name_chars_max: int = 256
    description_chars_max: int = 4096
    schema_bytes_max: int = 64 * 1024

    @property
    def message_bytes_max(self) -> int:
        """The longest message of a server; a result is cut out of it, and a listing is one too."""
        return max(4 * self.result_bytes_max, self.message_bytes_min)

    def offer(self, label: str, specs: Iterable[ToolSpec], allowed: Sequence[str] | None) -> Sequence[ToolSpec]:
        """The tools that are allowed, sorted by name, each once. Raises InvalidRequest (``too_many_tools``)."""
        named: dict[str, ToolSpec] = {}
        for spec in specs:
            if allowed is None or spec.name in allowed:
                named.setdefault(spec.name, spec)
        if len(named) > self.tools_max:
            raise too_many(label, f"has {len(named)} tools", self.tools_max)
        return [named[name] for name in sorted(named)]

    def shorten(self, spec: ToolSpec) -> ToolSpec:
        """A tool whose description and schema are not over their limits; a schema of something else than an object
        is made one.
        """
        description, parameters = spec.description, spec.parameters
        if len(msgspec.json.encode(parameters)) > self.schema_bytes_max:
            description, parameters = f"{TOO_LARGE} {description}", ANY_ARGUMENTS
        elif parameters.get("type") != "object":
            parameters = {**parameters, "type": "object"}
        if len(description) > self.description_chars_max:
            description = description[: self.description_chars_max - 1] + "…"
        return replace(spec, description=description, parameters=parameters)

    def answer(self, text: str, *, is_error: bool = False, bytes_cut: int = 0) -> ToolAnswer:
        """An answer within the limit: what is over it is cut off, and the answer says so. ``bytes_cut`` are those that
        were not even read.
        """
        data = text.encode(errors="replace")
        over = max(0, len(data) - self.result_bytes_max) + bytes_cut
        if not over:
            return ToolAnswer(text=text, is_error=is_error)
        kept = data[: self.result_bytes_max].decode(errors="ignore")
        note = f"[Cut off: only the first {self.result_bytes_max} bytes of the answer are kept.]"
        return ToolAnswer(text=f"{kept}\n{note}", is_error=is_error, meta={"cut": True})


def too_many(label: str, what: str, tools_max: int) -> InvalidRequest:
    """The error of a source that lists more than is offered."""
    return InvalidRequest(
        f"'{label}' {what}; at most {tools_max} are offered. Name those that are wanted in 'allowed'.",
        code="too_many_tools",
        param="allowed",
    )


def require_allowed(label: str, name: str, allowed: Sequence[str] | None) -> None:
    """Raises InvalidRequest (``tool_source_refused``) for a tool that is not to be called."""
    if allowed is not None and name not in allowed:
        raise InvalidRequest(f"The tool '{name}' of '{label}' is not among those allowed.", code="tool_source_refused")
