"""The budget of a context: what a model's window leaves, corrected by what its provider says."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

from multiturn.engine.window.question import RecallPlan, StoreChoice
from multiturn.engine.window.tokens import TokenRatios, count_bytes
from multiturn.model.knowledge import Owner
from multiturn.model.policy import ContextPolicy, OverflowStrategy, RecallOptions

# What an answer may take of the window when the request does not say: a quarter, and no more than this.
OUTPUT_SHARE = 0.25
OUTPUT_TOKENS = 1024
# A window is not learned to be a smaller share than this of what a model's is taken for.
LEARNED_SHARE_MIN = 1 / 8
# What was learned holds for an hour: the provider may have changed, and finding out again costs one call.
LEARNED_S = 3600.0
LEARNED_MAX = 1000
# Where a model needs fewer tokens than we count, its window holds more of ours. How much more differs by some percent
# between contexts, and one that is too long costs a second call: so much of the difference is not used.
RATIO_MARGIN = 1.03
# What is kept of a context when it is full (docs/quality.md has the figures). Where what was cut can be found again,
# cutting far keeps more of the prompt in a prefix cache; truncation alone forgets, and keeps half.
LOW_WATER: dict[OverflowStrategy, float] = {"adaptive": 1 / 8, "summarize": 1 / 8, "truncate": 0.5, "error": 0.5}
# An eighth of a small window is no conversation any more: so many tokens are kept, though no more than a quarter.
KEPT_TOKENS_MIN = 512
KEPT_SHARE_MAX = 1 / 4
# What one turn may recall: DESIGN section 3 measured 512 tokens at a budget of 4,000.
RECALL_SHARE = 1 / 8
RECALL_TOKENS_MAX = 1024
# What the sources of one turn over a knowledge store may take: they are what its answer rests on.
SOURCES_SHARE = 0.4
SOURCES_TOKENS_MAX = 6000


class Budget(Struct, frozen=True, kw_only=True):
    """What a turn may show, in tokens of ours: the whole context, and in it, besides the messages, what is ``fixed``
    (tools, schemas), as JSON. ``low_water`` is the share of the room that is kept when it is cut.
    """

    tokens_max: int
    fixed: bytes = b""
    overflow: OverflowStrategy = "adaptive"
    recall: RecallPlan = RecallPlan()
    low_water: float = 0.25

    @property
    def fixed_tokens(self) -> int:
        """What tools and schemas take."""
        return count_bytes(len(self.fixed))

    @property
    def has_summary(self) -> bool:
        """Whether a summary stands for what was cut."""
        return self.overflow in ("adaptive", "summarize")


class LearnedLimit(Struct, frozen=True, kw_only=True):
    """The most that a model's provider was found to accept, in its own tokens, and until when that is believed."""

    tokens_max: int
    ends_at: float


class Budgets:
    """The budget of each model: its window less what the answer takes, corrected by what its provider says.

    ``read_time`` tells seconds that only grow.
    """

    def __init__(
        self,
        *,
        ratios: TokenRatios,
        context_tokens: int | None,
        default_tokens: int,
        read_time: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ratios = ratios
        self.context_tokens = context_tokens
        self.default_tokens = default_tokens
        self.read_time = read_time
        self.learned: OrderedDict[str, LearnedLimit] = OrderedDict()

    def plan(
        self,
        model: str,
        policy: ContextPolicy,
        *,
        window: int | None,
        output_max: int | None,
        owners: tuple[Owner, ...],
        stores: StoreChoice | None = None,
    ) -> Budget:
        """The budget of a turn under a policy, with the documents of these owners, over these stores."""
        tokens_max = self.measure(model, window=window, output_max=output_max)
        if policy.token_budget is not None:
            tokens_max = min(tokens_max, int(policy.token_budget / self.ratio(model)))
        overflow = policy.overflow or "adaptive"
        recalls = policy.recall is not False
        share, most = (SOURCES_SHARE, SOURCES_TOKENS_MAX) if stores else (RECALL_SHARE, RECALL_TOKENS_MAX)
        if stores and stores.tokens_max:
            most = stores.tokens_max
        recall = RecallPlan(
            tokens_max=policy.recall_tokens or min(int(tokens_max * share), most) if recalls or stores else 0,
            owners=owners if recalls else (),
            options=policy.documents or RecallOptions(),
            finds_past=recalls and overflow == "adaptive",
            stores=stores,
        )
        return Budget(
            tokens_max=tokens_max, overflow=overflow, recall=recall, low_water=find_low_water(overflow, tokens_max)
        )

    def measure(self, model: str, *, window: int | None, output_max: int | None) -> int:
        """What a model's window leaves, in tokens of ours."""
        tokens = self.context_tokens or window or self.default_tokens
        learned = self.learned.get(model)
        if learned and self.read_time() < learned.ends_at:
            tokens = min(tokens, learned.tokens_max)
        reserve = min(output_max, tokens // 2) if output_max else min(OUTPUT_TOKENS, int(tokens * OUTPUT_SHARE))
        return int((tokens - reserve) / self.ratio(model))

    def ratio(self, model: str) -> float:
        """How many tokens of a model one of ours may be, where contexts must not be too long for it."""
        ratio = self.ratios.ratio(model)
        return ratio if ratio >= 1 else min(1.0, ratio * RATIO_MARGIN)

    def learn_limit(
        self, model: str, *, tokens_max: int | None, tokens_sent: int, window: int | None = None
    ) -> int | None:
        """The provider refused a context as too long: what the same turn may take now, which is what it named, or
        three quarters of what was sent. That holds for others too, for an hour.

        A context that was far from filling the model's window was refused for something that we cannot count: that
        says nothing of others, and where there was hardly anything in it, None: nothing would be won by cutting it. A
        window that is named may be far smaller than the one that is told.
        """
        sent = int(tokens_sent * self.ratios.ratio(model))
        named = tokens_max if tokens_max and tokens_max < sent else None
        limit = named or sent * 3 // 4
        told = self.context_tokens or window or self.default_tokens
        if limit < min(told, self.default_tokens) * LEARNED_SHARE_MIN:
            return None
        if named or limit >= told * LEARNED_SHARE_MIN:
            self.learned[model] = LearnedLimit(tokens_max=limit, ends_at=self.read_time() + LEARNED_S)
            self.learned.move_to_end(model)
            if len(self.learned) > LEARNED_MAX:
                self.learned.popitem(last=False)
        return limit


def find_low_water(overflow: OverflowStrategy, tokens_max: int) -> float:
    """The share of the room that a cut leaves."""
    return max(LOW_WATER[overflow], min(KEPT_SHARE_MAX, KEPT_TOKENS_MIN / max(tokens_max, 1)))
