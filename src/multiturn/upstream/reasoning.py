"""How each provider is told how much to think, and shown again what it thought (docs/reasoning.md has the sources).

The request says it in the words of OpenAI's chat completions and its dialects; what the client itself says of it goes
before. Of what a provider thought nobody is shown anything but itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace
from yarl import URL

from multiturn.model.completion import Maker, ModelRequest
from multiturn.model.reasoning import Effort, ReasoningOptions, Style, StyleChoice

# Who speaks how, by what the host ends in; everybody else is taken for OpenAI's like.
HOSTS: tuple[tuple[str, Style], ...] = (
    ("openrouter.ai", "openrouter"),
    ("api.anthropic.com", "anthropic"),
    ("generativelanguage.googleapis.com", "gemini"),
    ("aiplatform.googleapis.com", "gemini"),
    ("api.deepseek.com", "deepseek"),
    ("aliyuncs.com", "qwen"),
)
# These are shown the text of what they thought behind their tool calls.
WANTS_THOUGHTS: frozenset[Style] = frozenset({"deepseek", "qwen", "vllm"})
# A request that says one of these itself is left as it is.
SAID = frozenset(
    {"reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget", "thinking_token_budget"}
)
# Google's table of what an effort is in tokens ("OpenAI compatibility", Thinking); read both ways.
BUDGETS: Mapping[Effort, int] = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24576,
    "xhigh": 32768,
}
# Claude's models before 4.6 take a budget, of at least so many tokens; the later ones decide by themselves.
BUDGETED_CLAUDE = re.compile(r"claude-(3|(opus|sonnet|haiku)-4(-[0-5])?($|-\d{8}|@))|claude-2")
CLAUDE_BUDGET_MIN = 1024
# Google lets a call that its model has not made stand without a signature by this word ("Thought Signatures", FAQ).
UNSIGNED = {"google": {"thought_signature": "skip_thought_signature_validator"}}
# DeepSeek refuses a history whose calls were made without thoughts; a space is taken.
UNTHOUGHT = " "
FAMILY = re.compile(r"[a-z]+")
MAKERS_MAX = 1000

Fields = dict[str, Any]
read_messages = msgspec.json.Decoder(list[dict[str, Any]]).decode
read_object = msgspec.json.Decoder(dict[str, Any]).decode


class Manner:
    """How one provider, at a URL, is spoken to of reasoning."""

    def __init__(self, url: URL, choice: StyleChoice = "auto") -> None:
        self.style: Style = find_style(url.host or "") if choice == "auto" else choice
        is_default = url.port is None or url.is_default_port()
        self._host = (url.host or "") if is_default else f"{url.host}:{url.port}"
        self._makers: dict[str, Maker | None] = {}

    def find_maker(self, model: str) -> Maker | None:
        """Who answers for a model; None where nothing that is thought is ever carried."""
        if model not in self._makers:
            if len(self._makers) >= MAKERS_MAX:
                self._makers.clear()
            self._makers[model] = self._make_maker(model)
        return self._makers[model]

    def _make_maker(self, model: str) -> Maker | None:
        if self.style == "none":
            return None
        name = f"{self._host}/{find_family(model)}"
        return Maker(name=name, wants_thoughts=self.style in WANTS_THOUGHTS)

    def word(self, request: ModelRequest) -> ModelRequest:
        """The request as this provider is to be asked."""
        options = request.reasoning
        if options is not None and SAID.isdisjoint(request.fields):
            said = WORDS[self.style](options, request.model)
            if said:
                fields = {name: merge(request.fields.get(name), value) for name, value in said.items()}
                request = replace(request, fields={**request.fields, **fields})
        if request.own:
            maker = self.find_maker(request.model)
            if maker is not None and maker.name in request.own:
                request = replace(request, messages=request.own[maker.name])
        stand_in = STAND_INS.get(self.style)
        # A request that belongs to no session goes as it came.
        if stand_in is not None and request.cache_key and b'"tool_calls"' in bytes(request.messages):
            request = stand_in(request)
        return request


def find_style(host: str) -> Style:
    """How the provider at a host is spoken to."""
    for ending, style in HOSTS:
        if host == ending or host.endswith((f".{ending}", f"-{ending}")):
            return style
    return "openai"


def find_family(model: str) -> str:
    """The family of a model by its name: who made it, where the name says so, else the first word."""
    name = model.lower().removeprefix("models/")
    house, slash, _ = name.partition("/")
    found = FAMILY.match(name)
    return house if slash else found[0] if found else name


def to_effort(options: ReasoningOptions) -> Effort | None:
    """How much to think in one of the words for it."""
    if options.effort is not None or options.budget_tokens is None:
        return options.effort
    if options.budget_tokens <= 0:
        return "none"
    return next((name for name in ("low", "medium") if options.budget_tokens <= BUDGETS[name]), "high")


def to_budget(options: ReasoningOptions) -> int | None:
    """How much to think in tokens."""
    if options.effort == "none":
        return 0
    if options.budget_tokens is not None:
        return max(0, options.budget_tokens)
    return BUDGETS[options.effort] if options.effort else None


def narrow(effort: Effort | None) -> str | None:
    """An effort where only low, medium and high are known."""
    nearest = {"minimal": "low", "xhigh": "high"}
    return nearest.get(effort, effort) if effort else None


def say_openai(options: ReasoningOptions, _model: str) -> Fields:
    effort = to_effort(options)
    return {"reasoning_effort": effort} if effort else {}


def say_openrouter(options: ReasoningOptions, _model: str) -> Fields:
    if options.budget_tokens and options.effort != "none":
        return {"reasoning": {"max_tokens": options.budget_tokens}}
    effort = to_effort(options)
    return {"reasoning": {"effort": effort}} if effort else {}


def say_anthropic(options: ReasoningOptions, model: str) -> Fields:
    budget, effort = to_budget(options), to_effort(options)
    if not budget or not effort:
        return {}  # It thinks only when it is asked to.
    if BUDGETED_CLAUDE.search(model):
        return {"thinking": {"type": "enabled", "budget_tokens": max(budget, CLAUDE_BUDGET_MIN)}}
    named = {"minimal": "low", "xhigh": "max"}.get(effort, effort)
    return {"thinking": {"type": "adaptive"}, "output_config": {"effort": named}}


def say_gemini(options: ReasoningOptions, _model: str) -> Fields:
    if options.budget_tokens is not None and options.effort != "none":
        config = {"thinking_config": {"thinking_budget": max(0, options.budget_tokens)}}
        return {"extra_body": {"google": config}}
    effort = narrow(options.effort)
    return {"reasoning_effort": effort} if effort else {}


def say_deepseek(options: ReasoningOptions, _model: str) -> Fields:
    effort = to_effort(options)
    if effort == "none":
        return {"thinking": {"type": "disabled"}}
    return {"thinking": {"type": "enabled"}, "reasoning_effort": effort} if effort else {}


def say_qwen(options: ReasoningOptions, _model: str) -> Fields:
    budget = to_budget(options)
    if budget is None:
        return {}
    if not budget:
        return {"enable_thinking": False}
    # From high on it may think as long as its model can.
    is_open = options.budget_tokens is None and options.effort in ("high", "xhigh")
    return {"enable_thinking": True} if is_open else {"enable_thinking": True, "thinking_budget": budget}


def say_vllm(options: ReasoningOptions, _model: str) -> Fields:
    effort = to_effort(options)
    if effort is None:
        return {}
    thinks = effort != "none"
    # Templates know one of the two names; the other means nothing to them.
    said: Fields = {"chat_template_kwargs": {"enable_thinking": thinks, "thinking": thinks}}
    return {**said, "reasoning_effort": narrow(effort)} if thinks else said


def say_nothing(_options: ReasoningOptions, _model: str) -> Fields:
    return {}


WORDS: Mapping[Style, Callable[[ReasoningOptions, str], Fields]] = {
    "openai": say_openai,
    "openrouter": say_openrouter,
    "anthropic": say_anthropic,
    "gemini": say_gemini,
    "deepseek": say_deepseek,
    "qwen": say_qwen,
    "vllm": say_vllm,
    "none": say_nothing,
}


def merge(asked: Raw | None, said: Any) -> Raw:
    """A field with what the client says in it: that goes before, whatever it is."""
    if asked is None:
        return Raw(msgspec.json.encode(said))
    try:
        return Raw(msgspec.json.encode(join_objects(said, read_object(asked))))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return asked


def join_objects(under: Any, over: Any) -> Any:
    """An object over another, down to the bottom."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return {**under, **{name: join_objects(under.get(name), value) for name, value in over.items()}}


