"""The paths of assets: files put in, looked at, read, deleted."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.limits import read_body, read_json_object, read_limit, read_struct
from multiturn.api.native.assets_render import (
    list_phrases,
    render_asset,
    render_transcript,
    write_srt,
    write_text,
    write_vtt,
)
from multiturn.api.native.assets_wire import AssetChangeBody, AssetDeletedBody, AssetFormBody, AssetOrderBody
from multiturn.api.native.query import read_choice
from multiturn.api.native.sessions import LIMIT, LIMIT_MAX
from multiturn.api.native.wire import ListBody
from multiturn.api.ranges import FileAnswer, answer_file
from multiturn.api.services import Services
from multiturn.api.uploads import Form, is_multipart, read_upload
from multiturn.engine.callers import require_tenant
from multiturn.engine.media_files import find_original
from multiturn.errors import InvalidRequest
from multiturn.model.asset import Asset, AssetFilter, AssetKind, AssetOrder
from multiturn.model.ids import find_id

KINDS: tuple[AssetKind, ...] = get_args(AssetKind)
IDS_MAX = 100
FORMATS = ("json", "srt", "vtt", "text")
TYPES = {"srt": "application/x-subrip", "vtt": "text/vtt", "text": "text/plain"}


class AssetRoutes:
    """Files of the tenant."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        path = f"{base}/assets/{{asset_id}}"
        return [
            Route(f"{base}/assets", self.add_asset, methods=["POST"]),
            Route(f"{base}/assets", self.list_assets, methods=["GET"]),
            Route(path, self.get_asset, methods=["GET"]),
            Route(path, self.change_asset, methods=["PATCH"]),
            Route(path, self.delete_asset, methods=["DELETE"]),
            Route(f"{path}/content", self.read_content, methods=["GET"]),
            Route(f"{path}/transcript", self.read_transcript, methods=["GET"]),
        ]

    async def add_asset(self, request: Request) -> Response:
        """Put a file in: a form with a file, or a URL in a form or as JSON."""
        caller = await authenticate(self.services, request)
        require_tenant(caller, "assets")
        assets = self.services.assets
        if is_multipart(request):
            # It is streamed: nothing speaks for the limit that other dialects have for one upload.
            limit = assets.limits.multipart_bytes_max
            async with read_upload(request, assets, caller.tenant_id, bytes_max=limit) as form:
                asset = await assets.add(caller.tenant_id, read_form(form), form.received)
        else:
            body = await self._read(request, AssetOrderBody)
            asset = await assets.add(caller.tenant_id, read_order(body))
        return write_response(render_asset(request, self.services.links, asset), status=201)

    async def list_assets(self, request: Request) -> Response:
        """List assets, newest first unless ``order=asc``."""
        caller = await authenticate(self.services, request)
        which = read_filter(request)
        some = msgspec.structs.replace(which, limit=which.limit + 1)
        found, _ = await self.services.assets.list_assets(caller.tenant_id, some)
        data = [render_asset(request, self.services.links, asset) for asset in found[: which.limit]]
        has_more = len(found) > which.limit
        return write_response(ListBody(data=data, has_more=has_more, next=data[-1].id if has_more else None))

    async def get_asset(self, request: Request) -> Response:
        """One asset."""
        asset = await self._find(request)
        return write_response(render_asset(request, self.services.links, asset))

    async def change_asset(self, request: Request) -> Response:
        """Change the metadata of an asset."""
        asset, assets = await self._find(request, is_changed=True), self.services.assets
        body = await self._read(request, AssetChangeBody)
        if body.metadata is None:
            asset = await assets.clear_metadata(asset.tenant_id, asset.id)
        else:
            asset = await assets.merge_metadata(asset.tenant_id, asset.id, body.metadata)
        return write_response(render_asset(request, self.services.links, asset))

    async def delete_asset(self, request: Request) -> Response:
        """Delete an asset, with ``force=true`` also what knowledge stores have of it."""
        force = read_choice(request, "force", ("false", "true")) == "true"
        asset = await self._find(request, is_changed=True)
        await self.services.assets.delete(asset.tenant_id, asset.id, force=force)
        return write_response(AssetDeletedBody(id=str(asset.id)))

    async def read_content(self, request: Request) -> Response | FileAnswer:
        """The file, or a range of it."""
        asset, assets = await self._find(request), self.services.assets
        file = await find_original(assets, asset)
        return await answer_file(request, file, lambda start, end: assets.read(asset, start, end))

    async def read_transcript(self, request: Request) -> Response:
        """What is spoken in an asset: JSON, subtitles, or plain text."""
        format_ = read_choice(request, "format", FORMATS)
        asset = await self._find(request)
        transcript = await self.services.speech.read(asset.tenant_id, asset.id)
        if format_ == "json":
            return write_response(render_transcript(asset, transcript))
        if format_ == "text":
            text = write_text(transcript.segments)
        else:
            text = (write_srt if format_ == "srt" else write_vtt)(list_phrases(transcript))
        return Response(text, media_type=TYPES[format_])

    async def _find(self, request: Request, *, is_changed: bool = False) -> Asset:
        """The asset of the path, the caller's tenant's. Raises NotFound; Forbidden where the caller may only read."""
        caller = await authenticate(self.services, request)
        if is_changed:
            require_tenant(caller, "assets")
        return await self.services.assets.get(caller.tenant_id, request.path_params["asset_id"])

    async def _read(self, request: Request, shape: type[Any]) -> Any:
        """The body as its struct. Raises TooLarge, InvalidRequest."""
        body = await read_body(request, bytes_max=self.services.body_bytes_max)
        read_json_object(body)
        return read_struct(body, shape)


