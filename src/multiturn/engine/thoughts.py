"""What a provider gives of its reasoning for itself alone: folded from pieces, carried to the next step, forgotten.

Signatures and encrypted thoughts mean something to who made them, and others refuse them. So a request has its messages
once for everybody, without any of this, and once more for each maker of something in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from multiturn.engine.window.messages import MAKERS_MAX, find_artefacts, list_makers, write_messages
from multiturn.model.completion import Maker, ModelRequest
from multiturn.model.content import Artefacts, Content, FunctionCall, Reasoning
from multiturn.model.step import ReasoningDropped

# The fields of a streamed piece of reasoning that are continued by the next piece (OpenRouter, "Reasoning Tokens").
CONTINUED = ("text", "summary")
# What tells whether two pieces are of the same stretch of reasoning.
PLACE = ("type", "index", "id")
# Providers nest three levels.
LEVELS_MAX = 32
# Texts in these formats mean nothing to their provider without a signature.
SIGNED_FORMATS = ("anthropic-claude-v1", "google-gemini-v1")


def join_fields(pieces: Sequence[Mapping[str, Raw]]) -> dict[str, Any]:
    """The fields of a message from those of its pieces: lists are continued, of anything else the last counts. What is
    no JSON, or nested deeper than any provider nests, is left out: it could not be written again.
    """
    joined: dict[str, Any] = {}
    for name, raw in (field for piece in pieces for field in piece.items()):
        try:
            value = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        if not is_shallow(value):
            continue
        known = joined.get(name)
        if isinstance(value, list):
            joined[name] = join_lists(known if isinstance(known, list) else [], value)
        elif value is not None:
            joined[name] = value
    return {name: drop_unsigned(value) if isinstance(value, list) else value for name, value in joined.items()}


def is_shallow(value: Any, *, levels: int = LEVELS_MAX) -> bool:
    """Whether JSON is nested no deeper than so many levels."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not inner or (levels > 0 and all(is_shallow(one, levels=levels - 1) for one in inner))


def drop_unsigned(details: Sequence[Any]) -> list[Any]:
    """Details without the texts that their provider refuses for want of a signature (so does OpenRouter's client)."""
    return [
        one
        for one in details
        if not isinstance(one, dict)
        or one.get("type") != "reasoning.text"
        or one.get("format") not in SIGNED_FORMATS
        or one.get("signature")
    ]


def join_lists(known: list[Any], pieces: Sequence[Any]) -> list[Any]:
    """A list continued by more pieces: one that goes on with the text of the last is joined to it."""
    joined = list(known)
    for piece in pieces:
        last = joined[-1] if joined else {}
        if is_continued(last, piece):
            texts = {name: f"{last.get(name) or ''}{piece[name]}" for name in CONTINUED if piece.get(name)}
            joined[-1] = {**last, **{name: value for name, value in piece.items() if value is not None}, **texts}
        else:
            joined.append(piece)
    return joined


def is_continued(last: Any, piece: Any) -> bool:
    """Whether a piece goes on with a stretch of text; what has a signature already is at its end."""
    if not isinstance(last, dict) or not isinstance(piece, dict):
        return False
    has_texts = all(isinstance(one.get(name, ""), str | None) for one in (last, piece) for name in CONTINUED)
    is_text = any(name in last and (name in piece or piece.get("signature")) for name in CONTINUED)
    is_there = all(name not in piece or last.get(name) == piece[name] for name in PLACE)
    return has_texts and is_text and is_there and not last.get("signature")


def bind(maker: Maker | None, fields: dict[str, Any], text_as: str = "") -> Artefacts | None:
    """Artefacts of a maker; None where there is nothing to carry, or nobody to carry it to."""
    if maker is None or not (fields or text_as):
        return None
    return Artefacts(maker.name, fields, text_as)


def extend(request: ModelRequest, contents: Sequence[Content]) -> ModelRequest:
    """The request with more messages behind its own, also for those who made something in them."""
    if not (written := write_messages(contents)):
        return request
    messages = append(request.messages, written)
    makers = list_makers(contents)
    if not request.own and not makers:
        return replace(request, messages=messages)
    order = [*(name for name in request.own if name not in makers), *makers]
    own = {
        name: append(request.own.get(name, request.messages), write_messages(contents, provider=name))
        for name in order[-MAKERS_MAX:]
    }
    return replace(request, messages=messages, own=own)


def append(messages: Raw, written: bytes) -> Raw:
    """A JSON array with more in it."""
    whole = bytes(messages)
    return Raw(whole[:-1] + (b"," if len(whole) > len(b"[]") else b"") + written + b"]")


def find_dropped(request: ModelRequest, maker: Maker | None) -> ReasoningDropped | None:
    """What to tell where somebody else answers than who thought last of what the request has."""
    if not request.own:
        return None
    last = list(request.own)[-1]
    if maker is not None and maker.name == last:
        return None
    return ReasoningDropped(from_provider=last, to_provider=maker.name if maker else request.model)


def rename_calls(contents: Sequence[Content], names: Mapping[str, str]) -> list[Content]:
    """Reasoning whose artefacts name calls by their ids, for calls that have got other ids (old: new)."""
    return [
        replace(content, artefacts=rename_in(content.artefacts, names))
        if isinstance(content, Reasoning) and content.artefacts
        else content
        for content in contents
    ]


def rename_in(artefacts: Artefacts, names: Mapping[str, str]) -> Artefacts:
    """Artefacts with the new ids of calls in their lists."""
    fields = {
        name: [rename_one(one, names) for one in value] if isinstance(value, list) else value
        for name, value in artefacts.fields.items()
    }
    return replace(artefacts, fields=fields)


def rename_one(piece: Any, names: Mapping[str, str]) -> Any:
    """One of a list, with the new id of a call where it has the old one."""
    known = piece.get("id") if isinstance(piece, dict) else None
    return {**piece, "id": names[known]} if isinstance(known, str) and known in names else piece


def forget(contents: Sequence[Content]) -> tuple[Content, ...]:
    """Contents without what was thought and what belongs to it, for a turn that is to keep nothing of that."""
    return tuple(
        replace(content, artefacts=None) if isinstance(content, FunctionCall) and find_artefacts(content) else content
        for content in contents
        if not isinstance(content, Reasoning)
    )
