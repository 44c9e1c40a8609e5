"""Assets as Jockey's clients ask for them: put in, listed, described, deleted, and what is said in them."""

from __future__ import annotations

from typing import Any, get_args
from uuid import UUID

import msgspec
from msgspec import Raw
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.jockey.asset_wire import JockeyAssetFormBody, JockeyUserMetadataBody
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.reading import read_pages, read_request, read_truth, read_wire, read_words
from multiturn.api.jockey.render_assets import render_asset, render_transcription
from multiturn.api.limits import read_body, read_field, read_json_object
from multiturn.api.services import Services
from multiturn.api.uploads import Form, UploadedFile, is_multipart, read_upload
from multiturn.engine.callers import require_tenant
from multiturn.errors import InvalidRequest
from multiturn.model.asset import Asset, AssetFilter, AssetKind, AssetOrder

UNITS = ("words", "sentences", "utterances")
IDS_MAX = 200


class AssetRoutes:
    """Files."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        asset = f"{base}/assets/{{asset_id}}"
        return [
            Route(f"{base}/assets", self.list_assets, methods=["GET"]),
            Route(f"{base}/assets", self.create_asset, methods=["POST"]),
            Route(asset, self.get_asset, methods=["GET"]),
            Route(asset, self.delete_asset, methods=["DELETE"]),
            Route(f"{asset}/user-metadata", self.replace_metadata, methods=["PUT"]),
            Route(f"{asset}/user-metadata", self.merge_metadata, methods=["PATCH"]),
            Route(f"{asset}/user-metadata", self.clear_metadata, methods=["DELETE"]),
            Route(f"{asset}/transcription", self.get_transcription, methods=["GET"]),
        ]

    async def create_asset(self, request: Request) -> Response:
        """Put a file in, by a form or by its URL."""
        caller = await authenticate(self.services, request)
        require_tenant(caller, "assets")
        if is_multipart(request):
            async with read_upload(request, self.services.assets, caller.tenant_id) as form:
                asset = await self._add(caller.tenant_id, form)
        else:
            body = read_json_object(await read_body(request, bytes_max=self.services.body_bytes_max))
            order = read_order(read_wire(body, JockeyAssetFormBody), None)
            asset = await self.services.assets.add(caller.tenant_id, order, None)
        return write_response(self._render(request, asset), status=201)

    async def _add(self, tenant_id: UUID, form: Form) -> Asset:
        """Put in what a form brings; a file that it brings beside a URL is taken away."""
        order = read_order(read_form(form), form.file)
        if order.method == "direct":
            return await self.services.assets.add(tenant_id, order, form.received)
        if form.received:
            await self.services.assets.discard(tenant_id, form.received)
        return await self.services.assets.add(tenant_id, order, None)

    async def list_assets(self, request: Request) -> Response:
        """List assets, newest first."""
        caller = await authenticate(self.services, request)
        query = request.query_params
        pages = read_pages(query)
        ids = tuple(id_ for text in query.getlist("asset_ids") for id_ in text.split(",") if id_)
        if len(ids) > IDS_MAX:
            raise InvalidRequest(f"'asset_ids' must be at most {IDS_MAX}; there are {len(ids)}.", param="asset_ids")
        wanted = AssetFilter(
            ids=ids,
            kinds=read_words(query, "asset_types", get_args(AssetKind)),
            filename=query.get("filename") or None,
            offset=pages.offset,
            limit=pages.limit,
        )
        found, total = await self.services.assets.list_assets(caller.tenant_id, wanted)
        return write_response(pages.write([self._render(request, asset) for asset in found], total))

    async def get_asset(self, request: Request) -> Response:
        """One asset."""
        return write_response(self._render(request, await self._find(request)))

    async def delete_asset(self, request: Request) -> Response:
        """Delete an asset; with `force` also where knowledge stores have it."""
        force = read_truth(request.query_params.get("force"), "force", default=False)
        asset = await self._find(request, to_change=True)
        await self.services.assets.delete(asset.tenant_id, asset.id, force=force)
        return Response(status_code=204)

    async def replace_metadata(self, request: Request) -> Response:
        """Set the metadata of an asset."""
        _, body = await read_request(self.services, request, JockeyUserMetadataBody)
        asset = await self._find(request, to_change=True)
        await self.services.assets.replace_metadata(asset.tenant_id, asset.id, body.user_metadata)
        return Response(status_code=204)

    async def merge_metadata(self, request: Request) -> Response:
        """Change the metadata of an asset key by key."""
        _, body = await read_request(self.services, request, JockeyUserMetadataBody)
        asset = await self._find(request, to_change=True)
        await self.services.assets.merge_metadata(asset.tenant_id, asset.id, body.user_metadata)
        return Response(status_code=204)

    async def clear_metadata(self, request: Request) -> Response:
        """Take the metadata of an asset away."""
        asset = await self._find(request, to_change=True)
        await self.services.assets.clear_metadata(asset.tenant_id, asset.id)
        return Response(status_code=204)

    async def get_transcription(self, request: Request) -> Response:
        """What is said in an asset."""
        wanted = read_words(request.query_params, "include", UNITS) or UNITS[:1]
        asset = await self._find(request)
        transcript = await self.services.speech.read(asset.tenant_id, asset.id)
        return write_response(render_transcription(transcript, wanted))

    async def _find(self, request: Request, *, to_change: bool = False) -> Asset:
        caller = await authenticate(self.services, request)
        if to_change:
            require_tenant(caller, "assets")
        return await self.services.assets.get(caller.tenant_id, request.path_params["asset_id"])

    def _render(self, request: Request, asset: Asset) -> Any:
        return render_asset(asset, Media(self.services.links, request))


def read_form(form: Form) -> JockeyAssetFormBody:
    """The texts of a form as its struct. Raises InvalidRequest naming the part that is wrong."""
    texts = {name: text for name in form.fields if (text := form.first(name))}
    if "method" not in texts:
        raise InvalidRequest("'method' is missing: direct or url.", param="method")
    fields: dict[str, Any] = {**texts}
    for name in ("enable_hls", "enable_thumbnail"):
        fields[name] = read_truth(texts.get(name), name, default=True)
    return read_wire({name: Raw(msgspec.json.encode(value)) for name, value in fields.items()}, JockeyAssetFormBody)


def read_order(form: JockeyAssetFormBody, file: UploadedFile | None) -> AssetOrder:
    """A file that is to be put in. Raises InvalidRequest where what its method needs is missing."""
    if form.method == "direct" and file is None:
        raise InvalidRequest("'file' is missing: with method=direct the form has to bring it.", param="file")
    if form.method == "url" and not form.url:
        raise InvalidRequest("'url' is missing: with method=url it says where the file is.", param="url")
    return AssetOrder(
        method=form.method,
        filename=form.filename or (file.filename if file and form.method == "direct" else None),
        mime=file.mime if file and form.method == "direct" else None,
        url=form.url if form.method == "url" else None,
        metadata=read_metadata(form.user_metadata),
        wants_hls=form.enable_hls,
        wants_thumbnail=form.enable_thumbnail,
    )


def read_metadata(given: dict[str, Any] | str | None) -> dict[str, Any] | None:
    """Metadata, which a form brings as the text of a JSON object. Raises InvalidRequest."""
    if not isinstance(given, str):
        return given
    metadata: dict[str, Any] = read_field(Raw(given.encode()), "user_metadata", dict[str, Any])
    return metadata
