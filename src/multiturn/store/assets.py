"""Assets in the store: what is known of files, and the secret that their links are signed with."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from multiturn.model.asset import Asset, AssetFilter, AssetReading, MetadataChange
from multiturn.model.ids import find_alias, find_id
from multiturn.store.database import Database, Row, Transaction
from multiturn.store.jobs import defer_job
from multiturn.store.rows import as_id, as_json, as_ms, as_time, read_metadata

FIRST_ID, LAST_ID = UUID(int=0), UUID(int=2**128 - 1)
SECRET_BYTES = 32
# Who puts the same bytes in more often has more than they can be told of.
SAME_BYTES_MAX = 1000
LIKE_SPECIAL = str.maketrans({"!": "!!", "%": "!%", "_": "!_"})


class SqlAssetStore:
    """Keeps what is known of assets in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def add(self, asset: Asset) -> None:
        """Store a new asset, and the job that probes it unless its file has yet to come."""
        async with self.database.transaction() as tx:
            await add_asset(tx, asset)
            if asset.method != "multipart":
                await defer_probe(tx, asset)

    async def find(self, tenant_id: UUID, asset_id: UUID | str) -> Asset | None:
        """Find an asset by its id, or by its alias."""
        async with self.database.reading() as tx:
            return await find_asset(tx, tenant_id, asset_id)

    async def list_assets(self, tenant_id: UUID, which: AssetFilter) -> tuple[Sequence[Asset], int]:
        """A page of assets, and how many there are in all."""
        async with self.database.reading() as tx:
            if which.ids or which.digest:
                return cut_page(await find_named(tx, tenant_id, which), which)
            query = "list_assets" if which.newest_first else "list_assets_oldest_first"
            where = {**filter_assets(which), "tenant_id": tenant_id}
            end = LAST_ID if which.newest_first else FIRST_ID
            page = {"cursor": which.cursor or end, "limit": which.limit, "offset": which.offset}
            rows = await tx.fetch_all(query, {**where, **page})
            total = await tx.fetch_one("count_assets", where)
        return [read_asset(row) for row in rows], (total or (0,))[0]

    async def save(self, asset: Asset) -> bool:
        """Store everything that may change of an asset but its metadata; False when it was deleted meanwhile."""
        async with self.database.transaction() as tx:
            return bool(await tx.execute("change_asset", write_asset(asset)))

    async def change_metadata(
        self, tenant_id: UUID, asset_id: UUID, change: MetadataChange, now: datetime
    ) -> Asset | None:
        """Store what ``change`` makes of an asset's metadata; None when it is not there."""
        which = {"tenant_id": tenant_id, "id": asset_id}
        async with self.database.transaction() as tx:
            row = await tx.fetch_one("lock_asset", which)
            if row is None:
                return None
            metadata = change(read_metadata(row[0]) if row[0] else None)
            written = None if metadata is None else as_json(metadata)
            await tx.execute("change_asset_metadata", {**which, "metadata": written, "updated_at": as_ms(now)})
            return await find_asset(tx, tenant_id, asset_id)

    async def list_items(self, tenant_id: UUID, asset_id: UUID) -> Sequence[tuple[UUID, UUID]]:
        """The items that were made of an asset, as (store, item)."""
        async with self.database.reading() as tx:
            rows = await tx.fetch_all("list_items_of_asset", {"tenant_id": tenant_id, "asset_id": asset_id})
        return [(as_id(store_id), as_id(item_id)) for store_id, item_id in rows]

    async def find_read_item(self, tenant_id: UUID, asset_id: UUID) -> AssetReading | None:
        """The item whose text is the asset's: the newest that is ready, else one that may become so."""
        async with self.database.reading() as tx:
            row = await tx.fetch_one("find_read_item", {"tenant_id": tenant_id, "asset_id": asset_id})
        return AssetReading(item_id=as_id(row[0]), status=row[1], error=row[2]) if row else None

    async def delete(self, tenant_id: UUID, asset_id: UUID) -> bool:
        """Delete an asset, its uploads and its jobs; False when it is not there."""
        which = {"tenant_id": tenant_id, "id": asset_id}
        async with self.database.transaction() as tx:
            await tx.execute("remove_asset_chunks", which)
            await tx.execute("remove_asset_uploads", which)
            await tx.execute("remove_job", {"tenant_id": tenant_id, "kind": "asset", "subject_id": asset_id})
            return bool(await tx.execute("remove_asset", which))

    async def vacuum(self) -> None:
        """Leave no deleted bytes behind in files of our own."""
        await self.database.vacuum()


