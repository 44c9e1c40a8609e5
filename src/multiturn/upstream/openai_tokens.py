"""Tokens of OpenAI's models through bpe-openai, an optional dependency that is loaded when it is first needed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

ENCODINGS = (
    ("o200k_base", re.compile(r"(chatgpt-4o|gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|gpt-oss|o[134]\b)")),
    ("cl100k_base", re.compile(r"gpt-(4|3\.5)")),
)
"""Which encoding a model has, by how its name begins."""


def find_encoding(model: str) -> str | None:
    """Find the encoding of one of OpenAI's models, also under a router's name for it (``openai/gpt-4o``) or tuned."""
    name = model.rpartition("/")[2].removeprefix("ft:")
    return next((encoding for encoding, names in ENCODINGS if names.match(name)), None)


async def load_counter(encoding: str) -> Callable[[str], int] | None:
    """Load an encoding, beside the event loop: it takes half a second; None where bpe-openai is not installed."""
    try:
        return await asyncio.to_thread(_load, encoding)
    except ImportError:
        return None


def _load(encoding: str) -> Callable[[str], int]:
    from bpe_openai import get_encoding  # optional dependency

    encode = get_encoding(encoding).encode_ordinary
    return lambda text: len(encode(text))
