"""The provider of summaries is away, or slow: turns go on, nothing is stuck, and the metrics say so."""

from __future__ import annotations

import re
import time
from pathlib import Path

import aiohttp

from tests.e2e.mock import find_port, mock_upstream
from tests.e2e.serving import serving

TURNS = 50


async def test_turns_go_on_without_the_summariser(tmp_path: Path) -> None:
    settings = {"context_tokens": 1000, "summary_model": "mock", "embedding_model": "none"}
    nobody = f"http://127.0.0.1:{find_port()}/v1"
    async with (
        mock_upstream() as url,
        serving(tmp_path / "data", upstream_url=url, summary_url=nobody, **settings) as server,
        aiohttp.ClientSession(server.url, headers=server.headers) as http,
    ):
        for number in range(TURNS):
            said = {"role": "user", "content": f"{number} " + "water the plants " * 10}
            body = {"model": "mock", "session_id": "s", "messages": [said]}
            async with http.post("/v1/chat/completions", json=body) as reply:
                assert reply.status == 200, await reply.text()
        async with http.get("/v1/sessions/s/context?model=mock") as reply:
            context = await reply.json()
        async with http.get("/metrics") as reply:
            metrics = await reply.text()
    assert context["shown_from"] > 20
    assert context["summary"] is None
    outcomes = {name: float(count) for name, count in re.findall(r'summaries_total{outcome="(\w+)"} ([\d.]+)', metrics)}
    assert outcomes.keys() == {"failed", "skipped"}
    assert outcomes["failed"] >= 1
    assert 'multiturn_turns_total{status="completed"} 50.0' in metrics
    assert re.search(r"^multiturn_turns_live 0\.0$", metrics, re.MULTILINE)


async def test_stop_does_not_wait_for_a_summary(tmp_path: Path) -> None:
    settings = {"context_tokens": 1000, "summary_model": "mock", "embedding_model": "none", "stop_s": 15}
    async with (
        mock_upstream() as url,
        mock_upstream(ttft_ms=60_000) as slow,
        serving(tmp_path / "data", upstream_url=url, summary_url=slow, **settings) as server,
    ):
        async with aiohttp.ClientSession(server.url, headers=server.headers) as http:
            for number in range(12):
                said = {"role": "user", "content": f"{number} " + "water the plants " * 10}
                body = {"model": "mock", "session_id": "s", "messages": [said]}
                async with http.post("/v1/chat/completions", json=body) as reply:
                    assert reply.status == 200, await reply.text()
        began = time.monotonic()
        server.process.terminate()
        await server.process.wait()
    assert time.monotonic() - began < 5
