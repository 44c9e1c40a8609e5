"""Playlists of HLS (RFC 8216): which pieces a recording that is all there is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urljoin

from multiturn.errors import UnreadableFile

MIMES = ("application/vnd.apple.mpegurl", "application/x-mpegurl", "audio/mpegurl", "audio/x-mpegurl")
PLAYLIST_BYTES_MAX = 4 * 1024 * 1024
# Ten hours of pieces of two seconds.
SEGMENTS_MAX = 20_000
ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')


class Piece(NamedTuple):
    """A piece of a recording: a file, or ``size`` bytes of it from ``start`` on."""

    url: str
    start: int = 0
    size: int | None = None


class Playlist(NamedTuple):
    """What a recording is made of, in order; ``is_fragmented``: MP4 in fragments, else an MPEG transport stream."""

    pieces: tuple[Piece, ...]
    is_fragmented: bool


def find_variant(text: str, url: str) -> str | None:
    """The playlist of the best variant, of a playlist of variants; None for one of pieces.

    Raises UnreadableFile when the sound of all of them is kept apart.
    """
    lines = text.splitlines()
    apart = {
        tag.get("GROUP-ID") for tag in read_tags(lines, "#EXT-X-MEDIA:") if tag.get("TYPE") == "AUDIO" and "URI" in tag
    }
    found: list[tuple[int, str]] = []
    is_master = False
    for line, follower in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("#EXT-X-STREAM-INF:"):
            is_master = True
            variant = read_attributes(line)
            if variant.get("AUDIO") not in apart and follower and not follower.startswith("#"):
                found.append((read_number(variant.get("BANDWIDTH", "0")), urljoin(url, follower.strip())))
    if is_master and not found:
        raise UnreadableFile("The playlist keeps its sound apart from its pictures; give the URL of a whole file.")
    return max(found)[1] if found else None


def read_playlist(text: str, url: str) -> Playlist:
    """The pieces of a recording. Raises UnreadableFile for one that is live, encrypted, or not a playlist."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != "#EXTM3U":
        raise UnreadableFile("The playlist at the URL is none: it must begin with #EXTM3U.")
    if "#EXT-X-ENDLIST" not in lines:
        raise UnreadableFile("The playlist at the URL is of a live stream, which has no end.")
    if any(key.get("METHOD") != "NONE" for key in read_tags(lines, "#EXT-X-KEY:")):
        raise UnreadableFile("The recording at the URL is encrypted.")
    pieces = tuple(list_pieces(lines, url))
    if not pieces or len(pieces) > SEGMENTS_MAX:
        raise UnreadableFile(f"The playlist at the URL has {len(pieces)} pieces; 1 to {SEGMENTS_MAX} can be read.")
    return Playlist(pieces, any(line.startswith("#EXT-X-MAP:") for line in lines))


def list_pieces(lines: list[str], url: str) -> Iterator[Piece]:
    """The pieces that lines name, those that begin a stretch before it."""
    range_: str | None = None
    behind: dict[str, int] = {}  # Where the last piece of each file ended.
    for line in lines:
        if line.startswith("#EXT-X-MAP:"):
            tag = read_attributes(line)
            yield make_piece(urljoin(url, tag.get("URI", "")), tag.get("BYTERANGE"), {})
        elif line.startswith("#EXT-X-BYTERANGE:"):
            range_ = line.partition(":")[2]
        elif not line.startswith("#"):
            yield make_piece(urljoin(url, line), range_, behind)
            range_ = None


def make_piece(url: str, range_: str | None, behind: dict[str, int]) -> Piece:
    """A piece; a range without a beginning begins where the one before ended."""
    if range_ is None:
        return Piece(url)
    count, _, start = range_.partition("@")
    first = read_number(start) if start else behind.get(url, 0)
    behind[url] = first + read_number(count)
    return Piece(url, first, read_number(count))


def read_tags(lines: list[str], name: str) -> list[dict[str, str]]:
    """The attributes of every tag of a name."""
    return [read_attributes(line) for line in lines if line.startswith(name)]


def read_attributes(line: str) -> dict[str, str]:
    """The attributes of a tag."""
    return {name: value.strip('"') for name, value in ATTRIBUTE.findall(line.partition(":")[2])}


def read_number(text: str) -> int:
    """A number of a playlist. Raises UnreadableFile."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UnreadableFile("The playlist at the URL is broken.")
    return int(text)
