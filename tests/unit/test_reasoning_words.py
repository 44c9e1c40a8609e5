"""How much a model is to think, in each provider's words; who answers; and what stands in for thoughts of others.

Each table follows the provider's public documentation, which docs/reasoning.md links to.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest
from msgspec import Raw
from yarl import URL

from multiturn.model.completion import Maker, ModelRequest
from multiturn.model.reasoning import Effort, ReasoningOptions, Style
from multiturn.upstream.reasoning import MAKERS_MAX, UNSIGNED, UNTHOUGHT, WORDS, Manner, find_family, find_style

HI = [{"role": "user", "content": "Hi"}]
CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "seen"}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
SAID = {"role": "assistant", "content": "It is there."}


def ask(messages: list[Any] | None = None, model: str = "m", **more: Any) -> ModelRequest:
    """A request of a session."""
    fields = {name: Raw(json.dumps(value).encode()) for name, value in more.pop("fields", {}).items()}
    raw = Raw(json.dumps(messages or HI).encode())
    return ModelRequest(**{"model": model, "messages": raw, "fields": fields, "cache_key": "s", **more})


def word(style: Any, request: ModelRequest) -> tuple[dict[str, Any], list[Any]]:
    """The fields and messages that a provider of this style gets."""
    worded = Manner(URL("http://127.0.0.1:8000/v1"), style).word(request)
    return {name: msgspec.json.decode(value) for name, value in worded.fields.items()}, msgspec.json.decode(
        worded.messages
    )


def think(effort: Effort | None = None, budget: int | None = None) -> ReasoningOptions:
    """How much to think."""
    return ReasoningOptions(effort=effort, budget_tokens=budget)


def reason(**said: Any) -> dict[str, Any]:
    """OpenRouter's field."""
    return {"reasoning": said}


def budget(**said: Any) -> dict[str, Any]:
    """Anthropic's field."""
    return {"thinking": said}


def adapt(effort: str) -> dict[str, Any]:
    """How later models of Anthropic are told."""
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": effort}}


def google(tokens: int) -> dict[str, Any]:
    """How Gemini is told of tokens."""
    return {"extra_body": {"google": {"thinking_config": {"thinking_budget": tokens}}}}


def deepseek(effort: str) -> dict[str, Any]:
    """How DeepSeek is told."""
    return {"thinking": {"type": "enabled"}, "reasoning_effort": effort}


def template(*, thinks: bool, **more: Any) -> dict[str, Any]:
    """How templates are told."""
    return {"chat_template_kwargs": {"enable_thinking": thinks, "thinking": thinks}, **more}


EFFORT = {"reasoning_effort": "low"}
OLD, NEW = "claude-sonnet-4-5-20250929", "claude-opus-4-8"


