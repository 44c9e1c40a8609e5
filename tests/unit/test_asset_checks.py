"""What may be put in: orders that make sense, addresses that can be fetched, metadata, and sizes by kind and way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from multiturn.engine.asset_checks import AssetLimits, check_metadata, check_order, check_size, check_url
from multiturn.engine.blob_names import name_chunk, name_folder, name_frame, name_hls, name_original, read_folder
from multiturn.errors import InvalidRequest, UnreadableFile
from multiturn.model.asset import Asset, AssetKind, AssetOrder, Probe

TENANT, ASSET = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIMITS = AssetLimits(
    upload_bytes_max=200,
    image_bytes_max=32,
    multipart_bytes_max=4000,
    fetch_bytes_max=1000,
    fetch_document_bytes_max=100,
)


def make_asset(method: Any = "direct", size_bytes: int | None = None) -> Asset:
    """An asset that came in by a way, of a size."""
    return Asset(
        id=ASSET,
        tenant_id=TENANT,
        method=method,
        status="processing",
        alias="0" * 24,
        mime="video/mp4",
        filename="talk.mp4",
        created_at=NOW,
        updated_at=NOW,
        size_bytes=size_bytes,
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "https://example.org:8443/talk.mp4?x=1#t",
        "https://[2606:4700::1111]/a",
        "https://example.org/" + "a" * 8172,
    ],
)
def test_address_that_can_be_fetched_passes(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a",
        "file:///etc/passwd",
        "example.org/a",
        "https://",
        "https:///a",
        "https://example.org:port/",
        "https://example.org:99999/",
        "https://example.org:0/",
        "https://[::1/",
        "https://example.org/a\nb",
        "https://example.org/" + "a" * 8173,
    ],
)
def test_address_that_cannot_be_fetched_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_url(url)
    assert refused.value.param == "url"


@pytest.mark.parametrize(
    ("order", "has_file", "param"),
    [
        (AssetOrder(method="direct"), False, "file"),
        (AssetOrder(method="direct", url="https://example.org/a"), True, "url"),
        (AssetOrder(method="url"), False, "url"),
        (AssetOrder(method="url", url="https://example.org/a"), True, "file"),
        (AssetOrder(method="url", url="ftp://example.org/a"), False, "url"),
        (AssetOrder(method="direct", metadata={"a": None}), True, "metadata"),
    ],
)
def test_order_has_a_file_or_a_url(order: AssetOrder, has_file: bool, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_order(order, has_file=has_file)
    assert refused.value.param == param


def test_order_that_makes_sense_passes() -> None:
    check_order(AssetOrder(method="direct", metadata={"city": "Lisbon"}), has_file=True)
    check_order(AssetOrder(method="url", url="https://example.org/a"), has_file=False)


@pytest.mark.parametrize("value", ["text", 0, -1.5, True, [], ["28", "15"], 2**53 - 1, 1 - 2**53])
def test_plain_values_may_stand_in_metadata(value: Any) -> None:
    check_metadata({"k" * 128: value})


@pytest.mark.parametrize(
    "metadata",
    [{"": 1}, {"k" * 129: 1}, {"a": None}, {"a": {}}, {"a": [1]}, {"a": ["x", None]}, {"a": 2**53}, {"a": -(2**53)}],
)
def test_other_values_may_not(metadata: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_metadata(metadata)
    assert refused.value.param == "metadata"


@pytest.mark.parametrize(
    ("method", "kind", "limit"),
    [
        ("direct", "video", 4000),
        ("direct", "document", 4000),
        ("direct", "image", 32),
        ("url", "image", 32),
        ("url", "video", 1000),
        ("url", "audio", 1000),
        ("url", "document", 100),
    ],
)
def test_file_may_be_as_large_as_its_kind_and_way(method: str, kind: AssetKind, limit: int) -> None:
    probe = Probe(kind=kind, mime="x/y")
    check_size(make_asset(method, limit), probe, LIMITS)
    with pytest.raises(UnreadableFile, match=f"The {kind} is too large"):
        check_size(make_asset(method, limit + 1), probe, LIMITS)


@pytest.mark.parametrize(
    ("mime", "limit"),
    [
        ("", 1000),
        ("video/mp4", 1000),
        ("audio/mpeg", 1000),
        ("application/octet-stream", 1000),
        ("application/vnd.apple.mpegurl", 1000),
        ("application/pdf", 100),
        ("text/html", 100),
    ],
)
def test_while_it_is_fetched_its_servers_word_counts(mime: str, limit: int) -> None:
    assert LIMITS.of_fetch(mime) == limit


def test_all_files_of_an_asset_lie_below_its_folder() -> None:
    asset, folder = make_asset(), name_folder(TENANT, ASSET)
    names = [name_original(asset), name_frame(asset, 3), name_hls(asset, "0.ts"), name_chunk(TENANT, ASSET, 7)]
    assert [name.removeprefix(folder) for name in names] == ["/original", "/frames/3.jpg", "/hls/0.ts", "/chunks/7"]
    assert read_folder(folder) == (TENANT, ASSET)


@pytest.mark.parametrize("name", ["", "lost+found", f"{TENANT}", f"{TENANT}/x", f"x/{ASSET}", f"{TENANT}/{ASSET}/hls"])
def test_folder_that_is_not_ours_is_left_alone(name: str) -> None:
    assert read_folder(name) is None
