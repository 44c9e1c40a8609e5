"""Bytes to text: in what encoding a file is written, and its text piece by piece."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import charset_normalizer

SAMPLE_BYTES = 1 << 16
PIECE_BYTES = 1 << 20
# UTF-32 first: its mark begins with that of UTF-16.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What control characters a text may have: tab, line feed, form feed, carriage return, escape, and Ctrl-Z at the end.
CONTROLS = bytes(set(range(32)) - {8, 9, 10, 12, 13, 26, 27})
CONTROL_SHARE_MAX = 0.002
# Of UTF-16 without a mark, every second byte of most texts is 0.
ZERO_SHARE_MIN = 0.3

ASCII = bytes(range(128))
NO_LETTERS = bytes(byte for byte in range(128) if not chr(byte).isalpha())
# Of letters: German has 2 to 4 % beyond ASCII, Czech 15, Russian all.
HIGH_SHARE_MAX = 0.25
TYPOGRAPHY = frozenset("“”„‘’‚«»‹›–—…·•°§©®™£€¥½¼¾²±×´¨\u00a0\u00ad¿¡")


class Piece(NamedTuple):
    """A piece of a file's text, and the share of the file that was read with it."""

    text: str
    share: float


def find_encoding(sample: bytes) -> str | None:
    """The encoding of a file that begins so; None when it is no text."""
    for mark, name in MARKS:
        if sample.startswith(mark):
            return name
    if b"\0" in sample:
        return _find_wide(sample)
    if len(sample.translate(None, CONTROLS)) < len(sample) * (1 - CONTROL_SHARE_MAX):
        return None
    # The sample may end within a character.
    with_end = codecs.getincrementaldecoder("utf-8")()
    try:
        with_end.decode(sample)
    except UnicodeDecodeError:
        return _guess(sample)
    return "utf-8"


def _find_wide(sample: bytes) -> str | None:
    """The byte order of UTF-16 without a mark: NUL alone does not make a binary file."""
    half = max(len(sample) // 2, 1)
    for name, zeros, others in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        is_wide = zeros.count(0) > half * ZERO_SHARE_MIN and others.count(0) < half * CONTROL_SHARE_MAX
        if is_wide and _is_printable(sample.decode(name, "replace")):
            return name
    # A text with some stray zeros is read still.
    few = sample.count(0) <= len(sample) * CONTROL_SHARE_MAX
    return find_encoding(sample.replace(b"\0", b" ")) if few else None


def _is_printable(text: str) -> bool:
    """Pixels, too, have every second byte 0; as text they make little sense."""
    odd = sum(not (letter.isprintable() or letter.isspace()) for letter in text)
    return odd <= len(text) * CONTROL_SHARE_MAX


def _guess(sample: bytes) -> str | None:
    """Eight-bit encodings differ by what the text would say in them.

    With few letters beyond ASCII it is Western European, if they are letters so: of short texts a guess by frequency
    goes wrong.
    """
    high = sample.translate(None, ASCII)
    letters = sample.translate(None, NO_LETTERS)
    text = high.decode("cp1252", "replace")
    is_western = all(letter.isalpha() or letter in TYPOGRAPHY for letter in text)
    if is_western and len(high) < len(letters) * HIGH_SHARE_MAX:
        return "cp1252"
    best = charset_normalizer.from_bytes(sample).best()
    return best.encoding if best is not None else None


def read_sample(path: Path) -> bytes:
    """The beginning of a file."""
    with path.open("rb") as file:
        return file.read(SAMPLE_BYTES)


def read_pieces(path: Path, encoding: str | None = None) -> Iterator[Piece]:
    """The text of a file, with line feeds alone; bytes that are none of its encoding are read as Windows would."""
    decoder = codecs.getincrementaldecoder(encoding or find_encoding(read_sample(path)) or "cp1252")("as_windows")
    size = max(path.stat().st_size, 1)
    done, held = 0, ""
    with path.open("rb") as file:
        while data := file.read(PIECE_BYTES):
            done += len(data)
            text = held + decoder.decode(data)
            # A carriage return may be half of a line's end.
            held = text[-1:] if text.endswith("\r") else ""
            yield Piece(_feed(text.removesuffix("\r") if held else text), min(done / size, 1.0))
    if rest := held + decoder.decode(b"", final=True):
        yield Piece(_feed(rest), 1.0)


def read_whole(path: Path) -> str:
    """The whole text of a file."""
    return "".join(piece.text for piece in read_pieces(path))


def decode(data: bytes) -> str:
    """The text of some bytes."""
    return _feed(data.decode(find_encoding(data[:SAMPLE_BYTES]) or "cp1252", "as_windows"))


def _feed(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("as_windows", _as_windows)