@pytest.mark.parametrize(
    ("style", "model", "options", "fields"),
    [
        ("openai", "gpt-5.1", think("xhigh"), {"reasoning_effort": "xhigh"}),
        ("openai", "gpt-5.1", think("none"), {"reasoning_effort": "none"}),
        ("openai", "gpt-5.1", think(budget=0), {"reasoning_effort": "none"}),
        ("openai", "gpt-5.1", think(budget=1024), EFFORT),
        ("openai", "gpt-5.1", think(budget=1025), {"reasoning_effort": "medium"}),
        ("openai", "gpt-5.1", think(budget=8193), {"reasoning_effort": "high"}),
        ("openai", "gpt-5.1", think("low", 9000), EFFORT),
        ("openai", "gpt-5.1", think(), {}),
        ("openrouter", "openai/gpt-5", think("minimal"), reason(effort="minimal")),
        ("openrouter", "anthropic/claude-4.5", think(budget=2000), reason(max_tokens=2000)),
        ("openrouter", "anthropic/claude-4.5", think("high", 2000), reason(max_tokens=2000)),
        ("openrouter", "anthropic/claude-4.5", think("none", 2000), reason(effort="none")),
        ("openrouter", "anthropic/claude-4.5", think(budget=0), reason(effort="none")),
        ("anthropic", OLD, think(budget=2000), budget(type="enabled", budget_tokens=2000)),
        ("anthropic", OLD, think(budget=10), budget(type="enabled", budget_tokens=1024)),
        ("anthropic", OLD, think("medium"), budget(type="enabled", budget_tokens=8192)),
        ("anthropic", OLD, think("none"), {}),
        ("anthropic", NEW, think(budget=2000), adapt("medium")),
        ("anthropic", NEW, think("minimal"), adapt("low")),
        ("anthropic", NEW, think("xhigh"), adapt("max")),
        ("anthropic", NEW, think(budget=0), {}),
        ("gemini", "gemini-3-flash", think("minimal"), EFFORT),
        ("gemini", "gemini-3-flash", think("xhigh"), {"reasoning_effort": "high"}),
        ("gemini", "gemini-2.5-flash", think("none", 9), {"reasoning_effort": "none"}),
        ("gemini", "gemini-2.5-flash", think(budget=512), google(512)),
        ("gemini", "gemini-2.5-flash", think("high", 512), google(512)),
        ("deepseek", "deepseek-v4-pro", think("high"), deepseek("high")),
        ("deepseek", "deepseek-v4-pro", think(budget=5000), deepseek("medium")),
        ("deepseek", "deepseek-v4-pro", think("none"), budget(type="disabled")),
        ("qwen", "qwen-plus", think("none"), {"enable_thinking": False}),
        ("qwen", "qwen-plus", think(budget=300), {"enable_thinking": True, "thinking_budget": 300}),
        ("qwen", "qwen-plus", think("medium"), {"enable_thinking": True, "thinking_budget": 8192}),
        ("qwen", "qwen-plus", think("high"), {"enable_thinking": True}),
        ("vllm", "Qwen/Qwen3-8B", think("none"), template(thinks=False)),
        ("vllm", "Qwen/Qwen3-8B", think("minimal"), template(thinks=True, **EFFORT)),
        ("vllm", "Qwen/Qwen3-8B", think(budget=300), template(thinks=True, **EFFORT)),
        ("none", "m", think("high", 1000), {}),
    ],
)
def test_each_provider_is_told_in_its_words(
    style: Style, model: str, options: ReasoningOptions, fields: dict[str, Any]
) -> None:
    assert word(style, ask(model=model, reasoning=options))[0] == fields


@pytest.mark.parametrize("style", get_args(Style))
def test_nothing_wanted_says_nothing(style: Style) -> None:
    assert word(style, ask(reasoning=think())) == ({}, HI)
    assert word(style, ask()) == ({}, HI)
    assert style in WORDS


@pytest.mark.parametrize("style", get_args(Style))
@pytest.mark.parametrize(
    "said", [{"reasoning_effort": "low"}, {"reasoning": {}}, {"thinking": None}, {"enable_thinking": False}]
)
def test_what_the_client_says_goes_before(style: Style, said: dict[str, Any]) -> None:
    assert word(style, ask(reasoning=think("high", 2000), fields=said))[0] == said


def test_fields_of_the_client_are_kept_beside_ours() -> None:
    said = {"extra_body": {"google": {"cached_content": "c"}, "other": 1}}
    fields, _ = word("gemini", ask(reasoning=think(budget=9), fields=said))
    config = {"thinking_config": {"thinking_budget": 9}, "cached_content": "c"}
    assert fields == {"extra_body": {"google": config, "other": 1}}
    kwargs = {"chat_template_kwargs": {"enable_thinking": False, "lang": "en"}}
    fields, _ = word("vllm", ask(reasoning=think("high"), fields=kwargs))
    assert fields["chat_template_kwargs"] == {"enable_thinking": False, "thinking": True, "lang": "en"}
    assert word("vllm", ask(reasoning=think("none"), fields={"chat_template_kwargs": 3}))[0] == {
        "chat_template_kwargs": 3
    }


@pytest.mark.parametrize(
    ("host", "style"),
    [
        ("api.openai.com", "openai"),
        ("openrouter.ai", "openrouter"),
        ("api.anthropic.com", "anthropic"),
        ("generativelanguage.googleapis.com", "gemini"),
        ("us-central1-aiplatform.googleapis.com", "gemini"),
        ("aiplatform.googleapis.com", "gemini"),
        ("api.deepseek.com", "deepseek"),
        ("dashscope-intl.aliyuncs.com", "qwen"),
        ("notopenrouter.ai", "openai"),
        ("localhost", "openai"),
        ("", "openai"),
    ],
)
def test_hosts_tell_the_style(host: str, style: Style) -> None:
    assert find_style(host) == style
    if host:
        assert Manner(URL(f"https://{host}/v1")).style == style
        assert Manner(URL(f"https://{host}/v1"), "vllm").style == "vllm"


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gpt-5.1", "gpt"),
        ("o3-mini", "o"),
        ("models/gemini-3-pro", "gemini"),
        ("deepseek-v4-pro", "deepseek"),
        ("Anthropic/claude-4.5", "anthropic"),
        ("Qwen/Qwen3-8B", "qwen"),
        ("7b", "7b"),
        ("", ""),
    ],
)
def test_families_are_told_by_names(model: str, family: str) -> None:
    assert find_family(model) == family


