"""Reads presentations: a slide is a page, its title a heading; then tables, diagrams and the speaker's notes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
from lxml import etree

from multiturn.ingest.archive import Archive
from multiturn.ingest.elements import Element, Page, Paragraph, compose
from multiturn.ingest.office import find_main, probe_office
from multiturn.ingest.options import Options
from multiturn.ingest.readers import POWERPOINT
from multiturn.model.asset import Probe
from multiturn.model.segment import Progress, Reading

RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
STRICT_RELATION = "{http://purl.oclc.org/ooxml/officeDocument/relationships}id"
TITLES = frozenset(("title", "ctrTitle"))
# Placeholders that every slide has, and that say nothing of this one.
FURNITURE = frozenset(("sldNum", "dt", "ftr", "hdr", "sldImg"))


def probe(path: Path, filename: str) -> Probe:
    """Find the title, and count the slides."""
    found = probe_office(path, POWERPOINT, "Slides")
    with Archive.open(path) as archive:
        return msgspec.structs.replace(found, pages=len(_list_slides(archive)) or None)


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the slides in their order. Raises Refusal when one is broken."""
    with Archive.open(path) as archive:
        yield from compose(_list_elements(archive))


def _list_slides(archive: Archive) -> list[str]:
    main = find_main(archive)
    related = {found: name for found, _, name in archive.find_related(main)}
    ids = [slide.get(RELATION) or slide.get(STRICT_RELATION) or "" for slide in archive.parse(main).iter("{*}sldId")]
    return [related[found] for found in ids if related.get(found) in archive.names]


def _list_elements(archive: Archive) -> Iterator[Element | Progress]:
    slides = _list_slides(archive)
    for number, name in enumerate(slides, start=1):
        slide = archive.parse(name)
        yield Page(number, heading=_find_title(slide))
        yield from _list_paragraphs(slide)
        for _, kind, part in archive.find_related(name):
            if kind == "diagramData" and part in archive.names:
                yield from _list_paragraphs(archive.parse(part))
            elif kind == "notesSlide" and part in archive.names:
                notes = "\n".join(paragraph.text for paragraph in _list_paragraphs(archive.parse(part)))
                yield Paragraph(f"Notes: {notes}" if notes else "")
        yield Progress(share=number / len(slides), doing="reading slides")


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
