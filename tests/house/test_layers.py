"""Who may import whom: the contracts of ``[tool.importlinter]`` hold, and know every dialect."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from importlinter.cli import lint_imports

from tests.house.tree import PACKAGE, ROOT

PYPROJECT = ROOT / "pyproject.toml"
LINTER: dict[str, Any] = tomllib.loads(PYPROJECT.read_text("utf-8"))["tool"]["importlinter"]
CONTRACTS = {contract["id"]: contract for contract in LINTER["contracts"]}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_imports_keep_the_contract(contract: str, capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(str(PYPROJECT), limit_to_contracts=(contract,), no_cache=True, no_logo=True)
    assert status == 0, capsys.readouterr().out


def test_every_dialect_is_under_contract() -> None:
    named = {name.strip(" ()") for layer in CONTRACTS["dialects"]["layers"] for name in layer.split("|")}
    folders = {path.parent.name for path in (PACKAGE / "api").glob("*/*.py")}
    assert folders <= named, f"add to the contract 'dialects' in pyproject.toml: {sorted(folders - named)}"
