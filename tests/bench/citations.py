"""How many citations name the right place: questions over talks and documents, through the server's real turns."""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from msgspec import Struct

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
# A citation of speech holds the place when the middle of the sentence lies in it; it is close when it begins within
# this of the sentence's first sound.
CLOSE_S = 2.0
EMBEDDED_EVERY = 5


class Judgement(Struct, frozen=True, kw_only=True):
    """What became of a question: whether a citation holds the place of the answer, and whether one begins there."""

    is_held: bool
    is_close: bool
    citations: int
    right_files: int


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
            files = await list_files(client)
            results = [await judge(client, question, talks, files) for question in questions]
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
    model = "scripted" if upstream else None
    settings = Settings(data_dir=data_dir, model=model, speech_model=SPEECH_MODEL, stop_s=1.0)
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


async def list_files(client: Client) -> Mapping[str, str]:
    """The file of each item of the store, by the item's id."""
    assets = {
        one["id"]: one["filename"] for one in await client.list_all(path_of("assets"), cursor="cursor", most=None)
    }
    items = await client.list_all(path_of("stores", STORE, "items"), cursor="cursor", most=None)
    return {item["id"]: assets[item["asset_id"]] for item in items}


async def judge(client: Client, question: Question, talks: Mapping[str, Talk], files: Mapping[str, str]) -> Judgement:
    """Ask one question and judge what is cited."""
    session = await client.post(path_of("sessions"), {"stores": [STORE]})
    body = {"messages": [{"role": "user", "content": question.text}]}
    answer = await client.post(path_of("sessions", session["id"], "chat"), body)
    cited = answer["citations"]
    right = [one for one in cited if files.get(one.get("item_id")) == question.file]
    held = any(holds(one.get("place", {}), question, talks) for one in right)
    if not held:
        told = [(files.get(one.get("item_id")), one.get("place"), one["quote"]) for one in cited]
        print(f"missed: {question.text} | {answer['text']} | {told}", file=sys.stderr)
    is_close = any(begins_close(one.get("place", {}), question, talks) for one in right)
    return Judgement(is_held=held, is_close=is_close, citations=len(cited), right_files=len(right))


def holds(place: Mapping[str, Any], question: Question, talks: Mapping[str, Talk]) -> bool:
    """Whether a place in the right file holds the answer."""
    if question.page:
        return bool(place.get("page") == question.page)
    said = talks[question.file].find_said(question.words)
    return bool(place.get("start_s", math.inf) <= (said.start_s + said.end_s) / 2 <= place.get("end_s", -math.inf))


def begins_close(place: Mapping[str, Any], question: Question, talks: Mapping[str, Talk]) -> bool:
    """Whether a place in the right file begins where the answer does."""
    if question.page:
        return bool(place.get("page") == question.page)
    said = talks[question.file].find_said(question.words)
    return bool(abs(place.get("start_s", math.inf) - said.start_s) <= CLOSE_S)


def count(questions: Sequence[Question], judged: Sequence[Judgement]) -> Figures:
    """Shares of the questions, in all and by the kind of file."""
    citations = sum(one.citations for one in judged)
    figures: Figures = {
        "questions": len(questions),
        "held": share([one.is_held for one in judged]),
        "close": share([one.is_close for one in judged]),
        "citations_each": round(citations / len(judged), 2),
        "citations_of_the_right_file": round(sum(one.right_files for one in judged) / max(1, citations), 3),
    }
    for kind in sorted({Path(question.file).suffix for question in questions}):
        pairs = zip(questions, judged, strict=True)
        figures[f"held_{kind[1:]}"] = share([one.is_held for asked, one in pairs if asked.file.endswith(kind)])
    return figures


def share(found: Sequence[bool]) -> float:
    """How many of them are true."""
    return round(sum(found) / max(1, len(found)), 3)
