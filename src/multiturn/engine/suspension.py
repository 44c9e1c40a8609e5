"""A turn that waits for a person's word, as bytes: whoever takes it up, on any server, goes on where it was."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import msgspec
from msgspec import Struct

from multiturn.engine.answering import Progress
from multiturn.engine.contexts import Assembled
from multiturn.errors import Conflict
from multiturn.model.context import Plan
from multiturn.model.turn import Decision, TurnOrder

# Contexts compress well, and fast is good enough for what is read once.
LEVEL = 1


class Suspended(Struct, frozen=True, kw_only=True):
    """A turn as it was when it began to wait: what was asked, what the model was shown, how far its answer had come.

    ``said`` and ``thought`` are what was told of it, in ``told`` events.
    """

    order: TurnOrder
    plan: Plan
    assembled: Assembled
    progress: Progress
    said: str
    thought: str
    told: int
    first_token_s: float | None = None


class Resumption(Struct, frozen=True, kw_only=True):
    """A turn that goes on, and what a person said of its calls."""

    suspended: Suspended
    decisions: Mapping[str, Decision]


read = msgspec.json.Decoder(Suspended).decode


def write_suspended(suspended: Suspended) -> bytes:
    """A turn that waits, as bytes."""
    return zlib.compress(msgspec.json.encode(suspended), LEVEL)


def read_suspended(state: bytes) -> Suspended:
    """A turn that waited, from its bytes.

    Raises Conflict (``run_not_waiting``) for bytes of another version of the server: that run has lost its way.
    """
    try:
        return read(zlib.decompress(state))
    except (zlib.error, msgspec.DecodeError) as error:
        text = "The run was laid aside by another version of this server and cannot go on. Ask again."
        raise Conflict(text, code="run_not_waiting") from error
