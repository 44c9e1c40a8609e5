"""Each kind of document is read with its places."""

from __future__ import annotations

import codecs
import io
import json
from datetime import datetime
from pathlib import Path

import openpyxl
import pptx
import pytest
from PIL import Image

from multiturn.ingest import epub, pdf
from multiturn.ingest.elements import SEGMENT_CHARACTERS_MAX
from multiturn.ingest.probing import probe
from multiturn.ingest.refusal import Refusal
from multiturn.model.segment import Mark, Note, Place, Progress, Segment
from tests.documents import (
    PdfWriter,
    Text,
    draw_scan,
    lay_out,
    make_archive,
    make_epub,
    make_excel,
    make_pdf,
    make_powerpoint,
    make_scanned_pdf,
    make_word,
)
from tests.unit.reading import read_all, read_places, read_segments

BODY = "The tide rose early on Monday and fell late in the evening, as the keeper had said it would."


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Grüße aus Köln"),
        ("utf-8-sig", "Grüße aus Köln"),
        ("utf-16", "Grüße aus Köln"),
        ("utf-16-le", "Grüße aus Köln, ohne Zeichen am Anfang"),
        ("utf-16-be", "Grüße aus Köln, ohne Zeichen am Anfang"),
        ("utf-32", "Grüße aus Köln"),
        ("cp1252", "Die Straße führt über die Brücke – „schön“, sagt er."),
        ("cp1251", "Маяк стоял на скале, и каждую ночь смотритель зажигал огонь. Корабли шли мимо." * 3),
        ("utf-8", "المنارة على الصخرة"),
        ("utf-8", "灯台は岩の上に立っていた。"),
    ],
)
def test_text_is_read_in_its_encoding(tmp_path: Path, encoding: str, text: str) -> None:
    (segment,) = read_segments(write(tmp_path / "a.txt", text, encoding))
    assert segment.text == text


def test_wrong_bytes_do_not_stop_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * (1 << 17) + "ü".encode() + b" caf\xe9 \xff" + codecs.BOM_UTF8 + b" end")
    assert read_segments(path)[-1].text.endswith("ü café ÿ\ufeff end")


def test_long_texts_become_segments_of_their_size(tmp_path: Path) -> None:
    words = " ".join(f"word{number}" for number in range(100_000))
    segments = read_segments(write(tmp_path / "a.txt", words))
    assert " ".join(segment.text for segment in segments) == words
    assert all(200 < len(segment.text) <= SEGMENT_CHARACTERS_MAX for segment in segments)


def test_paragraphs_are_not_parted(tmp_path: Path) -> None:
    paragraphs = [f"{number} {BODY * 5}" for number in range(50)]
    segments = read_segments(write(tmp_path / "a.txt", "\r\n\r\n".join(paragraphs)))
    assert [piece for segment in segments for piece in segment.text.split("\n\n")] == paragraphs


def test_json_and_code_are_read_as_they_are(tmp_path: Path) -> None:
    data = json.dumps({"name": "lighthouse", "height_m": 41}, indent=2)
    assert probe(write(tmp_path / "a.json", data), "a.json").mime == "application/json"
    assert read_segments(tmp_path / "a.json")[0].text == data
    code = "# A heading it is not.\n# Nor is this.\nimport os\n\n\ndef main() -> None:\n    print(os.name)"
    assert probe(write(tmp_path / "a.py", code), "a.py").mime == "text/plain"
    assert "def main() -> None:\n    print(os.name)" in read_segments(tmp_path / "a.py")[0].text


