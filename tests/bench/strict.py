"""Random conversations that outgrow their windows, before a provider that refuses whatever a provider may refuse."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, get_args

import aiohttp
import msgspec
from msgspec.structs import replace

from multiturn.app import open_server
from multiturn.cli.listening import listen, take_address
from multiturn.config import Settings
from multiturn.engine.keys import NewKey
from multiturn.engine.window.budget import OUTPUT_SHARE, OUTPUT_TOKENS
from multiturn.engine.window.tokens import FRAME_TOKENS, count_bytes, count_said, count_text
from multiturn.errors import ContextTooLong, UpstreamRefused, UpstreamTimeout
from multiturn.model.completion import Completion, Delta, ModelInfo, ModelRequest
from multiturn.model.policy import OverflowStrategy
from multiturn.model.usage import Usage
from multiturn.upstream.openai_wire import write_request
from multiturn.upstream.scripted import Script, ScriptedCall, ScriptedUpstream
from multiturn.upstream.scripted_embedder import ScriptedEmbedder

Figures = dict[str, Any]
STRATEGIES: tuple[OverflowStrategy, ...] = get_args(OverflowStrategy)
WORDS = [f"{first}{second}{third}" for first in "bdgklmnprst" for second in "aeiou" for third in "lmnrst"]
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
TURNS_MAX = 24
BATCH = 5
REASONS_MAX = 8
# What the server may say itself: that it will not cut, that nothing is left beside the instructions, or that the call
# of a late result is no longer shown.
OWN_REFUSALS = ("context_length_exceeded", "unknown_tool_call")


def say(random: Random, words: int) -> str:
    """Say so many words."""
    return " ".join(random.choices(WORDS, k=words))


def find_window(model: str) -> int:
    """The window of a model, which its name tells."""
    return int(model.split("-")[1])


class StrictProvider:
    """Answers at random, and refuses what is not a conversation or longer than the window of the model.

    ``refusals`` are its reasons, each with the model and whether a summary was asked; ``said`` has what it answered
    last to a turn, by model. ``failing`` is the share of summaries that it does not give, ``heads``
    tells how many instructions the client sent.
    """

    def __init__(self, *, failing: float) -> None:
        self.failing = failing
        self.inner = ScriptedUpstream(self._answer)
        self.randoms: dict[str, Random] = {}
        self.refusals: list[tuple[str, bool, str]] = []
        self.said: dict[str, dict[str, Any]] = {}
        self.heads: dict[str, int] = {}

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer whole."""
        usage = self._measure(request)
        return replace(await self.inner.complete(request), usage=usage)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Sequence[Delta]]:
        """Answer in pieces."""
        usage = self._measure(request)
        async for deltas in self.inner.stream(request):
            yield [replace(one, usage=usage) if one.usage else one for one in deltas]

    async def list_models(self) -> Sequence[ModelInfo]:
        """It has a model of every window; it lists none."""
        return ()

    async def find_context_tokens(self, model: str) -> int | None:
        """Tell the window of a model."""
        return find_window(model)

    def _measure(self, request: ModelRequest) -> Usage:
        """What a request takes."""
        seen = msgspec.json.decode(write_request(request, stream=False))
        return Usage(input_tokens=count_request(seen, self.heads.get(request.model, 0)), output_tokens=1)

    def _answer(self, seen: dict[str, Any]) -> Script:
        """Check the request, and say something, or call tools where there are any."""
        model, messages = seen["model"], seen["messages"]
        self.inner.requests.clear()
        random = self.randoms.setdefault(model, Random(model))
        is_summary = bool(messages) and "Summarize the conversation" in str(messages[-1].get("content"))
        self._check(seen, is_summary)
        if is_summary:
            return summarize(random, failing=self.failing)
        calls = list(make_calls(random)) if seen.get("tools") and random.random() < 0.4 else []
        text = "" if calls and random.random() < 0.5 else say(random, random.choice([1, 20, 60, 300]))
        made = [{"id": call.id, "type": "function", "function": call_function(call)} for call in calls]
        said = {"role": "assistant", "content": text or None, **({"tool_calls": made} if made else {})}
        self.said[model] = said
        return Script(text, tool_calls=calls)

    def _check(self, seen: dict[str, Any], is_summary: bool) -> None:
        """Refuse what is wrong. Raises UpstreamRefused and ContextTooLong."""
        model, window = seen["model"], find_window(seen["model"])
        reason = find_fault(seen["messages"])
        reserve = seen.get("max_tokens") or min(OUTPUT_TOKENS, int(window * OUTPUT_SHARE))
        if reason:
            self.refusals.append((model, is_summary, reason))
            raise UpstreamRefused(reason, status=400, body=b"{}")
        tokens = count_request(seen, self.heads.get(model, 0))
        if tokens + reserve > window:
            reason = f"{tokens} tokens and {reserve} for the answer are more than {window}"
            self.refusals.append((model, is_summary, reason))
            raise ContextTooLong(reason, status=400, tokens_max=window - reserve)


