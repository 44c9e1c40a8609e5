"""What a body says of contexts: overflow, budget, recall, the search of documents; in words that all dialects share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict, replace

from multiturn.engine.metadata import check_object
from multiturn.errors import InvalidRequest
from multiturn.model.policy import ContextPolicy, OverflowStrategy, RecallOptions, SearchMode

OverflowName = Literal["adaptive", "truncate", "sliding_window", "auto", "summarize", "compaction", "error", "disabled"]
# Every name of a strategy, in whichever dialect it is used.
OVERFLOW_NAMES: Mapping[str, OverflowStrategy] = {
    "adaptive": "adaptive",
    "truncate": "truncate",
    "sliding_window": "truncate",
    "auto": "truncate",
    "summarize": "summarize",
    "compaction": "summarize",
    "error": "error",
    "disabled": "error",
}
TOKENS_MAX = 2**31 - 1
# Options by their names on the wire; the others (Julep's) are kept and given back, and nothing acts on them.
OPTION_NAMES: Mapping[str, str] = {
    "mode": "mode",
    "limit": "limit",
    "num_search_messages": "messages",
    "max_query_length": "query_chars_max",
    "confidence": "confidence",
    "alpha": "alpha",
    "mmr_strength": "mmr_strength",
    "metadata_filter": "metadata",
}
KEPT_NAMES = ("k_multiplier", "lang", "trigram_similarity_threshold", "include_embeddings")


class RecallOptionsBody(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How documents are searched for a turn. What is null or left out has its default."""

    mode: Annotated[
        SearchMode | None,
        Meta(description="By words (`text`), by meaning (`vector`), or both (`hybrid`, the default)."),
    ] = None
    limit: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None, Meta(description="How many pieces at most; 10 unless it is set.")
    ] = None
    num_search_messages: Annotated[
        Annotated[int, Meta(ge=1, le=50)] | None,
        Meta(description="How many of the last messages the query is made of; 4 unless it is set."),
    ] = None
    max_query_length: Annotated[
        Annotated[int, Meta(ge=100, le=10_000)] | None,
        Meta(description="How many characters of them at most; 1,000 unless it is set."),
    ] = None
    confidence: Annotated[
        Annotated[float, Meta(ge=-1, le=1)] | None, Meta(description="The least cosine similarity of a hit by meaning.")
    ] = None
    alpha: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None,
        Meta(description="The weight of meaning in a hybrid search: 0 is words only; 0.5 unless it is set."),
    ] = None
    mmr_strength: Annotated[
        Annotated[float, Meta(ge=0, lt=1)] | None,
        Meta(description="How much variety counts, from 0 (by score alone, the default) to below 1."),
    ] = None
    metadata_filter: Annotated[
        dict[str, Any] | None, Meta(description="Only documents whose metadata contain this.")
    ] = None
    k_multiplier: Annotated[
        Annotated[int, Meta(ge=1, le=10)] | None, Meta(description="Kept and given back; nothing acts on it.")
    ] = None
    lang: Annotated[str | None, Meta(description="Kept and given back; nothing acts on it.")] = None
    trigram_similarity_threshold: Annotated[
        Annotated[float, Meta(ge=0, le=1)] | None, Meta(description="Kept and given back; nothing acts on it.")
    ] = None
    include_embeddings: Annotated[bool | None, Meta(description="Kept and given back; nothing acts on it.")] = None


OVERFLOW_TEXT = (
    "When the conversation does not fit its budget: `adaptive` shows the model fewer old turns, a summary of what was "
    "cut, and of that what matters for the turn, word for word; `truncate` (also `sliding_window`, `auto`) cuts and "
    "does nothing else; `summarize` (also `compaction`) cuts, with a summary; `error` (also `disabled`) answers 400 "
    "`context_length_exceeded`. Whatever is cut stays stored. Of tenant, agent, session and turn, the nearest that "
    "says something counts; when none does, `adaptive`."
)
OVERFLOW = Meta(description=OVERFLOW_TEXT)
BUDGET = Meta(description="The most that a context may take, in tokens of the model; null: the model's window.")
RECALL = Meta(description="Whether what was cut, and what documents say, is found again for a turn; null: it is.")
RECALL_TOKENS = Meta(description="How many tokens of one turn that may take; null: a share of the budget.")
OPTIONS = Meta(description="How documents are searched for a turn.")
Tokens = Annotated[int, Meta(ge=0, le=TOKENS_MAX)]
Name = Annotated[str, Meta(extra_json_schema={"enum": list(get_args(OverflowName))})]


