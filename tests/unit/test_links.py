"""Links to files: they lead to one thing of one tenant, for some time, and nobody else can write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from multiturn.engine.links import Linked, LinkKind, Links
from multiturn.errors import NotFound
from multiturn.model.asset import Asset
from multiturn.model.filename import clean_filename, find_url_filename
from multiturn.model.ids import new_id

TENANT, ASSET, UPLOAD = new_id(), new_id(), new_id()
NOON = datetime(2026, 11, 21, 12, 20, tzinfo=UTC)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def make_links(time: Time, *, secret: bytes = b"s" * 32, public_url: str | None = None) -> Links:
    return Links(secret, time, life_s=86_400, public_url=public_url)


def token_of(url: str) -> str:
    return url.split("/media/")[1].split("/")[0]


def refuse(links: Links, token: str, kind: LinkKind = "asset") -> str:
    with pytest.raises(NotFound) as refused:
        links.read(token, kind)
    return refused.value.code


def test_link_leads_to_its_asset() -> None:
    links = make_links(Time())
    url = links.write(TENANT, ASSET, "thumbnail.jpg")
    assert url == f"/media/{token_of(url)}/thumbnail.jpg"
    assert links.read(token_of(url), "asset") == Linked(TENANT, ASSET)


def test_link_works_until_its_time_is_over() -> None:
    time = Time()
    links = make_links(time)
    token = token_of(links.write(TENANT, ASSET, "x"))
    time.now += timedelta(hours=24)
    assert links.read(token, "asset")
    time.now += timedelta(hours=1, seconds=1)
    assert refuse(links, token) == "link_expired"


def test_link_stays_the_same_for_a_while() -> None:
    time = Time()
    links = make_links(time)
    first = links.write(TENANT, ASSET, "x")
    time.now += timedelta(minutes=30)
    assert links.write(TENANT, ASSET, "x") == first
    time.now += timedelta(minutes=30)
    assert links.write(TENANT, ASSET, "x") != first


def test_changed_link_leads_nowhere() -> None:
    links = make_links(Time())
    token = token_of(links.write(TENANT, ASSET, "x"))
    for place in range(len(token)):
        for letter in {*"AZaz09-_"} - {token[place]}:
            assert refuse(links, token[:place] + letter + token[place + 1 :]) == "link_invalid"
    for broken in ("", "a", token[:-4], token + "AAAA", "é", "....", token[1:]):
        assert refuse(links, broken) == "link_invalid"


def test_link_of_another_secret_leads_nowhere() -> None:
    other = make_links(Time(), secret=b"t" * 32)
    assert refuse(make_links(Time()), token_of(other.write(TENANT, ASSET, "x"))) == "link_invalid"


def test_link_to_read_cannot_be_sent_to() -> None:
    links = make_links(Time())
    chunk, _ = links.write_chunk(TENANT, UPLOAD, 3)
    assert links.read(token_of(chunk), "upload") == Linked(TENANT, UPLOAD)
    assert refuse(links, token_of(chunk)) == "link_invalid"
    assert refuse(links, token_of(links.write(TENANT, ASSET, "x")), "upload") == "link_invalid"


def test_link_for_a_part_works_for_an_hour() -> None:
    time = Time()
    links = make_links(time)
    url, until = links.write_chunk(TENANT, UPLOAD, 3)
    assert until == NOON + timedelta(hours=1)
    time.now = until + timedelta(seconds=1)
    assert refuse(links, token_of(url), "upload") == "link_expired"


def test_link_is_absolute_with_a_public_url() -> None:
    asset = Asset(
        id=UUID(int=1),
        tenant_id=TENANT,
        alias="",
        created_at=NOON,
        updated_at=NOON,
        method="direct",
        status="ready",
        filename="a b/c?.mp4",
        mime="video/mp4",
    )
    url = make_links(Time(), public_url="https://chat.example/").file(asset)
    assert url.startswith("https://chat.example/media/")
    assert url.endswith("/file/a%20b%2Fc%3F.mp4")


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("talk.mp4", "talk.mp4"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ann\\talk.mp4", "talk.mp4"),
        ("  a\tb\r\n\0.txt ", "ab.txt"),
        ("ev\u202eil.exe", "evil.exe"),
        ("\ud800x", "x"),
        ("..", "file"),
        ("", "file"),
        (None, "file"),
        ("日本 — é.pdf", "日本 — é.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("x." + "y" * 300, "x." + "y" * 253),
    ],
)
def test_filename_is_cleaned(name: str | None, cleaned: str) -> None:
    assert clean_filename(name) == cleaned


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://media.example/a/talk%20one.mp4?x=1#y", "talk one.mp4"),
        ("https://media.example/", "file"),
        ("https://media.example/%2e%2e%2fpasswd", "passwd"),
        ("https://[1/x", "file"),
    ],
)
def test_url_names_its_file(url: str, name: str) -> None:
    assert find_url_filename(url) == name


def test_link_of_a_part_works_to_its_last_second() -> None:
    time = Time()
    links = make_links(time)
    url, until = links.write_chunk(TENANT, UPLOAD, 3)
    assert url.endswith("/chunks/3")
    time.now = until
    assert links.read(token_of(url), "upload") == Linked(TENANT, UPLOAD)
    time.now = until + timedelta(seconds=1)
    assert refuse(links, token_of(url), "upload") == "link_expired"


def test_link_without_end_has_one() -> None:
    links = Links(b"s" * 32, Time(), life_s=10**10, public_url=None)
    assert links.read(token_of(links.write(TENANT, ASSET, "x")), "asset") == Linked(TENANT, ASSET)


def test_short_link_is_short() -> None:
    time = Time()
    links = Links(b"s" * 32, time, life_s=0.5, public_url=None)
    token = token_of(links.write(TENANT, ASSET, "x"))
    time.now += timedelta(seconds=2)
    assert refuse(links, token) == "link_expired"
