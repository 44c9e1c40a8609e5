"""The embedded model answers, stops when told to, comes back when killed, and ends with its server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from multiturn.errors import (
    ContextTooLong,
    InvalidRequest,
    RateLimited,
    Unavailable,
    UpstreamError,
    UpstreamRefused,
)
from multiturn.model.completion import Delta, ModelRequest
from multiturn.upstream.embedded import EmbeddedOrder, EmbeddedUpstream
from multiturn.upstream.model_files import ModelFiles, find_shared_dir

MODEL = "SmolLM2-135M-Instruct"
STORY: Sequence[Mapping[str, Any]] = ({"role": "user", "content": "Tell me a long story about a fox and a hare."},)
LONG_ANSWER = 2000
SOON_S = 3.0
# What two cores do in that time: a busy machine takes longer, and does no more.
SOON_CPU_S = 2 * SOON_S
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(messages: Sequence[Mapping[str, Any]] = STORY, **fields: Any) -> ModelRequest:
    raw = {name: Raw(msgspec.json.encode(value)) for name, value in {"temperature": 0, **fields}.items()}
    return ModelRequest(model="gpt-4o", messages=Raw(msgspec.json.encode(messages)), fields=raw)


def make_files(folder: Path) -> ModelFiles:
    return ModelFiles(folder, shared_dir=find_shared_dir(os.environ))


@asynccontextmanager
async def run(order: EmbeddedOrder, folder: Path) -> AsyncIterator[EmbeddedUpstream]:
    model = EmbeddedUpstream(order, make_files(folder))
    await model.start()
    try:
        yield model
    finally:
        await model.close()


@pytest.fixture
async def model(tmp_path: Path) -> AsyncIterator[EmbeddedUpstream]:
    """A small model, which is fetched when this machine has none."""
    await make_files(tmp_path).pull(MODEL)
    async with run(EmbeddedOrder(model=MODEL, queue_max=2), tmp_path) as model:
        yield model


async def collect(model: EmbeddedUpstream, request: ModelRequest) -> list[Delta]:
    async with aclosing(model.stream(request)) as stream:
        return [delta async for batch in stream for delta in batch]


def find_child(parent: int) -> int:
    """Find the model's process below a server's."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    lines = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
    return next(child for child, line in lines.items() if b"embedded_process.py" in line)


