"""The process that reads one file: a task on its standard input, frames on its standard output, and an end.

It is held to its limits before it imports the reader, and ends with its parent.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType

import msgspec

from multiturn.ingest.frames import Done, Exhausted, Failed, Frame, Probed, Refused, encode
from multiturn.ingest.options import Bounds, Task
from multiturn.ingest.refusal import Refusal
from multiturn.model.segment import Note, Picture, Progress, Segment

Hook = Callable[[type[BaseException], BaseException, TracebackType | None], None]

PR_SET_PDEATHSIG = 1
NICENESS = 10


def main() -> None:
    """Do the task of the standard input, and leave without ado: libraries that crash when they end do no harm."""
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task)
    # A Ctrl-C in the terminal is for the server, which stops this process in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(task.parent)
    hold(task.bounds)
    write = _take_output()
    sys.excepthook = _report_by(write)
    try:
        for frame in perform(task):
            if cleaned := clean(frame):
                write(cleaned)
        write(Done())
    except Refusal as refusal:
        write(Refused(refusal.text, refusal.is_passing))
    except MemoryError:
        write(Exhausted())
    os._exit(0)


def _die_with(parent: int) -> None:
    """Have the kernel end this process with its parent; elsewhere than on Linux the next frame does, whose pipe is
    broken then.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def hold(bounds: Bounds) -> None:
    """Hold this process to its limits.

    The memory limit is on what it may write to (RLIMIT_DATA): the address space (RLIMIT_AS) of onnxruntime is three
    times what it uses. macOS keeps neither.
    """
    os.nice(NICENESS)
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: bounds.cpu_s,
        resource.RLIMIT_DATA: bounds.data_bytes,
        resource.RLIMIT_FSIZE: bounds.file_bytes,
    }
    for name, value in limits.items():
        hard = resource.getrlimit(name)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(name, (most, most))


def _take_output() -> Callable[[Frame], None]:
    """Keep the standard output for frames: what a library prints goes where errors go."""
    out = os.dup(1)
    os.dup2(2, 1)

    def write(frame: Frame) -> None:
        left = memoryview(encode(frame))
        while left:
            left = left[os.write(out, left) :]

    return write


def _report_by(
    write: Callable[[Frame], None],
) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        write(Failed(kind.__name__))

    return report


def perform(task: Task) -> Iterator[Frame]:
    """Call the function of the reader's module that the task names."""
    module, path = importlib.import_module(task.module), Path(task.path)
    match task.call:
        case "probe":
            yield Probed(module.probe(path, task.filename))
        case "read":
            yield from module.read(path, task.options)
        case "make_thumbnail":
            yield from _make_thumbnail(module, path, task)
        case "make_hls":
            module.make_hls(path, Path(task.folder))


def _make_thumbnail(module: ModuleType, path: Path, task: Task) -> Iterator[Picture]:
    """A module without the function is of files without a picture."""
    make = getattr(module, "make_thumbnail", None)
    if make is not None and (jpeg := make(path, task.probe)):
        yield Picture(kind="thumbnail", jpeg=jpeg)


def clean(frame: Frame) -> Frame | None:
    """Take out of a frame's text what no database keeps: NUL, and halves of characters. None: nothing is left."""
    match frame:
        case Segment(text=text, place=place):
            if not (text := clean_text(text)).strip():
                return None
            heading = clean_text(place.heading).strip() or None if place.heading else None
            return msgspec.structs.replace(frame, text=text, place=msgspec.structs.replace(place, heading=heading))
        case Probed(probe=probe):
            technical = {name: clean_text(v) if isinstance(v, str) else v for name, v in probe.technical.items()}
            return Probed(msgspec.structs.replace(probe, technical=technical))
        case Note(text=text):
            return Note(text=clean_text(text))
        case Progress(share=share, doing=doing):
            return Progress(share=min(max(share, 0.0), 1.0), doing=clean_text(doing))
        case _:
            return frame


def clean_text(text: str) -> str:
    """A text of whole characters, of the same length: marks keep their places."""
    if "\0" in text:
        text = text.replace("\0", " ")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


if __name__ == "__main__":
    main()
