"""Files on their way to the server."""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any, NamedTuple

Source = str | PathLike[str] | bytes | IO[bytes]


class Upload(NamedTuple):
    """A file and the fields of its form; the file is read as it is sent."""

    filename: str
    stream: IO[bytes]
    fields: Mapping[str, str]


@contextmanager
def open_upload(file: Source, filename: str | None, fields: Mapping[str, Any]) -> Generator[Upload]:
    """Open a file to be sent; one that was open already stays so. Raises TypeError for one without a name."""
    written = {name: write_field(value) for name, value in fields.items() if value is not None}
    if isinstance(file, str | PathLike):
        path = Path(fspath(file))
        with path.open("rb") as opened:
            yield Upload(filename or path.name, opened, written)
        return
    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    known = getattr(stream, "name", None)
    name = filename or (Path(known).name if isinstance(known, str) else None)
    if not name:
        raise TypeError("A file that comes as bytes needs a filename=…")
    yield Upload(name, stream, written)


def write_field(value: Any) -> str:
    """A field of a form: texts as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
