"""Who owns a data directory: SQLite has one owner, held by a lock that the system lets go when the process dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from multiturn.errors import SettingsError


@contextmanager
def own_directory(path: Path) -> Generator[None]:
    """Own a data directory while the block runs; it is made, readable for its user alone, when there is none.

    Raises SettingsError when another process owns it, or it cannot be written.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise SettingsError(
            f"The data directory {path} cannot be used: {error.strerror}.", code="directory_unusable"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SettingsError(
            f"Another server owns the data directory {path}. Stop it, or set MULTITURN_DATA_DIR to another directory.",
            code="directory_in_use",
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)
