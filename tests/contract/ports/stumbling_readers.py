"""Readers that do what broken files do to readers: the first word of the file says what."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from multiturn.ingest.options import Options
from multiturn.ingest.refusal import Refusal
from multiturn.model.asset import Probe
from multiturn.model.segment import Mark, Note, Picture, Place, Progress, Reading, Segment, Sound


def probe(path: Path, filename: str) -> Probe:
    """A text; one that hangs, hangs here too."""
    if path.read_text().startswith("hang"):
        time.sleep(60)
    return Probe(kind="document", mime="text/plain", technical={"title": filename, "nul": "a\0b"})


def make_thumbnail(path: Path, probe: Probe) -> bytes | None:
    """The file itself."""
    return path.read_bytes() or None


def make_hls(path: Path, folder: Path) -> None:
    """Write more than was asked for."""
    (folder / "stream.m3u8").write_bytes(b"0" * int(path.read_text()))


def read(path: Path, options: Options) -> Iterator[Reading]:
    """Do what the file says."""
    match path.read_text().split():
        case ["all"]:
            yield from list_all()
        case ["environ"]:
            yield Segment(text=" ".join(sorted(os.environ)))
        case ["options"]:
            yield Segment(text=f"{options.speech_model} {options.speech} {options.threads} {os.nice(0)}")
        case ["limits"]:
            limits = [resource.RLIMIT_CORE, resource.RLIMIT_FSIZE]
            yield Segment(text=" ".join(str(resource.getrlimit(limit)[0]) for limit in limits))
        case ["print"]:
            print("a library says hello")
            os.write(1, b"and so does C\n")
            yield Segment(text="said")
        case ["pid", *_]:
            yield Segment(text=str(os.getpid()))
            time.sleep(60)
        case _:
            yield Segment(text="before")
            stumble(path)


def list_all() -> Iterator[Reading]:
    """One of each, with what must be cleaned."""
    yield Progress(share=1.5, doing="half\ud800")
    yield Segment(text="a\0b\ud800c", place=Place(page=2, heading=" \0 ", marks=(Mark(0, 1.0, 2.0),)))
    yield Segment(text=" \n\0")
    yield Picture(kind="frame", jpeg=b"\xff\xd8", shot=3)
    yield Sound(audio=b"0" * 9_600_000, start_s=0.0, end_s=300.0)
    yield Note(text="nothing more")


def stumble(path: Path) -> None:
    """End badly."""
    match path.read_text().split():
        case ["hang"]:
            time.sleep(60)
        case ["spin"]:
            while True:
                pass
        case ["crash"]:
            ctypes.string_at(0)
        case ["abort"]:
            os.abort()
        case ["fail"]:
            raise KeyError("word/document.xml")
        case ["refuse"]:
            raise Refusal("It is a drawing of a cat.")
        case ["later"]:
            raise Refusal("The model is not there yet.", is_passing=True)
        case ["leave"]:
            sys.exit(0)
        case ["exit", status]:
            os._exit(int(status))
        case ["killed"]:
            os.kill(os.getpid(), 9)
        case ["gibberish"]:
            find_frames_descriptor(b"\x05\0\0\0\xff\xff\xff\xff\xff")
        case ["long"]:
            find_frames_descriptor(b"\xff\xff\xff\xff")
        case ["hungry"]:
            hold = [bytearray(64 << 20) for _ in range(64)]
            raise AssertionError(len(hold))
        case ["greedy"]:
            bytearray(8 << 30)
        case ["fork", *how]:
            leave_child(is_apart=how == ["apart"])
        case ["writes", name]:
            Path(name).write_bytes(b"0" * 100)


def leave_child(*, is_apart: bool) -> None:
    """End, and leave a child that holds all pipes open; apart, it is in no group of ours."""
    if os.fork() == 0:
        if is_apart:
            os.setsid()
        time.sleep(30)
    os._exit(3)


def find_frames_descriptor(data: bytes) -> None:
    """Write past the protocol: to every pipe but the standard ones."""
    for descriptor in range(3, 32):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:"):
                os.write(descriptor, data)
        except OSError:
            continue
    time.sleep(60)
