"""Files of an asset that can be asked for one by one: itself, its thumbnail, key frames, its HLS stream."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from multiturn.engine.assets import Assets
from multiturn.engine.blob_names import name_frame, name_hls, name_original, name_thumbnail
from multiturn.errors import NotFound
from multiturn.model.asset import Asset

HLS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,80}(\.(?:m3u8|ts|m4s|mp4|aac|vtt))", re.ASCII)
HLS_TYPES: Mapping[str, str] = {
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
    ".m4s": "video/iso.segment",
    ".mp4": "video/mp4",
    ".aac": "audio/aac",
    ".vtt": "text/vtt",
}
JPEG = "image/jpeg"


class MediaFile(NamedTuple):
    """A file and what is said of it. ``tag`` is another when its bytes are; ``is_safe``: its type was found out by its
    content, and is not what somebody says.
    """

    blob: str
    size_bytes: int
    mime: str
    filename: str
    tag: str
    changed_at: datetime
    is_safe: bool = True


async def find_original(assets: Assets, asset: Asset) -> MediaFile:
    """The file as it was put in. Raises NotFound while it is not there."""
    found = await find_file(assets, asset, name_original(asset), (asset.filename, asset.mime))
    return found._replace(tag=asset.digest or found.tag, is_safe=asset.status == "ready")


async def find_thumbnail(assets: Assets, asset: Asset) -> MediaFile:
    """Its thumbnail. Raises NotFound."""
    return await find_file(assets, asset, name_thumbnail(asset), ("thumbnail.jpg", JPEG))


async def find_frame(assets: Assets, asset: Asset, number: int) -> MediaFile:
    """The key frame of a shot, or the picture of a page; its thumbnail where there is none. Raises NotFound."""
    try:
        return await find_file(assets, asset, name_frame(asset, number), (f"{number}.jpg", JPEG))
    except NotFound:
        return await find_thumbnail(assets, asset)


async def find_hls(assets: Assets, asset: Asset, name: str) -> MediaFile:
    """A file of its HLS stream. Raises NotFound."""
    found = HLS_NAME.fullmatch(name)
    if found is None:
        raise no_file(name)
    return await find_file(assets, asset, name_hls(asset, name), (name, HLS_TYPES[found[1]]))


async def find_file(assets: Assets, asset: Asset, blob: str, called: tuple[str, str]) -> MediaFile:
    """A file by its name among all. Raises NotFound."""
    filename, mime = called
    size = await assets.blobs.find_size(blob)
    if size is None:
        raise no_file(filename)
    tag = f"{asset.id.hex}-{size:x}-{int(asset.updated_at.timestamp() * 1000):x}"
    return MediaFile(blob, size, mime, filename, tag, asset.updated_at)


def no_file(name: str) -> NotFound:
    """The error of a file that an asset does not have, or not yet."""
    return NotFound(f"The asset has no file '{name[:80]}', or not yet.", code="file_not_found")
