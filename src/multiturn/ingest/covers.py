"""Thumbnails of documents: their first page, or the picture of their cover."""

from __future__ import annotations

import io

from PIL import Image

SIDE_PIXELS_MAX = 640
JPEG_QUALITY = 80
COVER_PIXELS_MAX = 50_000_000
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


def shrink(image: Image.Image) -> bytes:
    """A JPEG of at most 640 pixels a side."""
    small = image.convert("RGB")
    small.thumbnail((SIDE_PIXELS_MAX, SIDE_PIXELS_MAX))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def shrink_cover(data: bytes) -> bytes | None:
    """A JPEG of a cover; None when the picture is damaged, or too large for one."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > COVER_PIXELS_MAX:
                return None
            image.draft("RGB", (SIDE_PIXELS_MAX, SIDE_PIXELS_MAX))
            return shrink(image)
    except (OSError, ValueError, SyntaxError):
        return None
