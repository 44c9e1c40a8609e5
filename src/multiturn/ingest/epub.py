"""Reads e-books: the chapters in their order, each with its headings."""

from __future__ import annotations

import html.entities
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lxml import etree

from multiturn.ingest.archive import Archive, make_parser, resolve
from multiturn.ingest.covers import shrink_cover
from multiturn.ingest.decoding import decode
from multiturn.ingest.elements import Element, Heading, compose
from multiturn.ingest.html import list_elements, parse_bytes
from multiturn.ingest.options import Options
from multiturn.ingest.readers import EPUB
from multiturn.ingest.refusal import Refusal
from multiturn.model.asset import Probe
from multiturn.model.segment import Progress, Reading

CONTAINER, ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
# An entity of HTML, which XML does not know without the book's DTD.
ENTITY = re.compile(r"&(\w+);")
ENTITIES_OF_XML = frozenset(("amp", "lt", "gt", "quot", "apos"))
PICTURES = (".jpg", ".jpeg", ".png", ".gif", ".webp")


class Book:
    """An e-book's archive: its list of parts, and the chapters among them in the order of reading."""

    def __init__(self, archive: Archive) -> None:
        """Raises Refusal when the list is broken, or the chapters are encrypted."""
        self.archive = archive
        found = archive.parse(CONTAINER).find(".//{*}rootfile")
        if found is None:
            raise Refusal("The e-book is damaged: it does not say what it contains.")
        name = resolve("", found.get("full-path", ""))
        self._package = archive.parse(name)
        folder = posixpath.dirname(name)
        self._items = {item.get("id", ""): item for item in self._package.iterfind(".//{*}manifest/{*}item")}
        self._names = {found: resolve(folder, item.get("href", "")) for found, item in self._items.items()}
        places = (place.get("idref", "") for place in self._package.iterfind(".//{*}spine/{*}itemref"))
        self.chapters = [self._names[place] for place in places if self._names.get(place) in archive.names]
        if set(self.chapters) & set(_list_encrypted(archive)):
            raise Refusal("The e-book is encrypted (DRM): its text cannot be read.")

    @property
    def title(self) -> str:
        """Its title, empty when it has none."""
        found = self._package.find(".//{*}metadata/{*}title")
        return (found.text or "") if found is not None else ""

    def read_labels(self) -> Mapping[str, str]:
        """The name of each chapter in the table of contents, by its part."""
        for found, item in self._items.items():
            name = self._names[found]
            if "nav" in item.get("properties", "").split() and name in self.archive.names:
                links = parse_chapter(self.archive.read(name)).iter("{*}a")
                return self._label(name, ((link.get("href", ""), "".join(link.itertext())) for link in links))
            if item.get("media-type") == "application/x-dtbncx+xml" and name in self.archive.names:
                points = self.archive.parse(name).iter("{*}navPoint")
                return self._label(
                    name, ((_get_source(point), point.findtext("{*}navLabel/{*}text", "")) for point in points)
                )
        return {}

    @staticmethod
    def _label(name: str, links: Iterator[tuple[str, str]]) -> Mapping[str, str]:
        labels: dict[str, str] = {}
        for href, text in links:
            labels.setdefault(resolve(posixpath.dirname(name), href), " ".join(text.split()))
        return labels

    def find_cover(self) -> str | None:
        """The part that is the picture of the cover."""
        old = self._package.find(".//{*}metadata/{*}meta[@name='cover']")
        named = old.get("content", "") if old is not None else ""
        for found, item in self._items.items():
            if "cover-image" in item.get("properties", "") or found == named:
                return self._names[found]
        return None


def _get_source(point: etree._Element) -> str:
    content = point.find("{*}content")
    return content.get("src", "") if content is not None else ""


def _list_encrypted(archive: Archive) -> list[str]:
    """The encrypted parts; of most books that have some, these are fonts."""
    if ENCRYPTION not in archive.names:
        return []
    return [resolve("", part.get("URI", "")) for part in archive.parse(ENCRYPTION).iter("{*}CipherReference")]


def probe(path: Path, filename: str) -> Probe:
    """Find the title. Raises Refusal for a book without chapters."""
    with Archive.open(path) as archive:
        book = Book(archive)
        if not book.chapters:
            raise Refusal("The e-book is damaged: none of its chapters is there.")
        return Probe(kind="document", mime=EPUB, technical={"title": book.title, "chapters": len(book.chapters)})


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Read the chapters. Raises Refusal."""
    with Archive.open(path) as archive:
        yield from compose(_list_elements(Book(archive)))


def _list_elements(book: Book) -> Iterator[Element | Progress]:
    labels = book.read_labels()
    for number, name in enumerate(book.chapters, start=1):
        elements = list_elements(parse_chapter(book.archive.read(name)))
        first = next(elements, None)
        if first is not None:
            # A chapter without a heading of its own is called what the table of contents calls it.
            if not isinstance(first, Heading):
                yield Heading(1, labels.get(name, ""))
            yield first
            yield from elements
        yield Progress(share=number / len(book.chapters), doing="reading chapters")


def parse_chapter(data: bytes) -> etree._Element:
    """The tree of a chapter: XHTML, and where that is broken, as a browser would read it."""
    text = ENTITY.sub(lambda found: _replace_entity(found[1]), decode(data))
    try:
        return etree.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", text).encode("utf-8", "replace"), make_parser())
    except etree.XMLSyntaxError:
        tree = parse_bytes(data)
        return tree if tree is not None else etree.Element("html")


def _replace_entity(name: str) -> str:
    if name in ENTITIES_OF_XML or f"{name};" not in html.entities.html5:
        return f"&{name};"
    return html.entities.html5[f"{name};"]


def make_thumbnail(path: Path, probe: Probe) -> bytes | None:
    """The cover, where there is one."""
    with Archive.open(path) as archive:
        name = Book(archive).find_cover()
        if name not in archive.names or not name.lower().endswith(PICTURES):
            return None
        return shrink_cover(archive.read(name))
