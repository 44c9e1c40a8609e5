"""Reads an image: what is written in it, and the picture itself for a caption."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from multiturn.ingest.ocr import PageReader, join_lines
from multiturn.ingest.options import Options
from multiturn.ingest.pictures import load_image, open_image, write_jpeg
from multiturn.ingest.refusal import Refusal
from multiturn.model.segment import Note, Picture, Progress, Reading, Segment

# Small print of a page that was photographed is lost below this.
SIDE_MAX = 2400
FRAME_SIDE_MAX = 1024
NO_TEXT = "Nothing is written in the image that could be read."


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read an image. Raises Refusal when it is damaged."""
    found = open_image(path)
    if found is None:
        raise Refusal("The file is no image that can be read.")
    with found:
        image = load_image(found, side_max=SIDE_MAX)
    if options.pictures:
        yield Picture(kind="frame", jpeg=write_jpeg(image, side_max=FRAME_SIDE_MAX))
    if options.screens:
        yield Progress(share=0.2, doing="reading what is written in it")
        text = join_lines(PageReader(options.threads).read(np.asarray(image)))
        yield Segment(text=text, modality="screen") if text.strip() else Note(text=NO_TEXT)
    yield Progress(share=1.0)
