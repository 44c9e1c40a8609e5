"""The code of the client's pages runs as it stands there, against the real server."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from typing import Any

import pytest

from tests.house.tree import ROOT
from tests.sdk.serving import Served

ADDRESS = "http://127.0.0.1:8000"
PAGES = ("docs/sdk.md", "sdk/README.md")


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
    assert "I have three days in Lisbon." in said.getvalue()


def run_blocks(blocks: Sequence[str], closing: ExitStack) -> None:
    """Run code, and close the clients that it makes."""
    names: dict[str, Any] = {}
    for block in blocks:
        before = names.get("client")
        exec(block, names)
        if names["client"] is not before:
            closing.callback(names["client"].close)