def test_markdown_has_headings(tmp_path: Path) -> None:
    text = (
        "---\ntitle: My notes\n---\nBefore.\n\n# Top #\nIntro.\n## Sub\n```sh\n# a comment\n```\n"
        "Under\n-----\ntext\n\n# Alone\n# Last\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    path = write(tmp_path / "a.md", text)
    assert probe(path, "a.md").technical["title"] == "My notes"
    assert read_places(path) == [
        (None, None, "Before."),
        (None, "Top", "Intro."),
        (None, "Top › Sub", "```sh\n# a comment\n```"),
        (None, "Top › Under", "text"),
        (None, "Alone", "Alone"),
        (None, "Last", "| a | b |\n|---|---|\n| 1 | 2 |"),
    ]


HTML = """<!DOCTYPE html><html><head><title>Tides &amp; light</title><style>p {}</style></head><body>
<header>Our site</header><nav>Home | About</nav><div class=x><main><h1>Tides</h1><p>One <b>bold</b>
word.<br>Next line.</p><ul><li>oil</li><li>rope</li></ul><h2>Table</h2><table><tr><th>Day<th>Hour
<tr><td>Mon<td>5</table><pre>a  b
c</pre><script>alert(1)</script><p hidden>secret</p></main></div><footer>Imprint</footer></body></html>"""


def test_html_is_read_without_what_stands_around(tmp_path: Path) -> None:
    path = write(tmp_path / "a.html", HTML)
    assert probe(path, "a.html").technical["title"] == "Tides & light"
    assert read_places(path) == [
        (None, "Tides", "One bold word.\nNext line.\n- oil\n- rope"),
        (None, "Tides › Table", "Day | Hour\nMon | 5\n\na  b\nc"),
    ]


def test_html_of_navigation_alone_is_read_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "a.html", f"<html><body><nav><p>{BODY}</p></nav></body></html>")
    assert read_places(path) == [(None, None, BODY)]


def test_html_nested_without_end_is_read_flat(tmp_path: Path) -> None:
    page = f"<html><head><title>t</title></head><body>{'<div>' * 9000}{BODY}<br>Low &amp; high{'</div>' * 9000}"
    read = read_all(write(tmp_path / "a.html", f"{page}<script>let a</script><p>End.</p>"))
    assert [one.text.split("\n\n") for one in read if isinstance(one, Segment)] == [[BODY, "Low & high", "End."]]
    assert any(isinstance(one, Note) and "nested too deeply" in one.text for one in read)


def test_html_says_its_charset(tmp_path: Path) -> None:
    page = "<html><head><meta charset=iso-8859-2></head><body><p>Łódź i Kraków</p></body></html>"
    assert read_segments(write(tmp_path / "a.html", page, "iso-8859-2"))[0].text == "Łódź i Kraków"


def test_pdf_has_pages_and_headings_by_size(tmp_path: Path) -> None:
    pages: list[list[str | Text]] = [
        [Text("Report on tides", 22), BODY, BODY, Text("Methods", 15), "We measured with a pole."],
        ["The second page goes on with the methods, at length."],
    ]
    path = make_pdf(tmp_path / "a.pdf", pages)
    found = probe(path, "a.pdf")
    assert (found.pages, found.technical["title"]) == (2, "Report on tides")
    assert read_places(path) == [
        (1, "Report on tides", f"{BODY} {BODY}"),
        (1, "Report on tides › Methods", "We measured with a pole."),
        (2, "Report on tides › Methods", "The second page goes on with the methods, at length."),
    ]


def test_pdf_has_headings_of_its_outline(tmp_path: Path) -> None:
    writer = PdfWriter()
    writer.add_page(lay_out(["Before the chapter.", "1. Arrival", BODY]))
    writer.add_page(lay_out([BODY]))
    writer.add_bookmark("Arrival", 1)
    writer.add_bookmark("The long winter", 2)
    path = writer.write(tmp_path / "a.pdf", title="Microsoft Word - Diary")
    assert probe(path, "a.pdf").technical["title"] == "Diary"
    assert read_places(path) == [(1, None, "Before the chapter."), (1, "Arrival", BODY), (2, "The long winter", BODY)]


def test_running_heads_and_page_numbers_are_left_out(tmp_path: Path) -> None:
    pages = [["Annual report", f"{BODY} {number}", f"Page {number}"] for number in range(1, 7)]
    path = make_pdf(tmp_path / "a.pdf", pages)
    texts = [segment.text for segment in read_segments(path)]
    assert texts[-1] == f"{BODY} 6"
    assert [text for text in texts if "Annual report" in text] == texts[:1]


def test_words_parted_at_a_lines_end_are_whole(tmp_path: Path) -> None:
    path = make_pdf(tmp_path / "a.pdf", [["The keeper was a per-", "fectly happy man."]])
    assert read_segments(path)[0].text == "The keeper was a perfectly happy man."


def test_thumbnails_are_first_pages_and_covers(tmp_path: Path) -> None:
    for path in (make_pdf(tmp_path / "a.pdf", [[BODY]]), make_scanned_pdf(tmp_path / "b.pdf", [["One"]])):
        jpeg = pdf.make_thumbnail(path, probe(path, path.name))
        assert jpeg is not None
        with Image.open(io.BytesIO(jpeg)) as image:
            assert (image.format, image.size) == ("JPEG", (453, 640))
    book = make_epub(tmp_path / "a.epub", ["<p>text</p>"])
    assert epub.make_thumbnail(book, probe(book, "a.epub")) is None


