"""Runs the tools of a turn: at once, with limits, each told of and timed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace

from multiturn.engine.grounding.tools import KnowledgeTools
from multiturn.engine.ports_tools import ToolHost
from multiturn.engine.toolsets import RemoteTool, Toolset
from multiturn.engine.window.tokens import count_text
from multiturn.engine.window.truncate import cut_middle
from multiturn.errors import MultiturnError
from multiturn.model.content import FunctionCall, FunctionCallOutput
from multiturn.model.retrieved import Snippet
from multiturn.model.step import ToolCall
from multiturn.model.tool import ToolAnswer
from multiturn.model.turn import Decision

KNOWLEDGE = "knowledge"
# More calls in one step are not run: a model that asks for hundreds at once has lost its way.
CALLS_MAX = 32
TOO_MANY = f"Not run: at most {CALLS_MAX} calls are run in one step. Call again what is still needed."
DENIED = "A person was asked whether this call may run, and said no."


class Ran(NamedTuple):
    """A call that was run: as it is kept with the run, and the sources that it found."""

    call: ToolCall
    sources: Sequence[Snippet] = ()

    @property
    def output(self) -> FunctionCallOutput:
        """What the model is told."""
        call = self.call
        return FunctionCallOutput(call.call_id, call.result if call.shown is None else call.shown)


class Toolbelt:
    """The tools of one turn, ready to run."""

    def __init__(
        self, toolset: Toolset, knowledge: KnowledgeTools | None, host: ToolHost | None, tenant_id: UUID
    ) -> None:
        self.knowledge = knowledge
        self.host = host
        self.tenant_id = tenant_id
        self.remote: Mapping[str, RemoteTool] = {tool.name: tool for tool in toolset.remote}
        self.names = toolset.names

    def describe(self, call: FunctionCall) -> ToolCall:
        """A call as it is kept, before it has run."""
        tool = self.remote.get(call.name)
        source = tool.source.label if tool else KNOWLEDGE
        return ToolCall(call_id=call.call_id, name=call.name, arguments=call.arguments, source=source)

    def waits(self, call: ToolCall) -> bool:
        """Whether a person is to be asked first."""
        tool = self.remote.get(call.name)
        return tool is not None and tool.needs_approval and call.approved is None

    async def run(
        self, calls: Sequence[ToolCall], *, tokens_max: int, on_ran: Callable[[ToolCall], None]
    ) -> Sequence[Ran]:
        """Run calls, those of other servers at once; what they said, in the order of the calls. ``on_ran`` hears of
        each as soon as it has run.

        What goes wrong is told to the model. All results together take at most ``tokens_max`` of the context.
        """

        async def run(call: ToolCall) -> Ran:
            ran = await (self._run_remote(call, share) if call.name in self.remote else self._look_up(call, share))
            on_ran(ran.call)
            return ran

        share = tokens_max // max(len(calls), 1)
        theirs = [call for call in calls if call.name in self.remote]
        async with asyncio.TaskGroup() as group:
            running = {call.call_id: group.create_task(run(call)) for call in theirs}
            ran = {call.call_id: await run(call) for call in calls if call.name not in self.remote}
        ran |= {call_id: task.result() for call_id, task in running.items()}
        return [ran[call.call_id] for call in calls]

    async def _look_up(self, call: ToolCall, tokens_max: int) -> Ran:
        """Look into the knowledge stores: one after the other, since what is found is numbered."""
        if self.knowledge is None:
            return Ran(replace(call, result=f"There is no tool '{call.name}'.", is_error=True, duration_ms=0.0))
        began = time.perf_counter()
        asked = FunctionCall(call.call_id, call.name, call.arguments)
        output, sources = await self.knowledge.run(asked, tokens_max=tokens_max)
        return Ran(replace(call, result=str(output.output), duration_ms=measure(began)), sources)

    async def _run_remote(self, call: ToolCall, tokens_max: int) -> Ran:
        if call.approved is False:
            text = f"{DENIED} The reason: {call.reason}" if call.reason else DENIED
            return Ran(replace(call, result=text, is_error=True, duration_ms=0.0))
        began = time.perf_counter()
        answer = await self._ask(call, self.remote[call.name])
        shown = cut_middle(answer.text, tokens_max=tokens_max) if count_text(answer.text) > tokens_max else None
        said = {"result": answer.text, "shown": shown, "is_error": answer.is_error, "meta": answer.meta}
        return Ran(replace(call, **said, duration_ms=measure(began)))

    async def _ask(self, call: ToolCall, tool: RemoteTool) -> ToolAnswer:
        """Call a tool of another server; a failure is an answer."""
        assert self.host is not None
        try:
            arguments = read_arguments(call.arguments)
        except (msgspec.DecodeError, ValueError) as error:
            return ToolAnswer(text=f"The arguments are no JSON object: {error}", is_error=True)
        try:
            return await self.host.call(self.tenant_id, tool.source, tool.spec.name, arguments)
        except MultiturnError as error:
            return ToolAnswer(text=f"The tool failed: {error.message}", is_error=True, meta={"code": error.code})


def read_arguments(text: str) -> dict[str, Any]:
    """The arguments of a call. Raises ValueError or DecodeError."""
    arguments = msgspec.json.decode(text or "{}")
    if not isinstance(arguments, dict):
        raise ValueError("it must begin with '{'.")
    return arguments


def decide(calls: Sequence[ToolCall], decisions: Mapping[str, Decision]) -> list[ToolCall]:
    """Calls with what a person said of them."""
    return [
        replace(call, approved=word.approved, reason=word.reason) if (word := decisions.get(call.call_id)) else call
        for call in calls
    ]


def measure(began: float) -> float:
    """Milliseconds since then."""
    return round((time.perf_counter() - began) * 1000, 3)
