"""Tells what a file is by its content; its name decides between kinds of text only."""

from __future__ import annotations

import re
from pathlib import Path, PurePath

from multiturn.ingest.archive import Archive
from multiturn.ingest.decoding import decode, find_encoding, read_sample
from multiturn.ingest.delimiters import find_delimiter
from multiturn.ingest.readers import EPUB, EXCEL, EXCEL_BINARY, EXCEL_OLD, KINDS_READ, OPEN_SHEET, POWERPOINT, WORD
from multiturn.ingest.refusal import Refusal

# For those who know pictures, sound and film better; and what is perhaps one of these.
MEDIA, UNKNOWN = "media", "unknown"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
SEARCH_BYTES = 1 << 20
# JPEG, PNG, GIF, TIFF, BMP; WAV, AVI, WebP; AIFF; Matroska, FLV, ASF, MPEG; MP3 with tags, FLAC, Ogg, AMR, CAF.
MEDIA_HEAD = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|II\*\0|MM\0\*|BM.{4}\0\0\0\0|(?:RIFF|RF64).{4}(?:WAVE|AVI |WEBP)"
    rb"|FORM.{4}AIF[FC]|\x1aE\xdf\xa3|FLV\x01|\x30\x26\xb2\x75\x8e\x66\xcf\x11|\0\0\x01[\xba\xb3]|ID3[\x02-\x04]"
    rb"|fLaC|OggS\0|#!AMR|caff\0",
    re.DOTALL,
)
# Of QuickTime and MP4, the second word.
BOXES = frozenset((b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"))
OTHERS = (
    (b"{\\rtf", "in the Rich Text Format", "Save it as .docx or PDF."),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Put in the files that it contains."),
    (b"Rar!\x1a\x07", "a RAR archive", "Put in the files that it contains."),
    (b"\x1f\x8b", "compressed by gzip", "Put in what it contains."),
    (b"BZh", "compressed by bzip2", "Put in what it contains."),
    (b"\xfd7zXZ\0", "compressed by xz", "Put in what it contains."),
    (b"\x28\xb5\x2f\xfd", "compressed by Zstandard", "Put in what it contains."),
    (b"MZ", "a program for Windows", ""),
    (b"\x7fELF", "a program", ""),
    (b"SQLite format 3\0", "a SQLite database", "Export what it contains, as CSV for example."),
    (b"%!PS", "in PostScript", "Save it as PDF."),
)
# The main part of an Office document, by the end of its content type.
OFFICE = (
    (re.compile(rb"wordprocessingml\.\w+\.main|ms-word\.\w+\.macroEnabled(Template)?\.main"), WORD),
    (re.compile(rb"presentationml\.\w+\.main|ms-powerpoint\.\w+\.macroEnabled\.main"), POWERPOINT),
    (re.compile(rb"ms-excel\.sheet\.binary\.macroEnabled\.main"), EXCEL_BINARY),
    (re.compile(rb"spreadsheetml\.\w+\.main|ms-excel\.\w+\.macroEnabled\.main"), EXCEL),
)
OLD_OFFICE = (
    ("EncryptedPackage", None, "The file is an Office document with a password: save it without one."),
    ("WordDocument", None, "The file is a document of Word 97 to 2003 (.doc): save it as .docx."),
    ("PowerPoint Document", None, "The file is a presentation of PowerPoint 97 to 2003 (.ppt): save it as .pptx."),
    ("Workbook", EXCEL_OLD, ""),
    ("Book", EXCEL_OLD, ""),
)
HTML = re.compile(
    r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
HTML_PIECE = re.compile(r"<(?:p|div|h[1-6]|table|ul|ol|span|article|section)\b[^>]*>", re.IGNORECASE)
SUBRIP = re.compile(r"\s*\d+[ \t]*\n\d{1,3}:\d\d:\d\d[,.]\d{1,3}[ \t]*-->")
MARKDOWN_HEADING = re.compile(r"^#{1,6}[ \t]+\S", re.MULTILINE)
MARKDOWN_NAMES = frozenset((".md", ".markdown", ".mkd", ".mdown", ".mdx", ".qmd", ".rmd"))
PROSE_NAMES = frozenset(("", ".txt", ".text"))
TABLE_NAMES = frozenset((".csv", ".tsv", ".tab"))
# A text under such a name is what a download left that failed, or the wrong file.
BINARY_NAMES = frozenset((
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".mp3", ".m4a", ".aac",
    ".wav", ".flac", ".ogg", ".opus", ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff",
    ".heic", ".avif", ".pdf", ".docx", ".pptx", ".xlsx", ".xls", ".epub",
))  # fmt: skip


def sniff(path: Path, filename: str) -> str:
    """The media type of a document, MEDIA, or UNKNOWN. Raises Refusal for what nobody reads, and says what it is."""
    head = read_sample(path)
    if not head:
        raise Refusal("The file is empty.")
    if not head.strip(b"\0"):
        raise Refusal("The file contains nothing but zeros: its content was lost before it came here.")
    if b"%PDF-" in head[:1024]:
        return "application/pdf"
    if head.startswith(b"PK\x03\x04"):
        return _sniff_archive(path)
    if head.startswith(OLE):
        return _sniff_old_office(path)
    for mark, what, advice in OTHERS:
        if head.startswith(mark):
            raise Refusal(f"The file is {what}, which is not read. {advice}".rstrip())
    encoding = find_encoding(head)
    if _is_media(head, is_text=encoding is not None):
        return MEDIA
    return _sniff_text(decode(head), filename) if encoding else UNKNOWN


def _is_media(head: bytes, *, is_text: bool) -> bool:
    # The packets of MPEG-TS; a text may have the letter G there, too.
    is_transport = head[:1] == b"G" and head[188:189] == b"G" and head[376:377] in (b"G", b"") and not is_text
    return is_transport or head[4:8] in BOXES or MEDIA_HEAD.match(head) is not None


def _sniff_archive(path: Path) -> str:
    with Archive.open(path) as archive:
        if "mimetype" in archive.names:
            mime = archive.read("mimetype").decode("ascii", "replace").strip()
            if mime in (EPUB, OPEN_SHEET):
                return mime
            if mime.startswith("application/vnd.oasis"):
                raise Refusal("The file is an OpenDocument text or presentation: save it as .docx, .pptx or PDF.")
        if "META-INF/container.xml" in archive.names:
            return EPUB
        if "[Content_Types].xml" in archive.names:
            types = archive.read("[Content_Types].xml")
            for pattern, mime in OFFICE:
                if pattern.search(types):
                    return mime
    raise Refusal("The file is a zip archive, which is not read: put in the files that it contains.")


def _sniff_old_office(path: Path) -> str:
    """Streams of such a file are told by their names, in UTF-16 somewhere in it."""
    found = _find_any(path, [name.encode("utf-16-le") + b"\0\0" for name, _, _ in OLD_OFFICE])
    for (_, mime, refusal), is_there in zip(OLD_OFFICE, found, strict=True):
        if is_there and mime:
            return mime
        if is_there:
            raise Refusal(refusal)
    raise Refusal(f"The file is of a kind of Microsoft Office that is not read. What is read: {KINDS_READ}.")


def _find_any(path: Path, marks: list[bytes]) -> list[bool]:
    found = [False] * len(marks)
    tail = b""
    with path.open("rb") as file:
        while data := file.read(SEARCH_BYTES):
            found = [is_there or mark in tail + data for is_there, mark in zip(found, marks, strict=True)]
            tail = data[-64:]
    return found


def _sniff_text(text: str, filename: str) -> str:
    suffix = PurePath(filename.lower()).suffix
    mime = _tell_text(text.removeprefix("\ufeff"), suffix)
    if suffix in BINARY_NAMES:
        what = "a web page (HTML), as of a download that failed" if mime == "text/html" else "a text"
        raise Refusal(f"The file is named {suffix}, but its content is {what}.")
    return mime


def _tell_text(text: str, suffix: str) -> str:
    start = text.lstrip()[:200]
    if start.startswith("WEBVTT"):
        return "text/vtt"
    if SUBRIP.match(text):
        return "application/x-subrip"
    if start.startswith("[Script Info]"):
        return "text/x-ssa"
    if HTML.match(text[:4096]) or (suffix in (".html", ".htm", ".xhtml") and HTML_PIECE.search(text)):
        return "text/html"
    if suffix in MARKDOWN_NAMES or (suffix in PROSE_NAMES and len(MARKDOWN_HEADING.findall(text)) > 1):
        return "text/markdown"
    if suffix == ".json" or (suffix in PROSE_NAMES and start.startswith(('{"', '[{"'))):
        return "application/json"
    if find_delimiter(text, is_expected=suffix in TABLE_NAMES):
        return "text/csv" if suffix in TABLE_NAMES | PROSE_NAMES else "text/plain"
    return "text/plain"
