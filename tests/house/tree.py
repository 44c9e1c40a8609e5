"""The files that the house tests look at: those that git tracks, or would track."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "multiturn"


def list_files(*folders: str, suffix: str = "") -> list[Path]:
    """List the project's files, all of them or those below some folders."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    paths = sorted({ROOT / name for name in names if name.endswith(suffix)})
    return [path for path in paths if path.is_file()]


def name_of(path: Path) -> str:
    """Name a file as it is written from the project's root."""
    return str(path.relative_to(ROOT))
