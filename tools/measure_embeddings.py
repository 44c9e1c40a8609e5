#!/usr/bin/env python3
"""Measure the embedding model on this machine: load time, memory, speed, and what its own process costs a query.

    python tools/measure_embeddings.py [--threads N]

The model is pulled when it is missing. Run it on an idle machine; another load halves the speeds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import uvloop

from multiturn.upstream.catalogue import DEFAULTS
from multiturn.upstream.embeddings_embedded import EmbeddedEmbedder, EmbedderOrder
from multiturn.upstream.embeddings_process import Model
from multiturn.upstream.model_files import ModelFiles, find_shared_dir

QUERY = "Where did we go on holiday last year?"
WORDS = Path(__file__).parents[1].joinpath("docs", "decisions", "embedded-model.md").read_text("utf-8").split()
TIMES = 400
IN_A_ROW = 40


def write_texts(count: int, words: int) -> list[str]:
    begins = [number * 13 % (len(WORDS) - words) for number in range(count)]
    return [" ".join(WORDS[begin : begin + words]) for begin in begins]


def read_memory() -> str:
    """Read the resident memory of the model's process, the only child of this one."""
    child = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0]
    lines = Path(f"/proc/{child}/status").read_text().splitlines()
    told = dict(line.split(":", 1) for line in lines)
    facts = {name: int(told[name].split()[0]) >> 10 for name in ("VmRSS", "VmHWM", "RssAnon")}
    return f"{facts['VmRSS']} MB ({facts['RssAnon']} MB beside the files), {facts['VmHWM']} MB at the peak"


async def time_query(embedder: EmbeddedEmbedder) -> tuple[float, float]:
    begun, used = time.perf_counter(), time.process_time()
    await embedder.embed([QUERY], is_query=True)
    return time.perf_counter() - begun, time.process_time() - used


def time_here(model: Model) -> float:
    begun = time.perf_counter()
    model.embed([QUERY])
    return time.perf_counter() - begun


async def measure_query(embedder: EmbeddedEmbedder, paths: Sequence[Path], threads: int) -> None:
    """Compare queries to the process with those to the same model in this process, by turns, some in a row: a model
    that was idle finds the processor's caches cold."""
    model = Model({"model": str(paths[0]), "tokenizer": str(paths[1]), "threads": threads, "tokens_max": 256})
    there, here, used = [], [], []
    for _ in range(TIMES // IN_A_ROW):
        for _ in range(IN_A_ROW):
            took, cpu = await time_query(embedder)
            there.append(took)
            used.append(cpu)
        here += [time_here(model) for _ in range(IN_A_ROW)]
    whole, alone, cpu = (1000 * statistics.median(times) for times in (there, here, used))
    way = whole - alone
    print(f"query: {whole:.2f} ms, of which the model {alone:.2f} and the way there {way:.2f}; CPU here {cpu:.2f} ms")


async def measure_passages(embedder: EmbeddedEmbedder, words: int, count: int) -> None:
    texts = write_texts(count, words)
    begun, used = time.perf_counter(), time.process_time()
    await embedder.embed(texts)
    took, cpu = time.perf_counter() - begun, time.process_time() - used
    print(f"passages of {words} words: {count / took:.0f}/s, CPU here {1e6 * cpu / count:.0f} µs each; {read_memory()}")


async def measure_crowd(embedder: EmbeddedEmbedder) -> None:
    """Query while a document of 200 passages is embedded."""
    passages = asyncio.create_task(embedder.embed(write_texts(200, 120)))
    waits = []
    while not passages.done():
        await asyncio.sleep(0.05)
        waits.append(1000 * (await time_query(embedder))[0])
    print(f"query beside a document: {statistics.median(waits):.0f} ms, {max(waits):.0f} at most, of {len(waits)}")


async def main(threads: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = ModelFiles(Path(folder), shared_dir=find_shared_dir(os.environ))
        name = DEFAULTS["embedding"]
        await files.pull(name)
        embedder = EmbeddedEmbedder(EmbedderOrder(model=name, threads=threads), files)
        begun = time.monotonic()
        await embedder.start()
        while embedder.state().state != "ready":
            await asyncio.sleep(0.01)
        print(f"ready after {time.monotonic() - begun:.2f} s, warmed up; {read_memory()}")
        try:
            for words, count in ((6, 300), (60, 100), (120, 100), (250, 50)):
                await measure_passages(embedder, words, count)
            await measure_crowd(embedder)
            rows = await embedder.embed([QUERY, *write_texts(3, 20)])
            print(f"lengths: {np.linalg.norm(rows, axis=1).round(6).tolist()}")
            await measure_query(embedder, files.find_all(name) or (), threads)
        finally:
            await embedder.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    uvloop.run(main(parser.parse_args().threads))
