"""How many citations name the right place: questions over talks and documents, through the server's real turns."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from examples.write_collection import TALKS, write_collection, write_pdf
from multiturn.app import open_server
from multiturn.app.models import model_files
from multiturn.cli.board import Board
from multiturn.cli.client import Client, path_of
from multiturn.cli.files import find_files
from multiturn.cli.ingest import Order, Work, open_store
from multiturn.cli.listening import listen, take_address
from multiturn.config import Settings
from multiturn.engine.keys import NewKey
from multiturn.engine.ports import Upstream
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.scripted import Script, ScriptedUpstream
from tests.bench.citation_questions import Question, list_questions, write_register
from tests.talks import Talk, make_talk

Figures = dict[str, Any]
STORE = "citations"
SPEECH_MODEL = "whisper-tiny.en"
# A citation of speech is right when it holds the middle of the sentence and begins within this of its first sound.
EARLY_S = 2.0
EMBEDDED_EVERY = 5


async def measure_citations() -> Figures:
    """Questions answered by a scripted model that says the answer in words of its own and marks nothing."""
    answers = {question.text: question.answer for question in list_questions()}

    def choose(request: dict[str, Any]) -> Script:
        asked = str(request["messages"][-1]["content"])
        return Script(next((answer for text, answer in answers.items() if text in asked), "I do not know."))

    return await measure(list(list_questions()), ScriptedUpstream(choose))


async def measure_embedded_citations() -> Figures:
    """Every fifth question answered by the embedded model: minutes."""
    return await measure(list(list_questions())[::EMBEDDED_EVERY], None)


async def measure(questions: Sequence[Question], upstream: Upstream | None) -> Figures:
    """Index the files, ask each question in a session of its own, and count."""
    with tempfile.TemporaryDirectory() as folder:
        talks = write_files(Path(folder) / "files")
        async with open_client(Path(folder) / "data", upstream) as client:
            began = time.monotonic()
            await fill(client, Path(folder) / "files")
            indexing_s = time.monotonic() - began
            results = [await judge(client, question, talks) for question in questions]
    return count(questions, results) | {"indexing_s": round(indexing_s, 1)}


def write_files(folder: Path) -> Mapping[str, Talk]:
    """Write the talks and the documents; what is true of the talks."""
    folder.mkdir()
    write_collection(folder)
    (folder / "register.pdf").write_bytes(write_pdf("Register of buildings", write_register()))
    return {name: make_talk(folder / name, slides) for name, slides in TALKS.items()}


@asynccontextmanager
async def open_client(data_dir: Path, upstream: Upstream | None) -> AsyncGenerator[Client]:
    """A server of one's own with the default models, and a client of it."""
    settings = Settings(data_dir=data_dir, speech_model=SPEECH_MODEL, stop_s=1.0)
    async with (
        open_embedder(EmbeddingsChoice(), model_files(data_dir)) as embedder,
        open_server(settings, upstream=upstream, embedder=embedder) as server,
        listen(server, settings, take_address("127.0.0.1", 0)) as listening,
    ):
        _, key = await server.keys.make(NewKey())
        headers = {"Authorization": f"Bearer {key}"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as http:
            yield Client(http, listening.url)


async def fill(client: Client, folder: Path) -> None:
    """Put the files into the store."""
    store = await open_store(client, STORE)
    order = Order(files=find_files([str(folder)]).files, store=STORE, metadata={}, waits=True)
    with Board(has_bars=False) as board:
        work = Work(client, store["id"], order, board, waits=True)
        await work.take_all()
    assert not work.failures, work.failures


async def judge(client: Client, question: Question, talks: Mapping[str, Talk]) -> tuple[bool, bool, int]:
    """Ask one question: whether a citation holds the place, whether the first one does, and how many there are."""
    session = await client.post(path_of("sessions"), {"stores": [STORE]})
    body = {"messages": [{"role": "user", "content": question.text}]}
    answer = await client.post(path_of("sessions", session["id"], "chat"), body)
    items = {
        one["id"]: one for one in await client.list_all(path_of("stores", STORE, "items"), cursor="cursor", most=None)
    }
    found = [holds(citation, question, items, talks) for citation in answer["citations"]]
    if not any(found):
        print(f"missed: {question.text} | {answer['text']} | {answer['citations'][:2]}", file=sys.stderr)
    return any(found), bool(found and found[0]), len(found)


def holds(citation: Mapping[str, Any], question: Question, items: Mapping[str, Any], talks: Mapping[str, Talk]) -> bool:
    """Whether a citation names the place of the answer."""
    item = items.get(citation.get("item_id", ""), {})
    if question.file not in (item.get("filename"), item.get("system", {}).get("filename"), citation["title"]):
        return False
    place = citation.get("place", {})
    if question.page:
        return bool(place.get("page") == question.page)
    said = talks[question.file].find_said(question.words)
    start_s, end_s = place.get("start_s", -1e9), place.get("end_s", -1e9)
    return bool(start_s <= (said.start_s + said.end_s) / 2 <= end_s and start_s >= said.start_s - EARLY_S)


def count(questions: Sequence[Question], results: Sequence[tuple[bool, bool, int]]) -> Figures:
    """Shares of the questions, in all and by the kind of file."""
    kinds = sorted({re.sub(r".*\.", "", question.file) for question in questions})
    figures: Figures = {
        "questions": len(questions),
        "held": share([held for held, _, _ in results]),
        "held_first": share([first for _, first, _ in results]),
        "citations_each": round(sum(number for _, _, number in results) / len(results), 2),
    }
    for kind in kinds:
        held = [result[0] for question, result in zip(questions, results, strict=True) if question.file.endswith(kind)]
        figures[f"held_{kind}"] = share(held)
    return figures


def share(found: Sequence[bool]) -> float:
    """How many of them are true."""
    return round(sum(found) / max(1, len(found)), 3)
