"""One conversation with a server: say something, hear the answer as it comes, stop it, look back, forget."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, Callable
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from multiturn.cli.client import Client, path_of, read_json
from multiturn.cli.progress import ModelState
from multiturn.errors import MultiturnError

HISTORY_ITEMS = 50
ENDED = ("completed", "incomplete", "failed", "cancelled")
CANCELLED = "run_cancelled"


class Piece(Struct, frozen=True):
    """Some words of an answer; a thought is what the model writes for itself before it answers."""

    text: str
    is_thought: bool = False


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked of a conversation. ``system`` goes with its first turn and is kept there, as is who answers."""

    session: str | None = None
    model: str | None = None
    system: str | None = None
    agent: str | None = None


class Talk:
    """A session at the server."""

    def __init__(self, client: Client, asked: Asked) -> None:
        self.client = client
        self.session = asked.session or name_session()
        self.model = asked.model
        self.system = asked.system
        self.agent = asked.agent
        self.is_told = False

    async def say(self, text: str, hear: Callable[[Piece], None]) -> str:
        """Say something and have the answer heard piece by piece; why it ended. Raises MultiturnError."""
        try:
            return await self._say(text, hear)
        except MultiturnError as error:
            if self.model or error.param != "model" or error.code == "model_not_found":
                raise  # Else the server has no default model: the first of its list will do.
        self.model = await find_model(self.client)
        return await self._say(text, hear)

    async def _say(self, text: str, hear: Callable[[Piece], None]) -> str:
        messages = [{"role": "user", "content": text}]
        if self.system and not self.is_told:
            messages.insert(0, {"role": "system", "content": self.system})
        if self.agent:
            return await self._say_to_agent(self.agent, messages, hear)
        body: dict[str, Any] = {"messages": messages, "stream": True, "session_id": self.session}
        if self.model:
            body["model"] = self.model
        reason = ""
        async with self.client.stream(path_of("chat", "completions"), body) as answer:
            self.is_told = True
            async for chunk in read_frames(answer):
                for choice in chunk.get("choices") or ():
                    tell(choice.get("delta") or {}, hear)
                    reason = choice.get("finish_reason") or reason
        return reason

    async def _say_to_agent(self, agent: str, messages: list[dict[str, Any]], hear: Callable[[Piece], None]) -> str:
        """Say something to an agent: what it does besides speaking is told as its thoughts are."""
        if not self.is_told:
            await self._let_answer(agent)
        body: dict[str, Any] = {"messages": messages, "stream": True}
        if self.model:
            body["model"] = self.model
        reason = ""
        async with self.client.stream(path_of("sessions", self.session, "chat"), body) as answer:
            self.is_told = True
            async for event in read_frames(answer):
                tell_event(event, answer.headers.get("X-Run-Id", ""), hear)
                reason = event.get("finish_reason") or reason
        return reason

    async def _let_answer(self, agent: str) -> None:
        """Have an agent answer in the session from now on; a new one is made."""
        if await self.find_session():
            await self.client.patch(path_of("sessions", self.session), {"agent_id": agent})
        else:
            await self.client.post(path_of("sessions"), {"external_id": self.session, "agent_id": agent})

    async def stop(self) -> None:
        """Cancel the run that answers now, or waits to; what was said so far enters the history."""
        runs = (await self.client.get(path_of("sessions", self.session, "runs"), limit=1))["data"]
        if runs and runs[0]["status"] not in ENDED:
            await self.client.post(path_of("runs", runs[0]["id"], "cancel"))

    def begin_anew(self, session: str | None) -> None:
        """Go on in another session."""
        self.session = session or name_session()
        self.is_told = False

    async def find_session(self) -> dict[str, Any] | None:
        """The session as it is stored; None before its first turn."""
        try:
            found: dict[str, Any] = await self.client.get(path_of("sessions", self.session))
        except MultiturnError as error:
            if error.code != "session_not_found":
                raise
            return None
        return found

    async def list_items(self) -> list[dict[str, Any]]:
        """The newest items, oldest of them first."""
        if await self.find_session() is None:
            return []
        path = path_of("sessions", self.session, "items")
        items = await self.client.list_all(path, cursor="cursor", most=HISTORY_ITEMS)
        return items[::-1]

    async def forget(self) -> bool:
        """Delete the session with everything in it, and go on in a new one; False when nothing was stored."""
        is_stored = await self.find_session() is not None
        if is_stored:
            await self.client.delete(path_of("sessions", self.session))
        self.begin_anew(None)
        return is_stored

    async def read_state(self) -> ModelState | None:
        """What the server's own model is doing; None where it has none. What answers stands first, before the models
        of vectors and of speech.
        """
        told = await self.client.get("/healthz")
        first: dict[str, Any] = next(iter(told.get("models", ())), {})
        return msgspec.convert(first, ModelState) if "detail" in first else None


async def find_model(client: Client) -> str:
    """The first model of a server that has no default one."""
    models = (await client.get(path_of("models")))["data"]
    return str(models[0]["id"]) if models else "default"


def name_session() -> str:
    """A new session's name: short enough to type."""
    return f"chat-{secrets.token_hex(4)}"


async def read_frames(answer: aiohttp.ClientResponse) -> AsyncGenerator[dict[str, Any]]:
    """The frames of a stream. Raises MultiturnError with what a frame of an error says."""
    rest = b""
    async for piece in answer.content.iter_any():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"data: {"):
                chunk = read_json(line[6:])
                if error := chunk.get("error"):
                    raise MultiturnError(str(error.get("message")), code=error.get("code"))
                yield chunk


def tell(delta: dict[str, Any], hear: Callable[[Piece], None]) -> None:
    """Have the words of a delta heard; providers call thoughts by two names."""
    if thought := delta.get("reasoning_content") or delta.get("reasoning"):
        hear(Piece(str(thought), is_thought=True))
    if text := delta.get("content") or delta.get("refusal"):
        hear(Piece(str(text)))
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        hear(Piece(f"{function.get('name') or ''}{function.get('arguments') or ''}"))


def tell_event(event: dict[str, Any], run_id: str, hear: Callable[[Piece], None]) -> None:
    """Have an event of a run heard: its words, and which tools run or wait for a person."""
    if thought := event.get("reasoning"):
        hear(Piece(str(thought), is_thought=True))
    if text := event.get("text"):
        hear(Piece(str(text)))
    for call in event.get("tool_calls") or ():
        hear(Piece(f"{call.get('name') or ''}{call.get('arguments') or ''}"))
    if note := describe_step(event.get("step") or {}, run_id):
        hear(Piece(f"[{note}]\n", is_thought=True))


def describe_step(step: dict[str, Any], run_id: str) -> str:
    """What happened beside the words, for a person; nothing for what need not be told."""
    match step.get("type"):
        case "tool_called":
            return f"{step['name']} {step['arguments']}"
        case "approval_asked":
            how = f"`multiturn approvals approve {run_id}` or `deny`"
            return f"{step['name']} {step['arguments']} waits for your word: {how}"
        case "tools_missing":
            return f"the tools of {step['label']} are not there: {step['reason']}"
    return ""
