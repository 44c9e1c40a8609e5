"""Zip archives that documents come in: guarded against what unpacks to more than it should."""

from __future__ import annotations

import posixpath
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL
from pathlib import Path
from typing import IO
from urllib.parse import unquote
from zipfile import BadZipFile, ZipFile

from lxml import etree

from multiturn.ingest.refusal import Refusal

BROKEN = "The file is cut off or damaged: it is a document in a zip archive that is broken."
# What a document may unpack to: in all, and from how much, once it is large at all.
UNPACKED_BYTES_MAX = 2 << 30
UNPACKED_RATIO_MAX, RATIO_FROM_BYTES = 200, 100 << 20
# A part that is held as a whole: a slide, a chapter, a list of parts.
PART_BYTES_MAX = 64 << 20
PARTS_MAX = 100_000
ENCRYPTED_FLAG = 0x1
RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


class Archive:
    """A document's archive, opened to be read."""

    def __init__(self, archive: ZipFile) -> None:
        self._archive = archive
        self.names = frozenset(archive.namelist())

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Archive]:
        """Open an archive. Raises Refusal for one that is cut off, damaged, encrypted or a bomb, here or while it is
        read.
        """
        try:
            with ZipFile(path) as archive:
                _check(archive)
                yield cls(archive)
        except (BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise Refusal(BROKEN) from error
        except OSError as error:
            if error.errno == EINVAL:  # A part that is said to begin before the file does.
                raise Refusal(BROKEN) from error
            raise

    @contextmanager
    def stream(self, name: str) -> Iterator[IO[bytes]]:
        """Open a part. Raises Refusal when it is not there."""
        if name not in self.names:
            raise Refusal(f"The file is damaged: its part {name[:100]} is missing.")
        with self._archive.open(name) as part:
            yield part

    def measure(self, name: str) -> int:
        """The bytes of a part, 0 when it is not there."""
        return self._archive.getinfo(name).file_size if name in self.names else 0

    def read(self, name: str) -> bytes:
        """Read a part as a whole. Raises Refusal when it is not there, or too large for that."""
        if self.measure(name) > PART_BYTES_MAX:
            raise Refusal(f"The file's part {name[:100]} is larger than {PART_BYTES_MAX >> 20} MB.")
        with self.stream(name) as part:
            return part.read()

    def parse(self, name: str) -> etree._Element:
        """Parse a part in XML. Raises Refusal when it is not there, or no XML."""
        try:
            return etree.fromstring(self.read(name), make_parser())
        except etree.XMLSyntaxError as error:
            raise Refusal(f"The file is damaged: its part {name[:100]} is broken.") from error

    def find_related(self, name: str) -> list[tuple[str, str, str]]:
        """The parts that a part names beside it: (id, the last word of the type, name)."""
        folder, file = posixpath.split(name)
        beside = f"{folder}/_rels/{file}.rels".lstrip("/")
        if beside not in self.names:
            return []
        return [
            (part.get("Id", ""), part.get("Type", "").rpartition("/")[2], resolve(folder, part.get("Target", "")))
            for part in self.parse(beside).iter(RELATIONSHIP)
            if part.get("TargetMode") != "External"
        ]


def _check(archive: ZipFile) -> None:
    parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    packed = max(sum(part.compress_size for part in parts), 1)
    if len(parts) > PARTS_MAX or unpacked > UNPACKED_BYTES_MAX:
        text = f"The file would unpack to {unpacked >> 20} MB in {len(parts)} parts, which is more than is read."
        raise Refusal(text)
    if unpacked > RATIO_FROM_BYTES and unpacked / packed > UNPACKED_RATIO_MAX:
        raise Refusal(f"The file would unpack to {unpacked // packed} times its size: that is no document.")
    if any(part.flag_bits & ENCRYPTED_FLAG for part in parts):
        raise Refusal("The file is encrypted: save it without a password.")


def make_parser(*, recover: bool = False) -> etree.XMLParser:
    """A parser that follows no entity, loads nothing, and is not stopped by long texts."""
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, recover=recover, remove_comments=True
    )


def resolve(folder: str, target: str) -> str:
    """The name of a part as another names it."""
    target = unquote(target.partition("#")[0])
    return posixpath.normpath(target if target.startswith("/") else posixpath.join(folder, target)).lstrip("/")