def sign_calls(request: ModelRequest) -> ModelRequest:
    """Calls that another made, or whose signature was not kept, as Gemini 3 takes them: the first of each message needs
    one.
    """
    if re.search(r"gemini-[12]", request.model):
        return request

    def sign(message: Fields, _follows_result: bool) -> Fields:
        calls = message.get("tool_calls")
        first = calls[0] if isinstance(calls, list) and calls else None
        if not isinstance(first, dict) or "extra_content" in first or calls is None:
            return message
        return {**message, "tool_calls": [{**first, "extra_content": UNSIGNED}, *calls[1:]]}

    return rewrite_answers(request, sign)


def add_thoughts(request: ModelRequest) -> ModelRequest:
    """Answers that another made, or whose thoughts were not kept, as DeepSeek takes them behind tool calls."""
    asked = request.fields.get("thinking")
    if asked is not None and b"disabled" in bytes(asked):
        return request

    def add(message: Fields, follows_result: bool) -> Fields:
        is_bare = (message.get("tool_calls") or follows_result) and not message.get("reasoning_content")
        return {**message, "reasoning_content": UNTHOUGHT} if is_bare else message

    return rewrite_answers(request, add)


def rewrite_answers(request: ModelRequest, rewrite: Callable[[Fields, bool], Fields]) -> ModelRequest:
    """The request with each of the assistant's messages rewritten, which is told whether it stands behind a result."""
    try:
        messages = read_messages(request.messages)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return request  # The provider says what is wrong with them.
    written: list[Fields] = []
    for message in messages:
        follows_result = bool(written) and written[-1].get("role") == "tool"
        written.append(rewrite(message, follows_result) if message.get("role") == "assistant" else message)
    return replace(request, messages=Raw(msgspec.json.encode(written)))


STAND_INS: Mapping[Style, Callable[[ModelRequest], ModelRequest]] = {"gemini": sign_calls, "deepseek": add_thoughts}
