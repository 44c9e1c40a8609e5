"""The paths of links: files without a key, and parts of files that are sent."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.errors import write_response
from multiturn.api.forms import read_pieces
from multiturn.api.native.assets_wire import ChunkBody
from multiturn.api.ranges import FileAnswer, answer_file
from multiturn.api.services import Services
from multiturn.engine.media_files import MediaFile, find_frame, find_hls, find_original, find_thumbnail, no_file
from multiturn.errors import InvalidRequest
from multiturn.model.asset import Asset

FRAME = re.compile(r"(\d{1,9})\.jpg", re.ASCII)
NUMBER = re.compile(r"[1-9]\d{0,8}", re.ASCII)


class MediaRoutes:
    """What a link leads to. The link says whose it is, and until when."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def routes(self) -> list[Route]:
        """The routes."""
        base = "/media/{token}"
        return [
            Route(f"{base}/file/{{name}}", self.read_file, methods=["GET"]),
            Route(f"{base}/thumbnail.jpg", self.read_thumbnail, methods=["GET"]),
            Route(f"{base}/frames/{{name}}", self.read_frame, methods=["GET"]),
            Route(f"{base}/hls/{{name}}", self.read_hls, methods=["GET"]),
            Route(f"{base}/chunks/{{number}}", self.accept_chunk, methods=["PUT"]),
        ]

    async def read_file(self, request: Request) -> Response | FileAnswer:
        """The file, or a range of it, so that a player can seek."""
        asset = await self._find(request)
        return await self._answer(request, await find_original(self.services.assets, asset))

    async def read_thumbnail(self, request: Request) -> Response | FileAnswer:
        """The thumbnail."""
        asset = await self._find(request)
        return await self._answer(request, await find_thumbnail(self.services.assets, asset))

    async def read_frame(self, request: Request) -> Response | FileAnswer:
        """The key frame of a shot, or the picture of a page."""
        asset, name = await self._find(request), request.path_params["name"]
        found = FRAME.fullmatch(name)
        if found is None:
            raise no_file(name)
        return await self._answer(request, await find_frame(self.services.assets, asset, int(found[1])))

    async def read_hls(self, request: Request) -> Response | FileAnswer:
        """A file of the HLS stream."""
        asset = await self._find(request)
        return await self._answer(request, await find_hls(self.services.assets, asset, request.path_params["name"]))

    async def accept_chunk(self, request: Request) -> Response:
        """Take a part of a file that comes in parts."""
        linked = self.services.links.read(request.path_params["token"], "upload")
        number = request.path_params["number"]
        if not NUMBER.fullmatch(number):
            raise InvalidRequest("The number of a part must be from 1.", param="number")
        chunk = await self.services.uploads.accept_chunk(
            linked.tenant_id, linked.subject_id, int(number), read_pieces(request)
        )
        body = ChunkBody(index=chunk.index, size_bytes=chunk.size_bytes, etag=chunk.etag)
        return write_response(body, headers={"ETag": f'"{chunk.etag}"'})

    async def _find(self, request: Request) -> Asset:
        """The asset that a link leads to. Raises NotFound."""
        linked = self.services.links.read(request.path_params["token"], "asset")
        return await self.services.assets.get(linked.tenant_id, str(linked.subject_id))

    async def _answer(self, request: Request, file: MediaFile) -> Response | FileAnswer:
        """A file, or a range of it."""
        blobs = self.services.assets.blobs
        return await answer_file(request, file, lambda start, end: blobs.read(file.blob, start=start, end=end))
