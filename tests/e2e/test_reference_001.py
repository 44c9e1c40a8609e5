"""The code of Jockey's page on sessions runs over real talks with only URL, key and store changed, and every citation
of its answers leads to the second where the words are spoken.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from twelvelabs import TwelveLabs

from tests.e2e.reference_001 import CHAT, CONTINUE, PAGE_KEY, PAGE_STORE, PAGE_URL, START
from tests.e2e.serving import Serving, serving
from tests.media import find_speech_model
from tests.node import PACKAGES, find_node, install_clients
from tests.talks import Slide, Talk, make_talk

pytestmark = pytest.mark.asyncio(loop_scope="module")

READY_S, RUN_S, LOOK_S = 120.0, 60.0, 0.2
OFF_S = 2.0

TALKS: Mapping[str, Sequence[Slide]] = {
    "bees.mp4": (
        Slide("Honey bees", ("Dances and flowers",), ("Honey bees dance to show their sisters the flowers.",)),
        Slide("The hive in summer", (), ("In the summer the bees make golden honey.",)),
    ),
    "lighthouse.mp4": (
        Slide("Lighthouses", ("Rocks and ships",), ("The lighthouse warns the ships about the rocks.",)),
        Slide("The lamp", (), ("The great lamp turns around every twelve seconds.",)),
    ),
    "bread.mp4": (
        Slide("Baking bread", ("Yeast and ovens",), ("Bread rises because the yeast makes bubbles of gas.",)),
        Slide("In the oven", (), ("Bake the bread in a hot oven for forty minutes.",)),
    ),
}
THEMES = "What are the main themes in these videos?"
VIDEOS = "Which videos best represent the first theme?"
MOMENTS = "Give me timestamps for the key moments in those videos"


def list_sentences(*names: str) -> list[str]:
    return [sentence for name in names for slide in TALKS[name] for sentence in slide.sentences]


# What a model says that has read its sources and does not cite.
ANSWERS = {
    THEMES: "Honey bees dance to show their sisters the flowers. The lighthouse warns the ships about the rocks. "
    "Bread rises because the yeast makes bubbles of gas. Nothing is said about football.",
    VIDEOS: "In the summer the bees make golden honey. Honey bees dance to show their sisters the flowers.",
    MOMENTS: " ".join(list_sentences(*TALKS)),
}


async def answer(request: web.Request) -> web.StreamResponse:
    """Answer as that model, whole or word by word."""
    body = await request.json()
    asked = str(body["messages"][-1]["content"])
    text = next(said for question, said in ANSWERS.items() if question in asked)
    head = {"id": "c", "object": "chat.completion", "model": body["model"]}
    usage = {"prompt_tokens": len(asked) // 4, "completion_tokens": len(text) // 4, "total_tokens": 1}
    if not body.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return web.json_response({**head, "choices": [choice], "usage": usage})
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for delta, finish in (*(({"content": f"{word} "}, None) for word in text.split()), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        await response.write(f"data: {json.dumps({**head, 'choices': [choice], 'usage': usage})}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    return response


@dataclass(frozen=True, slots=True, kw_only=True)
class Cinema:
    """A server with the talks in a store, and what is true of them, by the ids of their items."""

    server: Serving
    store_id: str
    talks: Mapping[str, Talk]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cinema(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cinema]:
    folder = tmp_path_factory.mktemp("cinema")
    model = await asyncio.to_thread(find_speech_model)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    async with TestServer(app) as upstream:
        url = str(upstream.make_url("/v1"))
        settings: Any = {"upstream_url": url, "model": "reader", "embedding_model": "none", "speech_model": model}
        async with serving(folder / "data", **settings) as server:
            store_id, talks = await asyncio.to_thread(fill, server, folder)
            yield Cinema(server=server, store_id=store_id, talks=talks)


def fill(server: Serving, folder: Path) -> tuple[str, dict[str, Talk]]:
    """Upload the talks, put them into a store and wait, as the client's documentation shows it."""
    with httpx.Client(timeout=READY_S) as http:
        client: Any = TwelveLabs(api_key=server.key, base_url=f"{server.url}/v1.3", httpx_client=http)
        store = client.knowledge_stores.create(name="Talks")
        talks: dict[str, Talk] = {}
        for name, slides in TALKS.items():
            talk = make_talk(folder / name, slides)
            with (folder / name).open("rb") as file:
                asset = client.assets.create(method="direct", file=file)
            wait(lambda id_=asset.id: client.assets.retrieve(id_))
            item = client.knowledge_store_items.create(store.id, asset_id=asset.id, asset_type="video")
            talks[item.id] = talk
        for item_id in talks:
            wait(lambda id_=item_id: client.knowledge_store_items.retrieve(store.id, id_))
    return store.id, talks


def wait(look: Any) -> None:
    """Look until it is ready."""
    for _ in range(int(READY_S / LOOK_S)):
        thing = look()
        if thing.status == "ready":
            return
        assert thing.status != "failed", thing
        asyncio.run(asyncio.sleep(LOOK_S))
    raise AssertionError(f"not ready within {READY_S} s: {thing}")


