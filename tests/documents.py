"""Documents with known text, written for the tests: PDF, scanned pages, Office, e-books."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import docx
import openpyxl
import pptx
from PIL import Image, ImageDraw, ImageFont
from pptx.util import Inches

A4 = (595, 842)
# A4 at 150 dots per inch, and 12 points there.
SCAN_SIZE, SCAN_FONT = (1240, 1754), 25
LINE_POINTS = 14


class Text(NamedTuple):
    """A line of text on a page of a PDF, in points from the lower left."""

    text: str
    size: int = 11
    left: int = 72
    bottom: int = 700


def lay_out(lines: Iterable[str | Text], *, top: int = 770) -> list[Text]:
    """Lines one below the other."""
    placed: list[Text] = []
    for line in lines:
        text = line if isinstance(line, Text) else Text(line)
        top -= max(text.size + 3, LINE_POINTS)
        placed.append(text._replace(bottom=top))
    return placed


def draw_scan(lines: Sequence[str], *, size: tuple[int, int] = SCAN_SIZE) -> Image.Image:
    """The picture of a page with lines of text."""
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(SCAN_FONT)
    for number, line in enumerate(lines):
        pen.text((120, 130 + number * 45), line, fill=(25, 25, 25), font=font)
    return image


class PdfWriter:
    """A PDF that is written object by object."""

    def __init__(self) -> None:
        self._objects: list[bytes] = [b"", b""]
        self._pages: list[int] = []
        self._font = self._add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
        self._outlines: list[tuple[str, int]] = []

    def _add(self, body: bytes) -> int:
        self._objects.append(body)
        return len(self._objects)

    def _add_stream(self, head: bytes, data: bytes) -> int:
        return self._add(b"<< %s /Length %d >>\nstream\n%s\nendstream" % (head, len(data), data))

    def add_page(self, lines: Iterable[Text], *, scan: Image.Image | None = None) -> None:
        """Add a page with lines of text, over a picture that fills it."""
        commands, resources = "", f"/Font << /F1 {self._font} 0 R >>"
        if scan is not None:
            out = io.BytesIO()
            scan.save(out, "JPEG", quality=80)
            head = b"/Type /XObject /Subtype /Image /Width %d /Height %d /ColorSpace /DeviceRGB" % scan.size
            picture = self._add_stream(head + b" /BitsPerComponent 8 /Filter /DCTDecode", out.getvalue())
            resources += f" /XObject << /Im1 {picture} 0 R >>"
            commands += f"q {A4[0]} 0 0 {A4[1]} 0 0 cm /Im1 Do Q\n"
        for line in lines:
            text = line.text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
            commands += f"BT /F1 {line.size} Tf {line.left} {line.bottom} Td ({text}) Tj ET\n"
        contents = self._add_stream(b"/Filter /FlateDecode", zlib.compress(commands.encode("cp1252")))
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {A4[0]} {A4[1]}] /Resources << {resources} >> "
        self._pages.append(self._add(f"{page} /Contents {contents} 0 R >>".encode()))

    def add_bookmark(self, title: str, page: int) -> None:
        """Add an entry of the outline, which leads to a page (from 1)."""
        self._outlines.append((title, page))

    def write(self, path: Path, *, title: str = "") -> Path:
        """Write the file."""
        kids = " ".join(f"{page} 0 R" for page in self._pages)
        self._objects[1] = f"<< /Type /Pages /Count {len(self._pages)} /Kids [{kids}] >>".encode()
        self._objects[0] = f"<< /Type /Catalog /Pages 2 0 R {self._write_outlines()} >>".encode()
        info = self._add(f"<< /Title ({title}) >>".encode("cp1252"))
        out, places = bytearray(b"%PDF-1.7\n"), []
        for number, body in enumerate(self._objects, start=1):
            places.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
        start = len(out)
        table = "".join(f"{place:010} 00000 n \n" for place in places)
        size = len(places) + 1
        out += f"xref\n0 {size}\n0000000000 65535 f \n{table}".encode()
        out += f"trailer\n<< /Size {size} /Root 1 0 R /Info {info} 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
        path.write_bytes(out)
        return path

    def _write_outlines(self) -> str:
        if not self._outlines:
            return ""
        root = len(self._objects) + 1
        last = root + len(self._outlines)
        self._add(f"<< /Type /Outlines /First {root + 1} 0 R /Last {last} 0 R /Count {last - root} >>".encode())
        for number, (title, page) in enumerate(self._outlines, start=root + 1):
            following = f"/Next {number + 1} 0 R" if number < last else ""
            target = f"/Dest [{self._pages[page - 1]} 0 R /Fit]"
            self._add(f"<< /Title ({title}) /Parent {root} 0 R {following} {target} >>".encode())
        return f"/Outlines {root} 0 R"


def make_pdf(path: Path, pages: Sequence[Sequence[str | Text]], *, title: str = "") -> Path:
    """A PDF with text."""
    writer = PdfWriter()
    for lines in pages:
        writer.add_page(lay_out(lines))
    return writer.write(path, title=title)


def make_scanned_pdf(path: Path, pages: Sequence[Sequence[str]]) -> Path:
    """A PDF of pictures, as a scanner makes them."""
    writer = PdfWriter()
    for lines in pages:
        writer.add_page([], scan=draw_scan(lines))
    return writer.write(path)


def make_word(path: Path) -> Path:
    """A Word document with a title, headings, a list, a table and a quotation."""
    document = docx.Document()
    document.core_properties.title = "Field guide"
    document.add_heading("Field guide", 0)
    document.add_paragraph("What a walker should carry.")
    document.add_heading("Equipment", 1)
    document.add_heading("Boots", 2)
    document.add_paragraph("Boots are greased before every winter.")
    document.add_paragraph("A lamp", style="List Bullet")
    document.add_paragraph("A map", style="List Bullet")
    document.add_heading("Distances", 1)
    table = document.add_table(rows=2, cols=2)
    for place, text in enumerate(["Stage", "Kilometres", "Over the pass", "17"]):
        table.cell(place // 2, place % 2).text = text
    document.save(str(path))
    return path


def make_powerpoint(path: Path) -> Path:
    """Two slides, the second with a table and notes."""
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Harvest of 1911"
    slide.placeholders[1].text = "The vines froze in April.\nThe summer was dry."
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Yields"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for place, text in enumerate(["Parish", "Barrels", "Upper valley", "212"]):
        table.cell(place // 2, place % 2).text = text
    slide.notes_slide.notes_text_frame.text = "Say that the cellar burned."
    deck.save(str(path))
    return path


def make_excel(path: Path, rows: Iterable[Sequence[object]], *, sheet: str = "Stock") -> Path:
    """A workbook with one sheet."""
    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet(sheet)
    for row in rows:
        page.append(list(row))
    book.save(path)
    return path


def make_archive(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    """A zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in parts.items():
            archive.writestr(name, body)
    return path


def make_epub(path: Path, chapters: Sequence[str], *, title: str = "The lighthouse") -> Path:
    """An e-book of chapters in XHTML bodies; the table of contents calls them Part 1, Part 2 …"""
    items = "".join(f'<item id="c{n}" href="c{n}.xhtml" media-type="x"/>' for n in range(len(chapters)))
    spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
    links = "".join(f'<li><a href="c{n}.xhtml">Part {n + 1}</a></li>' for n in range(len(chapters)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        f"<metadata><dc:title>{title}</dc:title></metadata><manifest>{items}"
        f'<item id="nav" href="nav.xhtml" properties="nav" media-type="x"/></manifest><spine>{spine}</spine></package>'
    )
    page = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{}</body></html>'
    parts: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="o/p.opf"/></rootfiles></container>',
        "o/p.opf": package,
        "o/nav.xhtml": page.format(f"<nav><ol>{links}</ol></nav>"),
    }
    parts |= {f"o/c{number}.xhtml": page.format(body) for number, body in enumerate(chapters)}
    return make_archive(path, parts)
