"""The code of the client's pages runs as it stands there, against the real server."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from typing import Any

import pytest

from tests.house.tree import ROOT
from tests.sdk.serving import Served

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
    names: dict[str, Any] = {}
    said = io.StringIO()
    with redirect_stdout(said):
        for block in blocks:
            code = block.replace("mt-…", key).replace("http://127.0.0.1:8000", served.url)
            exec(code, names)
            if "client" in names:
                names["client"].close() if "Client()" in block else None
    assert "I have three days in Lisbon." in said.getvalue()
