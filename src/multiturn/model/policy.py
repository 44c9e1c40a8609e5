"""What decides about a context: set for a tenant, an agent, a session or one turn; the nearest that is set counts."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

OverflowStrategy = Literal["adaptive", "truncate", "summarize", "error"]
SearchMode = Literal["text", "vector", "hybrid"]


class RecallOptions(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How documents are searched for a turn.

    ``confidence`` is the least cosine similarity of a vector hit, ``alpha`` the weight of vectors in a hybrid search
    (0: words only), ``mmr_strength`` how much variety counts (0: not at all). The query is made of the last
    ``messages`` messages, at most ``query_chars_max`` characters of them. ``metadata`` keeps documents whose metadata
    contain it.
    """

    mode: SearchMode = "hybrid"
    limit: int = 10
    messages: int = 4
    query_chars_max: int = 1000
    confidence: float | None = None
    alpha: float = 0.5
    mmr_strength: float = 0.0
    metadata: dict[str, Any] = {}
    wire: dict[str, Any] = {}


class ContextPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What may be set about contexts; None leaves it to whoever stands further out.

    ``token_budget`` is the most that a context may take, in tokens of the model; ``recall`` says whether what was cut
    and what documents say is found again; ``recall_tokens`` is what that may take in one turn.
    """

    overflow: OverflowStrategy | None = None
    token_budget: int | None = None
    recall: bool | None = None
    recall_tokens: int | None = None
    documents: RecallOptions | None = None


def join_policies(*policies: ContextPolicy | None) -> ContextPolicy:
    """One policy of several, each field from the first that sets it."""
    merged: dict[str, Any] = {}
    for policy in reversed(policies):
        if policy is not None:
            merged |= {name: value for name, value in msgspec.structs.asdict(policy).items() if value is not None}
    return ContextPolicy(**merged)
