"""Pictures: opened with care, turned as they are meant to be seen, and made small."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from multiturn.ingest.refusal import Refusal

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
MIMES = {"MPO": "image/jpeg", "JPEG2000": "image/jp2", "PPM": "image/x-portable-anymap"}
# Some 400 MB when it is open: beyond it a picture is taken for a bomb.
PIXELS_MAX = 100_000_000
SIDE_MAX = 640
JPEG_QUALITY = 80
# EXIF: orientations from 5 on lie on their side.
ORIENTATION, LYING = 0x0112, 5
ROTATIONS = {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}

PLAIN_MODES = ("L", "LA", "RGB", "RGBA")

Pixels = NDArray[np.uint8]


def open_image(path: Path) -> Image.Image | None:
    """Open an image, none of whose pixels is read yet; None when the file is no image.

    Raises Refusal for one that is too large or whose head is damaged.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(path, formats=FORMATS)
        except UnidentifiedImageError:
            return None
        except Image.DecompressionBombError as error:
            raise Refusal(f"The image has more than {PIXELS_MAX // 1_000_000} megapixels.") from error
        except (OSError, ValueError, SyntaxError) as error:
            raise Refusal(f"The image is cut off or damaged: {error}.") from error
    if image.width * image.height > PIXELS_MAX:
        image.close()
        raise Refusal(f"The image has more than {PIXELS_MAX // 1_000_000} megapixels.")
    return image


def load_image(image: Image.Image, *, side_max: int) -> Image.Image:
    """Read an image's pixels in colours, upright, and not larger than asked for. Raises Refusal when it is damaged."""
    try:
        # A JPEG can be decoded at an eighth of its size for nothing; it does not become smaller than asked for.
        image.draft("RGB", (side_max, side_max))
        image.load()
        plain = image if image.mode in PLAIN_MODES else _make_plain(image)
        if max(plain.size) > side_max:
            plain = plain.copy() if plain is image else plain
            plain.thumbnail((side_max, side_max))
        return _flatten(ImageOps.exif_transpose(plain))
    except (OSError, ValueError, SyntaxError, IndexError, EOFError) as error:
        raise Refusal(f"The image is cut off or damaged: {error}.") from error


def _make_plain(image: Image.Image) -> Image.Image:
    """Turn palettes and the like into colours, and more than 8 bits into 8."""
    if image.mode.startswith("I") or image.mode == "F":
        return _stretch(image)
    return image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")


def _flatten(image: Image.Image) -> Image.Image:
    """Lay what is transparent on white, as a page would."""
    if image.mode in ("RGBA", "LA"):
        seen = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", seen.size, "white"), seen).convert("RGB")
    return image.convert("RGB")


def _stretch(image: Image.Image) -> Image.Image:
    """Bring a picture of more than 8 bits to 8, from its darkest to its lightest."""
    values = np.asarray(image, np.float32)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(scaled.astype(np.uint8))


def read_image_facts(image: Image.Image) -> dict[str, Any]:
    """The technical facts of an image; its pixels are read, so that a damaged one is found. Raises Refusal."""
    width, height = image.size
    form = image.format or ""
    orientation = _find_orientation(image)
    if orientation >= LYING:
        width, height = height, width
    facts = {
        "file_mime_type": MIMES.get(form, Image.MIME.get(form, "image/x-unknown")),
        "file_container_format": form.lower(),
        "image_width": width,
        "image_height": height,
        "image_mode": image.mode,
        "image_rotation": ROTATIONS.get(orientation, 0),
        "image_frames": getattr(image, "n_frames", 1),
    }
    load_image(image, side_max=SIDE_MAX)
    return facts


def _find_orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except (OSError, ValueError, SyntaxError, TypeError):
        return 1


def read_frame(frame: av.VideoFrame, *, side_max: int) -> Image.Image:
    """A frame of a film in colours, upright, and not larger than asked for."""
    width, height = _fit(frame, side_max)
    pixels = frame.reformat(width, height, "rgb24", interpolation="AREA").to_ndarray()
    image = Image.fromarray(pixels)
    return image.rotate(frame.rotation, expand=True) if frame.rotation % 360 else image


def _fit(frame: av.VideoFrame, side_max: int) -> tuple[int, int]:
    """The size of a frame as it is to be seen: never 0, even for the thinnest."""
    share = min(1.0, side_max / max(frame.width, frame.height))
    return max(2, round(frame.width * share)), max(2, round(frame.height * share))


def write_jpeg(image: Image.Image, *, side_max: int = SIDE_MAX) -> bytes:
    """Write an image as JPEG, made small where it is larger."""
    if max(image.size) > side_max:
        image = image.copy()
        image.thumbnail((side_max, side_max))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
