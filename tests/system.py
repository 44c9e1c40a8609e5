"""Programs of the machine that tests need and no Python package brings."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

APT_TIMEOUT_S = 300


@cache
def find_espeak() -> Path | None:
    """Find the speech synthesizer that talks are made with, or install Debian's where that is allowed."""
    if shutil.which("espeak-ng") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for words in (["update"], ["install", "--yes", "--no-install-recommends", "espeak-ng"]):
            command = ["apt-get", "-qq", *words]
            environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(command, env=environ, capture_output=True, check=False, timeout=APT_TIMEOUT_S)
    found = shutil.which("espeak-ng")
    return Path(found) if found else None


def need_espeak() -> Path:
    """Find the speech synthesizer, or fail the test with one line that says what to do."""
    espeak = find_espeak()
    if espeak is None:
        pytest.fail("espeak-ng is missing: install it (Debian: apt-get install espeak-ng).", pytrace=False)
    return espeak
