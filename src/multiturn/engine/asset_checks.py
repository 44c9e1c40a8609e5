"""What may be put in: sizes by kind and way, orders that make sense, metadata of files."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from multiturn.engine.metadata import check_object
from multiturn.errors import InvalidRequest, UnreadableFile
from multiturn.model.asset import Asset, AssetOrder, Probe

URL_CHARS_MAX = 8192
KEY_CHARS_MAX = 128
INTEGER_MAX = 2**53 - 1
# What a server calls recordings; and what says nothing, which may be one.
MEDIA_MIMES = ("video/", "audio/", "application/octet-stream", "binary/octet-stream", "application/vnd.apple.mpegurl")


class AssetLimits(Struct, frozen=True, kw_only=True):
    """The largest files, in bytes: in one upload, of images whatever way they come, in parts, and fetched by URL."""

    upload_bytes_max: int
    image_bytes_max: int
    multipart_bytes_max: int
    fetch_bytes_max: int
    fetch_document_bytes_max: int

    def of_fetch(self, mime: str) -> int:
        """The limit while a file is fetched, by what its server says it is; its content decides later."""
        is_media = not mime or mime.startswith(MEDIA_MIMES)
        return self.fetch_bytes_max if is_media else self.fetch_document_bytes_max

    def of_file(self, asset: Asset, probe: Probe) -> int:
        """The limit of a file whose content is known. How large it may be in one upload was decided when it came."""
        if probe.kind == "image":
            return self.image_bytes_max
        if asset.method == "url":
            return self.fetch_document_bytes_max if probe.kind == "document" else self.fetch_bytes_max
        return max(self.upload_bytes_max, self.multipart_bytes_max)


def check_size(asset: Asset, probe: Probe, limits: AssetLimits) -> None:
    """Raises UnreadableFile for a file over the limit of its kind."""
    limit = limits.of_file(asset, probe)
    if (asset.size_bytes or 0) > limit:
        raise over_limit(probe.kind, limit)


def over_limit(what: str, limit: int) -> UnreadableFile:
    """The error of a file that is too large, for a person."""
    return UnreadableFile(f"The {what} is too large: {limit / 1024 / 1024:.4g} MiB are the most.")


def check_order(order: AssetOrder, *, has_file: bool) -> None:
    """Raises InvalidRequest for an order that says both or neither of a file and a URL, or holds what cannot be."""
    if order.method == "direct" and not has_file:
        raise InvalidRequest("'file' is missing: a file is put in with method 'direct'.", param="file")
    if order.method == "url" and has_file:
        raise InvalidRequest("'file' cannot be sent with method 'url'.", param="file")
    if order.method == "url" and not order.url:
        raise InvalidRequest("'url' is missing: a file is fetched with method 'url'.", param="url")
    if order.method != "url" and order.url:
        raise InvalidRequest("'url' goes with method 'url'.", param="url")
    if order.url:
        check_url(order.url)
    if order.metadata is not None:
        check_metadata(order.metadata)


def check_url(url: str) -> None:
    """Raises InvalidRequest for what cannot be fetched."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or len(url) > URL_CHARS_MAX or not url.isprintable():
        text = f"'url' must be an address that begins with http:// or https://; it is '{url[:80]}'."
        raise InvalidRequest(text, param="url")


def check_metadata(metadata: dict[str, Any]) -> None:
    """Raises InvalidRequest for metadata that are not texts, numbers, booleans and lists of texts."""
    for key, value in metadata.items():
        if not key or len(key) > KEY_CHARS_MAX:
            raise InvalidRequest(f"A key of 'metadata' must have 1 to {KEY_CHARS_MAX} characters.", param="metadata")
        if not is_value(value):
            text = f"'metadata.{key[:40]}' must be a text, a number, true or false, or a list of texts."
            raise InvalidRequest(text, param="metadata")
    check_object(metadata, "metadata")


def is_value(value: Any) -> bool:
    """Whether a value may stand in metadata."""
    if isinstance(value, list):
        return all(isinstance(one, str) for one in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) <= INTEGER_MAX
    return isinstance(value, str | bool | float)
