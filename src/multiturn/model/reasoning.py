"""How much a model is to think before it speaks."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
# How a provider is spoken to of reasoning; ``auto``: as its host wants it.
Style = Literal["openai", "openrouter", "anthropic", "gemini", "deepseek", "qwen", "vllm", "none"]
StyleChoice = Literal["auto", "openai", "openrouter", "anthropic", "gemini", "deepseek", "qwen", "vllm", "none"]


class ReasoningOptions(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How much a model is to think: by ``effort``, or at most ``budget_tokens``; None leaves it to the provider.

    ``is_kept`` says whether what it thought is stored with the answer.
    """

    effort: Effort | None = None
    budget_tokens: int | None = None
    is_kept: bool = True
