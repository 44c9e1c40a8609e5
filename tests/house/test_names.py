"""Files are nouns of the field, nothing is left for later, and imports stand at the top."""

from __future__ import annotations

import ast
import re

from tests.house.tree import list_files, name_of

VAGUE = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "base", "misc"}
# Put together here, so that this file does not find itself.
LATER = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|XX" + r"X)\b")
OPTIONAL = "# optional dependency"


def test_files_are_named_for_what_they_hold() -> None:
    vague = [
        name_of(path)
        for path in list_files("src", "tests", "tools")
        if VAGUE & set(re.split(r"[/_.-]", name_of(path).lower()))
    ]
    assert not vague, f"names that could hold anything: {vague}"


def test_nothing_is_left_for_later() -> None:
    left = [
        f"{name_of(path)}:{number}"
        for path in list_files("src", "tests")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if LATER.search(line)
    ]
    assert not left, f"do it, or leave it out: {left}"


def test_imports_stand_at_the_top() -> None:
    """But for an optional dependency of somebody else's, in its own adapter, on a line that says so."""
    hidden = [
        f"{name_of(path)}: {source}"
        for path in list_files("src", suffix=".py")
        for source in hidden_imports(path.read_text("utf-8"))
    ]
    assert not hidden, f"imports inside functions, not marked '{OPTIONAL}': {hidden}"


def hidden_imports(text: str) -> list[str]:
    """List the imports inside functions that have no leave to be there."""
    lines = text.splitlines()
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    imports = {
        node: ast.unparse(node)
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return [
        source
        for node, source in imports.items()
        if OPTIONAL not in lines[node.lineno - 1] or "multiturn" in source or source.startswith("from .")
    ]
