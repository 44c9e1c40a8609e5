"""What runs of agents cost: a step of the loop, five hundred runs at once, and the first page of a long session."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

import aiohttp

from multiturn.model.tool import ToolAnswer
from multiturn.upstream.scripted import Script, ScriptedCall
from tests.bench.load import connect
from tests.bench.measures import WARM_TURNS, Figures, ask_times, data_dir
from tests.bench.processes import KEY, Process, mock_model, server
from tests.contract.dialects.conftest import Place, open_place
from tests.contract.dialects.knowing import make
from tests.unit.tool_hosts import ScriptedHost

STEPS, RUNS = 21, 60
LOOK = ScriptedCall("desk__look", '{"text": "what is there"}')
MANY, MODEL_S, TOOL_S, MANY_STEPS = 500, 1.0, 0.2, 3
LONG_TURNS, PAGES = 5000, 40


@asynccontextmanager
async def open_desk(*, tool_s: float = 0.0, **settings: Any) -> AsyncGenerator[Place]:
    """A server in this process, with an agent whose model calls a tool until it was told enough."""

    async def look(arguments: dict[str, Any]) -> ToolAnswer:
        await asyncio.sleep(tool_s)
        return ToolAnswer(text="There is nothing to be seen here, and that for some hundred characters or so. " * 2)

    async with (
        data_dir() as folder,
        open_place(folder, None, tool_host=ScriptedHost({"look": look}), embedding_model="none", **settings) as place,
    ):
        yield place


async def make_agent(place: Place, *, steps: int) -> str:
    """An agent that may take so many steps; its id."""
    tools = [{"type": "mcp", "label": "desk", "url": "https://desk.example/mcp"}]
    agent = await make(place, "/v1/agents", {"name": "desk", "model": "m", "tools": tools, "limits": {"steps": steps}})
    return str(agent["id"])


async def run(place: Place, agent: str) -> float:
    """Take a turn in a session of its own; the seconds that it took."""
    session = await make(place, "/v1/sessions", {"agents": [agent]})
    began = time.perf_counter()
    await make(place, f"/v1/sessions/{session['id']}/chat", {"messages": [{"role": "user", "content": "Look."}]})
    return time.perf_counter() - began


async def measure_loop() -> Figures:
    """CPU of a step: runs of many steps less runs of one; the scripted model and the tool are in it."""
    async with open_desk() as place:
        agent = await make_agent(place, steps=100)
        costs = {}
        for steps in (1, STEPS):
            place.upstream.choose = script(steps)
            for _ in range(10):
                await run(place, agent)
            began = time.process_time()
            for _ in range(RUNS):
                await run(place, agent)
            costs[steps] = 1e6 * (time.process_time() - began) / RUNS
    return {
        "run_of_1_us": round(costs[1]),
        f"run_of_{STEPS}_us": round(costs[STEPS]),
        "step_us": round((costs[STEPS] - costs[1]) / (STEPS - 1)),
    }


def script(steps: int, *, pause_s: float = 0.0) -> Any:
    """A model that calls a tool until it has been told something ``steps - 1`` times."""

    def choose(seen: dict[str, Any]) -> Script:
        told = sum(message["role"] == "tool" for message in seen["messages"])
        return Script(pause_s=pause_s, tool_calls=[LOOK]) if told < steps - 1 else Script("Done.", pause_s=pause_s)

    return choose


async def measure_many() -> Figures:
    """Runs at once, each of some steps with a slow model and a slow tool: how much longer than alone each took."""
    async with open_desk(tool_s=TOOL_S) as place:
        agent = await make_agent(place, steps=10)
        # A call comes in two pieces, a word in one.
        place.upstream.choose = script(MANY_STEPS, pause_s=MODEL_S / 2)
        alone = await run(place, agent)
        began, cpu = time.perf_counter(), time.process_time()
        headers = {"Authorization": f"Bearer {place.key}"}
        async with aiohttp.ClientSession(
            place.url, headers=headers, connector=aiohttp.TCPConnector(limit=0)
        ) as place.http:
            took = sorted(await asyncio.gather(*(run(place, agent) for _ in range(MANY))))
        return {
            "runs": MANY,
            "alone_s": round(alone, 2),
            "median_s": round(median(took), 2),
            "slowest_s": round(took[-1], 2),
            "all_s": round(time.perf_counter() - began, 2),
            "cpu_ms_each": round(1000 * (time.process_time() - cpu) / MANY, 2),
        }


async def measure_messages() -> Figures:
    """The first page of a session with 10,000 items, in Powabase's dialect and in our own, in ms."""
    quiet = {"embedding_model": "none", "context_overflow": "truncate"}
    async with data_dir() as folder, mock_model(tokens=8) as model, server(folder, model, **quiet) as ours:
        async with connect(ours, 1) as (connection,):
            await ask_times(connection, "warm", WARM_TURNS)
            await ask_times(connection, "long", LONG_TURNS)
        found = await read_pages(ours)
    return {"items": 2 * LONG_TURNS, **found}


async def read_pages(ours: Process) -> Figures:
    """The median time of each page, and the CPU of the server for it."""
    pages = {
        "powabase_messages": "/api/sessions/long/messages",
        "powabase_runs": "/api/sessions/long/runs",
        "items": "/v1/sessions/long/items?limit=100",
        "runs": "/v1/sessions/long/runs?limit=100",
    }
    found: Figures = {}
    async with aiohttp.ClientSession(ours.url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        for name, path in pages.items():
            took: list[float] = []
            cpu_s = ours.cpu_s()
            for _ in range(PAGES):
                began = time.perf_counter()
                async with http.get(path) as reply:
                    await reply.read()
                    reply.raise_for_status()
                took.append(time.perf_counter() - began)
            cpu_ms = 1000 * (ours.cpu_s() - cpu_s) / PAGES
            found[name] = {"p50_ms": round(1000 * median(took), 2), "cpu_ms": round(cpu_ms, 2)}
    return found
