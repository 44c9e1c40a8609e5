"""The tool that asks: a turn in a session, told as it goes on."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial

import msgspec
from starlette.requests import Request

from multiturn.api.auth import check_id
from multiturn.api.citations import list_citations
from multiturn.api.mcp import wire
from multiturn.api.mcp.messages import Asked
from multiturn.api.mcp.render import (
    render_answer,
    say_answer,
    write_event,
    write_failure,
    write_outcome,
    write_progress,
    write_result,
)
from multiturn.api.media_links import absolute
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.api.sse import with_silences
from multiturn.api.turns import require_answer
from multiturn.engine.turns import Turn
from multiturn.errors import Conflict, MultiturnError, NotFound
from multiturn.model.citation import Grounding
from multiturn.model.content import Message
from multiturn.model.event import Ended, Event, Spoke, Stepped
from multiturn.model.ids import find_id
from multiturn.model.session import Session, SessionKey, SessionOrder, SessionSettings
from multiturn.model.step import ApprovalAsked, StepStarted, ToolCalled, ToolReturned, ToolsMissing
from multiturn.model.tenant import Caller
from multiturn.model.turn import TurnOrder

# As often as this a client hears that the turn goes on: some give up a call that is silent for a minute.
SILENCE_S = 10.0
# What the model writes is told as often as this at most.
WRITES_EVERY_S = 0.5
TAIL_CHARS = 120
WAITING_LOOKS, WAITING_LOOK_S = 50, 0.02


class Asking:
    """Takes the turns of one caller."""

    def __init__(self, services: Services, caller: Caller) -> None:
        self.services = services
        self.caller = caller

    async def take(self, asked: wire.Ask) -> Turn:
        """Begin the turn. Raises NotFound for a session, an agent or a store that is not there, and what
        ``Turns.take`` raises.
        """
        caller, services = self.caller, self.services
        stores = [(await services.stores.get(caller.tenant_id, check_id(name, "stores"))).id for name in asked.stores]
        agent = await services.agents.get(caller, check_id(asked.agent, "agent")) if asked.agent else None
        settings = SessionSettings(store_ids=tuple(stores), agents=(agent.id,) if agent else ())
        session = await self._open_session(asked.session, settings)
        order = TurnOrder(
            input=(Message("user", asked.message),),
            model=check_id(asked.model, "model") if asked.model else "",
            digest=hashlib.blake2b(session.id.bytes + msgspec.json.encode(asked), digest_size=16).digest(),
            is_streamed=True,
            agent_id=agent.id if agent else None,
            grounding=Grounding(store_ids=tuple(stores)) if stores else None,
        )
        key = SessionKey(tenant_id=caller.tenant_id, user_id=caller.user_id, id=session.id, is_bound=caller.is_bound)
        return await services.turns.take(key, order, idle_expiry_s=None)

    async def _open_session(self, name: str | None, settings: SessionSettings) -> Session:
        """The session of this name, or a new one. Raises NotFound for an id that nobody has."""
        sessions = self.services.sessions
        if name is None:
            return await sessions.create(self.caller, SessionOrder(settings=settings))
        key = session_key(self.caller, name, param="session")
        try:
            return await sessions.get(key)
        except NotFound:
            if find_id(name):
                raise
        try:
            return await sessions.create(self.caller, SessionOrder(external_id=name, settings=settings))
        except Conflict:  # Somebody has just made it.
            return await sessions.get(key)


class Telling:
    """Tells a turn: what it ended with, and on the way, to who wants it, how far it is."""

    def __init__(self, services: Services, request: Request, asked: Asked, turn: Turn) -> None:
        self.services = services
        self.request = request
        self.asked = asked
        self.turn = turn
        self.progress = Progress()

    async def write_stream(self) -> AsyncGenerator[bytes]:
        """The messages about a turn as events, the last one the answer."""
        token = self.asked.progress_token
        try:
            async with aclosing(with_silences(self.services.runs.follow(self.turn.run), SILENCE_S)) as events:
                async for event in events:
                    if event and (result := await self._find_result(event)):
                        yield write_event(write_result(self.asked, result))
                        return
                    text = self.progress.tell(event)
                    if token is None:
                        yield b"" if event else b": still at it\n\n"
                    elif text:
                        yield write_event(write_progress(token, self.progress.number, text))
        except MultiturnError as error:
            yield write_event(write_result(self.asked, write_failure(error)))

    async def write_whole(self) -> bytes:
        """The answer alone."""
        result = None
        try:
            async with aclosing(self.services.runs.follow(self.turn.run)) as events:
                while result is None:
                    result = await self._find_result(await anext(events))
        except MultiturnError as error:
            result = write_failure(error)
        return write_result(self.asked, result)

    async def _find_result(self, event: Event) -> dict[str, object] | None:
        """What the tool gives back, when the turn has ended or waits for a person."""
        turn = self.turn
        if isinstance(event, Stepped) and isinstance(event.what, ApprovalAsked):
            return await self._find_waiting()
        if not isinstance(event, Ended):
            return None
        require_answer(event)
        ids = [citation.asset_id for citation in list_citations(event.output)]
        assets = await self.services.stores.load_assets(event.run.tenant_id, ids) if ids else {}
        link = partial(absolute, self.request)
        links = {id_: link(self.services.links.file(asset)) for id_, asset in assets.items()}
        body = render_answer(event.run.id, turn.session, event.run.status, event.output, links)
        return write_outcome(say_answer(body), body)

    async def _find_waiting(self) -> dict[str, object] | None:
        """What the tool gives back of a turn that waits for a person; None for one that goes on, or ends, after all:
        the question is told a moment before the turn is laid aside.
        """
        turn = self.turn
        for _ in range(WAITING_LOOKS):
            try:
                calls = await self.services.approvals.list_waiting(turn.run)
            except Conflict:
                await asyncio.sleep(WAITING_LOOK_S)
                continue
            names = ", ".join(dict.fromkeys(call.name for call in calls))
            text = (
                f"A person has to allow this first: {names}. The turn goes on then by itself: read_session "
                f"({turn.session.external_id or turn.session.id}) shows its answer."
            )
            return write_outcome([text], render_answer(turn.run.id, turn.session, "waiting", (), {}))
        return None


class Progress:
    """How far a turn is, in words; ``number`` counts what was told."""

    def __init__(self) -> None:
        self.number = 0
        self.tail = ""
        self.told_at = 0.0

    def tell(self, event: Event | None) -> str | None:
        """What an event, or a silence (None), has to say; None for nothing."""
        text = self._say(event)
        if text:
            self.number += 1
            self.told_at = time.monotonic()
        return text

    def _say(self, event: Event | None) -> str | None:
        if event is None:
            return "Still at it."
        if isinstance(event, Spoke):
            self.tail = (self.tail + "".join(delta.text for delta in event.deltas))[-TAIL_CHARS:]
            is_due = self.tail and time.monotonic() - self.told_at >= WRITES_EVERY_S
            return f"Writes: … {self.tail}" if is_due else None
        return self._say_step(event) if isinstance(event, Stepped) else None

    def _say_step(self, event: Stepped) -> str | None:
        match event.what:
            case StepStarted(step=step):
                return f"Step {step}." if step > 1 else None
            case ToolCalled(name=name):
                return f"Calls {name}."
            case ToolReturned(name=name, is_error=is_error):
                return f"{name} failed." if is_error else f"{name} answered."
            case ToolsMissing(label=label):
                return f"The tools of {label} are not there."
            case _:
                return None
