"""What Word and PowerPoint documents have in common: a main part, a title, a number of pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multiturn.ingest.archive import Archive
from multiturn.ingest.refusal import Refusal
from multiturn.model.asset import Probe


def find_main(archive: Archive) -> str:
    """The main part of a document. Raises Refusal when it names none."""
    for _, kind, name in archive.find_related(""):
        if kind == "officeDocument":
            return name
    raise Refusal("The file is damaged: it does not say where its text is.")


def probe_office(path: Path, mime: str, pages_name: str) -> Probe:
    """What a document says of itself. Raises Refusal when it is broken."""
    with Archive.open(path) as archive:
        main = find_main(archive)
        if main not in archive.names:
            raise Refusal("The file is damaged: its text is missing.")
        core, app = (
            _find_text(archive, "core-properties", "title"),
            _find_text(archive, "extended-properties", pages_name),
        )
    technical: dict[str, Any] = {"title": core} if core else {}
    # Programs other than Microsoft's leave the 1 of their template there.
    pages = int(app) if app and app.isdigit() and 1 < int(app) < 1_000_000 else None
    return Probe(kind="document", mime=mime, pages=pages, technical=technical)


def _find_text(archive: Archive, kind: str, name: str) -> str | None:
    for _, related, part in archive.find_related(""):
        if related == kind and part in archive.names:
            found = archive.parse(part).find("{*}" + name)
            return found.text if found is not None else None
    return None
