"""Reads presentations: a slide is a page, its title a heading; then tables, diagrams and the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from lxml import etree

from multiturn.ingest.archive import Archive
from multiturn.ingest.covers import open_picture
from multiturn.ingest.elements import Element, Page, Paragraph, compose
from multiturn.ingest.office import find_main, probe_office
from multiturn.ingest.options import Options
from multiturn.ingest.readers import POWERPOINT
from multiturn.ingest.scans import ScanReader
from multiturn.model.asset import Probe
from multiturn.model.segment import Progress, Reading

RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
TITLES = frozenset(("title", "ctrTitle"))
# Placeholders that every slide has, and that say nothing of this one.
FURNITURE = frozenset(("sldNum", "dt", "ftr", "hdr", "sldImg"))

# A slide that says less is looked at: it may be a picture of a slide. Logos are too small to be.
TEXT_CHARACTERS_MIN = 20
PICTURES_MAX, PICTURE_PIXELS_MAX, PICTURE_PIXELS_MIN = 4, 1920, 200


def probe(path: Path, filename: str) -> Probe:
    """Find the title, and count the slides."""
    found = probe_office(path, POWERPOINT, "Slides")
    with Archive.open(path) as archive:
        return msgspec.structs.replace(found, pages=len(_list_slides(archive)) or None)


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the slides in their order. Raises Refusal when one is broken."""
    with Archive.open(path) as archive:
        yield from compose(Deck(archive, options).list_elements())


def _list_slides(archive: Archive) -> list[str]:
    main = find_main(archive)
    related = {found: name for found, _, name in archive.find_related(main)}
    ids = [slide.get(RELATION) or slide.get(STRICT_RELATION) or "" for slide in archive.parse(main).iter("{*}sldId")]
    return [related[found] for found in ids if related.get(found) in archive.names]


class Deck:
    """A presentation that is read slide by slide."""

    def __init__(self, archive: Archive, options: Options) -> None:
        self._archive = archive
        self._options = options
        self._scans = ScanReader(options.threads)

    def list_elements(self) -> Iterator[Element | Progress]:
        """The slides with what stands on them, and how far they are read."""
        slides = _list_slides(self._archive)
        for number, name in enumerate(slides, start=1):
            slide = self._archive.parse(name)
            title, paragraphs = _find_title(slide), list(_list_paragraphs(slide))
            yield Page(number, heading=title)
            yield from paragraphs
            yield from self._list_related(name)
            if sum(len(paragraph.text) for paragraph in paragraphs) < TEXT_CHARACTERS_MIN and self._options.screens:
                yield from self._read_pictures(name)
            yield Progress(share=number / len(slides), doing=f"slide {number} of {len(slides)}")

    def _list_related(self, name: str) -> Iterator[Paragraph]:
        """The text of diagrams, and what the speaker is to say."""
        for _, kind, part in self._archive.find_related(name):
            if kind == "diagramData" and part in self._archive.names:
                yield from _list_paragraphs(self._archive.parse(part))
            elif kind == "notesSlide" and part in self._archive.names:
                notes = "\n".join(paragraph.text for paragraph in _list_paragraphs(self._archive.parse(part)))
                yield Paragraph(f"Notes: {notes}" if notes else "")

    def _read_pictures(self, name: str) -> Iterator[Paragraph]:
        """What is written in the pictures of a slide: of many a deck they are all there is."""
        parts = [part for _, kind, part in self._archive.find_related(name) if kind == "image"]
        for part in parts[:PICTURES_MAX]:
            if part not in self._archive.names:
                continue
            image = open_picture(self._archive.read(part), side_max=PICTURE_PIXELS_MAX)
            if image and min(image.size) >= PICTURE_PIXELS_MIN:
                yield Paragraph(self._scans.read(np.asarray(image)), modality="screen")


def _find_title(slide: etree._Element) -> str:
    for shape in slide.iter("{*}sp"):
        if _get_placeholder(shape) in TITLES:
            return " ".join(" ".join(_join_runs(paragraph) for paragraph in shape.iter("{*}p")).split())
    return ""


def _get_placeholder(shape: etree._Element) -> str | None:
    found = shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return None if found is None else found.get("type", "body")


def _list_paragraphs(root: etree._Element) -> Iterator[Paragraph]:
    """The paragraphs of a slide in their order, rows of tables as one."""
    walk = etree.iterwalk(root, events=("start",), tag=("{*}sp", "{*}tr", "{*}p", "{*}Fallback"))
    for _, node in walk:
        tag = node.tag.rpartition("}")[2]
        if tag == "Fallback" or (tag == "sp" and _get_placeholder(node) in TITLES | FURNITURE):
            walk.skip_subtree()
        elif tag == "tr":
            walk.skip_subtree()
            cells = [" ".join(_join_runs(paragraph) for paragraph in cell.iter("{*}p")) for cell in node.iter("{*}tc")]
            if any(cells):
                yield Paragraph(" | ".join(cells), is_row=True)
        elif tag == "p" and (text := _join_runs(node)):
            yield Paragraph(text, is_row=True)


def _join_runs(paragraph: etree._Element) -> str:
    texts = (
        "\n" if node.tag.rpartition("}")[2] == "br" else node.text or "" for node in paragraph.iter("{*}t", "{*}br")
    )
    return "".join(texts).strip()
