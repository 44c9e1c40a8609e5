"""What readers make of a file: segments with their places, pictures, and how far they are."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

# How a text came to be: written in a document, spoken, seen on a screen or a page's picture, or said of a picture.
Modality = Literal["text", "speech", "screen", "caption"]
PictureKind = Literal["thumbnail", "frame"]


class Mark(Struct, frozen=True, array_like=True):
    """When a part of a segment's text is said: from character ``start`` on, from second to second."""

    start: int
    start_s: float
    end_s: float


class Place(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a text stands in its file: a page from 1, a heading, seconds from the beginning, a shot from 0. ``marks``
    are the phrases of what is spoken, so that a piece of it has its own time.
    """

    page: int | None = None
    heading: str | None = None
    start_s: float | None = None
    end_s: float | None = None
    shot: int | None = None
    marks: tuple[Mark, ...] = ()


class Segment(Struct, frozen=True, kw_only=True, tag="segment"):
    """A piece of a file's text with its place. Chunks are cut within segments, never across."""

    text: str
    modality: Modality = "text"
    place: Place = Place()


class Picture(Struct, frozen=True, kw_only=True, tag="picture"):
    """A picture of a file, as JPEG: its thumbnail, or the key frame of a shot (a page, of a document), which lasts from
    ``start_s`` to ``end_s``.
    """

    kind: PictureKind
    jpeg: bytes
    at_s: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    page: int | None = None
    shot: int | None = None


class Sound(Struct, frozen=True, kw_only=True, tag="sound"):
    """A stretch of a file's sound as 16 kHz mono FLAC or WAV, for a transcription elsewhere."""

    audio: bytes
    start_s: float
    end_s: float


class Progress(Struct, frozen=True, kw_only=True, tag="progress"):
    """How far a reader is: a share from 0 to 1, and what it is doing."""

    share: float
    doing: str = ""


class Note(Struct, frozen=True, kw_only=True, tag="note"):
    """What a person should know of how the file was read: pages without text, no model for captions."""

    text: str


Reading = Segment | Picture | Sound | Progress | Note
