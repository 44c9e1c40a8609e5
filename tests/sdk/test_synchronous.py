"""The plain client is the one for asyncio, said in other words; and both are documented."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import multiturn_client
from multiturn_client.record import Record
from tests.sdk.public import PUBLIC

SDK = Path(__file__).parents[2] / "sdk"


def load_writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_synchronous", SDK / "write_synchronous.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES: dict[Path, str] = dict(load_writer().list_files())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_plain_client_is_made_of_the_other(path: Path) -> None:
    assert path.read_text("utf-8") == FILES[path], "run: python sdk/write_synchronous.py"


def test_no_word_of_asyncio_is_left() -> None:
    for path in (SDK / "src" / "multiturn_client" / "synchronous").glob("*.py"):
        text = path.read_text("utf-8").replace("asynchronous`` by", "")
        assert not [word for word in ("async", "await", "Async") if word in text], path.name


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_documented_with_an_example(name: str) -> None:
    text = inspect.getdoc(PUBLIC[name]) or ""
    assert ">>> " in text, name
    assert len(text.split(">>>")[0].split()) >= 3, name


def test_every_public_class_is_typed() -> None:
    assert (SDK / "src" / "multiturn_client" / "py.typed").exists()
    assert len(PUBLIC) > 100
    assert issubclass(multiturn_client.Run, Record)


def list_imports(path: Path) -> Iterator[str]:
    """List the packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name.partition(".")[0] for name in names)


def test_client_needs_httpx_and_nothing_else() -> None:
    files = (SDK / "src").rglob("*.py")
    found = {name for path in files for name in list_imports(path)} - sys.stdlib_module_names
    assert found == {"httpx", "multiturn_client"}
