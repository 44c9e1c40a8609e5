"""Server-sent events, read from bytes as they come (WHATWG HTML, 9.2.6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """One event of a stream: its name, its data, and its id where it had one."""

    event: str
    data: str
    id: str | None = None


class FrameReader:
    """Cuts a stream of bytes into frames, wherever the bytes were cut."""

    def __init__(self) -> None:
        self.rest = b""
        self.was_return = False
        self.event = ""
        self.id: str | None = None
        self.data: list[str] = []

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that these bytes complete."""
        if self.was_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self.was_return = chunk.endswith(b"\r")
        text = (self.rest + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, self.rest = text.split(b"\n")
        frames = (self.read_line(line.decode("utf-8", "replace")) for line in lines)
        return [frame for frame in frames if frame]

    def read_line(self, line: str) -> Frame | None:
        """Read a line; an empty one ends a frame."""
        if not line:
            return self.finish()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self.data.append(value)
        elif name == "event":
            self.event = value
        elif name == "id":
            self.id = value
        return None

    def finish(self) -> Frame | None:
        """The frame so far; one without data is none."""
        frame = Frame(self.event or "message", "\n".join(self.data), self.id) if self.data else None
        self.event, self.id, self.data = "", None, []
        return frame
