"""The README's conversation over the default embedded model, which is fetched once (491 MB): ``make test-models``."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from openai import AsyncOpenAI

from tests.e2e.serving import Serving, serving
from tests.node import find_node, install_clients

pytestmark = [pytest.mark.models, pytest.mark.timeout(900)]

CONVERSATION = """
import OpenAI from "openai";
const [baseURL, apiKey, sessionId] = process.argv.slice(2);
const client = new OpenAI({ apiKey, baseURL, defaultHeaders: { sessionId } });
for (const content of ["My name is Alice", "What's my name?"]) {
  const answer = await client.chat.completions.create({ model: "gpt-4", messages: [{ role: "user", content }] });
  console.log(answer.choices[0].message.content);
}
"""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Serving]:
    async with serving(tmp_path / "data") as server:
        yield server


def open_client(server: Serving, session: str) -> AsyncOpenAI:
    """The client of the reference page, with only URL and key changed; the model may still be on its way."""
    url, headers = f"{server.url}/api/publicLLM", {"sessionId": session}
    return AsyncOpenAI(base_url=url, api_key=server.key, default_headers=headers, timeout=600, max_retries=20)


async def ask(client: AsyncOpenAI, text: str) -> str:
    answer = await client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content or ""


async def test_model_remembers_who_one_is(server: Serving) -> None:
    async with open_client(server, str(uuid4())) as alice, open_client(server, str(uuid4())) as nobody:
        await ask(alice, "My name is Alice")
        assert "Alice" in await ask(alice, "What's my name?")
        assert "Alice" not in await ask(nobody, "What's my name?")


@pytest.mark.node
async def test_model_remembers_in_javascript_too(server: Serving) -> None:
    async with open_client(server, "warm") as client:
        await ask(client, "hello")
    words = [str(find_node().path), "--input-type=module", "-", f"{server.url}/v1", server.key, str(uuid4())]
    options: dict[str, Any] = {"cwd": install_clients(), "capture_output": True, "text": True, "check": True}
    said = await asyncio.to_thread(partial(subprocess.run, words, input=CONVERSATION, **options))
    assert "Alice" in said.stdout.splitlines()[-1]
