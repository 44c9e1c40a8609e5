"""Fetching by URL, from a real server on this machine: within limits, never from a private network, with a reason."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from aiohttp import web

from multiturn.errors import Unavailable, UnreadableFile
from multiturn.upstream.addresses import is_public
from multiturn.upstream.fetch import REDIRECTS_MAX, FetchLimits, HttpFetcher

LIMITS = FetchLimits(connect_s=2, idle_s=0.3, total_s=1.0, slow_after_s=0.5, bytes_per_s_min=1000)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def answer(request: web.Request) -> web.StreamResponse:
    """A file, called what its query says."""
    headers = {"Content-Disposition": request.query["name"]} if "name" in request.query else {}
    return web.Response(body=b"tram 28", content_type="text/plain", headers=headers)


async def redirect(request: web.Request) -> web.StreamResponse:
    """Somewhere else."""
    return web.Response(status=302, headers={"Location": request.query["to"]})


async def circle(request: web.Request) -> web.StreamResponse:
    """Redirect for ever."""
    return web.Response(status=307, headers={"Location": "/circle"})


async def endless(request: web.Request) -> web.StreamResponse:
    """Send without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


async def drops(request: web.Request) -> web.StreamResponse:
    """Send a little now and then."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.05)


async def silence(request: web.Request) -> web.StreamResponse:
    """Begin, and send nothing more."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")
    await asyncio.sleep(30)
    return response


async def lie(request: web.Request) -> web.StreamResponse:
    """Promise more than is sent."""
    response = web.StreamResponse(headers={"Content-Length": "1000000"})
    await response.prepare(request)
    await response.write(b"tram 28")
    assert request.transport
    request.transport.close()
    return response


async def bomb(request: web.Request) -> web.StreamResponse:
    """Send compressed what nobody asked to be compressed."""
    assert request.headers["Accept-Encoding"] == "identity"
    return web.Response(body=gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})


async def fail(request: web.Request) -> web.StreamResponse:
    """Fail with a status."""
    return web.Response(status=int(request.query["status"]))


MASTER = """#EXTM3U
#EXT-X-STREAM-INF:BANDWIDTH=200,CODECS="avc1,mp4a"
low/list.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=900
/list
"""
LIST = """#EXTM3U
#EXT-X-TARGETDURATION:6
#EXTINF:6.0,
/piece?n=1
#EXTINF:6.0,
/redirect?to=/piece%3Fn=2
#EXT-X-ENDLIST
"""
FRAGMENTED = """\ufeff#EXTM3U
#EXT-X-MAP:URI="/whole",BYTERANGE="3@0"
#EXTINF:6.0,
#EXT-X-BYTERANGE:2@5
/whole
#EXTINF:6.0,
#EXT-X-BYTERANGE:3
/whole
#EXT-X-ENDLIST
"""
PLAYLISTS = {"/talk.m3u8": MASTER, "/list": LIST, "/fragmented.m3u8": FRAGMENTED}


async def list_pieces(request: web.Request) -> web.StreamResponse:
    """A playlist; with ``x`` in the query what that says instead."""
    text = request.query.get("x") or PLAYLISTS[request.path]
    return web.Response(text=text, content_type="application/vnd.apple.mpegurl")


async def piece(request: web.Request) -> web.StreamResponse:
    """A piece of a recording; of a ``size``, ``s`` seconds long, when that is asked for."""
    if size := int(request.query.get("size", 0)):
        response = web.StreamResponse(headers={"Content-Type": "video/mp2t"})
        await response.prepare(request)
        await response.write(b"x" * size)
        await asyncio.sleep(float(request.query["s"]))
        return response
    return web.Response(text=f"piece {request.query['n']};", content_type="video/mp2t")


async def whole(request: web.Request) -> web.StreamResponse:
    """A file of which ranges are asked for."""
    data, range_ = b"0123456789", request.http_range
    return web.Response(body=data[range_], status=206)


ROUTES: dict[str, Handler] = {
    **dict.fromkeys(PLAYLISTS, list_pieces),
    "/piece": piece,
    "/whole": whole,
    "/trams%20of/Lisbon%C3%A9.txt": answer,
    "/redirect": redirect,
    "/circle": circle,
    "/endless": endless,
    "/drops": drops,
    "/silence": silence,
    "/lie": lie,
    "/bomb": bomb,
    "/fail": fail,
}
FILE = "/trams%20of/Lisbon%C3%A9.txt"


