"""The code of the page on session management runs with only its URL and key changed, and its answers come true."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e.reference_002 import CURL, OPENAI_SDK, PAGE_KEY, PAGE_URL, REQUESTS
from tests.e2e.serving import Serving, serving
from tests.node import PACKAGES, find_node, install_clients

pytestmark = pytest.mark.asyncio(loop_scope="module")

RUN_S = 30.0


async def answer(request: web.Request) -> web.Response:
    """Answer as a model does that knows what it is shown and nothing else."""
    asked = await request.json()
    said = [message["content"] for message in asked["messages"]]
    names = re.findall(r"My name is (\w+)", "\n".join(said))
    if names and said[-1].endswith("name?"):
        text = f"Your name is {names[-1]}."
    else:
        text = f"Nice to meet you, {names[-1]}!" if names else "I don't have that information."
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return web.json_response({"id": "c", "object": "chat.completion", "model": asked["model"], "choices": [choice]})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """A server before that model."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    async with TestServer(app) as model:
        url = str(model.make_url("/v1"))
        async with serving(tmp_path_factory.mktemp("server"), upstream_url=url) as server:
            yield server


async def run(server: Serving, code: str, *words: str, cwd: Path | None = None) -> str:
    """Run a page's code, which comes on standard input, against our server; what it prints."""
    code = code.replace(PAGE_URL, server.url).replace(PAGE_KEY, server.key)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=cwd)
    async with asyncio.timeout(RUN_S):
        out, err = await process.communicate(code.encode())
    assert process.returncode == 0, err.decode()
    return out.decode()


CONVERSATION = ["Nice to meet you, Alice!", "Your name is Alice."]


@pytest.mark.parametrize("code", [OPENAI_SDK, REQUESTS], ids=["openai", "requests"])
async def test_python_is_remembered(server: Serving, code: str) -> None:
    assert (await run(server, code, sys.executable, "-")).splitlines() == CONVERSATION


@pytest.mark.node
@pytest.mark.parametrize("variant", ["openai", "fetch"])
async def test_javascript_is_remembered(server: Serving, variant: str) -> None:
    code = (PACKAGES / f"reference_002_{variant}.mjs").read_text("utf-8")
    clients = await asyncio.to_thread(install_clients)
    said = await run(server, code, str(find_node().path), "--input-type=module", "-", cwd=clients)
    assert said.splitlines() == CONVERSATION


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
async def test_shell_is_remembered(server: Serving) -> None:
    uuidgen = f"uuidgen() {{ {sys.executable} -c 'import uuid; print(uuid.uuid4())'; }}"
    said = await run(server, f"{uuidgen}\n{CURL}", "sh", "-s")
    assert all(words in said for words in CONVERSATION)


async def ask(server: Serving, session: str, text: str) -> str:
    body = {"model": "gpt-4", "messages": [{"role": "user", "content": text}]}
    async with (
        aiohttp.ClientSession(headers={**server.headers, "sessionId": session}) as http,
        http.post(f"{server.url}/api/publicLLM", json=body) as reply,
    ):
        return str((await reply.json())["choices"][0]["message"]["content"])


async def test_other_sessions_know_nothing(server: Serving) -> None:
    assert await ask(server, "one", "My name is Alice") == CONVERSATION[0]
    for session in ("two", ""):
        assert await ask(server, session, "What's my name?") == "I don't have that information."
    assert await ask(server, "one", "What's my name?") == CONVERSATION[1]
