"""Tells what a file is, and whether it can be read."""

from __future__ import annotations

import importlib
from pathlib import Path

import msgspec

from multiturn.ingest.readers import DOCUMENTS, INGEST, KINDS_READ
from multiturn.ingest.refusal import Refusal
from multiturn.ingest.sniffing import MEDIA, UNKNOWN, sniff
from multiturn.model.asset import Probe

MEDIA_PROBE = f"{INGEST}.media_probe"
TITLE_CHARACTERS_MAX = 300


def probe(path: Path, filename: str) -> Probe:
    """What a file is. Raises Refusal for one that is empty, broken, encrypted or of a kind that nobody reads."""
    mime = sniff(path, filename)
    if mime in (MEDIA, UNKNOWN):
        return _probe_media(path, filename, is_certain=mime == MEDIA)
    module = importlib.import_module(DOCUMENTS[mime])
    look = getattr(module, "probe", None)
    found = look(path, filename) if look else Probe(kind="document", mime=mime)
    technical = {**found.technical, "file_size_bytes": path.stat().st_size, "file_mime_type": mime}
    if title := " ".join(str(technical.pop("title", "") or "").split()):
        technical["title"] = title[:TITLE_CHARACTERS_MAX]
    return msgspec.structs.replace(found, mime=mime, technical=technical)


def _probe_media(path: Path, filename: str, *, is_certain: bool) -> Probe:
    try:
        found: Probe = importlib.import_module(MEDIA_PROBE).probe(path, filename)
    except Refusal as refusal:
        if is_certain:
            raise
        raise Refusal(f"The file is of a kind that is not read. What is read: {KINDS_READ}.") from refusal
    return found