def test_scanned_pages_are_left_out_where_pictures_are_not_read(tmp_path: Path) -> None:
    readings = read_all(make_scanned_pdf(tmp_path / "a.pdf", [["One"], ["Two"]]), screens=False)
    assert [found for found in readings if isinstance(found, Segment)] == []
    assert Note(text="Nothing could be read on 2 pages (1, 2).") in readings


def test_empty_pages_are_no_scans(tmp_path: Path) -> None:
    readings = read_all(make_pdf(tmp_path / "a.pdf", [[], [BODY], []]))
    assert [found.place.page for found in readings if isinstance(found, Segment)] == [2]
    assert not [found for found in readings if isinstance(found, Note)]


def test_word_has_headings_lists_and_tables(tmp_path: Path) -> None:
    path = make_word(tmp_path / "a.docx")
    assert probe(path, "a.docx").technical["title"] == "Field guide"
    assert read_places(path) == [
        (None, "Field guide", "What a walker should carry."),
        (None, "Equipment › Boots", "Boots are greased before every winter.\n- A lamp\n- A map"),
        (None, "Distances", "Stage | Kilometres\nOver the pass | 17"),
    ]


WORD = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    "<w:p><w:r><w:t>First </w:t></w:r><w:ins><w:r><w:t>page.</w:t></w:r></w:ins>"
    "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>"
    "<w:sdt><w:sdtContent><w:p><w:r><w:lastRenderedPageBreak/><w:t>Second</w:t><w:tab/><w:t>page.</w:t></w:r></w:p>"
    "</w:sdtContent></w:sdt></w:body></w:document>"
)
TYPES = '<Types><Override ContentType="application/vnd.openxmlformats-officedocument.{}.main+xml"/></Types>'
RELATIONS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
MAIN = RELATIONS.format('<Relationship Id="r" Type="x/officeDocument" Target="word/document.xml"/>')


def make_raw_word(path: Path, document: str) -> Path:
    types = TYPES.format("wordprocessingml.document")
    return make_archive(path, {"[Content_Types].xml": types, "_rels/.rels": MAIN, "word/document.xml": document})


def test_word_has_the_pages_that_word_noted(tmp_path: Path) -> None:
    path = make_raw_word(tmp_path / "a.docx", WORD)
    assert read_places(path) == [(1, None, "First page."), (2, None, "Second\tpage.")]


def test_word_reads_boxes_and_tables_in_tables(tmp_path: Path) -> None:
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p>{}</w:tc>"
    inner = f"<w:tbl><w:tr>{cell.format('in', '')}{cell.format('side', '')}</w:tr></w:tbl>"
    table = f"<w:tbl><w:tr>{cell.format('out', inner)}{cell.format('last', '')}</w:tr></w:tbl>"
    box = "<w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p></w:txbxContent>"
    text = f"<w:p><w:r><w:t>before </w:t>{box}<w:t>after</w:t></w:r></w:p>"
    head = '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
    path = make_raw_word(tmp_path / "a.docx", f"{head}{text}{table}</w:body></w:document>")
    assert read_places(path) == [(None, None, "boxed\n\nbefore after\nout in | side | last")]


def test_slides_are_pages_with_titles_tables_and_notes(tmp_path: Path) -> None:
    path = make_powerpoint(tmp_path / "a.pptx")
    assert probe(path, "a.pptx").pages == 2
    assert read_places(path) == [
        (1, "Harvest of 1911", "The vines froze in April.\nThe summer was dry."),
        (2, "Yields", "Parish | Barrels\nUpper valley | 212\n\nNotes: Say that the cellar burned."),
    ]


