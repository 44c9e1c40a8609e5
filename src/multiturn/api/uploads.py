"""A file in a form, streamed to where files are kept, with the fields before and behind it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from starlette.requests import Request

from multiturn.api.forms import FIELDS_BYTES_MAX, FORM, FormReader, Part, read_text
from multiturn.api.limits import is_number
from multiturn.engine.assets import Assets, ReceivedFile, file_too_large
from multiturn.errors import InvalidRequest

FILE = "file"


class UploadedFile(NamedTuple):
    """The file of a form: what its sender calls it, the type that the sender gives it, and where it is kept."""

    filename: str
    mime: str | None
    received: ReceivedFile


@dataclass(slots=True)
class Form:
    """What a form held: its fields by name, each with its values, and its file."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: UploadedFile | None = None

    def first(self, name: str) -> str | None:
        """A field's value."""
        values = self.fields.get(name)
        return values[0] if values else None

    @property
    def received(self) -> ReceivedFile | None:
        """The file as it is kept."""
        return self.file.received if self.file else None


@asynccontextmanager
async def read_upload(
    request: Request, assets: Assets, tenant_id: UUID, *, bytes_max: int | None = None
) -> AsyncGenerator[Form]:
    """Read a form whose part ``file`` is a file. When reading it, or the block, raises, the file is taken away again.

    Raises InvalidRequest for a body that is no form, breaks off, or has two files; TooLarge.
    """
    form, is_taken = Form(), False
    limit = bytes_max or assets.limits.upload_bytes_max
    declared = request.headers.get("content-length", "")
    if is_number(declared) and int(declared) > limit + FIELDS_BYTES_MAX:
        raise file_too_large(limit)
    try:
        await read_form(FormReader(request), form, assets, tenant_id, limit)
        yield form
        is_taken = True
    finally:
        if form.file and not is_taken:
            await assets.discard(tenant_id, form.file.received)


async def read_form(reader: FormReader, form: Form, assets: Assets, tenant_id: UUID, bytes_max: int) -> None:
    """Read every part."""
    left = FIELDS_BYTES_MAX
    while part := await reader.find_part():
        if part.filename:
            require_file(part, form)
            received = await assets.receive(tenant_id, reader.read_data(), bytes_max=bytes_max)
            form.file = UploadedFile(part.filename, part.mime, received)
            continue
        value = await reader.read_field(bytes_max=left)
        left -= len(value)
        if part.filename is None:  # A browser sends a file without a name for one that nobody chose.
            form.fields.setdefault(part.name, []).append(read_text(value))


def require_file(part: Part, form: Form) -> None:
    """Raises InvalidRequest for a file that is not the one file of the form."""
    if part.name != FILE:
        raise InvalidRequest(f"A file must be in the part 'file'; '{part.name[:40]}' is one.", param=part.name[:40])
    if form.file:
        raise InvalidRequest("The form has two files; send one at a time.", param=FILE)


def is_multipart(request: Request) -> bool:
    """Whether the body says that it is a form."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM
