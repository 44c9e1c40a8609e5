"""Counting tokens: an estimate from bytes, corrected per model by what its provider reports.

An item's count is made once, when it is stored, in tokens of four bytes, which is what English text takes in the
byte-pair vocabularies of today's models. How many of a model's own tokens that is, the provider tells with every
answer; the ratio is kept per model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from multiturn.model.content import Artefacts, Content, FunctionCall, FunctionCallOutput, Reasoning, Summary

BYTES_PER_TOKEN = 4
# Role and separators of one message, as OpenAI's cookbook counts them ("How to count tokens with tiktoken").
FRAME_TOKENS = 4
# A 1024x1024 picture in high detail costs 765 tokens with OpenAI's models ("Images and vision"); sound is far dearer
# than its id.
MEDIA_TOKENS = 800
# The newest report weighs this much; a single odd one does not move the budget far.
NEWEST_WEIGHT = 0.2
RATIO_MIN, RATIO_MAX = 0.5, 4.0
# Of fewer tokens the frames and roundings are some percent, more than a budget can bear.
ESTIMATE_MIN = 128


def count_tokens(content: Content) -> int:
    """Estimate the tokens of one item. Reasoning counts nothing, unless who thought it is shown it again."""
    if isinstance(content, Reasoning):
        text = count_text(content.text) if content.artefacts and content.artefacts.text_as else 0
        return text + count_artefacts(content.artefacts)
    if isinstance(content, FunctionCall):
        called = count_text(content.name) + count_text(content.arguments)
        return FRAME_TOKENS + called + count_artefacts(content.artefacts)
    if isinstance(content, Summary):
        return FRAME_TOKENS + count_text(content.text)
    said = content.output if isinstance(content, FunctionCallOutput) else content.content
    extra = count_bytes(len(msgspec.json.encode(content.extra))) if content.extra else 0
    return FRAME_TOKENS + count_said(said) + extra


def count_artefacts(artefacts: Artefacts | None) -> int:
    """Estimate what is carried for one provider alone."""
    return count_bytes(len(msgspec.json.encode(artefacts.fields))) if artefacts and artefacts.fields else 0


def correct(content: Content, text: str, counted: int) -> int:
    """The tokens of an item of which the text was counted by the model's own tokenizer."""
    if isinstance(content, Reasoning) and not (content.artefacts and content.artefacts.text_as):
        return count_tokens(content)  # Its text is not shown again.
    return max(0, count_tokens(content) - count_text(text) + counted)


def count_said(said: str | Sequence[Mapping[str, Any]] | None) -> int:
    """Estimate a text or a list of parts."""
    if said is None:
        return 0
    if isinstance(said, str):
        return count_text(said)
    return sum(count_text(part["text"]) if isinstance(part.get("text"), str) else MEDIA_TOKENS for part in said)


def count_text(text: str) -> int:
    """Estimate a text."""
    return count_bytes(len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass")))


def count_bytes(length: int) -> int:
    """Estimate so many bytes of text."""
    return -(-length // BYTES_PER_TOKEN)


class TokenRatios:
    """How many tokens of a model one of ours is, learned from what providers report."""

    def __init__(self) -> None:
        self.ratios: dict[str, float] = {}

    def ratio(self, model: str) -> float:
        """Tokens of the model per token of ours; 1 before the first report."""
        return self.ratios.get(model, 1.0)

    def learn(self, model: str, *, estimated: int, reported: int) -> float | None:
        """Correct the ratio by one report; short contexts are mostly frame and teach nothing.

        Tells how far off the estimate was, as a share of what was reported.
        """
        if estimated < ESTIMATE_MIN or reported <= 0:
            return None
        off = abs(estimated * self.ratio(model) - reported) / reported
        newest = min(RATIO_MAX, max(RATIO_MIN, reported / estimated))
        known = self.ratios.get(model)
        self.ratios[model] = newest if known is None else known + NEWEST_WEIGHT * (newest - known)
        return off