def test_pictures_of_slides_are_read(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    draw_scan(["Cellar rules of 1911"], size=(640, 240)).save(tmp_path / "slide.png")
    slide.shapes.add_picture(str(tmp_path / "slide.png"), 0, 0)
    deck.save(str(tmp_path / "a.pptx"))
    assert read_segments(tmp_path / "a.pptx") == [
        Segment(text="Cellar rules of 1911", modality="screen", place=Place(page=1))
    ]


def test_sheet_with_a_stray_cell_at_its_end_is_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.create_sheet("Second")["XFD1048576"] = "end"
    book["Second"]["A1"] = "begin"
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(Refusal, match="too large: its cells reach over 1,048,576 rows and 16,384 columns"):
        read_all(tmp_path / "a.xlsx")


def test_rows_of_sheets_name_their_columns(tmp_path: Path) -> None:
    rows: list[list[object]] = [
        ["Stock list"],
        [],
        ["Item", "Price", "Since"],
        ["Rope", 12.5, datetime(2026, 1, 2)],
        ["Lamp", 7, None],
    ]
    path = make_excel(tmp_path / "a.xlsx", rows)
    assert read_places(path) == [
        (None, "Stock", "Stock list\nItem: Rope; Price: 12.5; Since: 2026-01-02\nItem: Lamp; Price: 7")
    ]


ODS = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
    '<table:table table:name="Ships">{}</table:table></office:spreadsheet></office:body></office:document-content>'
)
ODS_CELL = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'


def test_open_sheets_are_read_too(tmp_path: Path) -> None:
    rows = "".join(
        f"<table:table-row>{''.join(map(ODS_CELL.format, row))}</table:table-row>"
        for row in (["Name", "Port"], ["Aurora", "Bergen"])
    )
    mime = "application/vnd.oasis.opendocument.spreadsheet"
    path = make_archive(
        tmp_path / "a.ods", {"mimetype": mime, "META-INF/manifest.xml": "<m/>", "content.xml": ODS.format(rows)}
    )
    assert probe(path, "a.ods").mime == mime
    assert read_places(path) == [(None, "Ships", "Name: Aurora; Port: Bergen")]


@pytest.mark.parametrize(("delimiter", "name"), [(",", "a.csv"), (";", "a.csv"), ("\t", "a.tsv"), ("|", "data")])
def test_rows_of_text_tables_name_their_columns(tmp_path: Path, delimiter: str, name: str) -> None:
    rows = [["name", "price", "note"], ["rope", "12", '"long, thin"'], *(["lamp", "7", ""] for _ in range(5))]
    path = write(tmp_path / name, "\n".join(delimiter.join(row) for row in rows))
    assert probe(path, name).mime == "text/csv"
    assert read_segments(path)[0].text.startswith("name: rope; price: 12; note: long, thin\nname: lamp; price: 7\n")


def test_chapters_of_books_are_read_in_order(tmp_path: Path) -> None:
    path = make_epub(tmp_path / "a.epub", ["<h1>Arrival</h1><p>At&nbsp;dusk &amp; late.</p>", "<p>No heading.</p>"])
    assert probe(path, "a.epub").technical["title"] == "The lighthouse"
    assert read_places(path) == [(None, "Arrival", "At dusk & late."), (None, "Part 2", "No heading.")]


SUBTITLES = {
    "a.srt": "1\r\n"
    "00:00:01,000 --> 00:00:03,500\r\nHello <i>there</i>.\r\n\r\n2\r\n00:00:04,000 --> 00:00:06,000\r\nBye.\r\n",
    "a.vtt": "WEBVTT\n\nNOTE a note\nof two lines\n\n"
    "00:01.000 --> 00:03.500\nHello <b>there</b>.\n\nx\n00:04.000 --> 00:06.000 line:0\nBye.\n",
    "a.ass": "[Script Info]\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:03.50,Default,,0,0,0,,{\\i1}Hello{\\i0}\\Nthere.\n"
    "Dialogue: 0,0:00:04.00,0:00:06.00,Default,,0,0,0,,Bye.\n",
}


@pytest.mark.parametrize("name", SUBTITLES)
def test_subtitles_have_their_times(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, SUBTITLES[name])
    assert probe(path, name).duration_s == 6.0
    (segment,) = read_segments(path)
    assert (segment.text, segment.modality) == ("Hello there. Bye.", "speech")
    assert segment.place == Place(start_s=1.0, end_s=6.0, marks=(Mark(0, 1.0, 3.5), Mark(13, 4.0, 6.0)))


def test_subtitles_say_who_speaks(tmp_path: Path) -> None:
    path = write(tmp_path / "a.vtt", "WEBVTT\n\n00:01.000 --> 00:03.500\n<v.loud Ada Lovelace>It computes.\n")
    assert read_segments(path)[0].text == "Ada Lovelace: It computes."


def test_progress_is_told_as_it_goes(tmp_path: Path) -> None:
    readings = read_all(make_pdf(tmp_path / "a.pdf", [[BODY]] * 30))
    shares = [found.share for found in readings if isinstance(found, Progress)]
    assert shares == sorted(shares)
    assert len(shares) == 3
