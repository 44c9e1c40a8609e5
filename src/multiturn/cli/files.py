"""Which files a command means by the paths that it is given, and what tells them apart."""

from __future__ import annotations

import glob
import hashlib
import mimetypes
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from multiturn.errors import InvalidRequest

PIECE_BYTES = 1 << 20
# What the readers read, by the names that such files usually have. A file that is named by itself is sent in any case:
# the server looks at what is in it.
READ = re.compile(
    r"\.(txt|md|markdown|rst|log|x?html?|pdf|docx|pptx|xls[xb]?|ods|[ct]sv|epub|srt|vtt|ass|ssa|jsonl?|ya?ml|toml|xml|tex"
    r"|py|js|ts|c|h|cpp|java|go|rs|rb|sh|sql"
    r"|mkv|webm|mov|mp4|m4[av]|avi|mpe?g|og[gav]|opus|flac|wav|webp)"
)
MEDIA_KINDS = ("audio/", "video/", "image/")


class Found(Struct, frozen=True):
    """The files that paths come to, each once, and what was passed over, with the reason."""

    files: tuple[Path, ...]
    passed_over: tuple[tuple[Path, str], ...]


def find_files(paths: Sequence[str]) -> Found:
    """The files of paths: files, folders with everything below them, and patterns that the shell did not expand.

    Raises InvalidRequest for a path that is not there.
    """
    files: dict[Path, None] = {}
    passed_over: list[tuple[Path, str]] = []
    for text in paths:
        for path in expand(text):
            if not path.is_dir():
                files[path] = None
                continue
            for below in walk(path):
                if reason := refuse(below, path):
                    passed_over.append((below, reason))
                else:
                    files[below] = None
    return Found(tuple(files), tuple(passed_over))


def expand(text: str) -> list[Path]:
    """The paths of a pattern, or the path itself."""
    path = Path(text).expanduser()
    if path.exists():
        return [path]
    matching = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(text) else []
    if not matching:
        raise InvalidRequest(f"There is no file '{text}'.", param="PATH")
    return [Path(name) for name in matching]


def walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in the order of their names; hidden folders are told and not entered."""
    for place, folders, names in os.walk(folder):
        hidden = [name for name in folders if name.startswith(".")]
        folders[:] = sorted(set(folders) - set(hidden))
        yield from (Path(place, name) for name in sorted([*names, *hidden]))


def refuse(path: Path, folder: Path) -> str | None:
    """Why a file of a folder is passed over; None when it is meant."""
    if path.name.startswith("."):
        return "hidden"
    if not path.is_file():
        return "no file"
    if not os.access(path, os.R_OK):
        return "may not be read"
    is_read = READ.fullmatch(path.suffix.lower()) or guess_kind(path).startswith(MEDIA_KINDS)
    return None if is_read else "of a kind that is not read"


def guess_kind(path: Path) -> str:
    """The media type that a file's name says; empty where it says none."""
    return mimetypes.guess_type(path.name)[0] or ""


def digest_file(path: Path) -> str:
    """The SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
