#!/usr/bin/env python3
"""Measure the embedded model on this machine: load time, speed, memory, reuse of the prompt, and whether it remembers a name.

    python tools/measure_embedded.py [--model NAME] [--threads N]

The model is pulled when it is missing. Run it on an idle machine; another load halves the speeds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw

from multiturn.model.completion import ModelRequest
from multiturn.upstream.catalogue import DEFAULT_MODEL
from multiturn.upstream.embedded import EmbeddedOrder, EmbeddedUpstream
from multiturn.upstream.model_files import ModelFiles, find_shared_dir

TRIES = 4
FACTS = " ".join(f"Box {number} holds {number * 7 % 50} apples and stands in room {number % 9}." for number in range(80))


def ask(messages: list[dict[str, Any]], **fields: Any) -> ModelRequest:
    raw = {name: Raw(msgspec.json.encode(value)) for name, value in fields.items()}
    return ModelRequest(model=DEFAULT_MODEL, messages=Raw(msgspec.json.encode(messages)), fields=raw)


async def measure_speed(model: EmbeddedUpstream) -> None:
    question = [{"role": "user", "content": FACTS + " Describe the boxes at length."}]
    arrivals: list[float] = []
    usage = None
    begun = time.monotonic()
    async with aclosing(model.stream(ask(question, temperature=0, max_tokens=100))) as stream:
        async for batch in stream:
            arrivals += [time.monotonic() for delta in batch if delta.text]
            usage = batch[-1].usage or usage
    assert usage
    fresh = usage.input_tokens - usage.cached_tokens
    print(f"prompt: {fresh} tokens at {fresh / (arrivals[0] - begun):.0f} tokens/s")
    print(f"generation: {(len(arrivals) - 1) / (arrivals[-1] - arrivals[0]):.0f} tokens/s behind that prompt")


async def measure_reuse(model: EmbeddedUpstream) -> None:
    history = [{"role": "user", "content": FACTS + " What does box 3 hold?"}]
    first = await model.complete(ask(history, temperature=0, max_tokens=30))
    history += [{"role": "assistant", "content": first.text}, {"role": "user", "content": "And box 4?"}]
    begun = time.monotonic()
    second = await model.complete(ask(history, temperature=0, max_tokens=1))
    assert second.usage
    seconds = time.monotonic() - begun
    cached, given = second.usage.cached_tokens, second.usage.input_tokens
    print(f"second turn: {cached} of {given} tokens cached, {seconds:.2f} s to the first token")


async def check_memory(model: EmbeddedUpstream) -> None:
    right = 0
    for seed in range(TRIES):
        history: list[dict[str, Any]] = [{"role": "user", "content": "My name is Alice"}]
        first = await model.complete(ask(history, seed=seed, max_tokens=60))
        history += [{"role": "assistant", "content": first.text}, {"role": "user", "content": "What's my name?"}]
        second = await model.complete(ask(history, seed=seed, max_tokens=60))
        right += "Alice" in (second.text or "")
        print(f"  What's my name? -> {json.dumps(second.text)}")
    print(f"'My name is Alice' -> 'What's my name?': {right} of {TRIES} right")


def read_memory() -> str:
    """Read the resident memory of the model's process, the only child of this one."""
    child = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[0]
    lines = Path(f"/proc/{child}/status").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in lines)
    return f"{int(facts['VmRSS'].split()[0]) >> 10} MB ({int(facts['RssAnon'].split()[0]) >> 10} MB beside the file)"


async def main(name: str, threads: int | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = ModelFiles(Path(folder), shared_dir=find_shared_dir(os.environ))
        await files.pull(name)
        model = EmbeddedUpstream(EmbeddedOrder(model=name, threads=threads), files)
        begun = time.monotonic()
        await model.start()
        while model.state().state != "ready":
            await asyncio.sleep(0.01)
        print(f"model: {model.state().name}\nready after {time.monotonic() - begun:.1f} s, warmed up")
        try:
            await measure_speed(model)
            await measure_reuse(model)
            await check_memory(model)
            print(f"memory of the process: {read_memory()}")
        finally:
            await model.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    asyncio.run(main(arguments.model, arguments.threads))