@pytest.fixture
async def server() -> AsyncIterator[str]:
    """The URL of a server."""
    app = web.Application()
    for path, handler in ROUTES.items():
        app.router.add_get(path.replace("%20", " ").replace("%C3%A9", "é"), handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def make_fetcher(**limits: Any) -> HttpFetcher:
    """A fetcher that may fetch from this machine."""
    return HttpFetcher(FetchLimits(**limits) if limits else LIMITS, is_allowed=lambda _: True)


async def fetch(url: str, *, fetcher: HttpFetcher | None = None, bytes_max: int = 1_000_000) -> tuple[str, str, bytes]:
    async with (fetcher or make_fetcher()).fetch(url, bytes_max=bytes_max) as fetched:
        data = b"".join([piece async for piece in fetched.pieces])
    return fetched.filename, fetched.mime, data


async def test_file_is_fetched_as_it_is(server: str) -> None:
    assert await fetch(server + FILE) == ("Lisboné.txt", "text/plain", b"tram 28")


@pytest.mark.parametrize(
    ("disposition", "filename"),
    [
        ('attachment; filename="a b.mp4"', "a b.mp4"),
        ("attachment; filename*=UTF-8''caf%C3%A9.pdf", "café.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("inline", "Lisboné.txt"),
    ],
)
async def test_file_is_called_what_its_server_says(server: str, disposition: str, filename: str) -> None:
    assert (await fetch(f"{server}{FILE}?name={quote(disposition)}"))[0] == filename


async def test_redirects_are_followed(server: str) -> None:
    assert (await fetch(f"{server}/redirect?to=/redirect%3Fto%3D{FILE}"))[2] == b"tram 28"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"])
async def test_this_machine_is_refused(server: str, host: str) -> None:
    url = server.replace("127.0.0.1", host) + FILE
    with pytest.raises(UnreadableFile, match=r"not on the public Internet|not valid"):
        await fetch(url, fetcher=HttpFetcher(LIMITS))


async def test_redirect_into_the_private_network_is_refused(server: str) -> None:
    """The first host stands for a public one: its address is allowed, no other is."""
    fetcher = HttpFetcher(LIMITS, is_allowed=lambda address: address == "127.0.0.1")
    assert (await fetch(server + FILE, fetcher=fetcher))[2] == b"tram 28"
    for target in (server.replace("127.0.0.1", "127.0.0.2"), "http://10.0.0.1", "http://[::1]"):
        with pytest.raises(UnreadableFile, match="not on the public Internet"):
            await fetch(f"{server}/redirect?to={target}{FILE}", fetcher=fetcher)


async def test_address_is_checked_as_it_is_connected_to(server: str) -> None:
    """A name that leads somewhere else each time cannot slip through: there is one look at it."""
    seen: list[str] = []
    fetcher = HttpFetcher(LIMITS, is_allowed=lambda address: not seen.append(address))  # type: ignore[func-returns-value]
    await fetch(server.replace("127.0.0.1", "localhost") + FILE, fetcher=fetcher)
    assert set(seen) <= {"127.0.0.1", "::1"}
    assert "127.0.0.1" in seen


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://example.org/x", "gopher://127.0.0.1/"])
async def test_only_http_is_followed(server: str, target: str) -> None:
    with pytest.raises(UnreadableFile, match="neither http nor https"):
        await fetch(f"{server}/redirect?to={target}")


async def test_redirects_end(server: str) -> None:
    with pytest.raises(UnreadableFile, match=f"more than {REDIRECTS_MAX} times"):
        await fetch(f"{server}/circle")


async def test_endless_file_is_cut(server: str) -> None:
    with pytest.raises(UnreadableFile, match="too large"):
        await fetch(f"{server}/endless", fetcher=make_fetcher(total_s=10))


async def test_file_that_says_it_is_too_large_is_not_read(server: str) -> None:
    with pytest.raises(UnreadableFile, match="too large"):
        await fetch(f"{server}/lie", bytes_max=999_999)


async def test_silent_server_is_left(server: str) -> None:
    with pytest.raises(Unavailable, match="silent") as failed:
        await fetch(f"{server}/silence")
    assert failed.value.code == "fetch_failed"


async def test_slow_server_is_left(server: str) -> None:
    with pytest.raises(UnreadableFile, match="too slow"):
        await fetch(f"{server}/drops")


async def test_whole_time_is_limited(server: str) -> None:
    with pytest.raises(UnreadableFile, match="too long"):
        await fetch(f"{server}/drops", fetcher=make_fetcher(total_s=0.4, idle_s=5))


async def test_file_that_breaks_off_is_said(server: str) -> None:
    with pytest.raises(Unavailable, match="broke off"):
        await fetch(f"{server}/lie", bytes_max=2_000_000)


async def test_compressed_file_is_not_unpacked(server: str) -> None:
    with pytest.raises(UnreadableFile, match="compressed"):
        await fetch(f"{server}/bomb")


@pytest.mark.parametrize(("status", "error"), [(404, UnreadableFile), (403, UnreadableFile), (204, UnreadableFile)])
async def test_refusal_is_said_with_its_status(server: str, status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(status)):
        await fetch(f"{server}/fail?status={status}")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_failure_of_the_server_may_pass(server: str, status: int) -> None:
    with pytest.raises(Unavailable, match=str(status)):
        await fetch(f"{server}/fail?status={status}")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:1/x", "cannot be reached"),
        ("http://nowhere.invalid/x", "not known"),
        ("http://[1/x", "not valid"),
    ],
)
async def test_host_that_is_not_there_is_said(url: str, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        await fetch(url)


# Recordings in pieces.


async def test_recording_in_pieces_is_joined(server: str) -> None:
    assert await fetch(f"{server}/talk.m3u8") == ("talk.ts", "video/mp2t", b"piece 1;piece 2;")


async def test_pace_is_that_of_the_whole_recording(server: str) -> None:
    late = "#EXTM3U\n#EXTINF:6.0,\n/piece?n=1&size=20000&s=0.3\n#EXTINF:6.0,\n/piece?n=2\n#EXT-X-ENDLIST\n"
    fetcher = make_fetcher(slow_after_s=0.2, bytes_per_s_min=20000)
    _, _, data = await fetch(f"{server}/talk.m3u8?{urlencode({'x': late})}", fetcher=fetcher)
    assert (len(data), data[-8:]) == (20000 + 8, b"piece 2;")


async def test_recording_in_ranges_is_joined(server: str) -> None:
    assert await fetch(f"{server}/fragmented.m3u8") == ("fragmented.mp4", "video/mp4", b"01256789")


@pytest.mark.parametrize(
    ("playlist", "reason"),
    [
        ("#EXTM3U\n#EXTINF:6,\n/piece?n=1\n", "live stream"),
        ('#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k"\n/piece?n=1\n#EXT-X-ENDLIST', "encrypted"),
        ("<html>no list</html>", "begin with #EXTM3U"),
        ("#EXTM3U\n#EXT-X-ENDLIST", "0 pieces"),
        ("#EXTM3U\n#EXT-X-BYTERANGE:x@y\n/whole\n#EXT-X-ENDLIST", "broken"),
        ("#EXTM3U\n/piece?n=1\nfile:///etc/passwd\n#EXT-X-ENDLIST", "neither http nor https"),
        ("#EXTM3U\n/fail?status=404\n#EXT-X-ENDLIST", "404"),
        (
            '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",URI="s.m3u8"\n'
            '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"\n/list\n',
            "sound apart",
        ),
    ],
)
async def test_recording_that_cannot_be_joined_says_why(server: str, playlist: str, reason: str) -> None:
    with pytest.raises(UnreadableFile, match=reason):
        await fetch(f"{server}/list?x={quote(playlist)}")


async def test_pieces_are_not_fetched_from_the_private_network(server: str) -> None:
    fetcher = HttpFetcher(LIMITS, is_allowed=lambda address: address == "127.0.0.1")
    playlist = f"#EXTM3U\n/piece?n=1\n{server.replace('127.0.0.1', '127.0.0.2')}/piece?n=2\n#EXT-X-ENDLIST"
    with pytest.raises(UnreadableFile, match="not on the public Internet"):
        await fetch(f"{server}/list?x={quote(playlist)}", fetcher=fetcher)


async def test_recording_over_the_limit_is_cut(server: str) -> None:
    with pytest.raises(UnreadableFile, match="too large"):
        await fetch(f"{server}/talk.m3u8", bytes_max=100)
    playlist = "#EXTM3U\n/piece?n=1\n/endless\n#EXT-X-ENDLIST"
    with pytest.raises(UnreadableFile, match="too large"):
        await fetch(f"{server}/list?x={quote(playlist)}", fetcher=make_fetcher(total_s=10))


# Addresses.

PUBLIC = ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
    "::", "::1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
    "2002:7f00:1::1", "2002:a00:1::1", "localhost", "2130706433", "0x7f.1", "",
]  # fmt: skip


def test_public_addresses_are_public() -> None:
    assert [address for address in PUBLIC if not is_public(address)] == []


def test_all_others_are_not() -> None:
    assert [address for address in PRIVATE if is_public(address)] == []
