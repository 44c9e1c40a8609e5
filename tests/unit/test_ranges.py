"""Files as answers, and forms as they arrive: pieces of any size, ranges of any spelling."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import Request

from multiturn.api.forms import FormReader, Part
from multiturn.api.ranges import FileAnswer, Range, answer_file, find_range, read_range
from multiturn.engine.media_files import MediaFile
from multiturn.errors import InvalidRequest, NotFound, TooLarge

DATA = bytes(range(100))
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
FILE = MediaFile(blob="x", size_bytes=100, mime="video/mp4", filename="talk é.mp4", tag="t1", changed_at=NOON)


def make_request(body: list[bytes] | None = None, *, is_broken: bool = False, **headers: Any) -> Request:
    """A request whose body comes in these pieces, and then ends, or breaks off."""
    pieces = list(body or [])

    async def receive() -> dict[str, Any]:
        if pieces:
            return {"type": "http.request", "body": pieces.pop(0), "more_body": True}
        return {"type": "http.disconnect"} if is_broken else {"type": "http.request", "body": b"", "more_body": False}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": named}, receive)


async def read_bytes(start: int, end: int) -> AsyncGenerator[bytes]:
    for at in range(start, end, 7):
        yield DATA[at : min(at + 7, end)]


async def ask(file: MediaFile = FILE, **headers: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the answer to a request for a file."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    answer = await answer_file(make_request(**headers), file, read_bytes)
    scope: Any = {"type": "http", "method": "GET"}
    await answer(scope, make_request().receive, send)
    found = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(message.get("body", b"") for message in sent[1:])


# Ranges.


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("bytes=0-9", (0, 9)),
        ("bytes=5-", (5, None)),
        ("bytes=-5", (None, 5)),
        (" bytes=0-0 ", (0, 0)),
        ("bytes=-", None),
        ("bytes=9-5", None),
        ("bytes=0-1,3-4", None),
        ("bytes= 0-1", None),
        ("items=0-1", None),
        ("bytes=0x1-2", None),
        ("bytes=" + "9" * 30 + "-", None),
        ("", None),
    ],
)
def test_range_is_understood_or_ignored(text: str, asked: tuple[int | None, int | None] | None) -> None:
    assert read_range(Headers({"range": text}), '"t1"') == asked


@pytest.mark.parametrize(
    ("asked", "size", "found"),
    [
        ((0, 9), 100, Range(0, 10)),
        ((90, 200), 100, Range(90, 100)),
        ((99, None), 100, Range(99, 100)),
        ((100, None), 100, None),
        ((None, 5), 100, Range(95, 100)),
        ((None, 500), 100, Range(0, 100)),
        ((None, 0), 100, None),
        ((0, None), 0, None),
        ((None, 5), 0, None),
    ],
)
def test_range_lies_in_the_file(asked: tuple[int | None, int | None], size: int, found: Range | None) -> None:
    assert find_range(asked, size) == found


async def test_file_is_sent_whole_and_in_part() -> None:
    status, headers, body = await ask()
    assert (status, body, headers["content-length"]) == (200, DATA, "100")
    assert headers["content-disposition"] == "inline; filename*=UTF-8''talk%20%C3%A9.mp4"
    status, headers, body = await ask(range="bytes=10-19")
    assert (status, body, headers["content-range"]) == (206, DATA[10:20], "bytes 10-19/100")


async def test_file_of_unknown_content_is_a_download() -> None:
    for file in (FILE._replace(is_safe=False), FILE._replace(mime="text/html"), FILE._replace(mime="image/svg+xml")):
        _, headers, _ = await ask(file)
        assert headers["content-disposition"].startswith("attachment")
        assert headers["x-content-type-options"] == "nosniff"
    _, headers, _ = await ask(FILE._replace(is_safe=False))
    assert headers["content-type"] == "application/octet-stream"


async def test_missing_bytes_are_said_before_the_answer_begins() -> None:
    async def read(start: int, _end: int) -> AsyncGenerator[bytes]:
        if start == 0:
            raise NotFound("There is no file.", code="file_not_found")
        yield b""

    with pytest.raises(NotFound):
        await answer_file(make_request(), FILE, read)


async def test_reading_ends_when_the_client_goes() -> None:
    ended: list[bool] = []

    async def read(_start: int, _end: int) -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.append(True)

    async def send(message: Any) -> None:
        if message.get("body"):
            raise OSError("gone")

    answer = await answer_file(make_request(), FILE, read)
    assert isinstance(answer, FileAnswer)
    with pytest.raises(OSError, match="gone"):
        await answer({"type": "http"}, make_request().receive, send)
    assert ended == [True]


@pytest.mark.parametrize("tag", ['"t1"', "*"])
async def test_file_that_the_client_has_is_not_sent(tag: str) -> None:
    status, headers, body = await ask(if_none_match=tag)
    assert (status, body, headers["etag"]) == (304, b"", '"t1"')
    assert (await ask(if_none_match='"t2"'))[0] == 200


async def test_range_behind_the_end_is_refused() -> None:
    status, headers, body = await ask(range="bytes=100-")
    assert (status, body, headers["content-range"]) == (416, b"", "bytes */100")
    assert headers["content-type"].startswith("text/plain")


async def test_range_of_another_version_is_the_whole_file() -> None:
    assert (await ask(range="bytes=0-9", if_range='"t1"'))[::2] == (206, DATA[:10])
    assert (await ask(range="bytes=0-9", if_range='"t0"'))[::2] == (200, DATA)


async def test_file_may_be_kept_for_an_hour() -> None:
    _, headers, _ = await ask()
    assert headers["cache-control"] == "private, max-age=3600"
    assert headers["last-modified"] == "Sat, 21 Nov 2026 12:00:00 GMT"
    assert headers["accept-ranges"] == "bytes"


async def test_head_reads_nothing() -> None:
    def read(_start: int, _end: int) -> AsyncGenerator[bytes]:
        raise AssertionError("nobody asked for bytes")

    request = make_request(range="bytes=10-19")
    request.scope["method"] = "HEAD"
    answer = await answer_file(request, FILE, read)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await answer({"type": "http", "method": "HEAD"}, make_request().receive, send)
    assert sent[0]["status"] == 206
    assert (b"content-length", b"10") in sent[0]["headers"]
    assert sent[1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]


# Forms.

CONTENT_TYPE = "multipart/form-data; boundary=line"
FIELDS = [
    (b'Content-Disposition: form-data; name="method"', b"direct"),
    (
        b'content-disposition: form-data; name="file"; filename="a%22b.mp4"\r\nContent-Type: video/mp4',
        b"\r\n--lin\r\n" * 50,
    ),
    (b'Content-Disposition: form-data; name="late"; x=y', "é\0".encode()),
]
FORM = b"".join(b"--line\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in FIELDS) + b"--line--\r\n"


async def read_form(request: Request) -> list[tuple[Part, bytes]]:
    """The parts of a form, each with its bytes."""
    reader = FormReader(request)
    found = []
    while part := await reader.find_part():
        found.append((part, await reader.read_field(bytes_max=10_000)))
    return found


WHOLE = [
    (Part("method", None, None), b"direct"),
    (Part("file", 'a"b.mp4', "video/mp4"), FIELDS[1][1]),
    (Part("late", None, None), FIELDS[2][1]),
]


@pytest.mark.parametrize("seed", range(8))
async def test_form_is_the_same_however_it_is_cut(seed: int) -> None:
    chance, left = random.Random(seed), FORM
    pieces: list[bytes] = []
    while left:
        size = chance.choice((1, 2, 3, 17, 400)) if seed else 1
        pieces, left = [*pieces, left[:size]], left[size:]
    assert await read_form(make_request(pieces, content_type=CONTENT_TYPE)) == WHOLE


async def test_what_stands_around_a_form_does_not_count() -> None:
    body = [b"\r\n" + FORM + b"epilogue"]
    assert await read_form(make_request(body, content_type=CONTENT_TYPE)) == WHOLE


@pytest.mark.parametrize("end", [1, 10, 40, 60, 150, len(FORM) - 8])
@pytest.mark.parametrize("is_broken", [True, False])
async def test_form_that_ends_too_early_is_refused(end: int, is_broken: bool) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await read_form(make_request([FORM[:end]], is_broken=is_broken, content_type=CONTENT_TYPE))
    assert refused.value.code == "incomplete_body"


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=", "multipart/mixed; boundary=line"],
)
async def test_body_of_another_kind_is_no_form(content_type: str) -> None:
    with pytest.raises(InvalidRequest):
        await read_form(make_request([FORM], content_type=content_type))


async def test_large_field_is_refused() -> None:
    body = b'--line\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"x" * 10_001 + b"\r\n--line--\r\n"
    with pytest.raises(TooLarge):
        await read_form(make_request([body], content_type=CONTENT_TYPE))


async def test_many_parts_are_refused() -> None:
    part = b'--line\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    with pytest.raises(InvalidRequest, match="more than 100 parts"):
        await read_form(make_request([part * 101 + b"--line--\r\n"], content_type=CONTENT_TYPE))


@pytest.mark.parametrize(
    ("disposition", "name", "filename"),
    [
        ('form-data; name="file"; filename="talk.mp4"', "file", "talk.mp4"),
        ("form-data; name=file; filename=talk.mp4", "file", "talk.mp4"),
        ('form-data; name="file"; filename="café.mp4"', "file", "café.mp4"),
        ('form-data; name="file"; filename="x"; filename*=UTF-8\'\'caf%C3%A9.mp4', "file", "café.mp4"),
        ('form-data; name="file"; filename="a;b \\" c.mp4"', "file", 'a;b " c.mp4'),
        ('form-data; name="file"; filename="50%.mp4"', "file", "50%.mp4"),
        ('form-data; name="file"; filename="%ff.mp4"', "file", "%ff.mp4"),
        ('form-data; name="file"; filename=""', "file", ""),
    ],
)
async def test_filename_is_read_as_clients_write_it(disposition: str, name: str, filename: str) -> None:
    head = b"--line\r\nContent-Disposition: " + disposition.encode() + b"\r\n\r\nx\r\n--line--\r\n"
    [(part, _)] = await read_form(make_request([head], content_type=CONTENT_TYPE))
    assert (part.name, part.filename) == (name, filename)


@pytest.mark.parametrize("head", ["attachment; name=a", "form-data", "form-data; filename=a", ""])
async def test_part_without_a_name_is_refused(head: str) -> None:
    body = b"--line\r\nContent-Disposition: " + head.encode() + b"\r\n\r\nx\r\n--line--\r\n"
    with pytest.raises(InvalidRequest, match="no name"):
        await read_form(make_request([body], content_type=CONTENT_TYPE))
