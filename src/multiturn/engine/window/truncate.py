"""Truncation: the oldest turns leave the context, rarely and far, so that the prefix stays the same in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from multiturn.engine.window.pairs import find_beginnings
from multiturn.engine.window.tokens import count_text, count_tokens
from multiturn.model.content import Content, FunctionCall, FunctionCallOutput, Message, Reasoning

# What one text that is larger than the whole room may take of it, at most.
LARGE_SHARE = 0.75
MARK = "\n[… {tokens} tokens left out here: the message is longer than the model's context …]\n"
BYTES_PER_TOKEN = 4


def find_cut(contents: Sequence[Content], tokens: Sequence[int], *, tokens_max: int) -> int:
    """The index from which on the contents fit, where a context may begin; their number when nothing fits."""
    kept, passed = sum(tokens), 0
    for index in find_beginnings(contents):
        kept -= sum(tokens[passed:index])
        passed = index
        if kept <= tokens_max:
            return index
    return len(contents)


def shorten_large(contents: Sequence[Content], *, room: int) -> list[Content]:
    """Shorten each text that is larger than the whole room, so that it leaves some for what is said about it.

    To a round number: a room that changes a little from turn to turn must not change the bytes.
    """
    share = max(int(room * LARGE_SHARE), 1)
    bits = max(share.bit_length() - 2, 0)
    target = share >> bits << bits
    return [shorten_text(content, target) if count_tokens(content) > room else content for content in contents]


def shorten(contents: Sequence[Content], *, excess: int) -> list[Content]:
    """Shorten the longest texts in their middle, with a mark that says so, until a turn that is larger than the
    budget by ``excess`` tokens fits. What is carried for a provider alone goes before anything that was said.
    """
    shortened = list(map(drop_artefacts, contents))
    excess -= sum(map(count_tokens, contents)) - sum(map(count_tokens, shortened))
    sizes = [count_text(text_of(content)) for content in shortened]
    while excess > 0:
        index = max(range(len(sizes)), key=sizes.__getitem__)
        target = max(sizes[index] - excess, sizes[index] // 8, count_text(MARK))
        if target >= sizes[index]:
            break
        shortened[index] = shorten_text(shortened[index], target)
        excess -= sizes[index] - target
        sizes[index] = target
    return shortened


def shorten_text(content: Content, tokens_max: int) -> Content:
    """The same with its text shortened in its middle."""
    content = drop_artefacts(content)
    text = text_of(content)
    if count_text(text) <= max(tokens_max, count_text(MARK)):
        return content
    return with_text(content, cut_middle(text, tokens_max=tokens_max))


def drop_artefacts(content: Content) -> Content:
    """The same without what is for one provider alone."""
    is_carried = isinstance(content, Reasoning | FunctionCall) and content.artefacts is not None
    return replace(content, artefacts=None) if is_carried else content


def cut_middle(text: str, *, tokens_max: int) -> str:
    """Keep the beginning and the end of a text, about ``tokens_max`` tokens together."""
    data = text.encode("utf-8", "replace")
    left_out = count_text(text) - tokens_max
    mark = MARK.format(tokens=left_out)
    half = max(0, (tokens_max * BYTES_PER_TOKEN - len(mark.encode())) // 2)
    return data[:half].decode("utf-8", "ignore") + mark + data[len(data) - half :].decode("utf-8", "ignore")


def text_of(content: Content) -> str:
    """The text that can be shortened, of several parts the longest; media parts cannot."""
    if isinstance(content, FunctionCall):
        return content.arguments
    said = said_in(content)
    return max(map(text_in, said), key=len, default="") if isinstance(said, list) else said or ""


def with_text(content: Content, text: str) -> Content:
    """The same with another text."""
    if isinstance(content, FunctionCall):
        return replace(content, arguments=text if content.kind == "custom" else write_shortened(text))
    said = said_in(content)
    new = replace_longest(said, text) if isinstance(said, list) else text
    if isinstance(content, Message):
        return Message(content.role, new, content.extra)
    if isinstance(content, FunctionCallOutput):
        return FunctionCallOutput(content.call_id, new, content.extra)
    return content


def write_shortened(text: str) -> str:
    """Arguments that were shortened, as JSON again; what JSON would have to escape is left out, so that they fit."""
    plain = text.replace("\\", "").replace('"', "'").replace("\n", " ")
    return msgspec.json.encode({"shortened": plain}).decode()


def replace_longest(parts: Sequence[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Parts with another text in the one that has the longest."""
    longest = max(range(len(parts)), key=lambda place: len(text_in(parts[place])))
    return [{**part, "text": text} if place == longest else part for place, part in enumerate(parts)]


def said_in(content: Content) -> str | list[dict[str, Any]] | None:
    """What a message or a result says."""
    if isinstance(content, Message):
        return content.content
    return content.output if isinstance(content, FunctionCallOutput) else None


def text_in(part: Mapping[str, Any]) -> str:
    """The text of a part."""
    text = part.get("text")
    return text if isinstance(text, str) else ""
