"""Pictures in documents, and thumbnails: the first page, or the picture of the cover."""

from __future__ import annotations

import io

from PIL import Image

SIDE_PIXELS_MAX = 640
JPEG_QUALITY = 80
PICTURE_PIXELS_MAX = 50_000_000
FORMATS = ("JPEG", "PNG", "GIF", "WEBP")


def shrink(image: Image.Image) -> bytes:
    """A JPEG of at most 640 pixels a side."""
    small = image.convert("RGB")
    small.thumbnail((SIDE_PIXELS_MAX, SIDE_PIXELS_MAX))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()


def open_picture(data: bytes, *, side_max: int) -> Image.Image | None:
    """A picture out of a document, of at most so many pixels a side; None when it is damaged or too large."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > PICTURE_PIXELS_MAX:
                return None
            image.draft("RGB", (side_max, side_max))
            plain = image.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None
    plain.thumbnail((side_max, side_max))
    return plain


def shrink_cover(data: bytes) -> bytes | None:
    """A JPEG of a cover; None when the picture is damaged, or too large for one."""
    image = open_picture(data, side_max=SIDE_PIXELS_MAX)
    return shrink(image) if image else None