def summarize(random: Random, *, failing: float) -> Script:
    """A summary: late, too long, empty or good; or none."""
    if random.random() < failing:
        return Script(error=UpstreamTimeout("too slow"))
    return Script(say(random, random.choice([0, 5, 30, 80, 600])), pause_s=random.choice([0, 0, 0.002]))


def make_calls(random: Random) -> Iterator[ScriptedCall]:
    """One call or parallel ones; some providers use their ids again."""
    stem = random.choice(["call", f"call_{random.randrange(10**9)}"])
    for place in range(random.choice([1, 1, 2, 3])):
        yield ScriptedCall("look", msgspec.json.encode({"at": say(random, 3)}).decode(), f"{stem}_{place}")


def call_function(call: ScriptedCall) -> dict[str, str]:
    """A call as it stands in a message."""
    return {"name": call.name, "arguments": call.arguments}


def count_request(seen: dict[str, Any], head: int) -> int:
    """The tokens of a request by the server's own measure: tools and the ``head`` messages of the instructions as they
    are written, and no frame of its own for a message that only calls.
    """
    fixed = [msgspec.json.encode(seen["tools"])] if seen.get("tools") else []
    messages = seen["messages"]
    if head:
        fixed.append(msgspec.json.encode(messages[:head]))
    tokens = sum(count_bytes(len(part)) for part in fixed)
    for message in messages[head:]:
        calls = [call["function"] for call in message.get("tool_calls", ())]
        tokens += sum(FRAME_TOKENS + count_text(call["name"]) + count_text(call["arguments"]) for call in calls)
        if message.get("content") is not None:
            tokens += FRAME_TOKENS + count_said(message["content"])
    return tokens


def find_fault(messages: Sequence[dict[str, Any]]) -> str:
    """What is wrong with a conversation; empty where nothing is."""
    open_ids: list[str] = []
    role, is_front = "", True
    for message in messages:
        before, role = role, message["role"]
        is_front = is_front and role in ("system", "developer")
        if role == "tool":
            if message["tool_call_id"] not in open_ids:
                return "a result without its call"
            open_ids.remove(message["tool_call_id"])
            continue
        if open_ids:
            return "a call without its result"
        if role == before == "system" and not is_front:
            return "two system messages in a row"
        open_ids = [made["id"] for made in message.get("tool_calls", ())]
        if len(set(open_ids)) < len(open_ids):
            return "two calls of one id"
        if message.get("content") is None and not open_ids:
            return "an empty message"
    if is_front:
        return "nothing but instructions"
    return "a call without its result" if open_ids else ""