def measure_cpu(process: int) -> float:
    """The processor time that a process has used, in seconds."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def list_ports(process: int) -> list[str]:
    """List the local addresses of a process's TCP sockets."""
    links = [os.readlink(f"/proc/{process}/fd/{name}") for name in os.listdir(f"/proc/{process}/fd")]
    tables = [Path(f"/proc/{process}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table.splitlines()[1:]]
    return [row[1] for row in rows if f"socket:[{row[9]}]" in links]


def is_alive(process: int) -> bool:
    """Tell whether a process still runs; one that has ended may stay in the table without a command line."""
    line = Path(f"/proc/{process}/cmdline")
    return line.exists() and bool(line.read_bytes())


def list_sockets(folder: Path) -> list[Path]:
    return list(folder.glob("multiturn-*/model.sock"))


async def test_answer_is_openai_json(model: EmbeddedUpstream) -> None:
    completion = await model.complete(ask(max_tokens=8))
    answer = json.loads(completion.raw)
    assert answer["object"] == "chat.completion"
    assert answer["model"] == MODEL
    assert answer["choices"][0]["message"]["content"] == completion.text
    assert completion.finish_reason == "length"
    assert completion.usage
    assert completion.usage.output_tokens == 8
    assert set(answer) == {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}


async def test_stream_says_what_the_answer_says(model: EmbeddedUpstream) -> None:
    whole = await model.complete(ask(max_tokens=12, seed=1))
    deltas = await collect(model, ask(max_tokens=12, seed=1))
    assert "".join(delta.text for delta in deltas) == whole.text
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["length"]
    assert deltas[-1].usage
    assert deltas[-1].usage.output_tokens == 12
    assert {json.loads(delta.raw)["model"] for delta in deltas} == {MODEL}
    assert not any(b"timings" in delta.raw for delta in deltas)


async def test_second_turn_reuses_the_first(model: EmbeddedUpstream) -> None:
    first = await model.complete(ask(max_tokens=40))
    said: Mapping[str, Any] = {"role": "assistant", "content": first.text}
    history = [*STORY, said, {"role": "user", "content": "Go on."}]
    second = await model.complete(ask(history, max_tokens=4))
    assert first.usage
    assert second.usage
    assert second.usage.cached_tokens >= first.usage.input_tokens + 30


async def test_answer_without_limit_ends(tmp_path: Path) -> None:
    await make_files(tmp_path).pull(MODEL)
    async with run(EmbeddedOrder(model=MODEL, answer_tokens_max=16), tmp_path) as model:
        completion = await model.complete(ask(max_tokens=None))
    assert completion.usage
    assert completion.usage.output_tokens == 16


async def test_schema_binds_the_answer(model: EmbeddedUpstream) -> None:
    schema = {"type": "object", "properties": {"animal": {"enum": ["fox", "hare"]}}, "required": ["animal"]}
    form = {"type": "json_schema", "json_schema": {"name": "animal", "schema": schema}}
    completion = await model.complete(ask(response_format=form, max_tokens=30))
    assert completion.text
    assert json.loads(completion.text)["animal"] in ("fox", "hare")


async def test_stop_and_logprobs_reach_the_model(model: EmbeddedUpstream) -> None:
    completion = await model.complete(ask(max_tokens=40, stop=[" "], logprobs=True, top_logprobs=2))
    assert completion.finish_reason == "stop"
    assert " " not in (completion.text or "")
    assert json.loads(completion.raw)["choices"][0]["logprobs"]["content"]


async def test_required_call_is_made(model: EmbeddedUpstream) -> None:
    question = [{"role": "user", "content": "How is the weather in Paris?"}]
    request = ask(question, tools=[TOOL], tool_choice="required", max_tokens=60)
    completion = await model.complete(request)
    assert completion.text is None
    assert completion.finish_reason == "tool_calls"
    assert completion.tool_calls[0].name == "get_weather"
    assert "city" in json.loads(completion.tool_calls[0].arguments)
    deltas = await collect(model, request)
    assert [call.arguments for delta in deltas for call in delta.tool_calls] == [completion.tool_calls[0].arguments]
    assert "".join(delta.text for delta in deltas) == ""


async def test_tokens_are_counted_as_the_model_reads_them(model: EmbeddedUpstream) -> None:
    await model.complete(ask(max_tokens=1))
    texts = ["hello world", "", " a fox" * 50, "broken \ud800", "<|im_start|>"]
    counts = await model.count_tokens(texts)
    assert counts
    assert [counts[0], counts[1], counts[2], counts[4]] == [2, 0, 100, 1]
    assert await model.count_tokens([]) == []


async def test_tokens_are_counted_beside_an_answer(model: EmbeddedUpstream) -> None:
    await model.complete(ask(max_tokens=1))
    async with aclosing(model.stream(ask(max_tokens=LONG_ANSWER))) as stream:
        await anext(stream)
        assert await model.count_tokens(["hello world"]) == [2]


async def test_model_that_is_not_loaded_counts_nothing(tmp_path: Path) -> None:
    model = EmbeddedUpstream(EmbeddedOrder(model=MODEL), make_files(tmp_path))
    assert await model.count_tokens(["hello world"]) is None


async def test_closed_stream_frees_the_model(model: EmbeddedUpstream) -> None:
    async with aclosing(model.stream(ask(max_tokens=LONG_ANSWER))) as stream:
        await anext(stream)
    child = find_child(os.getpid())
    begun = measure_cpu(child)
    await model.complete(ask(max_tokens=1))
    assert measure_cpu(child) - begun < SOON_CPU_S


async def test_cancelled_answer_frees_the_model(model: EmbeddedUpstream) -> None:
    await model.complete(ask(max_tokens=1))
    running = asyncio.create_task(model.complete(ask([{"role": "user", "content": "fox and hare " * 1000}])))
    await asyncio.sleep(0.5)
    running.cancel()
    child = find_child(os.getpid())
    begun = measure_cpu(child)
    await model.complete(ask(max_tokens=1))
    assert running.cancelled()
    assert measure_cpu(child) - begun < SOON_CPU_S


async def test_full_queue_refuses_with_a_time(model: EmbeddedUpstream) -> None:
    await model.complete(ask(max_tokens=1))
    taken = [asyncio.create_task(model.complete(ask(max_tokens=LONG_ANSWER))) for _ in range(3)]
    await asyncio.sleep(0.1)
    assert model.state().queue_length == 2
    with pytest.raises(RateLimited) as error:
        await model.complete(ask())
    assert error.value.code == "model_busy"
    assert error.value.retry_after_s
    for task in taken:
        task.cancel()
    await asyncio.gather(*taken, return_exceptions=True)
    assert model.state().queue_length == 0


async def test_killed_model_is_named_and_comes_back(model: EmbeddedUpstream) -> None:
    await model.complete(ask(max_tokens=1))
    running = asyncio.create_task(collect(model, ask(max_tokens=LONG_ANSWER)))
    await asyncio.sleep(0.3)
    os.kill(find_child(os.getpid()), signal.SIGKILL)
    with pytest.raises(UpstreamError, match="was killed by SIGKILL") as error:
        await running
    assert error.value.code == "model_crashed"
    assert (await model.complete(ask(max_tokens=4))).text
    assert model.state().state == "ready"


async def test_interrupt_is_left_to_the_server(model: EmbeddedUpstream) -> None:
    await model.complete(ask(max_tokens=1))
    child = find_child(os.getpid())
    os.kill(child, signal.SIGINT)
    await model.complete(ask(max_tokens=4))
    assert find_child(os.getpid()) == child


async def test_model_opens_no_port(model: EmbeddedUpstream) -> None:
    await model.complete(ask(max_tokens=1))
    assert not list_ports(find_child(os.getpid()))


async def test_long_context_is_told_with_its_limit(model: EmbeddedUpstream) -> None:
    with pytest.raises(ContextTooLong) as error:
        await model.complete(ask([{"role": "user", "content": "fox " * 5000}]))
    assert error.value.status == 400
    assert error.value.tokens_max == await model.find_context_tokens("any") == 4096


@pytest.mark.parametrize(
    ("messages", "fields"),
    [
        ([{"content": "no role"}], {}),
        (STORY, {"temperature": "warm"}),
        (STORY, {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "fox"}}}}),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}], {}),
    ],
)
async def test_bad_request_is_the_callers_fault(
    model: EmbeddedUpstream, messages: Sequence[Mapping[str, Any]], fields: dict[str, Any]
) -> None:
    with pytest.raises(UpstreamRefused) as error:
        await model.complete(ask(messages, **fields))
    assert error.value.status == 400
    assert json.loads(error.value.body)["error"]["message"]