class SqlSecretStore:
    """Keeps what this server signs with in a SQL database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def find_or_make(self, name: str) -> bytes:
        """The secret of this name, the same for all servers on the database."""
        async with self.database.transaction() as tx:
            await tx.execute("make_secret", {"name": name, "secret": secrets.token_bytes(SECRET_BYTES)})
            row = await tx.fetch_one("find_secret", {"name": name})
        return bytes((row or (b"",))[0])


async def add_asset(tx: Transaction, asset: Asset) -> None:
    """Store a new asset."""
    await tx.execute("add_asset", write_asset(asset))


async def defer_probe(tx: Transaction, asset: Asset) -> None:
    """Have an asset probed: its file is there, or can be fetched."""
    await defer_job(tx, asset.tenant_id, "asset", asset.id, run_at=asset.updated_at)


async def find_asset(tx: Transaction, tenant_id: UUID, asset_id: UUID | str) -> Asset | None:
    """Find an asset by its id, or by its alias."""
    if isinstance(asset_id, UUID):
        row = await tx.fetch_one("find_asset", {"tenant_id": tenant_id, "id": asset_id})
    else:
        row = await tx.fetch_one("find_asset_by_alias", {"tenant_id": tenant_id, "alias": asset_id})
    return read_asset(row) if row else None


async def find_named(tx: Transaction, tenant_id: UUID, which: AssetFilter) -> list[Asset]:
    """The assets that a filter names by their ids or by their bytes: by key, as there may be many others."""
    if which.ids:
        ids = dict.fromkeys(find_id(name) or find_alias(name) for name in which.ids)
        named = [await find_asset(tx, tenant_id, id_) for id_ in ids if id_]
        return list({asset.id: asset for asset in named if asset}.values())
    where = {"tenant_id": tenant_id, "digest": which.digest, "limit": SAME_BYTES_MAX}
    return [read_asset(row) for row in await tx.fetch_all("list_assets_by_digest", where)]


def cut_page(assets: Sequence[Asset], which: AssetFilter) -> tuple[Sequence[Asset], int]:
    """A page of those that the rest of a filter keeps, and how many these are."""
    kept = sorted((asset for asset in assets if keeps(which, asset)), key=lambda asset: asset.id)
    if which.newest_first:
        kept.reverse()
    behind = kept
    if cursor := which.cursor:
        behind = [asset for asset in kept if (asset.id < cursor if which.newest_first else asset.id > cursor)]
    return behind[which.offset : which.offset + which.limit], len(kept)


def keeps(which: AssetFilter, asset: Asset) -> bool:
    """Whether a filter keeps an asset, as the queries do."""
    return (
        (not which.kinds or asset.kind in which.kinds)
        and (not which.filename or which.filename.lower() in asset.filename.lower())
        and (not which.digest or asset.digest == which.digest)
        and (not which.purpose or asset.purpose == which.purpose)
    )


def filter_assets(which: AssetFilter) -> dict[str, Any]:
    """What the queries compare with; nothing where all are wanted."""
    return {
        "kinds": ",".join(which.kinds),
        "pattern": f"%{which.filename.translate(LIKE_SPECIAL)}%" if which.filename else "",
        "purpose": which.purpose or "",
    }


def write_asset(asset: Asset) -> dict[str, Any]:
    """An asset as the parameters of its queries."""
    return {
        **msgspec.structs.asdict(asset),
        "created_at": as_ms(asset.created_at),
        "updated_at": as_ms(asset.updated_at),
        "duration_ms": None if asset.duration_s is None else round(asset.duration_s * 1000),
        "technical": as_json(asset.technical),
        "metadata": None if asset.metadata is None else as_json(asset.metadata),
    }


def read_asset(row: Row) -> Asset:
    """A row of ``assets`` as the queries select it."""
    (tenant_id, id_, alias, created, updated, method, status, filename, mime, kind, size, duration, pages, *rest) = row
    digest, url, technical, metadata, purpose, error, hls, hls_error, thumbnail = rest
    return Asset(
        tenant_id=as_id(tenant_id),
        id=as_id(id_),
        alias=alias,
        created_at=as_time(created),
        updated_at=as_time(updated),
        method=method,
        status=status,
        filename=filename,
        mime=mime,
        kind=kind,
        size_bytes=size,
        duration_s=None if duration is None else duration / 1000,
        pages=pages,
        digest=digest,
        url=url,
        technical=read_metadata(technical),
        metadata=read_metadata(metadata) if metadata else None,
        purpose=purpose,
        error=error,
        hls=hls,
        hls_error=hls_error,
        thumbnail=thumbnail,
    )
