"""Links as they leave the server: absolute, by the public URL that is set, else by the host that was asked."""

from __future__ import annotations

from starlette.requests import Request

from multiturn.model.segment import Place


def absolute(request: Request, url: str) -> str:
    """A link of the engine made absolute: it is a path where no public URL is set."""
    return f"{request.url.scheme}://{request.url.netloc}{url}" if url.startswith("/") else url


def write_fragment(place: Place) -> str:
    """The part of a link that opens a file at a place (W3C Media Fragments; RFC 8118 for PDF)."""
    if place.start_s is not None:
        return f"#t={seconds(place.start_s)}" + (f",{seconds(place.end_s)}" if place.end_s is not None else "")
    return f"#page={place.page}" if place.page is not None else ""


def seconds(time_s: float) -> str:
    """Seconds without needless zeros."""
    return f"{time_s:.3f}".rstrip("0").rstrip(".")
