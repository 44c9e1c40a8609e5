"""Files over HTTP: put in by form and by URL, read by ranges and by links, described, deleted."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from multiturn.api.native.assets_render import list_phrases, write_srt, write_vtt
from multiturn.engine.speech import Transcript
from multiturn.model.segment import Mark, Place, Segment
from tests.contract.dialects import knowing
from tests.contract.dialects.conftest import OpenPlace
from tests.contract.dialects.conftest import Place as Server
from tests.contract.dialects.knowing import fail, send

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRAMS = b"Tram 28 goes from Martim Moniz to Campo de Ourique.\n"
# A picture of one pixel.
GIF = bytes.fromhex("47494638396101000100800000ffffff00000021f90400000000002c00000000010001000002024401003b")


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    name: str = request.param
    return name


def make_form(data: bytes | None = TRAMS, name: str = "trams.txt", **fields: str) -> aiohttp.FormData:
    form = aiohttp.FormData(default_to_multipart=True)
    if data is not None:
        form.add_field("file", io.BytesIO(data), filename=name, content_type="text/plain")
    for field, value in fields.items():
        form.add_field(field, value)
    return form


async def put(place: Server, data: bytes = TRAMS, name: str = "trams.txt", **fields: str) -> dict[str, Any]:
    """Put a file in."""
    status, asset = await send(place, "POST", "/v1/assets", data=make_form(data, name, **fields))
    assert status == 201, asset
    found: dict[str, Any] = asset
    return found


async def wait(place: Server, asset: dict[str, Any]) -> dict[str, Any]:
    """Wait until an asset was looked at."""
    return await knowing.wait(place, f"/v1/assets/{asset['id']}")


async def read(place: Server, url: str, method: str = "GET", **headers: str) -> tuple[int, bytes, Any]:
    """Read a file by its link, without a key."""
    parts = urlsplit(url)
    async with (
        aiohttp.ClientSession(place.url) as session,
        session.request(method, parts.path, headers={k.replace("_", "-"): v for k, v in headers.items()}) as reply,
    ):
        return reply.status, await reply.read(), reply.headers


@pytest_asyncio.fixture(loop_scope="module")
async def trams(place: Server) -> dict[str, Any]:
    """A text that is there."""
    return await wait(place, await put(place))


async def test_asset_lives_from_upload_to_delete(place: Server) -> None:
    made = await put(place, metadata='{"city": "Lisbon", "lines": ["28"]}', purpose="guide")
    assert (made["status"], made["filename"], made["size_bytes"]) == ("processing", "trams.txt", len(TRAMS))
    assert made["sha256"] == hashlib.sha256(TRAMS).hexdigest()
    assert (made["metadata"], made["purpose"]) == ({"city": "Lisbon", "lines": ["28"]}, "guide")
    ready = await wait(place, made)
    assert (ready["status"], ready["kind"], ready["mime"]) == ("ready", "document", "text/plain")
    assert (await place.get(f"/v1/assets/{made['short_id']}"))["id"] == made["id"]
    assert [one["id"] for one in (await place.get("/v1/assets"))["data"]] == [made["id"]]
    assert await send(place, "DELETE", f"/v1/assets/{made['id']}") == (
        200,
        {"id": made["id"], "object": "asset.deleted", "deleted": True},
    )
    assert await fail(place, "GET", f"/v1/assets/{made['id']}") == (404, "asset_not_found", "asset_id")
    assert (await read(place, ready["url"]))[0] == 404


async def test_fields_behind_the_file_count(place: Server) -> None:
    form = aiohttp.FormData()
    form.add_field("purpose", "before")
    form.add_field("file", TRAMS, filename="trams.txt")
    form.add_field("metadata", '{"behind": true}')
    status, asset = await send(place, "POST", "/v1/assets", data=form)
    assert (status, asset["purpose"], asset["metadata"]) == (201, "before", {"behind": True})


@pytest.mark.parametrize("name", ["Café – trams.txt", 'a "quoted" name.txt', "日本.txt"])
async def test_file_keeps_its_name(place: Server, name: str) -> None:
    assert (await put(place, name=name))["filename"] == name


async def test_chunked_body_is_taken(place: Server) -> None:
    """Clients that do not know the size send none."""
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="t.txt"\r\n\r\n'

    async def pieces() -> AsyncIterator[bytes]:
        for byte in head + TRAMS + b"\r\n--x--\r\n":
            yield bytes([byte])

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    status, asset = await send(place, "POST", "/v1/assets", data=pieces(), headers=headers)
    assert (status, asset["size_bytes"]) == (201, len(TRAMS))


@pytest.mark.parametrize(
    ("data", "fields", "refused"),
    [
        (b"", {}, (400, "empty_file", "file")),
        (None, {"filename": "x"}, (400, "invalid_request", "file")),
        (TRAMS, {"metadata": "[1]"}, (400, "invalid_request", "metadata")),
        (TRAMS, {"metadata": "{"}, (400, "invalid_request", "metadata")),
        (TRAMS, {"metadata": '{"a": {"b": 1}}'}, (400, "invalid_request", "metadata")),
        (TRAMS, {"hls": "yes"}, (400, "invalid_request", "hls")),
        (TRAMS, {"colour": "red"}, (400, "invalid_request", "colour")),
        (TRAMS, {"url": "https://media.example/x"}, (400, "invalid_request", "url")),
        (None, {"url": "file:///etc/passwd"}, (400, "invalid_request", "url")),
        (TRAMS, {"purpose": "x" * 65}, (400, "invalid_request", "purpose")),
        (TRAMS, {"purpose": "x" * 600_000, "filename": "x" * 600_000}, (413, "request_too_large", None)),
    ],
)
async def test_form_that_cannot_be_is_refused(
    place: Server, data: bytes | None, fields: dict[str, str], refused: tuple[int, str, str | None]
) -> None:
    assert await fail(place, "POST", "/v1/assets", data=make_form(data, **fields)) == refused
    assert (await place.get("/v1/assets"))["data"] == []


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\ntra", "x", "incomplete_body"),
        (b"", "x", "incomplete_body"),
        (b"no form at all", "x", "invalid_request"),
        (b"--x\r\nContent-Type: text/plain\r\n\r\nx\r\n--x--\r\n", "x", "invalid_request"),
        (b"--x\r\n\r\nx\r\n--x--\r\n", "x", "invalid_request"),
        (b"--x--\r\n", "", "invalid_request"),
        (b"--x--\r\n", "x" * 300, "invalid_request"),
        (
            b'--x\r\nContent-Disposition: form-data; name="doc"; filename="a"\r\n\r\nx\r\n--x--\r\n',
            "x",
            "invalid_request",
        ),
        (b"--x\r\n" + b"a: b\r\n" * 20 + b"\r\nx\r\n--x--\r\n", "x", "invalid_request"),
    ],
)
async def test_body_that_is_no_form_is_refused(place: Server, body: bytes, content_type: str, code: str) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary={content_type}"}
    status, found, _ = await fail(place, "POST", "/v1/assets", data=body, headers=headers)
    assert (status, found) == (400, code)
    assert (await place.get("/v1/assets"))["data"] == []


async def test_two_files_are_one_too_many(place: Server) -> None:
    form = make_form()
    form.add_field("file", TRAMS, filename="again.txt")
    assert await fail(place, "POST", "/v1/assets", data=form) == (400, "invalid_request", "file")


async def test_metadata_are_merged(place: Server, trams: dict[str, Any]) -> None:
    path = f"/v1/assets/{trams['id']}"
    for change, found in (
        ({"a": 1, "b": ["x"]}, {"a": 1, "b": ["x"]}),
        ({"a": None, "c": False}, {"b": ["x"], "c": False}),
        (None, None),
    ):
        status, asset = await send(place, "PATCH", path, {"metadata": change})
        assert (status, asset["metadata"]) == (200, found)
    assert (await fail(place, "PATCH", path, {"metadata": {"a": {}}}))[0] == 400
    assert (await fail(place, "PATCH", path, {"filename": "x"}))[0] == 400


async def test_assets_are_listed_by_page_and_filter(place: Server) -> None:
    made = [await put(place, b"%d" % number, f"{number}.txt", purpose=f"p{number}") for number in range(3)]
    first = await place.get("/v1/assets?limit=2")
    assert ([one["filename"] for one in first["data"]], first["has_more"]) == (["2.txt", "1.txt"], True)
    rest = await place.get(f"/v1/assets?limit=2&cursor={first['next']}")
    assert ([one["filename"] for one in rest["data"]], rest["has_more"], rest["next"]) == (["0.txt"], False, None)
    for query, found in (
        (f"id={made[0]['id']}&id={made[2]['short_id']}", ["2.txt", "0.txt"]),
        (f"digest={made[1]['sha256']}", ["1.txt"]),
        ("filename=1.TXT", ["1.txt"]),
        ("purpose=p0", ["0.txt"]),
        ("kind=video", []),
        ("id=%00", []),
        (f"digest={made[1]['sha256']}&filename=0", []),
        ("order=asc&limit=1", ["0.txt"]),
    ):
        assert [one["filename"] for one in (await place.get(f"/v1/assets?{query}"))["data"]] == found, query
    for query in ("kind=book", "cursor=x", "limit=0", "filename=%00", "digest=%00", "order=up"):
        assert (await fail(place, "GET", f"/v1/assets?{query}"))[0] == 400, query


async def test_strangers_asset_is_not_there(place: Server, trams: dict[str, Any]) -> None:
    key = await place.make_key(tenant="another")
    headers = {"Authorization": f"Bearer {key}"}
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content"), ("GET", "/transcript")):
        found = await fail(place, method, f"/v1/assets/{trams['id']}{path}", headers=headers)
        assert found == (404, "asset_not_found", "asset_id")
    assert (await place.http.get(f"/v1/assets/{trams['id']}/content")).status == 200


async def test_key_of_one_user_may_only_read(place: Server, trams: dict[str, Any]) -> None:
    key = await place.make_key(user="ann")
    headers, path = {"Authorization": f"Bearer {key}"}, f"/v1/assets/{trams['id']}"
    for method, where, body in (
        ("POST", "/v1/assets", {"data": make_form()}),
        ("PATCH", path, {"body": {"metadata": {}}}),
        ("DELETE", path, {}),
    ):
        assert await fail(place, method, where, headers=headers, **body) == (403, "forbidden", None)
    status, found = await send(place, "GET", path, headers=headers)
    assert (status, found["id"]) == (200, trams["id"])


# Files.


async def test_file_is_read_by_key_and_by_link(place: Server, trams: dict[str, Any]) -> None:
    async with place.http.get(f"/v1/assets/{trams['id']}/content") as reply:
        assert (reply.status, await reply.read()) == (200, TRAMS)
    status, data, headers = await read(place, trams["url"])
    assert (status, data) == (200, TRAMS)
    assert headers["Content-Length"] == str(len(TRAMS))
    assert headers["ETag"] == f'"{trams["sha256"]}"'
    assert trams["url"].startswith(place.url)


@pytest.mark.parametrize(
    ("asked", "status", "start", "end"),
    [
        ("bytes=0-3", 206, 0, 4),
        ("bytes=5-", 206, 5, None),
        ("bytes=-4", 206, -4, None),
        ("bytes=-9999", 206, 0, None),
        ("bytes=40-9999", 206, 40, None),
        ("bytes=9-3", 200, 0, None),
        ("bytes=0-1,4-5", 200, 0, None),
        ("bytes=-", 200, 0, None),
        ("pages=1-2", 200, 0, None),
        ("bytes=x-y", 200, 0, None),
    ],
)
async def test_range_of_a_file_is_read(
    place: Server, trams: dict[str, Any], asked: str, status: int, start: int, end: int | None
) -> None:
    found, data, headers = await read(place, trams["url"], Range=asked)
    assert (found, data) == (status, TRAMS[start:end])
    if status == 206:
        first = TRAMS.index(TRAMS[start:end])
        assert headers["Content-Range"] == f"bytes {first}-{first + len(data) - 1}/{len(TRAMS)}"


@pytest.mark.parametrize("asked", ["bytes=52-", "bytes=9999-", "bytes=-0"])
async def test_range_behind_the_end_is_416(place: Server, trams: dict[str, Any], asked: str) -> None:
    status, data, headers = await read(place, trams["url"], Range=asked)
    assert (status, data, headers["Content-Range"]) == (416, b"", f"bytes */{len(TRAMS)}")


async def test_client_that_has_the_file_gets_no_more(place: Server, trams: dict[str, Any]) -> None:
    etag = f'"{trams["sha256"]}"'
    assert (await read(place, trams["url"], If_None_Match=etag))[:2] == (304, b"")
    assert (await read(place, trams["url"], Range="bytes=0-3", If_Range=etag))[:2] == (206, TRAMS[:4])
    assert (await read(place, trams["url"], Range="bytes=0-3", If_Range='"other"'))[:2] == (200, TRAMS)


async def test_head_tells_the_size(place: Server, trams: dict[str, Any]) -> None:
    status, data, headers = await read(place, trams["url"], "HEAD")
    assert (status, data, headers["Content-Length"], headers["Accept-Ranges"]) == (200, b"", str(len(TRAMS)), "bytes")


async def test_page_of_a_stranger_runs_nothing(place: Server) -> None:
    page = await wait(place, await put(place, b"<!doctype html><p>Hi<script>alert(1)</script>", "x.html"))
    picture = await wait(place, await put(place, GIF, "x.gif"))
    for asset, disposition in ((page, "attachment"), (picture, "inline")):
        _, _, headers = await read(place, asset["url"])
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in headers["Content-Security-Policy"]
        assert headers["Content-Disposition"].startswith(disposition), asset


async def test_link_that_was_changed_leads_nowhere(place: Server, trams: dict[str, Any]) -> None:
    token = urlsplit(trams["url"]).path.split("/")[2]
    for path in (f"/media/{token[:-1]}x/file/a", "/media/x/thumbnail.jpg", f"/media/{token}/hls/..%2Foriginal"):
        assert (await read(place, path))[0] == 404
    for path, code in (
        (f"/media/{token}/hls/stream.m3u8", "file_not_found"),
        (f"/media/{token}/frames/1.jpg", "file_not_found"),
        (f"/media/{token}/frames/x.jpg", "file_not_found"),
        ("/media/abc/file/x", "link_invalid"),
    ):
        assert (await fail(place, "GET", path))[:2] == (404, code)
    assert (await fail(place, "PUT", f"/media/{token}/chunks/1", data=b"x"))[:2] == (404, "link_invalid")


async def test_transcript_is_not_there_before_it_is_read(place: Server, trams: dict[str, Any]) -> None:
    path = f"/v1/assets/{trams['id']}/transcript"
    assert await fail(place, "GET", path) == (404, "transcript_not_found", "asset_id")
    assert (await fail(place, "GET", f"{path}?format=doc"))[0] == 400


async def test_transcript_becomes_subtitles() -> None:
    marks = (Mark(0, 1.25, 2.5), Mark(9, 3661.0, 3662.0))
    place = Place(start_s=1.25, end_s=3662.0, marks=marks)
    segments = (
        Segment(text="Tram 28. <b>Go & see.", place=place),
        Segment(text="End.", place=Place(start_s=9, end_s=10)),
    )
    transcript = Transcript(status="ready", segments=segments)
    assert [(one.start_s, one.text) for one in list_phrases(transcript)] == [
        (1.25, "Tram 28."),
        (3661.0, "<b>Go & see."),
        (9, "End."),
    ]
    assert write_srt(list_phrases(transcript)).startswith(
        "1\n00:00:01,250 --> 00:00:02,500\nTram 28.\n\n2\n01:01:01,000"
    )
    vtt = write_vtt(list_phrases(transcript))
    assert vtt.startswith("WEBVTT\n\n00:00:01.250 --> 00:00:02.500\nTram 28.\n\n")
    assert "&lt;b&gt;Go &amp; see." in vtt


# By URL.


@pytest_asyncio.fixture(loop_scope="module")
async def library() -> AsyncIterator[str]:
    """The URL of a server of files."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=TRAMS, content_type="text/plain")

    app = web.Application()
    app.router.add_get("/trams.txt", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_url_into_this_machine_fails_and_says_why(place: Server, library: str) -> None:
    status, asset = await send(place, "POST", "/v1/assets", {"url": f"{library}/trams.txt"})
    assert (status, asset["status"], asset["method"], asset["filename"]) == (201, "processing", "url", "trams.txt")
    failed = await wait(place, asset)
    assert failed["status"] == "failed"
    assert "not on the public Internet" in failed["error"]
    assert "127.0.0.1" in failed["source_url"]


async def test_url_is_fetched_where_it_may_be(opening: OpenPlace, library: str) -> None:
    async with opening(fetch_private=True) as place:
        form = make_form(None, url=f"{library}/trams.txt", metadata='{"a": 1}')
        _, asset = await send(place, "POST", "/v1/assets", data=form)
        ready = await wait(place, asset)
        assert (ready["status"], ready["sha256"]) == ("ready", hashlib.sha256(TRAMS).hexdigest())
        assert (await read(place, ready["url"]))[1] == TRAMS


async def test_file_over_the_limit_is_refused(opening: OpenPlace) -> None:
    async with opening(upload_bytes_max=10, multipart_bytes_max=1000) as place:
        for size in (1001, 2_000_000):
            refused = await fail(place, "POST", "/v1/assets", data=make_form(bytes(size)))
            assert refused == (413, "file_too_large", "file")
        assert (await place.get("/v1/assets"))["data"] == []
