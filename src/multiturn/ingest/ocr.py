"""Reads what is written in a picture: a page that was scanned, a slide, a screen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_det import TextDetOutput
from rapidocr.ch_ppocr_rec import TextRecOutput
from rapidocr.utils.process_img import get_rotate_crop_image

# Lines are looked for in a picture of this size, and read in the given one. On an A4 page of 150 dpi all lines are
# found still, in half the time and memory that its full size takes.
SIDE_PIXELS_MAX = 1280
PIXELS_MAX = 2400
CONFIDENCE_MIN = 0.6
# Upright pages have .97 and more, even small and grainy ones; upside down they have .7.
TURNED_CONFIDENCE, TURNED_LINES_MIN, TALL_ASPECT = 0.85, 3, 1.5
# What reading costs goes by the width: long lines are made narrower, which loses one word in a thousand.
LONG_ASPECT, SQUEEZE = 8, 0.75
# A gap of so many line heights between lines parts columns, or paragraphs.
COLUMN_GAP, PARAGRAPH_GAP = 0.9, 0.8
# Columns are of text: of lines so much longer than high, and so many of them. The cells of a table are read by rows.
ACROSS_SHARE = 0.6
COLUMN_ASPECT_MIN, COLUMN_LINES_MIN = 6.0, 3


class Box(NamedTuple):
    """Where a line stands, in pixels from the upper left."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        """From its top to its bottom."""
        return self.bottom - self.top

    @property
    def is_tall(self) -> bool:
        """Whether it is higher than long: a line that goes up or down."""
        return self.height > TALL_ASPECT * (self.right - self.left)


class Line(NamedTuple):
    """A line of text in a picture, and how sure (up to 1) its characters are on the whole."""

    text: str
    box: Box
    confidence: float


class PageReader:
    """Reads pictures on ``threads`` threads, one after the other. Its models are loaded when the first is read."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads
        self._engine: RapidOCR | None = None

    def read(self, image: NDArray[np.uint8]) -> list[Line]:
        """The lines of a picture (rows of RGB pixels), in the order in which they are read.

        A page that lies on its side or upside down is turned: what is read of one so makes no sense, and the reader
        knows.
        """
        lines = self._find_lines(image)
        if len(lines) >= TURNED_LINES_MIN and sum(line.box.is_tall for line in lines) > len(lines) / 2:
            image = np.rot90(image)
            lines = self._find_lines(image)
        if len(lines) >= TURNED_LINES_MIN and _rate(lines) < TURNED_CONFIDENCE:
            turned = self._find_lines(image[::-1, ::-1])
            lines = turned if _rate(turned) > _rate(lines) else lines
        return list(order_lines([line for line in lines if line.confidence >= CONFIDENCE_MIN]))

    def _find_lines(self, image: NDArray[np.uint8]) -> list[Line]:
        picture = np.ascontiguousarray(image[:, :, ::-1])
        found = self._get_engine()(picture, use_det=True, use_rec=False)
        boxes = found.boxes if isinstance(found, TextDetOutput) and found.boxes is not None else ()
        lines = (self._read_line(picture, np.asarray(box, np.float32)) for box in boxes)
        return [line for line in lines if line is not None]

    def _read_line(self, picture: NDArray[np.uint8], corners: NDArray[np.float32]) -> Line | None:
        crop = get_rotate_crop_image(picture, corners.copy())
        height, width = crop.shape[:2]
        if width > height * LONG_ASPECT:
            crop = cv2.resize(crop, (round(width * SQUEEZE), height), interpolation=cv2.INTER_AREA)
        found = self._get_engine()(crop, use_det=False, use_rec=True)
        if not isinstance(found, TextRecOutput) or not found.txts or not found.txts[0].strip():
            return None
        return Line(found.txts[0].strip(), _bound(corners), float(found.scores[0]))

    def _get_engine(self) -> RapidOCR:
        if self._engine is None:
            self._engine = RapidOCR(
                params={
                    "Global.log_level": "error",
                    # Too large a picture would be scaled down for each of its lines.
                    "Global.max_side_len": PIXELS_MAX,
                    # It turns long lines upside down that are not: of 2,000 words it lost 220.
                    "Global.use_cls": False,
                    "EngineConfig.onnxruntime.intra_op_num_threads": self._threads,
                    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                    "Det.limit_type": "max",
                    "Det.limit_side_len": SIDE_PIXELS_MAX,
                }
            )
        return self._engine


def _rate(lines: Sequence[Line]) -> float:
    """How sure the lines are, each by its length."""
    characters = sum(len(line.text) for line in lines)
    return sum(line.confidence * len(line.text) for line in lines) / max(characters, 1)


def _bound(corners: NDArray[np.float32]) -> Box:
    left, top = corners.min(axis=0)
    right, bottom = corners.max(axis=0)
    return Box(float(left), float(top), float(right), float(bottom))


def order_lines(lines: Sequence[Line]) -> Iterator[Line]:
    """Lines from top to bottom, and of columns one after the other. Lines that go across all columns part them."""
    if not lines:
        return
    width = max(line.box.right for line in lines) - min(line.box.left for line in lines)
    held: list[list[Line]] = []
    for row in _list_rows(lines):
        if len(row) == 1 and row[0].box.right - row[0].box.left > ACROSS_SHARE * width:
            yield from _order_columns(held)
            held = []
            yield row[0]
        else:
            held.append(row)
    yield from _order_columns(held)


def _order_columns(rows: Sequence[Sequence[Line]]) -> Iterator[Line]:
    """Columns of text one after the other; what is none row by row."""
    lines = [line for row in rows for line in row]
    columns = _split_columns(lines)
    yield from (line for column in columns for line in column) if all(map(_is_column, columns)) else lines


def _split_columns(lines: Sequence[Line]) -> list[list[Line]]:
    """Split lines where there is none from top to bottom, for about a line's height at least."""
    gap = COLUMN_GAP * float(np.median([line.box.height for line in lines])) if lines else 0.0
    columns: list[list[Line]] = []
    end = -np.inf
    for line in sorted(lines, key=lambda line: line.box.left):
        if not columns or line.box.left - end > gap:
            columns.append([])
        columns[-1].append(line)
        end = max(end, line.box.right)
    return [sorted(column, key=lambda line: line.box.top) for column in columns]


def _is_column(lines: Sequence[Line]) -> bool:
    aspects = [(line.box.right - line.box.left) / max(line.box.height, 1.0) for line in lines]
    return len(lines) >= COLUMN_LINES_MIN and float(np.median(aspects)) >= COLUMN_ASPECT_MIN


def _list_rows(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Lines side by side, as the cells of a table, from left to right."""
    row: list[Line] = []
    for line in sorted(lines, key=lambda line: line.box.top + line.box.bottom):
        middle = (line.box.top + line.box.bottom) / 2
        if row and middle > row[0].box.bottom:
            yield sorted(row, key=lambda line: line.box.left)
            row = []
        row.append(line)
    if row:
        yield sorted(row, key=lambda line: line.box.left)


def join_lines(lines: Iterable[Line]) -> str:
    """The text of lines in their order: those of a row, of a paragraph, and paragraphs are told apart."""
    lines = list(lines)
    text = lines[0].text if lines else ""
    for before, line in pairwise(lines):
        if abs(line.box.top - before.box.top) < before.box.height / 2:
            text += "  " + line.text
        elif line.box.top - before.box.bottom > PARAGRAPH_GAP * before.box.height or line.box.top < before.box.top:
            text += "\n\n" + line.text
        else:
            text += "\n" + line.text
    return text
