"""Who may import whom: the contracts of ``[tool.importlinter]`` hold, and know every dialect."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from tests.house.tree import PACKAGE, ROOT

PYPROJECT = ROOT / "pyproject.toml"
LINTER: dict[str, Any] = tomllib.loads(PYPROJECT.read_text("utf-8"))["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in LINTER["contracts"]}


def test_imports_keep_every_contract() -> None:
    # In a process of its own: the linter silences the loggers of the one that it runs in.
    linter = str(Path(sys.executable).with_name("lint-imports"))
    command = [linter, "--config", str(PYPROJECT), "--no-cache", "--no-logo"]
    checked = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert checked.returncode == 0, checked.stdout


def test_every_dialect_is_under_contract() -> None:
    named = {name.strip(" ()") for layer in CONTRACTS["dialects"]["layers"] for name in layer.split("|")}
    folders = {path.parent.name for path in (PACKAGE / "api").glob("*/*.py")}
    assert folders <= named, f"add to the contract 'dialects' in pyproject.toml: {sorted(folders - named)}"
