"""The lines of a PDF's page: which are headings, which a paragraph, and which stand on every page."""

from __future__ import annotations

import ctypes
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from multiturn.ingest.elements import Element, Heading, Paragraph
from multiturn.ingest.pdf_outline import Outline

# What PDFium puts for a hyphen at a line's end, after which it may go on with the next.
HYPHENS = ("\x02", "\ufffe", "\u00ad")
# A heading is so much larger than the body's text, and so short.
HEADING_SCALE, HEADING_CHARACTERS_MAX = 1.15, 150
LEVEL_SCALES = (1.8, 1.4)
TITLE_SCALE = 1.3
# A gap so much higher than the line parts paragraphs; so does another size.
GAP_SCALE, SIZE_CHANGE = 0.75, 0.15
BULLETS = ("•", "◦", "▪", "–", "‣", "●", "○", "■", "□", "➢", "✓", "*")
# A first or last line of so many pages is a running head.
RUNNING_PAGES = 3


class PageLine(NamedTuple):
    """A line of a page's text: the height of its characters, and where it stands, in points from the lower left."""

    text: str
    size: float
    left: float
    bottom: float
    top: float


def list_page_lines(textpage: pdfium.PdfTextPage) -> list[PageLine]:
    """The lines of a page, as they stand in the file."""
    lines: list[PageLine] = []
    box = raw.FS_RECTF()
    start = 0
    for text in textpage.get_text_range().split("\r\n"):
        # A bullet is smaller than its line.
        skipped = next((place for place, letter in enumerate(text) if letter.isalnum()), len(text) - len(text.lstrip()))
        if stripped := text.strip():
            is_placed = raw.FPDFText_GetLooseCharBox(textpage, start + skipped, ctypes.byref(box))
            size = box.top - box.bottom if is_placed else 0.0
            lines.append(PageLine(stripped, size, box.left, box.bottom, box.top))
        start += len(text) + 2
    return lines


def measure_body(lines: Sequence[PageLine]) -> float:
    """The size that most characters have; 0 when there are none."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[round(line.size, 1)] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0.0


def tell_title(lines: Sequence[PageLine], body: float) -> str | None:
    """The largest lines of a first page, where they are large indeed."""
    largest = max((line.size for line in lines), default=0.0)
    if largest < body * TITLE_SCALE:
        return None
    title = " ".join(line.text for line in lines if line.size > largest * 0.95)
    return title if 3 < len(title) <= HEADING_CHARACTERS_MAX else None


class Layout:
    """Arranges the lines of pages that come one after the other, in a text of the size ``body``."""

    def __init__(self, body: float, outline: Outline) -> None:
        self._body = body
        self._outline = outline
        # The pages at whose edge a line stands, and the lines that were passed there.
        self._pages: dict[str, set[int]] = defaultdict(set)
        self._passed: set[str] = set()

    def open_page(self, index: int) -> Iterator[Heading]:
        """The headings of a page whose lines are not known."""
        yield from self._outline.list_headings(index)

    def arrange(self, index: int, lines: Sequence[PageLine]) -> Iterator[Element]:
        """The headings and paragraphs of a page."""
        lines = self._leave_out_running(index, lines)
        waiting = self._outline.list_headings(index)
        shown = [_simplify(line.text) for line in lines]
        # A heading that no line of the page shows stands above all of them.
        for heading in [heading for heading in waiting if not _find_shown(heading, shown)]:
            waiting.remove(heading)
            yield heading
        paragraph: list[PageLine] = []
        for line in lines:
            found = self._find_heading(line, waiting)
            if found or (paragraph and self._begins_paragraph(paragraph[-1], line)):
                yield from _join(paragraph)
                paragraph = []
            if found:
                yield found
            else:
                paragraph.append(line)
        yield from _join(paragraph)

    def learn(self, index: int, lines: Sequence[PageLine]) -> None:
        """Look at the first and the last line of a page: some stand on every page."""
        for place in _list_edges(lines):
            self._pages[_mask_digits(lines[place].text)].add(index)

    def _leave_out_running(self, index: int, lines: Sequence[PageLine]) -> Sequence[PageLine]:
        """Leave out the number of the page, and the line that stands above or below all pages, but for once."""
        self.learn(index, lines)
        running = {place for place in _list_edges(lines) if self._is_running(lines[place])}
        return [line for place, line in enumerate(lines) if place not in running]

    def _is_running(self, line: PageLine) -> bool:
        key = _mask_digits(line.text)
        is_again = len(self._pages[key]) >= RUNNING_PAGES and key in self._passed
        self._passed.add(key)
        # Headings begin pages too, and some differ by their number alone.
        is_small = line.size < self._body * HEADING_SCALE and len(line.text) <= HEADING_CHARACTERS_MAX
        return (is_again and is_small) or (len(line.text) < 12 and _is_page_number(line.text))

    def _find_heading(self, line: PageLine, waiting: list[Heading]) -> Heading | None:
        """A line that the outline names is a heading; without an outline, a short one in large letters."""
        if self._outline.is_there:
            simple = _simplify(line.text)
            for heading in waiting:
                if _names(heading, simple):
                    waiting.remove(heading)
                    return heading
            return None
        is_large = self._body > 0 and line.size >= self._body * HEADING_SCALE
        if not is_large or len(line.text) > HEADING_CHARACTERS_MAX or not any(map(str.isalpha, line.text)):
            return None
        level = next((place for place, scale in enumerate(LEVEL_SCALES, 1) if line.size >= self._body * scale), 3)
        return Heading(level, line.text)

    @staticmethod
    def _begins_paragraph(before: PageLine, line: PageLine) -> bool:
        size = max(before.size, 1.0)
        is_above = line.bottom > before.top
        has_gap = before.bottom - line.top > GAP_SCALE * size
        has_changed = abs(line.size - before.size) > SIZE_CHANGE * size
        return is_above or has_gap or has_changed or line.text.startswith(BULLETS)


def _list_edges(lines: Sequence[PageLine]) -> set[int]:
    return {0, len(lines) - 1} if len(lines) > 2 else set()


def _mask_digits(text: str) -> str:
    return "".join("0" if letter.isdigit() else letter for letter in text)


def _simplify(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _names(heading: Heading, simple: str) -> bool:
    """Whether a line is a heading: with a number before it, or only its beginning, for it may go on below."""
    title = _simplify(heading.text)
    is_whole = simple.endswith(title) and len(simple) <= len(title) + 12
    return bool(title) and (is_whole or (len(simple) >= 12 and title.startswith(simple)))


def _find_shown(heading: Heading, shown: Sequence[str]) -> bool:
    return any(_names(heading, simple) for simple in shown)


def _is_page_number(text: str) -> bool:
    return text.strip("-–—[]() ").isdigit() or text.lower().startswith("page ")


def _join(lines: Sequence[PageLine]) -> Iterator[Paragraph]:
    """The text of a paragraph's lines, as one: words that were parted at a line's end are whole again."""
    text = ""
    for line in lines:
        text = text[:-1] + line.text if text.endswith(HYPHENS) else f"{text} {line.text}"
    for hyphen in HYPHENS:
        text = text.replace(hyphen, "")
    if text.strip():
        yield Paragraph(text.strip(), is_row=text.strip().startswith(BULLETS))
