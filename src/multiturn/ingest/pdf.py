"""Reads PDF: page by page, its headings, and by recognition what stands in the pictures of scanned pages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as raw
from numpy.typing import NDArray

from multiturn.ingest.covers import SIDE_PIXELS_MAX, shrink
from multiturn.ingest.elements import Element, Page, Paragraph, compose
from multiturn.ingest.options import Options
from multiturn.ingest.pdf_layout import Layout, PageLine, list_page_lines, measure_body, tell_title
from multiturn.ingest.pdf_outline import Outline
from multiturn.ingest.refusal import Refusal
from multiturn.ingest.scans import ScanReader
from multiturn.model.asset import Probe
from multiturn.model.segment import Note, Progress, Reading

MIME = "application/pdf"
ENCRYPTED = {raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY}
END_MARK, END_BYTES = b"%%EOF", 4096
# Pages that are looked at before the first: how large its body's text is, and its title.
SAMPLE_PAGES = 8
PROGRESS_EVERY = 10
# PDFium keeps what pages share as long as the document is open: fonts, mostly.
REOPEN_EVERY = 500
POINTS_PER_INCH = 72
# Of the quality of a fax at least: a line of small print is 20 pixels high still.
SCAN_DPI, SCAN_PIXELS_MAX = 150, 2400
# A page with fewer characters is read by its picture, if there is something to be seen on it.
TEXT_CHARACTERS_MIN = 20
DRAWN_MIN = 100
UNREADABLE_SHARE = 0.3


def probe(path: Path, filename: str) -> Probe:
    """Count the pages, and find the title. Raises Refusal when the file is encrypted or broken."""
    with open_document(path) as document:
        title = _clean_title(document.get_metadata_value("Title")) or _find_title(document)
        technical: dict[str, Any] = {"title": title} if title else {}
        return Probe(kind="document", mime=MIME, pages=len(document), technical=technical)


def make_thumbnail(path: Path, probe: Probe) -> bytes | None:
    """The first page."""
    with open_document(path) as document:
        page = document[0]
        scale = SIDE_PIXELS_MAX / max(*page.get_size(), 1.0)
        return shrink(page.render(scale=scale, rev_byteorder=True).to_pil())


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the pages, one after the other. Raises Refusal."""
    yield from compose(PdfReader(path, options).list_elements())


@contextmanager
def open_document(path: Path) -> Iterator[pdfium.PdfDocument]:
    """Open a PDF. Raises Refusal when it is encrypted, broken or without a page."""
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if error.err_code in ENCRYPTED:
            raise Refusal("The PDF is encrypted: save it without a password.") from error
        raise Refusal("The PDF is cut off or damaged: it cannot be opened.") from error
    try:
        if len(document) == 0:
            raise Refusal("The PDF is cut off or damaged: none of its pages is there.")
        yield document
    finally:
        document.close()


def _clean_title(title: str) -> str | None:
    """A title that a person gave: programs put in the name of the file."""
    title = " ".join(title.split()).removeprefix("Microsoft Word - ").removeprefix("Microsoft PowerPoint - ")
    return None if title.lower() in ("", "untitled", "title", "unknown") else title


def _find_title(document: pdfium.PdfDocument) -> str | None:
    lines = _read_lines(document, 0)
    return tell_title(lines, measure_body(lines)) if lines else None


def _read_lines(document: pdfium.PdfDocument, index: int) -> list[PageLine] | None:
    """The lines of a page's text; None when the page is damaged."""
    try:
        page = document[index]
        return list_page_lines(page.get_textpage())
    except pdfium.PdfiumError:
        return None


class PdfReader:
    """One PDF that is read from its first page to its last."""

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        self._options = options
        self._scans = ScanReader(options.threads)
        self._unread: list[int] = []
        self._damaged: list[int] = []
        self._scanned = 0

    def list_elements(self) -> Iterator[Element | Progress | Note]:
        """The pages with what stands on them, and how far they are read."""
        with open_document(self._path) as document:
            pages, outline = len(document), Outline.read(document)
            every = max(pages // SAMPLE_PAGES, 1)
            sample = {index: _read_lines(document, index) or [] for index in range(0, pages, every)}
        layout = Layout(measure_body([line for lines in sample.values() for line in lines]), outline)
        for index, lines in sample.items():
            layout.learn(index, lines)
        for first in range(0, pages, REOPEN_EVERY):
            with open_document(self._path) as document:
                for index in range(first, min(first + REOPEN_EVERY, pages)):
                    yield Page(index + 1)
                    yield from self._read_page(document, index, layout)
                    if self._scans.has_read or index % PROGRESS_EVERY == 0:
                        yield Progress(share=(index + 1) / pages, doing=f"page {index + 1} of {pages}")
        yield from self._list_notes()

    def _read_page(self, document: pdfium.PdfDocument, index: int, layout: Layout) -> Iterator[Element]:
        lines = _read_lines(document, index)
        if lines is None:
            self._damaged.append(index + 1)
        elif not _needs_recognition(document, index, lines):
            yield from layout.arrange(index, lines)
        elif not self._options.screens:
            self._unread.append(index + 1)
        else:
            yield from layout.open_page(index)
            text = self._scans.read(render(document[index]))
            yield Paragraph(text, modality="screen")
            self._scanned += 1
            if not text:
                self._unread.append(index + 1)

    def _list_notes(self) -> Iterator[Note]:
        if self._scanned:
            yield Note(text=f"{self._scanned} pages have no text of their own and were read by their pictures.")
        if self._unread:
            yield Note(text=f"Nothing could be read on {_name_pages(self._unread)}.")
        if self._damaged:
            yield Note(text=f"Damaged, and left out: {_name_pages(self._damaged)}.")
        with self._path.open("rb") as file:
            file.seek(max(self._path.stat().st_size - END_BYTES, 0))
            if END_MARK not in file.read():
                yield Note(text="The PDF seems to be cut off: its end is missing.")


def _name_pages(pages: list[int]) -> str:
    named = ", ".join(map(str, pages[:20]))
    return f"page {named}" if len(pages) == 1 else f"{len(pages)} pages ({named}{', …' if len(pages) > 20 else ''})"


def _needs_recognition(document: pdfium.PdfDocument, index: int, lines: list[PageLine]) -> bool:
    """Whether a page shows more than its text says."""
    text = "".join(line.text for line in lines)
    letters = sum(map(str.isalnum, text))
    unreadable = sum(letter == "\ufffd" or "\ue000" <= letter <= "\uf8ff" for letter in text)
    if letters >= TEXT_CHARACTERS_MIN and unreadable <= len(text) * UNREADABLE_SHARE:
        return False
    kinds = [shown.type for shown in document[index].get_objects(max_depth=3)]
    return raw.FPDF_PAGEOBJ_IMAGE in kinds or len(kinds) >= DRAWN_MIN or unreadable > 0


def render(page: pdfium.PdfPage) -> NDArray[np.uint8]:
    """The picture of a page, as rows of RGB pixels."""
    scale = min(SCAN_DPI / POINTS_PER_INCH, SCAN_PIXELS_MAX / max(*page.get_size(), 1.0))
    picture: NDArray[np.uint8] = page.render(scale=scale, rev_byteorder=True).to_numpy()
    return picture