class PolicyFields(Struct, kw_only=True):
    """What may be set of contexts; null unsets it."""

    context_overflow: Annotated[Name | UnsetType | None, OVERFLOW] = UNSET
    token_budget: Annotated[Annotated[int, Meta(ge=1, le=TOKENS_MAX)] | UnsetType | None, BUDGET] = UNSET
    recall: Annotated[bool | UnsetType | None, RECALL] = UNSET
    recall_tokens: Annotated[Tokens | UnsetType | None, RECALL_TOKENS] = UNSET
    recall_options: Annotated[RecallOptionsBody | UnsetType | None, OPTIONS] = UNSET


class PolicyShown(Struct, kw_only=True):
    """What is set of contexts; null is left to whoever stands further out."""

    context_overflow: Annotated[OverflowStrategy | None, OVERFLOW]
    token_budget: Annotated[int | None, BUDGET]
    recall: Annotated[bool | None, RECALL]
    recall_tokens: Annotated[int | None, RECALL_TOKENS]
    recall_options: Annotated[RecallOptionsBody | None, OPTIONS]


def read_policy(body: PolicyFields | Mapping[str, Any], *, base: RecallOptions | None = None) -> dict[str, Any]:
    """What a body sets of a policy, as fields of ContextPolicy by name: null unsets, what is left out is not in it.

    With a ``base`` the search options that are given are merged into it. Raises InvalidRequest.
    """
    given = asdict(body) if isinstance(body, PolicyFields) else body
    policy: dict[str, Any] = {}
    if (name := given.get("context_overflow", UNSET)) is not UNSET:
        policy["overflow"] = read_overflow(name)
    for name, least in (("token_budget", 1), ("recall_tokens", 0)):
        if (value := given.get(name, UNSET)) is not UNSET:
            policy[name] = read_tokens(value, name, least=least)
    if (recall := given.get("recall", UNSET)) is not UNSET:
        if recall is not None and not isinstance(recall, bool):
            raise InvalidRequest("'recall' must be true, false or null.", param="recall")
        policy["recall"] = recall
    if (options := given.get("recall_options", UNSET)) is not UNSET:
        policy["documents"] = read_recall_options(options, base=base)
    return policy


def read_overflow(name: Any, param: str = "context_overflow") -> OverflowStrategy | None:
    """A strategy under any of its names. Raises InvalidRequest."""
    if name is None:
        return None
    if not isinstance(name, str) or name not in OVERFLOW_NAMES:
        text = f"'{param}' must be one of {', '.join(OVERFLOW_NAMES)}; it is {name!r:.40}."
        raise InvalidRequest(text, param=param)
    return OVERFLOW_NAMES[name]


def read_tokens(value: Any, param: str, *, least: int) -> int | None:
    """A number of tokens. Raises InvalidRequest."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= TOKENS_MAX:
        text = f"'{param}' must be a number from {least} to {TOKENS_MAX}; it is {value!r:.40}."
        raise InvalidRequest(text, param=param)
    return value


def read_recall_options(given: Any, *, base: RecallOptions | None = None) -> RecallOptions | None:
    """How documents are searched, merged into ``base``. Raises InvalidRequest."""
    if given is None:
        return None
    try:
        body = given if isinstance(given, RecallOptionsBody) else msgspec.convert(given, RecallOptionsBody)
    except msgspec.ValidationError as error:
        text = str(error).replace("`$.", "`recall_options.").replace("`$`", "`recall_options`")
        raise InvalidRequest(f"'recall_options' is wrong: {text}.", param="recall_options") from error
    options = base or RecallOptions()
    said = {name: value for name, value in asdict(body).items() if value is not None}
    check_object(said.get("metadata_filter", {}), "recall_options.metadata_filter")
    kept = {name: said[name] for name in KEPT_NAMES if name in said}
    known = {ours: said[name] for name, ours in OPTION_NAMES.items() if name in said}
    return replace(options, **known, wire={**options.wire, **kept})


def render_policy(policy: ContextPolicy) -> dict[str, Any]:
    """A policy by its names on the wire."""
    return {
        "context_overflow": policy.overflow,
        "token_budget": policy.token_budget,
        "recall": policy.recall,
        "recall_tokens": policy.recall_tokens,
        "recall_options": render_recall_options(policy.documents),
    }


def render_recall_options(options: RecallOptions | None) -> RecallOptionsBody | None:
    """How documents are searched, all of it that has a value."""
    if options is None:
        return None
    known = {name: getattr(options, ours) for name, ours in OPTION_NAMES.items()}
    return RecallOptionsBody(**known, **options.wire)