@pytest.mark.parametrize(
    ("url", "style", "maker"),
    [
        ("https://api.deepseek.com/v1", "auto", Maker(name="api.deepseek.com/gpt", wants_thoughts=True)),
        ("https://key@openrouter.ai/api/v1", "auto", Maker(name="openrouter.ai/gpt")),
        ("http://127.0.0.1:8001/v1", "vllm", Maker(name="127.0.0.1:8001/gpt", wants_thoughts=True)),
        ("https://example.org:443/v1", "auto", Maker(name="example.org/gpt")),
        ("https://api.deepseek.com/v1", "none", None),
    ],
)
def test_makers_are_named_by_host_and_family(url: str, style: Any, maker: Maker | None) -> None:
    manner = Manner(URL(url), style)
    assert manner.find_maker("gpt-5") == maker
    assert manner.find_maker("gpt-5") is manner.find_maker("gpt-5")


def test_names_of_models_do_not_pile_up() -> None:
    manner = Manner(URL("http://h/v1"))
    for number in range(MAKERS_MAX + 5):
        manner.find_maker(f"m{number}")
    assert len(manner._makers) <= MAKERS_MAX


@pytest.mark.parametrize("model", ["gpt-5", "o3"])
def test_only_who_made_it_is_shown_it_again(model: str) -> None:
    own = {"127.0.0.1:8000/gpt": Raw(b'[{"role":"user","content":"mine"}]')}
    _, messages = word("openai", ask(model=model, own=own))
    assert messages[0]["content"] == ("mine" if model == "gpt-5" else "Hi")
    assert word("none", ask(model=model, own=own))[1] == HI


SIGNED = {**CALL, "extra_content": {"google": {"thought_signature": "real"}}}


@pytest.mark.parametrize(
    ("model", "calls", "sent"),
    [
        ("gemini-3-pro", [CALL], [{**CALL, "extra_content": UNSIGNED}]),
        ("models/gemini-3-pro", [CALL, CALL], [{**CALL, "extra_content": UNSIGNED}, CALL]),
        ("gemini-3-pro", [SIGNED, CALL], [SIGNED, CALL]),
        ("gemini-2.5-pro", [CALL], [CALL]),
        ("gemini-3-pro", ["nonsense"], ["nonsense"]),
        ("gemini-3-pro", [], []),
    ],
)
def test_gemini_takes_calls_of_others(model: str, calls: list[Any], sent: list[Any]) -> None:
    messages = [*HI, {"role": "assistant", "tool_calls": calls}, RESULT]
    assert word("gemini", ask(messages, model))[1] == [*HI, {"role": "assistant", "tool_calls": sent}, RESULT]


def test_deepseek_takes_answers_of_others() -> None:
    thought = {**CALLED, "reasoning_content": "real"}
    messages = [*HI, SAID, *HI, CALLED, RESULT, thought, RESULT, SAID, *HI, SAID]
    spaced = {"reasoning_content": UNTHOUGHT}
    sent = [*HI, SAID, *HI, {**CALLED, **spaced}, RESULT, thought, RESULT, {**SAID, **spaced}, *HI, SAID]
    assert word("deepseek", ask(messages))[1] == sent
    assert word("deepseek", ask(messages, reasoning=think("none")))[1] == messages
    assert word("deepseek", ask(messages, fields={"thinking": {"type": "disabled"}}))[1] == messages


@pytest.mark.parametrize("style", get_args(Style))
def test_relayed_requests_go_as_they_came(style: Style) -> None:
    messages = [*HI, CALLED, RESULT]
    assert word(style, ask(messages, "gemini-3", cache_key=None))[1] == messages


@pytest.mark.parametrize("style", ["gemini", "deepseek"])
def test_messages_that_cannot_be_read_go_as_they_are(style: Any) -> None:
    request = ask(cache_key="s")
    broken = ModelRequest(model="m", messages=Raw(b'[3, "tool_calls", {"tool_calls":[]}]'), cache_key="s")
    manner = Manner(URL("http://h/v1"), style)
    assert bytes(manner.word(broken).messages) == bytes(broken.messages)
    assert manner.word(request) is request
