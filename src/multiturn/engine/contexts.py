"""Contexts of turns: assembled for a turn that is taken or only thought of, and read back of past runs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct, json
from msgspec.structs import replace

from multiturn.engine.ports import ContextStore, Tokenizers, Upstream
from multiturn.engine.speakers import Speaker, Speakers
from multiturn.engine.window.assemble import Assembler
from multiturn.engine.window.budget import Budget, Budgets
from multiturn.engine.window.shown import read_text
from multiturn.engine.window.tokens import correct, count_tokens
from multiturn.errors import ContextTooLong
from multiturn.model.content import Content
from multiturn.model.context import Context, ContextRecord, Plan
from multiturn.model.policy import ContextPolicy
from multiturn.model.retrieved import RetrievedContext, Snippet
from multiturn.model.run import Run
from multiturn.model.session import Session
from multiturn.model.turn import TurnOrder

# What stands in the context besides the messages.
FIXED_FIELDS = ("tools", "functions", "response_format")
OUTPUT_FIELDS = ("max_completion_tokens", "max_tokens")


class Assembled(Struct, frozen=True, kw_only=True):
    """A context with who answers it and what it was allowed to take."""

    context: Context
    speaker: Speaker
    budget: Budget


class ModelFacts(Struct, frozen=True):
    """Who knows what of models: their windows, and their tokenizers."""

    upstream: Upstream
    tokenizers: Tokenizers


class Contexts:
    """Assembles contexts."""

    def __init__(
        self, speakers: Speakers, models: ModelFacts, budgets: Budgets, assembler: Assembler, store: ContextStore
    ) -> None:
        self.speakers = speakers
        self.models = models
        self.budgets = budgets
        self.assembler = assembler
        self.store = store

    async def assemble(self, session: Session, plan: Plan, order: TurnOrder, *, limit: int | None = None) -> Assembled:
        """Assemble the context of a turn, within ``limit`` tokens of the model if need be. Nothing is stored.

        Raises InvalidRequest, ContextOverflow, and what the upstream raises about a model that it does not know.
        """
        speaker = await self.speakers.find(session, order)
        budget = self.budgets.plan(
            order.model,
            lower_budget(speaker.policy, limit),
            window=await self.models.upstream.find_context_tokens(order.model),
            output_max=order.output_tokens_max or read_output_max(speaker),
            owners=speaker.owners,
            stores=speaker.stores,
        )
        fixed = b"".join(bytes(speaker.fields[name]) for name in FIXED_FIELDS if name in speaker.fields)
        budget = replace(budget, fixed=fixed)
        counts = await self.count(order.model, plan.input)
        session = replace(session, instructions=speaker.instructions)
        context = await self.assembler.assemble(session, plan, budget, counts)
        if speaker.documents:
            context = replace(context, retrieved=add_documents(context.retrieved, speaker.documents))
        return Assembled(context=context, speaker=speaker, budget=budget)

    async def learn_limit(self, error: ContextTooLong, model: str, context: Context) -> int | None:
        """The provider's limit is lower than we knew: what this turn may take, and other contexts from now on."""
        limit = self.budgets.learn_limit(
            model,
            tokens_max=error.tokens_max,
            tokens_sent=context.tokens,
            window=await self.models.upstream.find_context_tokens(model),
        )
        self.assembler.forget(context.session_id)
        return limit

    async def count(self, model: str, contents: Sequence[Content]) -> tuple[int, ...]:
        """Count the tokens of items as they will be stored: as the model does, else by an estimate."""
        texts = [read_text(content) for content in contents]
        counted = await self.models.tokenizers.count(model, texts) if any(texts) else None
        if counted is None:
            return tuple(map(count_tokens, contents))
        told = zip(contents, texts, counted, strict=True)
        return tuple(correct(content, text, count) for content, text, count in told)

    async def preview(self, session: Session, order: TurnOrder) -> Assembled:
        """What a turn with this order would show the model now; with no input, what the next turn begins with."""
        return await self.assemble(session, Plan(path=session.path, input=order.input), order)

    async def read_run(self, run: Run) -> tuple[ContextRecord | None, RetrievedContext | None]:
        """What a run's model was shown, and what was retrieved for it."""
        record = await self.store.find_record(run.tenant_id, run.id)
        return record, await self.store.find_retrieved(run.tenant_id, run.id)


def lower_budget(policy: ContextPolicy, limit: int | None) -> ContextPolicy:
    """The policy of a turn that may take no more than ``limit``."""
    return policy if limit is None else replace(policy, token_budget=min(policy.token_budget or limit, limit))


def add_documents(retrieved: RetrievedContext | None, documents: tuple[Snippet, ...]) -> RetrievedContext:
    """What was retrieved, with the documents that stand in the instructions."""
    retrieved = retrieved or RetrievedContext(query="")
    return replace(retrieved, snippets=(*documents, *retrieved.snippets))


def read_output_max(speaker: Speaker) -> int | None:
    """How long the answer may be when the agent presets it."""
    for name in OUTPUT_FIELDS:
        if name in speaker.fields and isinstance(value := json.decode(speaker.fields[name]), int) and value > 0:
            return value
    return None
