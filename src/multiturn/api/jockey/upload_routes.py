"""Uploads in parts as Jockey's clients do them: begun, put, reported, looked at."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from multiturn.api.auth import authenticate
from multiturn.api.errors import write_response
from multiturn.api.jockey.asset_wire import (
    JockeyChunkBody,
    JockeyChunkUrlBody,
    JockeyReportBody,
    JockeyReportOrderBody,
    JockeyUploadBody,
    JockeyUploadFactsBody,
    JockeyUploadOrderBody,
    JockeyUploadStateBody,
    JockeyUrlsBody,
    JockeyUrlsOrderBody,
)
from multiturn.api.jockey.media import Media
from multiturn.api.jockey.names import read_path
from multiturn.api.jockey.reading import Pages, read_pages, read_request
from multiturn.api.jockey.render_assets import write_time
from multiturn.api.services import Services
from multiturn.engine.callers import require_tenant
from multiturn.engine.uploads import ChunkProof, ChunkUrl, UploadState
from multiturn.model.asset import AssetOrder, Upload


class UploadRoutes:
    """Files that come in parts."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        uploads = f"{base}/assets/multipart-uploads"
        return [
            Route(uploads, self.list_uploads, methods=["GET"]),
            Route(uploads, self.begin_upload, methods=["POST"]),
            Route(f"{uploads}/{{upload_id}}", self.get_upload, methods=["GET"]),
            Route(f"{uploads}/{{upload_id}}", self.report_chunks, methods=["POST"]),
            Route(f"{uploads}/{{upload_id}}/presigned-urls", self.list_urls, methods=["POST"]),
        ]

    async def begin_upload(self, request: Request) -> Response:
        """Begin an upload: the id of the asset is known from now on."""
        caller, body = await read_request(self.services, request, JockeyUploadOrderBody)
        require_tenant(caller, "assets")
        order = AssetOrder(
            method="multipart",
            filename=body.filename,
            metadata=body.user_metadata,
            wants_hls=bool(body.enable_hls),
            wants_thumbnail=bool(body.enable_thumbnail),
        )
        plan = await self.services.uploads.begin(caller.tenant_id, order, body.total_size)
        upload = plan.upload
        begun = JockeyUploadBody(
            upload_id=str(upload.id),
            asset_id=plan.asset.alias,
            upload_urls=self._render_urls(request, plan.urls),
            upload_headers={},
            chunk_size=upload.chunk_bytes,
            total_chunks=upload.chunks,
            expires_at=write_time(upload.expires_at),
        )
        return write_response(begun, status=201)

    async def list_urls(self, request: Request) -> Response:
        """URLs for more parts."""
        caller, body = await read_request(self.services, request, JockeyUrlsOrderBody)
        require_tenant(caller, "assets")
        id_ = self._read_id(request)
        urls = await self.services.uploads.list_more_urls(caller.tenant_id, id_, body.start, body.count)
        now = self.services.sessions.clock()
        listed = JockeyUrlsBody(
            upload_id=str(id_),
            start_index=body.start,
            count=len(urls),
            upload_urls=self._render_urls(request, urls),
            generated_at=write_time(now),
            expires_at=write_time(urls[0].expires_at if urls else now),
        )
        return write_response(listed)

    async def report_chunks(self, request: Request) -> Response:
        """Take the client's word that parts were put; with the last one the file is complete."""
        caller, body = await read_request(self.services, request, JockeyReportOrderBody)
        require_tenant(caller, "assets")
        proofs = [ChunkProof(one.chunk_index, one.proof, one.chunk_size) for one in body.completed_chunks]
        confirmed = await self.services.uploads.confirm(caller.tenant_id, self._read_id(request), proofs)
        is_complete = confirmed.upload.status == "completed"
        media = Media(self.services.links, request)
        report = JockeyReportBody(
            asset_id=confirmed.asset.alias,
            processed_chunks=confirmed.processed,
            duplicate_chunks=confirmed.duplicates,
            total_completed=confirmed.completed,
            url=media.write(self.services.links.file(confirmed.asset)) if is_complete else None,
        )
        return write_response(report)

    async def get_upload(self, request: Request) -> Response:
        """How an upload stands."""
        caller = await authenticate(self.services, request)
        pages = read_pages(request.query_params)
        state = await self.services.uploads.get_status(
            caller.tenant_id, self._read_id(request), offset=pages.offset, limit=pages.limit
        )
        return write_response(render_state(state, pages))

    async def list_uploads(self, request: Request) -> Response:
        """Uploads that are not complete."""
        caller = await authenticate(self.services, request)
        pages = read_pages(request.query_params)
        found, total = await self.services.uploads.list_active(caller.tenant_id, offset=pages.offset, limit=pages.limit)
        return write_response(pages.write([render_upload(upload) for upload in found], total))

    def _render_urls(self, request: Request, urls: Sequence[ChunkUrl]) -> list[JockeyChunkUrlBody]:
        media = Media(self.services.links, request)
        return [
            JockeyChunkUrlBody(chunk_index=url.number, url=media.write(url.url), expires_at=write_time(url.expires_at))
            for url in urls
        ]

    def _read_id(self, request: Request) -> UUID:
        return read_path(request.path_params["upload_id"], "multipart-uploads")


def render_upload(upload: Upload) -> JockeyUploadFactsBody:
    """An upload."""
    return JockeyUploadFactsBody(
        upload_id=str(upload.id),
        status=upload.status,
        total_size=upload.size_bytes,
        chunk_size=upload.chunk_bytes,
        total_chunks=upload.chunks,
        created_at=write_time(upload.created_at),
        expires_at=write_time(upload.expires_at),
    )


def render_state(state: UploadState, pages: Pages) -> JockeyUploadStateBody:
    """An upload with a page of its parts, those that have not come among them."""
    upload = state.upload
    chunks = [
        JockeyChunkBody(
            index=number,
            status="completed" if chunk and chunk.is_confirmed else "pending",
            uploaded_at=write_time(chunk.uploaded_at) if chunk else None,
            updated_at=write_time(chunk.uploaded_at) if chunk else None,
        )
        for number, chunk in state.chunks
    ]
    return JockeyUploadStateBody(
        upload_id=str(upload.id),
        status=upload.status,
        uploaded_chunks=chunks,
        chunks_completed=state.completed,
        chunks_failed=0,
        chunks_pending=upload.chunks - state.completed,
        page_info=pages.write_info(upload.chunks),
        total_size=upload.size_bytes,
        uploaded_size=state.uploaded_bytes,
        created_at=write_time(upload.created_at),
        updated_at=write_time(upload.updated_at),
    )