@pytest.mark.parametrize("fields", [{"tools": 5}, {"tools": [TOOL], "tool_choice": {"type": "fox"}}])
async def test_tools_of_another_shape_are_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    model = EmbeddedUpstream(EmbeddedOrder(model=MODEL), make_files(tmp_path))
    with pytest.raises(InvalidRequest, match="tool"):
        await model.complete(ask(**fields))


async def test_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    async with run(EmbeddedOrder(model=str(tmp_path / "none.gguf")), tmp_path) as model:
        await asyncio.sleep(0.05)
        with pytest.raises(Unavailable, match=r"not on this machine. There is no file .*none\.gguf") as error:
            await model.complete(ask())
        assert error.value.code == "model_not_ready"
        assert model.state().state == "missing"


async def test_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "none.gguf").write_bytes(b"not a model")
    async with run(EmbeddedOrder(model=str(tmp_path / "none.gguf")), tmp_path) as model:
        with pytest.raises(Unavailable, match="does not start"):
            await model.complete(ask())
        assert model.state().state == "failed"


SERVER = """
import asyncio, os, pathlib, sys
from multiturn.upstream.embedded import EmbeddedOrder, EmbeddedUpstream
from multiturn.upstream.model_files import ModelFiles, find_shared_dir

async def main():
    files = ModelFiles(pathlib.Path(sys.argv[1]), shared_dir=find_shared_dir(os.environ))
    model = EmbeddedUpstream(EmbeddedOrder(model=sys.argv[2]), files)
    await model.start()
    while model.state().state != "ready":
        await asyncio.sleep(0.02)
    print("ready", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_killed_server_takes_its_model_along(tmp_path: Path) -> None:
    await make_files(tmp_path).pull(MODEL)
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, str(tmp_path), MODEL),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert server.stdout
    assert await server.stdout.readline() == b"ready\n"
    child = find_child(server.pid)
    assert list_sockets(tmp_path)
    server.kill()
    await server.wait()
    deadline = time.monotonic() + SOON_S
    while is_alive(child) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    assert not is_alive(child)
    assert not list_sockets(tmp_path)


async def test_background_gives_way(model: EmbeddedUpstream) -> None:
    behind = asyncio.create_task(
        model.complete(msgspec.structs.replace(ask(max_tokens=LONG_ANSWER), is_background=True))
    )
    await asyncio.sleep(0.5)
    child = find_child(os.getpid())
    begun = measure_cpu(child)
    await model.complete(ask(max_tokens=4))
    assert measure_cpu(child) - begun < SOON_CPU_S
    with pytest.raises(RateLimited):
        await behind


async def test_background_waits_for_nobody(model: EmbeddedUpstream) -> None:
    turn = asyncio.create_task(model.complete(ask(max_tokens=LONG_ANSWER)))
    await asyncio.sleep(0.3)
    with pytest.raises(RateLimited):
        await model.complete(msgspec.structs.replace(ask(), is_background=True))
    turn.cancel()