def read_order(body: AssetOrderBody) -> AssetOrder:
    """A file that is to be fetched."""
    return AssetOrder(
        method="url",
        url=body.url,
        filename=body.filename,
        metadata=body.metadata,
        purpose=read_purpose(body.purpose),
        wants_hls=body.hls,
        wants_thumbnail=body.thumbnail,
    )


def read_form(form: Form) -> AssetOrder:
    """What a form orders. Raises InvalidRequest naming a field that is not known, or wrong."""
    for name, values in form.fields.items():
        if name == "file" or name not in AssetFormBody.__struct_fields__:
            raise InvalidRequest(f"The form has no field '{name[:80]}' that is a text.", param=name[:80])
        if len(values) > 1:
            raise InvalidRequest(f"'{name}' must be sent once.", param=name)
    metadata = form.first("metadata")
    return AssetOrder(
        method="url" if form.first("url") and not form.file else "direct",
        url=form.first("url") or None,
        filename=form.first("filename") or (form.file.filename if form.file else None),
        mime=form.file.mime if form.file else None,
        metadata=read_metadata(metadata) if metadata else None,
        purpose=read_purpose(form.first("purpose")),
        wants_hls=read_truth(form, "hls", "false"),
        wants_thumbnail=read_truth(form, "thumbnail", "true"),
    )


def read_metadata(text: str) -> dict[str, Any]:
    """Metadata in a field of a form. Raises InvalidRequest."""
    try:
        return {name: msgspec.json.decode(value) for name, value in read_json_object(text.encode()).items()}
    except InvalidRequest as error:
        raise InvalidRequest("'metadata' must be a JSON object.", param="metadata") from error


def read_truth(form: Form, name: str, otherwise: str) -> bool:
    """A field that is true or false. Raises InvalidRequest."""
    value = form.first(name) or otherwise
    if value not in ("true", "false"):
        raise InvalidRequest(f"'{name}' must be true or false; it is '{value[:40]}'.", param=name)
    return value == "true"


def read_purpose(text: str | None) -> str | None:
    """A word of the client's. Raises InvalidRequest."""
    if text and (len(text) > 64 or not text.isprintable()):
        raise InvalidRequest("'purpose' must be a word of at most 64 characters.", param="purpose")
    return text or None


def read_filter(request: Request) -> AssetFilter:
    """Which assets a query asks for. Raises InvalidRequest."""
    query = request.query_params
    cursor = find_id(query["cursor"]) if "cursor" in query else None
    if "cursor" in query and cursor is None:
        raise InvalidRequest("'cursor' must be the id of an asset.", param="cursor")
    kinds = query.getlist("kind")
    if wrong := [kind for kind in kinds if kind not in KINDS]:
        raise InvalidRequest(f"'kind' must be one of {', '.join(KINDS)}; it is '{wrong[0][:40]}'.", param="kind")
    ids = query.getlist("id")
    if len(ids) > IDS_MAX:
        raise InvalidRequest(f"At most {IDS_MAX} ids can be asked for; there are {len(ids)}.", param="id")
    return AssetFilter(
        ids=tuple(ids),
        kinds=tuple(kind for kind in KINDS if kind in kinds),
        cursor=cursor,
        limit=read_limit(request, default=LIMIT, maximum=LIMIT_MAX),
        newest_first=read_choice(request, "order", ("desc", "asc")) == "desc",
        filename=query.get("filename") or None,
        digest=query.get("digest") or None,
        purpose=query.get("purpose") or None,
    )
