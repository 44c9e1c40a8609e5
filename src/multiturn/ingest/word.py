"""Reads Word documents: headings, paragraphs, lists, tables, notes; pages where Word has noted them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from multiturn.ingest.archive import Archive
from multiturn.ingest.elements import Element, Heading, Page, Paragraph, compose
from multiturn.ingest.office import find_main, probe_office
from multiturn.ingest.options import Options
from multiturn.ingest.readers import WORD
from multiturn.ingest.refusal import Refusal
from multiturn.model.asset import Probe
from multiturn.model.segment import Progress, Reading

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
STRICT = "{http://purl.oclc.org/ooxml/wordprocessingml/main}"
# What was deleted, moved away, or is there for programs that do not know better.
LEFT_OUT = frozenset(("del", "moveFrom", "Fallback", "pPrChange", "rPrChange"))
BREAKS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
PAGE_BREAK = b"lastRenderedPageBreak"
PROGRESS_EVERY = 500
SCAN_BYTES = 1 << 20


def probe(path: Path, filename: str) -> Probe:
    """Find the title and the number of pages that Word has noted."""
    return probe_office(path, WORD, "Pages")


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the sections of a document, then its notes. Raises Refusal when it is broken."""
    with Archive.open(path) as archive:
        try:
            yield from compose(_list_elements(archive))
        except etree.XMLSyntaxError as error:
            raise Refusal("The file is damaged: its text is broken.") from error


def _list_elements(archive: Archive) -> Iterator[Element | Progress]:
    main = find_main(archive)
    related = archive.find_related(main)
    found = (name for _, kind, name in related if kind == "styles" and name in archive.names)
    styles = next((read_styles(archive.parse(name)) for name in found), NO_STYLES)
    yield from Body(styles, has_pages=_has_pages(archive, main)).walk(archive, main)
    for _, kind, name in related:
        if kind in ("footnotes", "endnotes") and name in archive.names:
            yield Heading(1, kind.capitalize())
            yield from Body(NO_STYLES, has_pages=False).walk(archive, name)


def _has_pages(archive: Archive, name: str) -> bool:
    """Whether Word has noted where its pages end."""
    tail = b""
    with archive.stream(name) as part:
        while data := part.read(SCAN_BYTES):
            if PAGE_BREAK in tail + data:
                return True
            tail = data[-len(PAGE_BREAK) :]
    return False


class Styles(NamedTuple):
    """The level of each style that is one of headings, and the styles of lists, by their ids."""

    levels: Mapping[str, int]
    lists: frozenset[str]


def read_styles(styles: etree._Element) -> Styles:
    """Read the styles: what one does not say, the one says that it is based on."""
    own: dict[str, int] = {}
    based: dict[str, str] = {}
    lists: set[str] = set()
    for style in styles.iter("{*}style"):
        style_id, name = _get(style, "styleId"), _get(style.find("{*}name"), "val").lower()
        based[style_id] = _get(style.find("{*}basedOn"), "val")
        if level := _tell_level(style, name):
            own[style_id] = level
        elif style.find("{*}pPr/{*}numPr") is not None:
            lists.add(style_id)
    levels = {style_id: level for style_id in based if (level := _find_level(style_id, own, based))}
    return Styles(levels, frozenset(lists))


def _tell_level(style: etree._Element, name: str) -> int:
    outline = _get(style.find("{*}pPr/{*}outlineLvl"), "val")
    if name.startswith("heading ") and name[8:].isdigit():
        return int(name[8:])
    if name == "title":
        return 1
    return int(outline) + 1 if outline.isdigit() and int(outline) < 9 else 0


def _find_level(style_id: str, own: Mapping[str, int], based: Mapping[str, str]) -> int:
    for _ in range(20):  # Styles may be based on one another in a circle.
        if style_id in own:
            return own[style_id]
        style_id = based.get(style_id, "")
    return 0


def _get(node: etree._Element | None, name: str) -> str:
    if node is None:
        return ""
    return node.get(W + name) or node.get(STRICT + name) or node.get(name) or ""


