"""The code of the client's pages runs as it stands there, against the real server."""

from __future__ import annotations

import io
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.house.tree import ROOT
from tests.sdk.serving import Served

ADDRESS = "http://127.0.0.1:8000"
# What each page prints among other things.
PAGES = {
    "docs/sdk.md": "I have three days in Lisbon.",
    "sdk/README.md": "I have three days in Lisbon.",
    "docs/agents.md": "Seat 12A is booked.",
}


@pytest.fixture
def key(served: Served) -> Iterator[str]:
    """A key, and an environment that says where the server is."""
    key, _ = served.enter_tenant()
    before = dict(os.environ)
    os.environ |= {"MULTITURN_API_KEY": key, "MULTITURN_BASE_URL": served.url}
    yield key
    os.environ.clear()
    os.environ |= before


@pytest.mark.parametrize("page", PAGES)
def test_code_of_page_runs(served: Served, key: str, page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    said = io.StringIO()
    with redirect_stdout(said), ExitStack() as closing:
        run_blocks([block.replace("mt-…", key).replace(ADDRESS, served.url) for block in blocks], closing)
    assert PAGES[page] in said.getvalue()


def test_curl_of_page_is_understood(served: Served, key: str) -> None:
    """Each line, one after the other; ``$RUN`` is the run of the turn before."""
    text = (ROOT / "docs/agents.md").read_text("utf-8")
    commands = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).split("curl ")[1:]
    assert len(commands) > 5
    run = ""
    with httpx.Client(timeout=30) as http:
        for command in commands:
            words = shlex.split(command.replace("$URL", served.url).replace("$KEY", key).replace("$RUN", run))
            options = dict(pairwise(words))
            headers = dict(word.split(": ", 1) for at, word in enumerate(words) if words[at - 1] == "-H")
            url = next(word for word in words if word.startswith("http"))
            reply = http.request(options.get("-X", "GET"), url, headers=headers, content=options.get("-d"))
            assert reply.is_success or "run_not_waiting" in reply.text, (command, reply.text)
            run = reply.headers.get("X-Run-Id", run)
    assert run


def run_blocks(blocks: Sequence[str], closing: ExitStack) -> None:
    """Run code, and close the clients that it makes."""
    names: dict[str, Any] = {}
    for block in blocks:
        before = names.get("client")
        exec(block, names)
        if names["client"] is not before:
            closing.callback(names["client"].close)
