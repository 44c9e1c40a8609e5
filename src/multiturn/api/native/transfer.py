"""Export and import of sessions in the native API, as JSON Lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from multiturn.api.auth import authenticate, check_id
from multiturn.api.errors import write_response
from multiturn.api.native.query import read_choice
from multiturn.api.native.transfer_lines import read_chunks
from multiturn.api.native.transfer_parse import FORMATS, Format, Source
from multiturn.api.native.transfer_render import render_imported, write_lines
from multiturn.api.services import Services
from multiturn.api.session_names import session_key
from multiturn.errors import InvalidRequest
from multiturn.model.archive import Archived, Imported

MEDIA = "application/jsonl"


class TransferRoutes:
    """Sessions that leave the server, and those that come."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def below(self, base: str) -> list[Route]:
        """The routes under a base path."""
        return [
            Route(f"{base}/sessions/import", self.import_sessions, methods=["POST"]),
            Route(f"{base}/sessions/{{session_id}}/export", self.export_session, methods=["GET"]),
        ]

    async def export_session(self, request: Request) -> Response:
        """Everything that is stored of a session, a line a piece."""
        caller = await authenticate(self.services, request)
        session = await self.services.sessions.get(session_key(caller, request.path_params["session_id"]))
        with_documents = read_choice(request, "documents", ("false", "true")) == "true"
        pages = self.services.exports.read(session, with_documents=with_documents)
        headers = {"content-disposition": f'attachment; filename="{session.id}.jsonl"'}
        return StreamingResponse(write_pages(pages), media_type=MEDIA, headers=headers)

    async def import_sessions(self, request: Request) -> Response:
        """Make sessions of what was exported, here or elsewhere."""
        caller = await authenticate(self.services, request)
        name = request.query_params.get("external_id")
        external_id = None if name is None else check_id(name, "external_id")
        source = Source(read_chunks(request), format_=read_format(request), external_id=external_id)
        async with aclosing(source.read()) as records:
            imported = await self.services.imports.take(caller, records)
        told = Imported(sessions=imported.sessions, left_out=(*imported.left_out, *source.left_out))
        return write_response(render_imported(told), status=201)


def read_format(request: Request) -> Format | None:
    """The format that a request names; None to find it out. Raises InvalidRequest."""
    name = request.query_params.get("format")
    for format_ in FORMATS:
        if name == format_:
            return format_
    if name is None:
        return None
    raise InvalidRequest(f"'format' must be one of {', '.join(FORMATS)}; it is '{name[:40]}'.", param="format")


async def write_pages(pages: AsyncGenerator[Sequence[Archived]]) -> AsyncGenerator[bytes]:
    """The pages of an export as they are read."""
    async with aclosing(pages):
        async for page in pages:
            if page:
                yield write_lines(page)
