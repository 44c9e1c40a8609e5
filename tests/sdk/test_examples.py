"""The examples of everything that is public are true: each runs before the real server, as a tenant of its own."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import traceback
from contextlib import redirect_stdout
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, DocTestParser, Example, OutputChecker
from typing import Any

import pytest

import multiturn_client
from multiturn_client import AsyncMultiturn, Multiturn, julep
from tests.sdk.public import PUBLIC
from tests.sdk.serving import Served

FLAGS = ELLIPSIS | NORMALIZE_WHITESPACE
FORECAST = {
    "type": "function",
    "function": {"name": "forecast", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
TRAINS = {"type": "mcp", "label": "trains", "url": "http://127.0.0.1:9/mcp", "approval": ["book"]}
TEXTS: dict[str, Any] = {**PUBLIC, "multiturn_client": multiturn_client, "multiturn_client.julep": julep}


class Teller:
    """Runs examples one after the other, those that await something among them."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {name: getattr(multiturn_client, name) for name in multiturn_client.__all__}
        self.names |= {"forecast": FORECAST, "trains": TRAINS}

    async def run(self, example: Example) -> str:
        """What an example shows: what it prints, or the error that it ends with."""
        code = compile(example.source, "<example>", "single", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        said = io.StringIO()
        with redirect_stdout(said):
            try:
                running = eval(code, self.names)
                if inspect.iscoroutine(running):
                    await running
            except multiturn_client.MultiturnError as error:
                print("".join(traceback.format_exception_only(error)), end="")
        return said.getvalue()

    async def tell(self, text: str) -> list[str]:
        """What is not as the text says."""
        wrong: list[str] = []
        for example in DocTestParser().get_examples(text):
            shown = await self.run(example)
            wanted = example.exc_msg if example.exc_msg is not None else example.want
            if not OutputChecker().check_output(wanted, shown, FLAGS):
                wrong.append(f">>> {example.source}wanted: {wanted}shown:  {shown}")
        return wrong


async def tell_plain(teller: Teller, served: Served, text: str) -> list[str]:
    """What is wrong with examples of the plain client."""
    key, plain_key = served.enter_tenant()
    with Multiturn(key, base_url=served.url, max_retries=0) as client:
        session = client.sessions.create(external_id="trip")
        teller.names |= {"client": client, "session": session, "plain_key": plain_key}
        return await teller.tell(text)


async def tell_asynchronous(teller: Teller, served: Served, text: str) -> list[str]:
    """What is wrong with examples of the client for asyncio."""
    key, plain_key = served.enter_tenant()
    async with AsyncMultiturn(key, base_url=served.url, max_retries=0) as client:
        session = await client.sessions.create(external_id="trip")
        teller.names |= {"client": client, "session": session, "plain_key": plain_key}
        return await teller.tell(text)


@pytest.mark.parametrize("name", TEXTS)
def test_example_is_true(served: Served, name: str) -> None:
    thing = TEXTS[name]
    function = thing.fget if isinstance(thing, property) else getattr(thing, "__func__", thing)
    is_asynchronous = "asynchronous" in (getattr(function, "__module__", None) or "")
    tell = tell_asynchronous if is_asynchronous else tell_plain
    with asyncio.Runner() as runner:
        wrong = runner.run(tell(Teller(), served, inspect.getdoc(thing) or ""))
    assert not wrong, "\n" + "\n".join(wrong)