def check_citations(cinema: Cinema, text: str, annotations: Sequence[Mapping[str, Any]]) -> int:
    """Check that each citation leads to the item and the second where its sentence is spoken; how many there are."""
    end = 0
    for cited in annotations:
        claim = text[end : cited["start_index"]].strip(" .")
        end = cited["end_index"] + 1
        assert text[cited["start_index"] : end].strip("[]").isdigit()
        talk = cinema.talks[cited["item_id"]]
        said = talk.find_said(claim)
        assert abs(cited["start_sec"] - said.start_s) <= OFF_S, (claim, cited, said)
        assert cited["start_sec"] < cited["end_sec"] <= talk.duration_s + OFF_S
        assert f"#t={cited['start_sec']:g}" in cited["clip_url"]
    return len(annotations)


def adapt(cinema: Cinema, code: str) -> str:
    """The page's code for our server."""
    replaced = code.replace(PAGE_URL, f"{cinema.server.url}/v1.3").replace(PAGE_KEY, cinema.server.key)
    return replaced.replace(PAGE_STORE, cinema.store_id)


async def run(code: str, *words: str, **environ: str) -> list[str]:
    """Run code, which comes on standard input; the lines that it prints."""
    pipe = asyncio.subprocess.PIPE
    folder = environ.pop("cwd", None)
    process = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=folder, env=os.environ | environ
    )
    async with asyncio.timeout(RUN_S):
        out, err = await process.communicate(code.encode())
    assert process.returncode == 0, err.decode()
    return out.decode().splitlines()


async def read_answers(cinema: Cinema, session: str) -> list[Mapping[str, Any]]:
    """What was answered in a session: texts with their annotations."""
    async with (
        aiohttp.ClientSession(cinema.server.url, headers=cinema.server.headers) as http,
        http.get(f"/v1.3/sessions/{session}/messages?page_limit=50") as reply,
    ):
        page = await reply.json()
    return [message["content"][0] for message in page["data"] if message["role"] == "assistant"]


async def test_code_of_the_page_finds_themes_videos_and_moments(cinema: Cinema) -> None:
    (started,) = await run(adapt(cinema, START + CONTINUE), sys.executable, "-")
    session = started.removeprefix("Session started: ")
    themes, videos, moments = await read_answers(cinema, session)
    assert "Nothing is said about football." in themes["text"]
    for part, sentences in ((themes, 3), (videos, 2), (moments, 6)):
        assert check_citations(cinema, part["text"], part["annotations"]) == sentences
    assert {cited["item_id"] for cited in moments["annotations"]} == set(cinema.talks)


async def test_chat_function_of_the_page_goes_on_in_one_session(cinema: Cinema) -> None:
    asked = "\n".join(f"print(chat({question!r}, {cinema.store_id!r}))" for question in (THEMES, VIDEOS))
    _, themes, videos, session = await run(
        adapt(cinema, START + CHAT) + asked + "\nprint(session_id)\n", sys.executable, "-"
    )
    assert themes.startswith("Honey bees dance")
    assert [part["text"] for part in await read_answers(cinema, session)] == [themes, videos]


async def test_transcript_has_the_times_of_its_words(cinema: Cinema) -> None:
    async with aiohttp.ClientSession(cinema.server.url, headers=cinema.server.headers) as http:
        async with http.get("/v1.3/assets?filename=BREAD") as reply:
            (asset,) = (await reply.json())["data"]
        path = f"/v1.3/assets/{asset['_id']}/transcription?include=words&include=utterances,sentences"
        async with http.get(path) as reply:
            told = await reply.json()
    assert told["status"] == "ready"
    said = next(talk for talk in cinema.talks.values() if "yeast" in talk.said[0].text).find_said("yeast")
    word = next(word for word in told["words"] if word["value"].strip(".,") == "yeast")
    assert said.start_s - 1 <= word["start"] < word["end"] <= said.end_s + 1
    for units in (told["sentences"], told["utterances"]):
        assert all(before["end"] <= after["start"] + 0.01 for before, after in pairwise(units))


@pytest.mark.node
async def test_javascript_client_streams_the_same_conversation(cinema: Cinema) -> None:
    environ = {
        "TWELVELABS_BASE_URL": f"{cinema.server.url}/v1.3",
        "KEY": cinema.server.key,
        "STORE": cinema.store_id,
        "QUESTIONS": json.dumps([THEMES, VIDEOS, MOMENTS]),
        "cwd": str(await asyncio.to_thread(install_clients)),
    }
    code = (PACKAGES / "jockey_stream.mjs").read_text("utf-8")
    lines = await run(code, str(find_node().path), "--input-type=module", "-", **environ)
    told = [json.loads(line) for line in lines]
    assert [one["said"] for one in told] == [one["text"] for one in told]
    assert len({one["sessionId"] for one in told}) == 1
    moments = told[-1]
    annotations = [
        {
            "item_id": cited["itemId"],
            "start_index": cited["startIndex"],
            "end_index": cited["endIndex"],
            "start_sec": cited["startSec"],
            "end_sec": cited["endSec"],
            "clip_url": cited["clip_url"],
        }
        for cited in moments["annotations"]
    ]
    assert check_citations(cinema, moments["text"], annotations) == 6
