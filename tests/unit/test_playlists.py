"""Playlists of recordings: what they are made of, and what cannot be fetched; and which addresses are public."""

from __future__ import annotations

import pytest

from multiturn.errors import UnreadableFile
from multiturn.upstream.addresses import is_public
from multiturn.upstream.playlists import SEGMENTS_MAX, Piece, find_variant, read_playlist

URL = "https://media.example/talks/one/stream.m3u8"
BASE = "https://media.example/talks/one/"


def playlist(*lines: str) -> str:
    """A playlist of a recording that is all there."""
    return "\n".join(["#EXTM3U", *lines, "#EXT-X-ENDLIST"])


def test_pieces_are_found_beside_their_playlist() -> None:
    found = read_playlist(
        playlist("#EXTINF:2,", "a.ts", "", " #EXTINF:2, ", "/b.ts", "https://other.example/c.ts"), URL
    )
    assert [piece.url for piece in found.pieces] == [
        f"{BASE}a.ts",
        "https://media.example/b.ts",
        "https://other.example/c.ts",
    ]
    assert not found.is_fragmented


def test_ranges_go_on_where_the_last_ended() -> None:
    text = playlist(
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="700@0"',
        "#EXT-X-BYTERANGE:1000@700",
        "all.mp4",
        "#EXT-X-BYTERANGE:500",
        "all.mp4",
        "#EXT-X-BYTERANGE:10",
        "other.mp4",
        "whole.mp4",
    )
    found = read_playlist(text, URL)
    assert found.is_fragmented
    assert found.pieces == (
        Piece(f"{BASE}all.mp4", 0, 700),
        Piece(f"{BASE}all.mp4", 700, 1000),
        Piece(f"{BASE}all.mp4", 1700, 500),
        Piece(f"{BASE}other.mp4", 0, 10),
        Piece(f"{BASE}whole.mp4"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must begin with #EXTM3U"),
        ("a.ts\n#EXT-X-ENDLIST", "must begin with #EXTM3U"),
        ("#EXTM3U\na.ts", "live stream"),
        (playlist('#EXT-X-KEY:METHOD=AES-128,URI="key"', "a.ts"), "encrypted"),
        (playlist("#EXT-X-KEY:URI=none", "a.ts"), "encrypted"),
        (playlist(), "has 0 pieces"),
        (playlist(*["a.ts"] * (SEGMENTS_MAX + 1)), f"has {SEGMENTS_MAX + 1} pieces"),
        (playlist("#EXT-X-BYTERANGE:-5@1", "a.ts"), "broken"),
        (playlist("#EXT-X-BYTERANGE:²@1", "a.ts"), "broken"),
        (playlist("#EXT-X-BYTERANGE:" + "9" * 19, "a.ts"), "broken"),
    ],
)
def test_recording_that_cannot_be_fetched_says_why(text: str, said: str) -> None:
    with pytest.raises(UnreadableFile, match=said):
        read_playlist(text, URL)


def test_recording_that_is_said_to_be_open_is_read() -> None:
    assert len(read_playlist(playlist("#EXT-X-KEY:METHOD=NONE", *["a.ts"] * SEGMENTS_MAX), URL).pieces) == SEGMENTS_MAX


def test_best_variant_is_taken() -> None:
    text = "\n".join(
        [
            "#EXTM3U",
            '#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS="avc1,mp4a"',
            "low.m3u8",
            "#EXT-X-STREAM-INF:BANDWIDTH=90000",
            "high/stream.m3u8",
            "#EXT-X-STREAM-INF:BANDWIDTH=100000",
        ]
    )
    assert find_variant(text, URL) == f"{BASE}high/stream.m3u8"
    assert find_variant(playlist("a.ts"), URL) is None


def test_variant_whose_sound_is_apart_is_not_taken() -> None:
    sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",URI="sound.m3u8"'
    silent = '#EXT-X-STREAM-INF:BANDWIDTH=90000,AUDIO="aac"\nhigh.m3u8'
    whole = '#EXT-X-STREAM-INF:BANDWIDTH=900,AUDIO="inside"\nlow.m3u8'
    assert find_variant(f"#EXTM3U\n{sound}\n{silent}\n{whole}", URL) == f"{BASE}low.m3u8"
    with pytest.raises(UnreadableFile, match="sound apart"):
        find_variant(f"#EXTM3U\n{sound}\n{silent}", URL)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "2001:db8::1",
        "localhost",
        "127.1",
        "2130706433",
        "",
    ],
)
def test_address_of_somebodys_own_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "2002:101:101::", "64:ff9b::1.1.1.1"]
)
def test_address_on_the_internet_is_public(address: str) -> None:
    assert is_public(address)