@dataclass(kw_only=True)
class Talk:
    """One client with one session: what it sends next, and what it has seen."""

    random: Random
    model: str
    session: str
    overflow: OverflowStrategy
    instructions: list[dict[str, Any]] = field(default_factory=list)
    transcript: list[dict[str, Any]] = field(default_factory=list)
    open_ids: list[str] = field(default_factory=list)

    def next_turn(self) -> list[dict[str, Any]]:
        """The messages of the next turn: results, something said, or everything again with an edit."""
        random = self.random
        if self.transcript and random.random() < 0.12:
            return self._edit()
        new: list[dict[str, Any]] = []
        if self.open_ids and random.random() < 0.85:
            given = random.sample(self.open_ids, random.randint(1, len(self.open_ids)))
            self.open_ids = [id_ for id_ in self.open_ids if id_ not in given] if random.random() < 0.5 else []
            new = [{"role": "tool", "tool_call_id": id_, "content": self._text()} for id_ in given]
        if not new or random.random() < 0.3:
            if random.random() < 0.1:
                new.append({"role": "system", "content": say(random, 10)})
            text = self._text()
            parts = [{"type": "text", "text": text}, {"type": "text", "text": "?"}]
            new.append({"role": "user", "content": parts if random.random() < 0.2 else text})
        self.transcript += new
        return new

    def _edit(self) -> list[dict[str, Any]]:
        """Say something else than was said at some place, and send all that stood before it again."""
        places = [place for place, message in enumerate(self.transcript) if message["role"] == "user"]
        place = self.random.choice(places[-6:]) if places else 0
        self.open_ids = []
        self.transcript = [*self.transcript[:place], {"role": "user", "content": self._text()}]
        return self.transcript

    def _text(self) -> str:
        """A text: mostly short, sometimes larger than the window."""
        window = find_window(self.model)
        words = self.random.choice([1, 5, 20, 20, 60, 60, window // 8, window // 3])
        if self.random.random() < 0.04:
            words = window * 2
        return say(self.random, max(1, words))

    def write(self) -> dict[str, Any]:
        """The next request."""
        random, window = self.random, find_window(self.model)
        messages = self.next_turn()
        if random.random() < 0.05:
            self.instructions = [{"role": "system", "content": say(random, random.choice([3, 30]))}]
        body = {
            "model": self.model,
            "session_id": self.session,
            "context_overflow": self.overflow,
            "messages": [*self.instructions, *messages],
            "stream": random.random() < 0.5,
        }
        if random.random() < 0.6:
            body["tools"] = TOOLS
        if random.random() < 0.2:
            body["max_tokens"] = random.randint(1, window // 2)
        return body

    def hear(self, said: dict[str, Any]) -> None:
        """Take over what the model answered."""
        self.transcript.append(said)
        self.open_ids += [call["id"] for call in said.get("tool_calls", ())]

    def take_back(self, length: int) -> None:
        """Forget a turn that was refused."""
        del self.transcript[length:]


def begin_talk(number: int, overflow: OverflowStrategy, seed: str) -> Talk:
    """A client with a window of its own: from tiny to one that takes a while to fill."""
    random = Random(f"{seed} {overflow} {number}")
    window = int(2 ** random.uniform(8.3, 12.5))
    model = f"strict-{window}-{overflow}-{number}"
    return Talk(random=random, model=model, session=f"s{number}-{overflow}", overflow=overflow)


async def run_talk(http: aiohttp.ClientSession, provider: StrictProvider, talk: Talk) -> Counter[str]:
    """Take the turns of a conversation, and count what came of them."""
    counts: Counter[str] = Counter()
    for _ in range(talk.random.randint(4, TURNS_MAX)):
        before, open_ids = list(talk.transcript), list(talk.open_ids)
        provider.said.pop(talk.model, None)
        order = msgspec.json.encode(talk.write())
        provider.heads[talk.model] = len(talk.instructions)
        async with http.post("/v1/chat/completions", data=order) as reply:
            body = await reply.text()
            code = "" if reply.status == 200 else msgspec.json.decode(body)["error"]["code"]
        counts["turns"] += 1
        if not code and (said := provider.said.get(talk.model)) and "event: error" not in body:
            talk.hear(said)
            counts += await look(http, reply.headers["X-Run-Id"])
            continue
        counts["refused_by_the_server" if code in OWN_REFUSALS else "failed"] += 1
        counts[f"answered_{code or 'with an error in the stream'}"] += 1
        talk.transcript, talk.open_ids = before, open_ids
    return counts


async def look(http: aiohttp.ClientSession, run_id: str) -> Counter[str]:
    """What a turn's context was made of."""
    async with http.get(f"/v1/runs/{run_id}/context") as reply:
        context = await reply.json()
    kinds = {part["kind"] for part in context["parts"]}
    seen = {"cut": context["shown_from"] > 1, "summarized": "summary" in kinds, "recalled": "retrieved" in kinds}
    return Counter({name: 1 for name, is_so in seen.items() if is_so})


async def run_strategy(overflow: OverflowStrategy, histories: int, *, seed: str = "strict") -> Figures:
    """Run random histories under one strategy before the strict provider."""
    refusals: list[tuple[str, bool, str]] = []
    counts: Counter[str] = Counter()
    for first in range(0, histories, BATCH):
        # After a failure nobody is asked for summaries for a while: in most batches none fails.
        provider = StrictProvider(failing=0.25 if first // BATCH % 4 == 3 else 0)
        talks = [begin_talk(number, overflow, seed) for number in range(first, min(first + BATCH, histories))]
        counts += await run_talks(provider, talks)
        refusals += provider.refusals
    turns = [reason for _, is_summary, reason in refusals if not is_summary]
    return {
        "histories": histories,
        "rejections": len(turns),
        "rejected_summaries": len(refusals) - len(turns),
        **dict(sorted(counts.items())),
        "reasons": sorted(refusals, key=lambda refusal: refusal[1])[:REASONS_MAX],
    }


async def run_talks(provider: StrictProvider, talks: Sequence[Talk]) -> Counter[str]:
    """Run histories against one server."""
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), stop_s=2, log_level="error")
        async with (
            open_server(settings, upstream=provider, embedder=ScriptedEmbedder()) as server,
            listen(server, settings, take_address("127.0.0.1", 0)) as listening,
        ):
            _, key = await server.keys.make(NewKey(tenant="strict"))
            async with aiohttp.ClientSession(listening.url, headers={"Authorization": f"Bearer {key}"}) as http:
                for talk in talks:
                    counts += await run_talk(http, provider, talk)
    return counts


async def measure_strict(*, histories: int = 200) -> Figures:
    """Rejections by a strict provider in random histories that outgrow their windows, by strategy."""
    figures: Figures = {}
    for overflow in STRATEGIES:
        print(f"strict: {overflow} ...", file=sys.stderr)
        figures[overflow] = await run_strategy(overflow, histories)
    return figures
