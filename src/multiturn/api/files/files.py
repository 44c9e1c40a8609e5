"""The paths of OpenAI's files: assets of the tenant."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.files.parse import check_expiry, read_page
from multiturn.api.files.render import file_id, render_file, render_page
from multiturn.api.files.wire import OpenAIDeleted
from multiturn.api.ranges import FileAnswer, answer_file
from multiturn.api.services import Services
from multiturn.api.uploads import Form, read_upload
from multiturn.engine.callers import require_tenant
from multiturn.engine.media_files import find_original
from multiturn.errors import InvalidRequest
from multiturn.model.asset import Asset, AssetFilter, AssetOrder

LIMIT_MAX = 10_000
PURPOSE_CHARS_MAX = 64
BYTES = "application/octet-stream"
EXPIRY = ("expires_after", "expires_after[anchor]", "expires_after[seconds]")


class FileRoutes:
    """Files of the tenant, as OpenAI's clients see them."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        path = f"{base}/files/{{file_id}}"
        return [
            Route(f"{base}/files", self.create_file, methods=["POST"]),
            Route(f"{base}/files", self.list_files, methods=["GET"]),
            Route(path, self.get_file, methods=["GET"]),
            Route(path, self.delete_file, methods=["DELETE"]),
            Route(f"{path}/content", self.read_content, methods=["GET"]),
        ]

    async def create_file(self, request: Request) -> Response:
        """Put a file in."""
        caller = await authenticate(self.services, request)
        require_tenant(caller, "assets")
        assets = self.services.assets
        async with read_upload(request, assets, caller.tenant_id) as form:
            asset = await assets.add(caller.tenant_id, read_form(form), form.received)
        return write_response(render_file(asset))

    async def list_files(self, request: Request) -> Response:
        """List files, newest first unless ``order=asc``."""
        caller = await authenticate(self.services, request)
        page, assets = read_page(request, limit=LIMIT_MAX, limit_max=LIMIT_MAX), self.services.assets
        which = AssetFilter(
            purpose=read_purpose(request.query_params.get("purpose")),
            cursor=(await assets.get(caller.tenant_id, page.after)).id if page.after else None,
            limit=page.limit + 1,
            newest_first=page.newest_first,
        )
        found, _ = await assets.list_assets(caller.tenant_id, which)
        data = [render_file(asset) for asset in found[: page.limit]]
        return write_response(render_page(data, has_more=len(found) > page.limit))

    async def get_file(self, request: Request) -> Response:
        """One file."""
        return write_response(render_file(await self._find(request)))

    async def delete_file(self, request: Request) -> Response:
        """Delete a file, also from the vector stores that have it."""
        asset = await self._find(request, is_changed=True)
        await self.services.assets.delete(asset.tenant_id, asset.id, force=True)
        return write_response(OpenAIDeleted(id=file_id(asset), object="file"))

    async def read_content(self, request: Request) -> Response | FileAnswer:
        """The bytes of a file."""
        asset, assets = await self._find(request), self.services.assets
        file = (await find_original(assets, asset))._replace(mime=BYTES, is_safe=False)
        return await answer_file(request, file, lambda start, end: assets.read(asset, start, end))

    async def _find(self, request: Request, *, is_changed: bool = False) -> Asset:
        """The file of the path. Raises NotFound; Forbidden for one whom it may not change."""
        caller = await authenticate(self.services, request)
        if is_changed:
            require_tenant(caller, "assets")
        return await self.services.assets.get(caller.tenant_id, request.path_params["file_id"])


def read_form(form: Form) -> AssetOrder:
    """What a form orders. Raises InvalidRequest."""
    check_expiry(any(form.first(name) for name in EXPIRY))
    if form.file is None:
        raise InvalidRequest("The form must have a part 'file' that is a file with its name.", param="file")
    purpose = read_purpose(form.first("purpose"))
    if purpose is None:
        raise InvalidRequest("'purpose' must say what the file is for: 'assistants', say.", param="purpose")
    return AssetOrder(method="direct", filename=form.file.filename, mime=form.file.mime, purpose=purpose)


def read_purpose(text: str | None) -> str | None:
    """What a file is for. Raises InvalidRequest."""
    if text and (len(text) > PURPOSE_CHARS_MAX or not text.isprintable()):
        raise InvalidRequest(f"'purpose' must be a word of at most {PURPOSE_CHARS_MAX} characters.", param="purpose")
    return text or None
