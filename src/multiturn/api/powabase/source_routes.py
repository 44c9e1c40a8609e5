"""Sources as Powabase's clients ask for them: assets of the tenant."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.limits import read_json_object
from multiturn.api.powabase.knowledge_parse import find_source
from multiturn.api.powabase.reading import identify, read_request, read_window
from multiturn.api.powabase.source_wire import (
    ExtractionStatus,
    PowabaseSourceBody,
    PowabaseSourceListBody,
    PowabaseSourceUrlBody,
)
from multiturn.api.powabase.wire import PowabaseMessageBody
from multiturn.api.services import Services
from multiturn.api.uploads import Form, read_upload
from multiturn.engine.callers import require_tenant
from multiturn.errors import InvalidRequest
from multiturn.model.asset import Asset, AssetFilter, AssetOrder, AssetReading

FIELDS = ("name", "metadata")


class SourceRoutes:
    """Sources: every key of a tenant reads them, one that acts for a user does not change them."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        one = f"{base}/sources/{{source_id}}"
        return [
            Route(f"{base}/sources/upload", self.upload, methods=["POST"]),
            Route(f"{base}/sources/import-url", self.import_url, methods=["POST"]),
            Route(f"{base}/sources/import-from-storage", self.import_from_storage, methods=["POST"]),
            Route(f"{base}/sources", self.list_sources, methods=["GET"]),
            Route(one, self.get_source, methods=["GET"]),
            Route(one, self.delete_source, methods=["DELETE"]),
        ]

    async def upload(self, request: Request) -> Response:
        """Put a file in; it is streamed to where files are kept."""
        caller = await identify(self.services, request)
        require_tenant(caller, "sources")
        assets = self.services.assets
        limit = assets.limits.multipart_bytes_max
        async with read_upload(request, assets, caller.tenant_id, bytes_max=limit) as form:
            asset = await assets.add(caller.tenant_id, read_form(form), form.received)
        return write_response(render_source(asset), status=201)

    async def import_url(self, request: Request) -> Response:
        """Fetch a file, in the background."""
        caller, body = await read_request(self.services, request, PowabaseSourceUrlBody)
        require_tenant(caller, "sources")
        order = AssetOrder(method="url", url=body.url, filename=body.name or None, metadata=body.metadata)
        return write_response(render_source(await self.services.assets.add(caller.tenant_id, order)), status=201)

    async def import_from_storage(self, request: Request) -> Response:
        """There is no storage beside this server to import from."""
        require_tenant(await identify(self.services, request), "sources")
        text = "This server has no storage of the project to import from. Send the file to /api/sources/upload."
        raise InvalidRequest(text, code="not_implemented")

    async def list_sources(self, request: Request) -> Response:
        """List sources, the newest first; ``search`` keeps those with this in their name."""
        caller = await identify(self.services, request)
        window = read_window(request.query_params)
        which = AssetFilter(
            filename=request.query_params.get("search") or None, offset=window.offset, limit=window.limit
        )
        found, total = await self.services.assets.list_assets(caller.tenant_id, which)
        sources = [render_source(asset, await self._find_reading(asset)) for asset in found]
        body = PowabaseSourceListBody(sources=sources, total=total, limit=window.limit, offset=window.offset)
        return write_response(body)

    async def get_source(self, request: Request) -> Response:
        """One source."""
        asset = await self._find(request)
        return write_response(render_source(asset, await self._find_reading(asset)))

    async def delete_source(self, request: Request) -> Response:
        """Delete a source for good, also from the knowledge bases that have it."""
        asset = await self._find(request, is_changed=True)
        await self.services.assets.delete(asset.tenant_id, asset.id, force=True)
        return write_response(PowabaseMessageBody(message="Source deleted"))

    async def _find(self, request: Request, *, is_changed: bool = False) -> Asset:
        """The source of the path. Raises NotFound; Forbidden for a caller that may only read."""
        caller = await identify(self.services, request)
        if is_changed:
            require_tenant(caller, "sources")
        return await find_source(self.services, caller.tenant_id, request.path_params["source_id"])

    async def _find_reading(self, asset: Asset) -> AssetReading | None:
        """How reading it went in knowledge bases, where one has it."""
        if asset.status != "ready":
            return None
        return await self.services.assets.store.find_read_item(asset.tenant_id, asset.id)


def read_form(form: Form) -> AssetOrder:
    """What a form orders. Raises InvalidRequest naming a field that is not known, or wrong."""
    for name, values in form.fields.items():
        if name not in FIELDS:
            raise InvalidRequest(f"The form has no field '{name[:80]}' that is a text.", param=name[:80])
        if len(values) > 1:
            raise InvalidRequest(f"'{name}' must be sent once.", param=name)
    if form.file is None:
        raise InvalidRequest("No file provided: the part 'file' must be a file with its name.", param="file")
    metadata = form.first("metadata")
    return AssetOrder(
        method="direct",
        filename=form.first("name") or form.file.filename,
        mime=form.file.mime,
        metadata=read_metadata(metadata) if metadata else None,
    )


def read_metadata(text: str) -> dict[str, Any]:
    """Metadata in a field of a form. Raises InvalidRequest."""
    try:
        return {name: msgspec.json.decode(value) for name, value in read_json_object(text.encode()).items()}
    except InvalidRequest as error:
        raise InvalidRequest("'metadata' must be a JSON object.", param="metadata") from error


def render_source(asset: Asset, reading: AssetReading | None = None) -> PowabaseSourceBody:
    """A source, and how a knowledge base read it."""
    failed = reading if reading and reading.status == "failed" else None
    return PowabaseSourceBody(
        id=str(asset.id),
        name=asset.filename,
        source_type="url" if asset.method == "url" else "file",
        url=asset.url,
        file_type=asset.kind,
        mime_type=asset.mime,
        size_bytes=asset.size_bytes,
        page_count=asset.pages,
        duration_seconds=asset.duration_s,
        extraction_status="attention_required" if failed else find_status(asset),
        extraction_error=failed.error if failed else asset.error,
        metadata=asset.metadata or {},
        created_at=asset.created_at,
        updated_at=asset.updated_at,
    )


def find_status(asset: Asset) -> ExtractionStatus:
    """How far an asset is, in the words of the dialect: one that has yet to be fetched is pending."""
    if asset.status == "processing":
        return "extracting" if asset.digest else "pending"
    return "extracted" if asset.status == "ready" else "failed"
