"""What a reader process says: frames of four bytes of length (little-endian) and a reading, or how it ended."""

from __future__ import annotations

import struct

import msgspec
from msgspec import Struct

from multiturn.model.asset import Probe
from multiturn.model.segment import Note, Picture, Progress, Segment, Sound

LENGTH = struct.Struct("<I")
FRAME_BYTES_MAX = 16 << 20


class Probed(Struct, frozen=True, tag="probed"):
    """What the file is."""

    probe: Probe


class Done(Struct, frozen=True, tag="done"):
    """Everything was read."""


class Refused(Struct, frozen=True, tag="refused"):
    """The reader refuses the file and says why."""

    text: str
    is_passing: bool = False


class Exhausted(Struct, frozen=True, tag="exhausted"):
    """The memory did not suffice."""


class Failed(Struct, frozen=True, tag="failed"):
    """The reader stumbled over the file: the name of the error."""

    error: str


# The last frame of a process is one of these.
END = (Done, Refused, Exhausted, Failed)
Frame = Segment | Picture | Sound | Progress | Note | Probed | Done | Refused | Exhausted | Failed

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)


def encode(frame: Frame) -> bytes:
    """Write a frame, with its length in front."""
    body = _encoder.encode(frame)
    return LENGTH.pack(len(body)) + body


def decode(body: bytes) -> Frame:
    """Read a frame's body. Raises msgspec.DecodeError."""
    return _decoder.decode(body)
