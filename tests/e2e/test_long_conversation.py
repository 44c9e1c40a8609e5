"""Three hundred turns with the default embedded model under a budget of 2,048 tokens: ``make test-memory``.

A fact of turn 3 is asked for in turn 300: ``adaptive`` answers, ``truncate`` cannot, and no request is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.serving import Serving, serving

pytestmark = [pytest.mark.models_long, pytest.mark.timeout(7200)]

TURNS = 300
FACT = "Remember this: my grandmother's parrot is called Galileo."
QUESTION = "What is the name of my grandmother's parrot? Answer with the name."
THINGS = [
    "bread",
    "rivers",
    "clouds",
    "bicycles",
    "tea",
    "trains",
    "chess",
    "gardens",
    "snow",
    "lamps",
    "shoes",
    "maps",
    "soup",
    "bridges",
    "violins",
]
ASKED = ("Say one sentence about {}.", "Why do people like {}?", "Name something that goes well with {}.")


def list_questions() -> list[str]:
    """What is asked in each turn."""
    asked = [ASKED[turn % 3].format(THINGS[turn % len(THINGS)]) for turn in range(1, TURNS + 1)]
    return [*asked[:2], FACT, *asked[3:-1], QUESTION]


async def converse(server: Serving, http: aiohttp.ClientSession, strategy: str) -> tuple[str, dict[str, Any]]:
    """Talk three hundred turns; the last answer, and what the inspector shows of its run."""
    answer = run_id = ""
    for text in list_questions():
        body = {
            "model": "m",
            "session_id": strategy,
            "messages": [{"role": "user", "content": text}],
            "max_tokens": 16,
            "temperature": 0,
            "context_overflow": strategy,
        }
        async with http.post("/v1/chat/completions", json=body) as reply:
            said = await reply.json()
            assert reply.status == 200, said
            answer, run_id = said["choices"][0]["message"]["content"], reply.headers["X-Run-Id"]
    async with http.get(f"/v1/runs/{run_id}/context") as reply:
        return answer, await reply.json()


@pytest.mark.parametrize(("strategy", "is_remembered"), [("adaptive", True), ("truncate", False)])
async def test_fact_of_turn_3_is_asked_for_in_turn_300(tmp_path: Path, strategy: str, is_remembered: bool) -> None:
    async with (
        serving(tmp_path / "data") as server,
        aiohttp.ClientSession(server.url, headers=server.headers, timeout=aiohttp.ClientTimeout(600)) as http,
    ):
        answer, context = await converse(server, http, strategy)
        print(strategy, answer, context)
        assert ("Galileo" in answer) is is_remembered
        found = (context["retrieved"] or {"snippets": []})["snippets"]
        shown = [snippet for snippet in found if snippet["omitted"] is None]
        assert any(FACT in snippet["text"] and snippet["seq"] == 5 for snippet in shown) is is_remembered
        assert context["shown_from"] > 100
        async with http.get(f"/v1/sessions/{strategy}/runs?limit=100") as reply:
            runs = (await reply.json())["data"]
        assert {run["status"] for run in runs} <= {"completed", "incomplete"}
