"""Which module reads what: only the process that needs a reader imports it, and with it the libraries it needs."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from multiturn.model.asset import AssetKind, Probe

INGEST = "multiturn.ingest"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
POWERPOINT = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
EXCEL_OLD = "application/vnd.ms-excel"
EXCEL_BINARY = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
OPEN_SHEET = "application/vnd.oasis.opendocument.spreadsheet"
EPUB = "application/epub+zip"

# The module of each kind of document, by its media type.
DOCUMENTS: Mapping[str, str] = {
    "text/plain": f"{INGEST}.text",
    "text/markdown": f"{INGEST}.markdown",
    "application/json": f"{INGEST}.text",
    "text/html": f"{INGEST}.html",
    "application/pdf": f"{INGEST}.pdf",
    WORD: f"{INGEST}.word",
    POWERPOINT: f"{INGEST}.powerpoint",
    EXCEL: f"{INGEST}.sheets",
    EXCEL_OLD: f"{INGEST}.sheets",
    EXCEL_BINARY: f"{INGEST}.sheets",
    OPEN_SHEET: f"{INGEST}.sheets",
    "text/csv": f"{INGEST}.tables",
    EPUB: f"{INGEST}.epub",
    "application/x-subrip": f"{INGEST}.subtitles",
    "text/vtt": f"{INGEST}.subtitles",
    "text/x-ssa": f"{INGEST}.subtitles",
}
MEDIA: Mapping[AssetKind, str] = {
    "video": f"{INGEST}.video",
    "audio": f"{INGEST}.audio",
    "image": f"{INGEST}.image",
}
# What a person is told can be read.
KINDS_READ = (
    "text, Markdown, HTML, PDF, Word (.docx), PowerPoint (.pptx), Excel (.xlsx, .xls, .xlsb), OpenDocument sheets "
    "(.ods), CSV, EPUB, subtitles (.srt, .vtt, .ass), JSON and source code, images, and the audio and video that "
    "FFmpeg reads"
)


class ReaderTable(Struct, frozen=True, kw_only=True):
    """The modules that read, by name: of documents by media type, of media by kind."""

    probing: str = f"{INGEST}.probing"
    documents: Mapping[str, str] = field(default_factory=lambda: DOCUMENTS)
    media: Mapping[AssetKind, str] = field(default_factory=lambda: MEDIA)
    media_thumbnails: str = f"{INGEST}.thumbnails"
    hls: str = f"{INGEST}.hls"

    def find_reader(self, probe: Probe) -> str | None:
        """The module that reads such a file; None when nobody does."""
        return self.documents.get(probe.mime) if probe.kind == "document" else self.media.get(probe.kind)

    def find_thumbnails(self, probe: Probe) -> str | None:
        """The module that makes its thumbnail."""
        return self.documents.get(probe.mime) if probe.kind == "document" else self.media_thumbnails
