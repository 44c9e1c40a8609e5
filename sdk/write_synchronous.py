"""Makes the plain client of the one for asyncio: ``python sdk/write_synchronous.py``; a test compares.

``pages.py`` is written by hand in both: a listing is awaited there, and has its first page here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent / "src" / "multiturn_client"
BY_HAND = ("__init__.py", "pages.py")
WORDS = (
    (r"\basync (def|with|for) ", r"\1 "),
    (r" async for ", " for "),
    (r"\bawait ", ""),
    (r"\bAsync([A-Z])", r"\1"),
    (r"\basyncio\.sleep", "time.sleep"),
    (r"\bimport asyncio\b", "import time"),
    (r"\basynchronous\b", "synchronous"),
    (r"\bAwaitable\[None\]", "None"),
    (r"\bAwaitable, ", ""),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\ba(close|closing|read|iter_bytes)\b", r"\1"),
)
# What words alone leave behind: `(client.get("x")).id` is `client.get("x").id`, and a generator tells three types.
TIDIES = (
    (r">>> \((\w[\w.]*\((?:[^()]|\([^()]*\))*\))\)\.", r">>> \1."),
    (r"\.\.\.     \((\w[\w.]*\((?:[^()]|\([^()]*\))*\))\)\.", r"...     \1."),
    (r" in \((\w[\w.]*\((?:[^()]|\([^()]*\))*\))\)\.", r" in \1."),
    (r"\blen\(\((\w[\w.]*\((?:[^()]|\([^()]*\))*\))\)\.", r"len(\1."),
    (r"\bGenerator\[(Event|str|tuple\[Event, str\])\]", r"Generator[\1, None, None]"),
)


def list_files() -> Iterator[tuple[Path, str]]:
    """Each file of the plain client, with the text that it must have."""
    for source in sorted((PACKAGE / "asynchronous").glob("*.py")):
        if source.name not in BY_HAND:
            yield PACKAGE / "synchronous" / source.name, translate(source.read_text("utf-8"))


def translate(text: str) -> str:
    """A module of the client for asyncio as one of the plain client."""
    for pattern, replacement in WORDS + TIDIES:
        text = re.sub(pattern, replacement, text)
    for command in (("check", "--select=I", "--fix", "--quiet"), ("format", "--quiet")):
        words = (sys.executable, "-m", "ruff", *command, "--stdin-filename", str(PACKAGE / "x.py"), "-")
        text = subprocess.run(words, input=text.encode(), capture_output=True, check=True).stdout.decode()
    return text


def main() -> None:
    """Write them."""
    for path, text in list_files():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