NO_STYLES = Styles({}, frozenset())


class Body:
    """A walk through the text of a document, which holds no more of it than a paragraph or a row."""

    def __init__(self, styles: Styles, *, has_pages: bool) -> None:
        self._styles = styles
        self._page = 1 if has_pages else 0
        self._texts: list[list[str]] = []
        self._cells: list[list[str]] = []
        self._left_out = 0
        self._level, self._is_item = 0, False

    def walk(self, archive: Archive, name: str) -> Iterator[Element | Progress]:
        """Go through a part of the document."""
        if self._page:
            yield Page(1)
        size = max(archive.measure(name), 1)
        with archive.stream(name) as part:
            options = {"resolve_entities": False, "no_network": True, "huge_tree": True, "load_dtd": False}
            for number, (event, node) in enumerate(etree.iterparse(part, events=("start", "end"), **options)):
                tag = node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""
                if tag in LEFT_OUT:
                    self._left_out += 1 if event == "start" else -1
                elif not self._left_out:
                    yield from self._start(tag) if event == "start" else self._end(node, tag)
                if event == "end":
                    _drop(node, tag)
                if number % (PROGRESS_EVERY * 100) == 0:
                    yield Progress(share=min(part.tell() / size, 1.0), doing="reading")

    def _start(self, tag: str) -> Iterator[Element]:
        match tag:
            case "p":
                # A text box is a paragraph within a paragraph.
                self._texts.append([])
                self._level, self._is_item = 0, False
            case "tr":
                self._cells.append([])
            case "tc" if self._cells:
                self._cells[-1].append("")
        yield from ()

    def _end(self, node: etree._Element, tag: str) -> Iterator[Element]:
        match tag:
            case "t" if self._texts:
                self._texts[-1].append(node.text or "")
            case "pStyle":
                style = _get(node, "val")
                self._level = self._styles.levels.get(style, self._level)
                self._is_item = self._is_item or style in self._styles.lists
            case "outlineLvl" if _get(node, "val").isdigit() and int(_get(node, "val")) < 9:
                self._level = int(_get(node, "val")) + 1
            case "numPr":
                self._is_item = True
            case "lastRenderedPageBreak" if self._page:
                yield from self._turn()
            case "p" if self._texts:
                yield from self._end_paragraph("".join(self._texts.pop()))
            case "tr" if self._cells:
                yield from self._end_row(" | ".join(self._cells.pop()))
            case _ if tag in BREAKS and self._texts:
                self._texts[-1].append(BREAKS[tag])

    def _turn(self) -> Iterator[Element]:
        """Begin a page, within a paragraph as a rule: what stands before the break belongs to the page before."""
        if self._texts and not self._cells and (before := "".join(self._texts[-1]).strip()):
            self._texts[-1] = []
            yield Paragraph(before)
        self._page += 1
        yield Page(self._page)

    def _end_paragraph(self, text: str) -> Iterator[Element]:
        if self._cells:
            if self._cells[-1]:
                self._cells[-1][-1] = f"{self._cells[-1][-1]} {text}".strip()
        elif text.strip() and self._level and len(text) < 500:
            yield Heading(self._level, text)
        elif text.strip():
            yield Paragraph(f"- {text.strip()}" if self._is_item else text, is_row=self._is_item)

    def _end_row(self, text: str) -> Iterator[Element]:
        if not text.strip(" |"):
            return
        if self._cells:  # A table within a cell.
            if self._cells[-1]:
                self._cells[-1][-1] = f"{self._cells[-1][-1]} {text}".strip()
        else:
            yield Paragraph(text, is_row=True)


def _drop(node: etree._Element, tag: str) -> None:
    """Free what was read: a paragraph or a row, and the ones before it."""
    if tag in ("p", "tr", "tbl"):
        node.clear()
        while node.getprevious() is not None and (parent := node.getparent()) is not None:
            del parent[0]
