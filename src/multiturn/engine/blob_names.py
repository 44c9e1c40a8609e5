"""What the files of an asset are called where files are kept."""

from __future__ import annotations

from uuid import UUID

from multiturn.model.asset import Asset


def name_folder(tenant_id: UUID, asset_id: UUID) -> str:
    """Below this are all files of an asset."""
    return f"{tenant_id}/{asset_id}"


def name_original(asset: Asset) -> str:
    """The file as it was put in."""
    return f"{name_folder(asset.tenant_id, asset.id)}/original"


def name_thumbnail(asset: Asset) -> str:
    """A small picture of it."""
    return f"{name_folder(asset.tenant_id, asset.id)}/thumb.jpg"


def name_frame(asset: Asset, number: int) -> str:
    """The key frame of a shot, or the picture of a page."""
    return f"{name_folder(asset.tenant_id, asset.id)}/frames/{number}.jpg"


def name_hls(asset: Asset, file: str) -> str:
    """A file of its HLS stream."""
    return f"{name_folder(asset.tenant_id, asset.id)}/hls/{file}"


def name_chunks(tenant_id: UUID, asset_id: UUID) -> str:
    """Below this are the parts of a file that comes in parts."""
    return f"{name_folder(tenant_id, asset_id)}/chunks"


def name_chunk(tenant_id: UUID, asset_id: UUID, index: int) -> str:
    """A part of a file that comes in parts."""
    return f"{name_chunks(tenant_id, asset_id)}/{index}"


def read_folder(name: str) -> tuple[UUID, UUID] | None:
    """The tenant and the asset that a folder is of; None for one that is not ours."""
    tenant, _, asset = name.partition("/")
    try:
        return UUID(tenant), UUID(asset)
    except ValueError:
        return None
