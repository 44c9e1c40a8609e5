"""What a reader process is asked to do, and within what limits."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from multiturn.model.asset import Probe

# The functions that a reader's module may have.
Call = Literal["probe", "read", "make_thumbnail", "make_hls"]


class Options(Struct, frozen=True, kw_only=True):
    """How a file is read: whether speech is turned into text, what can be read in pictures is, key frames are handed
    out, and the sound is, for a transcription elsewhere. ``speech_model`` is a folder on this machine.
    """

    probe: Probe
    speech: bool = True
    screens: bool = True
    pictures: bool = False
    sounds: bool = False
    speech_model: str | None = None
    threads: int = 1


class Bounds(Struct, frozen=True, kw_only=True):
    """What the kernel holds a reader process to: its processor time, its writable memory, and the files it writes."""

    cpu_s: int
    data_bytes: int
    file_bytes: int = 0


class Task(Struct, frozen=True, kw_only=True):
    """One call of a function of a reader's module, for a process whose parent is ``parent``."""

    module: str
    call: Call
    path: str
    parent: int
    bounds: Bounds
    filename: str = ""
    folder: str = ""
    options: Options | None = None
    probe: Probe | None = None
