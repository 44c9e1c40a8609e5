"""Writes a film for players that stream (HLS): its streams as they are, in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer

from multiturn.ingest.media import find_audio, find_video, list_packets, open_media
from multiturn.ingest.refusal import Refusal

PIECE_S = 6
# What players take from pieces of MP4, by FFmpeg's names.
VIDEO_CODECS = {"h264", "hevc", "vp9", "libvpx-vp9", "av1", "libdav1d"}
AUDIO_CODECS = {"aac", "mp3", "mp3float", "ac3", "eac3", "opus", "libopus", "flac", "alac"}
TRANSPORTS = {"mpegts", "mpeg", "aac"}
PLAYLIST = "stream.m3u8"


def make_hls(path: Path, folder: Path) -> None:
    """Write ``stream.m3u8`` and its pieces into a folder. Raises Refusal when the streams cannot be played so."""
    with open_media(path) as source:
        streams = _choose(source)
        options = {
            "hls_time": str(PIECE_S),
            "hls_playlist_type": "vod",
            **_choose_pieces(source, folder),
        }
        try:
            with av.open(str(folder / PLAYLIST), "w", format="hls", options=options) as target:
                _copy(source, target, streams)
        except av.error.FFmpegError as error:
            raise Refusal(f"The streams cannot be written for HLS: {error.strerror}.") from error


def _choose_pieces(source: InputContainer, folder: Path) -> dict[str, str]:
    """A transport stream stays one: its streams lack the heads that MP4 wants."""
    if source.format.name in TRANSPORTS:
        return {"hls_segment_type": "mpegts", "hls_segment_filename": str(folder / "piece%05d.ts")}
    return {
        "hls_segment_type": "fmp4",
        "hls_fmp4_init_filename": "init.mp4",
        "hls_segment_filename": str(folder / "piece%05d.m4s"),
    }


def _choose(source: InputContainer) -> Sequence[av.VideoStream | av.AudioStream]:
    """The picture and the sound that are played. Raises Refusal."""
    video, audio = find_video(source), find_audio(source)
    if video is None and audio is None:
        raise Refusal("There is nothing in the file that could be played.")
    for stream, codecs in ((video, VIDEO_CODECS), (audio, AUDIO_CODECS)):
        if stream is not None and stream.codec_context.name not in codecs:
            name = stream.codec_context.name
            raise Refusal(f"Players cannot stream its {stream.type} ({name}): HLS takes H.264, HEVC, VP9, AV1 and AAC.")
    return [stream for stream in (video, audio) if stream is not None]


def _copy(source: InputContainer, target: OutputContainer, streams: Sequence[av.VideoStream | av.AudioStream]) -> None:
    copies = {stream.index: target.add_stream_from_template(stream) for stream in streams}
    last: dict[int, int] = {}
    for packet in list_packets(source, *streams):
        # A packet without a time is the end of the file, or damaged; so is one whose time goes back.
        index = packet.stream.index
        if packet.dts is None or packet.dts <= last.get(index, packet.dts - 1):
            continue
        last[index] = packet.dts
        packet.stream = copies[index]
        target.mux(packet)
