"""The file by which the commands of this machine find the server that runs on a data directory."""

from __future__ import annotations

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

log = logging.getLogger(__name__)

FILE = "server.json"


class Announcement(Struct, frozen=True, kw_only=True):
    """A running server: where it listens, its process, and a key that is good as long as it runs."""

    url: str
    pid: int
    key: str


@contextmanager
def announced(data_dir: Path, announcement: Announcement) -> Generator[None]:
    """Announce a server while the block runs, in a file that its user alone can read."""
    path = data_dir / FILE
    try:
        write_announcement(path, announcement)
    except OSError as error:
        log.warning("%s cannot be written (%s): local commands will not find this server", path, error.strerror)
    try:
        yield
    finally:
        if find_announcement(data_dir) == announcement:
            path.unlink(missing_ok=True)


def write_announcement(path: Path, announcement: Announcement) -> None:
    """Write the file; who reads it meanwhile sees the old one or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f"{path.name}.{announcement.pid}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(msgspec.json.encode(announcement))
    scratch.replace(path)


def find_announcement(data_dir: Path) -> Announcement | None:
    """Find who announced itself last; it may have died since."""
    try:
        return msgspec.json.decode((data_dir / FILE).read_bytes(), type=Announcement)
    except (OSError, msgspec.DecodeError):
        return None
