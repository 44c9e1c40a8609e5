"""Reads what a provider says of tokens: OpenAI's ``usage``, and what others write beside it or instead of it."""

from __future__ import annotations

from msgspec import Struct

from multiturn.model.usage import Usage

# More is no count: what is summed up from it must fit into 64 bits.
TOKENS_MAX = 10**9


class InputDetails(Struct, gc=False):
    """What of the input came from a cache or went into one: OpenAI's name, OpenRouter's, LiteLLM's."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None


class OutputDetails(Struct, gc=False):
    """What of the output was thought."""

    reasoning_tokens: int | None = None


class UsageBody(Struct, gc=False):
    """Tokens of a call. Moonshot says ``cached_tokens``, DeepSeek ``prompt_cache_hit_tokens``, LiteLLM, in the words of
    Anthropic, ``cache_read_input_tokens`` and ``cache_creation_input_tokens``.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    cached_tokens: int | None = None
    prompt_cache_hit_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


NO_INPUT_DETAILS = InputDetails()
NO_OUTPUT_DETAILS = OutputDetails()


def read_usage(usage: UsageBody) -> Usage:
    """The tokens of a call, each part within what it is a part of."""
    given = usage.prompt_tokens_details or NO_INPUT_DETAILS
    made = usage.completion_tokens_details or NO_OUTPUT_DETAILS
    input_tokens = count(usage.prompt_tokens)
    cached = min(count(given.cached_tokens or find_cached(usage)), input_tokens)
    written = given.cache_write_tokens or given.cache_creation_tokens or usage.cache_creation_input_tokens
    output_tokens, thought = count(usage.completion_tokens), count(made.reasoning_tokens)
    # xAI and Gemini leave what was thought out of the completion's tokens, and bill it: only the total has it.
    beside = count(usage.total_tokens) - input_tokens - output_tokens
    if beside > 0 and thought in (0, beside):
        output_tokens, thought = output_tokens + beside, beside
    return Usage(
        input_tokens=input_tokens,
        cached_tokens=cached,
        cache_write_tokens=min(count(written), input_tokens - cached),
        output_tokens=output_tokens,
        reasoning_tokens=min(thought, output_tokens),
    )


def find_cached(usage: UsageBody) -> int | None:
    """What came from a cache, where OpenAI's name does not say it."""
    return usage.cached_tokens or usage.prompt_cache_hit_tokens or usage.cache_read_input_tokens


def count(tokens: int | None) -> int:
    """A number of tokens, whatever was sent for one."""
    return min(max(0, tokens), TOKENS_MAX) if tokens else 0
