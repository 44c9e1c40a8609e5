"""One turn at work: from its lease to its ending, of which exactly one is stored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta

from msgspec.structs import replace

from multiturn.engine.alignment import align, may_repeat
from multiturn.engine.answer_choice import choose_answer, find_seconds
from multiturn.engine.answering import SteppedAnswer, Voice, hear_within, join_usage
from multiturn.engine.contexts import Assembled
from multiturn.engine.endings import Entry, Output, enter_history, extend
from multiturn.engine.parts import Parts
from multiturn.engine.runs import LiveRun
from multiturn.engine.schema_answers import SchemaAnswer
from multiturn.engine.summaries import Source
from multiturn.engine.suspension import Resumption, Suspended, write_suspended
from multiturn.engine.thoughts import find_dropped, forget
from multiturn.engine.window.assemble import count_sources
from multiturn.engine.window.tokens import count_tokens
from multiturn.errors import ContextTooLong, InvalidRequest, MultiturnError, RunCancelled, TurnConflict, Unavailable
from multiturn.model.completion import Completion, Delta, Maker, ModelRequest
from multiturn.model.content import Content, FunctionCallOutput
from multiturn.model.context import Plan
from multiturn.model.item import Range
from multiturn.model.retrieved import RetrievedContext
from multiturn.model.run import INTERRUPTED, RunError, RunStatus
from multiturn.model.session import Session
from multiturn.model.step import Step
from multiturn.model.turn import Begun, Ending, TurnOrder, Waiting
from multiturn.model.usage import Usage

# A database that is away for a moment does not cost an answer that is there already.
END_RETRIES_S = (0.2, 1.0, 3.0)
# Finish reasons of an answer that broke off (OpenAI, "The chat completion object").
BROKEN_OFF = frozenset({"length", "content_filter"})


class Execution:
    """A turn that runs on this server."""

    def __init__(self, parts: Parts, live: LiveRun, order: TurnOrder) -> None:
        self.parts = parts
        self.live = live
        self.order = order
        self.began = time.perf_counter()
        self.model_s = 0.0
        self.held: Begun | None = None
        self.plan: Plan | None = None
        self.assembled: Assembled | None = None
        self.answering: SteppedAnswer | SchemaAnswer | None = None
        self.span = parts.tracer.begin(f"chat {order.model}", self._facts(), parent=order.labels.get("traceparent"))

    def _facts(self) -> dict[str, str]:
        """The turn in the names of OpenTelemetry's conventions for generative AI."""
        run = self.live.run
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": self.order.model,
            "gen_ai.conversation.id": str(run.session_id),
            "multiturn.run.id": str(run.id),
        }

    async def run(self, held: Begun) -> None:
        """Ask the model and store what it says.

        Raises what the upstream and the window raise; nothing is stored then.
        """
        self.held = held
        session = held.session
        self.plan = await self._reconcile(session)
        try:
            await self._ask(session, self.plan)
        except ContextTooLong as error:
            if self._has_answered() or self.assembled is None or self.assembled.budget.overflow == "error":
                raise
            limit = await self.parts.contexts.learn_limit(error, self.order.model, self.assembled.context)
            await self._ask(session, self.plan, limit)
        await self._finish(session, self.plan)

    async def resume(self, held: Begun, resumption: Resumption) -> None:
        """Go on behind a person's word. Raises what ``run`` raises."""
        session = self.restore(held, resumption.suspended)
        assert self.assembled
        assert self.plan
        assert isinstance(self.answering, SteppedAnswer)
        began = time.perf_counter()
        try:
            request = self._request(session, self.assembled)
            await self.answering.resume(request, resumption.decisions, is_streamed=self.order.is_streamed)
        finally:
            self.model_s += time.perf_counter() - began
        await self._finish(session, self.plan)

    def restore(self, held: Begun, suspended: Suspended) -> Session:
        """Take up a turn where it was; its session."""
        self.held, self.plan, self.assembled = held, suspended.plan, suspended.assembled
        self.live.retrieved = suspended.assembled.context.retrieved
        self.live.first_token_s = suspended.first_token_s
        self.answering = self._choose_answer(held.session, suspended.assembled)
        assert isinstance(self.answering, SteppedAnswer)
        self.answering.restore(suspended.progress)
        self.live.items, self.live.steps = self.answering.items, self.answering.steps
        self.live.go_on(said=suspended.said, thought=suspended.thought)
        return held.session

    async def _finish(self, session: Session, plan: Plan) -> None:
        """Store what the turn has come to: an answer, or a question to a person."""
        if isinstance(self.answering, SteppedAnswer) and self.answering.pending:
            await self._wait(self.answering)
        else:
            await self._complete(session, plan)

    async def _wait(self, answering: SteppedAnswer) -> None:
        """Lay the turn aside until a person has said whether its calls may run."""
        live, now = self.live, self.parts.clock()
        assert self.held
        assert self.held.lease
        assert self.plan
        assert self.assembled
        live.is_ending = True
        suspended = Suspended(
            order=self.order,
            plan=self.plan,
            assembled=self.assembled,
            progress=answering.progress(),
            said="".join(live.answer.texts),
            thought="".join(live.answer.thoughts),
            told=live.count + len(live.held),
            first_token_s=live.first_token_s,
        )
        waiting = Waiting(
            asked_at=now,
            expires_at=now + timedelta(seconds=self.parts.approval_s),
            calls=tuple(call for call in answering.pending if call.result is None),
            state=write_suspended(suspended),
            steps=self._forget(answering.steps) if self.order.is_stored else (),
            events=live.unsaved(with_end=True) if self.order.is_stored else (),
            agent=self.assembled.speaker.version,
        )
        try:
            await self.parts.approvals.wait(live.run.tenant_id, self.held.lease, waiting)
        except RunCancelled:
            # Somebody asked for it in this moment.
            live.was_cancelled = True
            await self.stop()
            return
        live.wait(replace(live.run, status="waiting"))

    async def _reconcile(self, session: Session) -> Plan:
        """Find out what of the input is new (decision 8.1)."""
        if not (self.order.is_aligned and session.path and may_repeat(self.order.input)):
            return Plan(path=session.path, input=self.order.input)
        history = await self.parts.items.load(session.tenant_id, session.id, session.path)
        plan = align(self.order.input, history, session.path)
        if not plan.input and plan.asked is None:
            raise InvalidRequest("The request brings nothing to answer.", code="nothing_to_answer", param="messages")
        return plan

    async def _ask(self, session: Session, plan: Plan, limit: int | None = None) -> None:
        """Show the model its context and listen to the answer."""
        order = self.order
        self.assembled = await self.parts.contexts.assemble(session, plan, order, limit=limit)
        self.live.retrieved = self.assembled.context.retrieved
        self.live.answer.follows_result = any(isinstance(one, FunctionCallOutput) for one in plan.input)
        request = self._request(session, self.assembled)
        began = time.perf_counter()
        try:
            spent, was_begun = self.answering.spent if self.answering else [], self.live.count > 0
            self.answering = self._choose_answer(session, self.assembled)
            for missing in () if was_begun else self.assembled.speaker.toolset.missing:
                self.live.tell(missing)
            if self.answering:
                self.answering.spent += spent
                self.answering.was_begun = was_begun
                self.live.items, self.live.steps = self.answering.items, self.answering.steps
                await self.answering.ask(request, is_streamed=order.is_streamed)
            else:
                hearing = self._listen(request) if order.is_streamed else self._receive(request)
                await hear_within(find_seconds(order, self.assembled), hearing)
        finally:
            self.model_s += time.perf_counter() - began

    def _has_answered(self) -> bool:
        """Whether the model said or called anything; that a step began, or that tools are missing, is not of it."""
        return self.live.first_token_s is not None or bool(self.live.steps)

    def _request(self, session: Session, assembled: Assembled) -> ModelRequest:
        """What the model is asked first."""
        return ModelRequest(
            model=self.order.model,
            messages=assembled.context.messages,
            own=assembled.context.own,
            fields=assembled.speaker.fields,
            cache_key=str(session.id),
            reasoning=assembled.speaker.reasoning,
        )

    def _choose_answer(self, session: Session, assembled: Assembled) -> SteppedAnswer | SchemaAnswer | None:
        """Who hears the model where its words are not simply passed on as they come."""
        voice = Voice(
            upstream=self.parts.upstream,
            wire=self.parts.runs.reader,
            speak=self._speak,
            reply=self._reply,
            tell=self.live.tell,
            clock=self.parts.clock,
        )
        return choose_answer(self.parts, voice, self.order, session, assembled)

    async def _listen(self, request: ModelRequest) -> None:
        async with aclosing(self.parts.upstream.stream(request)) as stream:
            async for deltas in stream:
                if request.own and deltas:
                    self._note_maker(request, deltas[0].maker)
                self._speak(deltas)

    def _note_maker(self, request: ModelRequest, maker: Maker | None) -> None:
        """Tell at the first word that somebody else answers than who thought before."""
        if self.live.first_token_s is None and (dropped := find_dropped(request, maker)):
            self.live.tell(dropped)

    def _speak(self, deltas: Sequence[Delta]) -> None:
        if self.live.first_token_s is None:
            self._note_first_token()
        self.live.speak(deltas, holds_end="n" not in self.order.fields)

    async def _receive(self, request: ModelRequest) -> None:
        completion = await self.parts.upstream.complete(request)
        self._note_maker(request, completion.maker)
        self._reply(completion)

    def _reply(self, completion: Completion) -> None:
        self._note_first_token()
        self.live.reply(completion)

    def _contents(self, *, is_whole: bool = True) -> tuple[Content, ...]:
        """What the turn has said so far, as items."""
        said = self.live.answer.contents(is_whole=is_whole)
        contents = self.answering.contents(said) if self.answering else said
        return contents if self._keeps_thoughts() else forget(contents)

    def _keeps_thoughts(self) -> bool:
        """Whether what the model thought is stored."""
        reasoning = self.assembled.speaker.reasoning if self.assembled else None
        return reasoning is None or reasoning.is_kept

    def _steps(self) -> Sequence[Step]:
        """The steps as they are kept with the run; one without tools says nothing that the run does not."""
        steps = self.live.steps
        return () if len(steps) == 1 and not steps[0].calls else self._forget(steps)

    def _forget(self, steps: Sequence[Step]) -> Sequence[Step]:
        """Steps without what was thought in them, where that is not to be stored."""
        return steps if self._keeps_thoughts() else [replace(step, reasoning="") for step in steps]

    def _usage(self) -> Usage | None:
        """What all calls of the model used."""
        last = self.live.answer.usage
        return join_usage(self.answering.spent, last) if self.answering else last

    def _cost(self) -> float | None:
        """What all calls of the model cost."""
        last = self.live.answer.usage
        calls = [*(self.answering.spent if self.answering else ()), *((last,) if last else ())]
        return self.parts.prices.price_calls(self.order.model, calls)

    def _note_first_token(self) -> None:
        self.live.first_token_s = time.perf_counter() - self.began
        self.span.note("first token")
        self.parts.metrics.first_token.observe(self.live.first_token_s)

    async def _complete(self, session: Session, plan: Plan) -> None:
        """The model has answered: the turn enters the history whole."""
        answer = self.live.answer
        status: RunStatus = "incomplete" if answer.finish_reason in BROKEN_OFF else "completed"
        output = self._contents()
        self._note_found()
        said = Output(output, await self.parts.contexts.count(self.order.model, output))
        path = await self._settle(self._ending(session, plan, said, status), output, None)
        if self.assembled is None:
            return
        context, contexts = self.assembled.context, self.parts.contexts
        if answer.usage and not (self.answering and self.answering.spent):
            reported = answer.usage.input_tokens
            off = contexts.budgets.ratios.learn(self.order.model, estimated=context.tokens, reported=reported)
            if off is not None:
                self.parts.metrics.estimate_error.observe(off)
        if path is not None and self.order.is_stored:
            contexts.assembler.keep(context, path, output, sum(said.tokens))
            self.parts.upkeep.consider(
                Source(session=session, path=path, order=self.order, assembled=self.assembled, output=output)
            )

    def _note_found(self) -> None:
        """What the model found by itself was shown to it as well."""
        if not (self.answering and self.answering.found and self.assembled):
            return
        context = self.assembled.context
        retrieved = context.retrieved or RetrievedContext(query="")
        retrieved = replace(retrieved, snippets=(*retrieved.snippets, *self.answering.found))
        self.live.retrieved = retrieved
        shown = replace(context.shown, sources=count_sources(context.shown.sources, retrieved))
        self.assembled = replace(self.assembled, context=replace(context, retrieved=retrieved, shown=shown))

    def _ending(self, session: Session, plan: Plan, said: Output, status: RunStatus) -> Ending:
        """What a turn leaves behind that enters the history (or nothing of it, when it is not to be stored)."""
        live = self.live
        context = self.assembled.context if self.assembled else None
        outcome = Ending(
            status=status,
            ended_at=self.parts.clock(),
            after=session.head,
            input=(),
            usage=self._usage(),
            cost_usd=self._cost(),
            finish_reason=live.answer.finish_reason,
            first_token_ms=None if live.first_token_s is None else int(live.first_token_s * 1000),
            agent=self.assembled.speaker.version if self.assembled else None,
            reasoning=self.assembled.speaker.reasoning if self.assembled else None,
        )
        if not self.order.is_stored:
            return outcome
        outcome = replace(
            outcome,
            steps=self._steps(),
            events=live.unsaved(with_end=status != "cancelled"),
            instructions=self.order.instructions,
        )
        return enter_history(outcome, session, plan, Entry(run_id=live.run.id, said=said, context=context))

    async def fail(self, error: MultiturnError) -> None:
        """The turn failed: its run keeps the input and what was said so far, the history stays as it was."""
        reason = RunError(error.code, error.message)
        await self._abort("failed", error, reason)

    async def stop(self) -> None:
        """The turn was cancelled, or the server stops: what was said so far enters the history, or stays with the
        run.
        """
        if not self.live.was_cancelled:
            await self._abort("failed", Unavailable(INTERRUPTED.message, code=INTERRUPTED.code), INTERRUPTED)
            return
        error = RunCancelled("The run was cancelled.")
        self._take_words()
        output = self._contents(is_whole=False)
        self._note_found()
        if self.held and self.plan and not self.live.answer.is_empty and output:
            said = Output(output, tuple(map(count_tokens, output)))
            await self._settle(self._ending(self.held.session, self.plan, said, "cancelled"), output, error)
            self.parts.contexts.assembler.forget(self.held.session.id)
        else:
            await self._abort("cancelled", error, None)

    def give_up(self) -> None:
        """Where no ending could be told, tell one: nobody may wait for ever.

        The store's part is left to the recovery.
        """
        if self.live.ended is None and not self.live.is_waiting:
            failure = Unavailable("The server failed at this turn.", code="internal_error")
            run = replace(self.live.run, status="failed", error=RunError(failure.code, failure.message))
            self.live.finish(run, (), failure)

    def _take_words(self) -> None:
        """What an answer in one piece had said before its tools ran counts as said, where it came to no end."""
        if isinstance(self.answering, SteppedAnswer) and self.answering.before and not self.live.completion:
            self.live.answer.texts = [self.answering.before]

    async def _abort(self, status: RunStatus, error: MultiturnError, reason: RunError | None) -> None:
        self._take_words()
        said = self.live.answer
        output = () if said.is_empty or not self.order.is_stored else self._contents(is_whole=False)
        ending = Ending(
            status=status,
            ended_at=self.parts.clock(),
            after=0,
            output=output,
            usage=self._usage(),
            cost_usd=self._cost(),
            error=reason,
            events=self.live.unsaved(with_end=False) if self.order.is_stored else (),
        )
        if self.assembled and self.order.is_stored:
            context = self.assembled.context
            ending = replace(ending, context=context.record, retrieved=context.retrieved, steps=self._steps())
        await self._settle(ending, output, error)

    async def _settle(
        self, ending: Ending, output: tuple[Content, ...], error: MultiturnError | None
    ) -> tuple[Range, ...] | None:
        """Store the ending and tell it; the session's path afterwards, or None when the turn did not enter the
        history.
        """
        self.live.is_ending = True
        began = time.perf_counter()
        try:
            await self._store(ending)
        except MultiturnError as failure:
            error, ending = failure, replace(ending, status="failed", error=RunError(failure.code, failure.message))
            self.parts.meter.count_lost(self.live.run, self.held, ending)
        run = replace(
            self.live.run,
            status=ending.status,
            ended_at=ending.ended_at,
            input_items=ending.input_items,
            output_items=ending.output_items,
            input=self.live.run.input if ending.input is None else (),
            output=ending.output,
            usage=ending.usage,
            cost_usd=ending.cost_usd,
            error=ending.error,
            finish_reason=ending.finish_reason,
            first_token_ms=ending.first_token_ms,
            agent=ending.agent,
            reasoning=ending.reasoning,
        )
        self.live.finish(run, output, error)
        self._measure(ending, time.perf_counter() - began)
        session = self.held.session if self.held else None
        if session is None or error or not ending.items:
            return None
        return ending.path or extend(session.path, session.head, len(ending.items))

    async def _store(self, ending: Ending) -> None:
        """Store an ending, trying again while the database is away for a moment."""
        for pause_s in (*END_RETRIES_S, None):
            try:
                await self._store_once(ending)
                return
            except Unavailable:
                if pause_s is None:
                    raise
                await asyncio.sleep(pause_s)

    async def _store_once(self, ending: Ending) -> None:
        run, store = self.live.run, self.parts.store
        if self.held is None:
            if await store.leave(run.tenant_id, run.id, ending):
                return
            # It got its session in this moment.
            self.held = await store.find_turn(run.tenant_id, run.id)
        if self.held is None or self.held.lease is None:
            raise TurnConflict("The run had ended already.")
        await store.end(run.tenant_id, self.held.lease, ending)

    def _measure(self, ending: Ending, commit_s: float) -> None:
        metrics, usage = self.parts.metrics, ending.usage or Usage()
        spent = {"gen_ai.usage.input_tokens": usage.input_tokens, "gen_ai.usage.output_tokens": usage.output_tokens}
        self.span.end(spent, error=ending.error.code if ending.error else None)
        metrics.commit.observe(commit_s)
        metrics.input_tokens.inc(usage.input_tokens)
        metrics.cached_tokens.inc(usage.cached_tokens)
        metrics.output_tokens.inc(usage.output_tokens)
        if ending.cost_usd:
            metrics.cost.inc(ending.cost_usd)
        if ending.status != "completed":
            metrics.turns.labels(ending.status).inc()
            return
        metrics.completed.inc()
        metrics.added_latency.observe(max(0.0, time.perf_counter() - self.began - self.model_s))
