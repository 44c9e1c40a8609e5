"""The code of Powabase's page on agent sessions runs over real documents with only URL, key and ids changed, and the
citations of the reply, of the messages and of the retrieved context agree.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
import requests
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.documents import make_pdf, make_word
from tests.e2e.reference_004 import DELETE, GET_SESSION, MESSAGES, RETRIEVED, RETRIEVED_JSON, RUNS
from tests.e2e.serving import Serving, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")

READY_S, LOOK_S = 60.0, 0.1
PAGES = (
    ("Third quarter 2025", "Revenue grew by twelve percent to nine million euros."),
    ("Outlook", "The board expects a loss in the fourth quarter because of the new factory."),
)
GREW, LOSS = PAGES[0][1], PAGES[1][1]
QUESTIONS = {
    "How did revenue develop?": f"{GREW} That is all that is known [99].",
    "And what is expected next?": f"In short: {LOSS}",
}


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer as a model that has read its sources: once it cites nothing, once by the number of the page."""
    body = await request.json()
    asked = str(body["messages"][-1]["content"])
    text = next(said for question, said in QUESTIONS.items() if question in asked)
    if marker := re.search(rf"\[(\d+)\][^\[]*{LOSS[:20]}", asked):
        text = text.replace(LOSS, f"{LOSS[:-1]} [{marker[1]}].")
    head = {"id": "c", "object": "chat.completion.chunk", "model": body["model"]}
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for delta, finish in (*(({"content": f"{word} "}, None) for word in text.split()), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        await response.write(f"data: {json.dumps({**head, 'choices': [choice]})}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A server with an agent that knows the documents; ``sources`` are their ids by their names."""

    server: Serving
    agent_id: str
    knowledge_base_id: str
    sources: dict[str, str]

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the page's examples send."""
        return {"apikey": self.server.key, "Authorization": f"Bearer {self.server.key}"}

    def send(self, method: str, path: str, **sent: Any) -> Any:
        """Ask for something that is there."""
        reply = requests.request(method, f"{self.server.url}/api{path}", headers=self.headers, timeout=60, **sent)
        assert reply.status_code < 300, reply.text
        return reply.json()

    def run(self, message: str, session_id: str | None = None) -> list[dict[str, Any]]:
        """The events of a run."""
        body = {"message": message, "session_id": session_id}
        url = f"{self.server.url}/api/agents/{self.agent_id}/run/stream"
        with requests.post(url, json=body, headers=self.headers, stream=True, timeout=60) as reply:
            assert reply.status_code == 200, reply.text
            return [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith(b"data: ")]

    def page(self, code: str, **ids: str) -> requests.Response:
        """What the page's code makes of ``response``."""
        names: dict[str, Any] = {"requests": requests, "BASE_URL": self.server.url, "headers": self.headers, **ids}
        exec(code, names)
        response = names["response"]
        assert isinstance(response, requests.Response)
        return response


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    async with TestServer(app) as upstream:
        url = str(upstream.make_url("/v1"))
        async with serving(folder / "data", upstream_url=url, model="reader", embedding_model="none") as server:
            yield await asyncio.to_thread(fill, server, folder)


def fill(server: Serving, folder: Path) -> Desk:
    """Upload the documents, put them into a knowledge base, wait, and make an agent that knows it."""
    empty = Desk(server=server, agent_id="", knowledge_base_id="", sources={})
    base = empty.send("POST", "/knowledge-bases", json={"name": "Finance docs"})["id"]
    sources = {}
    for path in (make_pdf(folder / "Q3-2025.pdf", PAGES), make_word(folder / "notes.docx")):
        with path.open("rb") as file:
            sources[path.name] = empty.send("POST", "/sources/upload", files={"file": (path.name, file)})["id"]
        empty.send("POST", f"/knowledge-bases/{base}/sources", json={"source_id": sources[path.name]})
    for _ in range(int(READY_S / LOOK_S)):
        rows = empty.send("GET", f"/knowledge-bases/{base}/sources")["sources"]
        if {row["indexing_status"] for row in rows} == {"indexed"}:
            break
        asyncio.run(asyncio.sleep(LOOK_S))
    assert len(rows) == 2, rows
    agent = {"name": "Analyst", "system_prompt": "You answer questions about the company."}
    agent_id = empty.send("POST", "/agents", json=agent)["id"]
    empty.send("POST", f"/agents/{agent_id}/knowledge-bases", json={"knowledge_base_id": base})
    return Desk(server=server, agent_id=agent_id, knowledge_base_id=base, sources=sources)


def check_run(desk: Desk, session_id: str, complete: dict[str, Any], message: dict[str, Any]) -> None:
    """The reply, its message and its retrieved context cite the same chunks by the same keys."""
    run_id, citations = complete["run_id"], complete["citations"]
    assert message["content"] == complete["content"]
    assert message["citations"] == citations
    response = desk.page(RETRIEVED, session_id=session_id, run_id=run_id)
    body = response.json()
    sample = json.loads(RETRIEVED_JSON)
    assert set(body) == set(sample)
    assert (body["session_id"], body["run_id"]) == (session_id, run_id)
    diagnostics, *chunks = body["retrieved_context"]
    assert diagnostics["_type"] == "retrieval_diagnostics"
    assert diagnostics["total_items"] == len(chunks)
    for chunk in chunks:
        assert set(sample["retrieved_context"][1]) <= set(chunk)
        assert (chunk["knowledge_base_id"], chunk["kb_name"]) == (desk.knowledge_base_id, "Finance docs")
        assert UUID(chunk["id"])
    assert [chunk for chunk in chunks if chunk["_type"] != "recalled_message"] == message["retrieved_context"]
    by_key = {chunk["key"]: chunk for chunk in chunks if chunk.get("key") and chunk["included_in_context"]}
    assert re.findall(r"\[(\d+)\]", complete["content"]) == [citation["key"] for citation in citations]
    for citation in citations:
        chunk = by_key[citation["key"]]
        assert (chunk["id"], chunk["source_id"]) == (citation["item_id"], citation["source_id"])
        assert chunk["source_name"] == citation["source_name"]
        assert " ".join(citation["text_excerpt"].split()) in " ".join(chunk["text"].split())


async def test_code_of_the_page_shows_what_the_agent_saw(desk: Desk) -> None:
    await asyncio.to_thread(follow_page, desk)


def follow_page(desk: Desk) -> None:
    """Two runs, the second in the session of the first one's start; then the page, from its top to its end."""
    first, second = QUESTIONS
    events = desk.run(first)
    assert events[0]["event"] == "start"
    session_id = events[0]["session_id"]
    said = [events[-1], desk.run(second, session_id)[-1]]
    assert [one["event"] for one in said] == ["complete", "complete"]

    session = desk.page(GET_SESSION, session_id=session_id).json()
    assert (session["session_id"], session["agent_id"]) == (session_id, desk.agent_id)

    page = desk.page(MESSAGES, session_id=session_id).json()
    assert [message["role"] for message in page["messages"]] == ["user", "assistant", "user", "assistant"]
    assert [message["content"] for message in page["messages"]][::2] == [first, second]
    answered = page["messages"][1::2]
    for complete, message in zip(said, answered, strict=True):
        check_run(desk, session_id, complete, message)
    cited = [message["citations"][0] for message in answered]
    assert [one["source_id"] for one in cited] == [desk.sources["Q3-2025.pdf"]] * 2
    assert [one["meta"]["page"] for one in cited] == [1, 2]
    assert "[99]" not in answered[0]["content"]

    runs = desk.page(RUNS, session_id=session_id).json()["runs"]
    assert [run["run_id"] for run in runs] == [one["run_id"] for one in said]
    assert [run["citations"] for run in runs] == [one["citations"] for one in said]

    gone = desk.page(RETRIEVED, session_id=session_id, run_id="run_nothing")
    assert (gone.status_code, gone.json()["error"]) == (404, "Run not found")
    assert desk.page(DELETE, session_id=session_id).status_code == 200
    gone = desk.page(GET_SESSION, session_id=session_id)
    assert (gone.status_code, gone.json()["error"]) == (404, "Session not found")
