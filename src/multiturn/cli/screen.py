"""What a terminal, or a pipe, shows of a conversation; of what was written only the waiting mark is written over."""

from __future__ import annotations

import sys

from multiturn.cli.tables import without_controls
from multiturn.cli.talk import Piece

try:
    import readline
except ImportError:  # Some builds of Python have none: lines can be typed all the same.
    readline = None  # type: ignore[assignment]

BOLD, DIM, RED, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"
ERASE_LINE = "\r\x1b[K"
PROMPT = "you> "
# What readline must not count as width stands between these.
BEGIN_UNSEEN, END_UNSEEN = "\x01", "\x02"


class Screen:
    """Writes answers to standard output; for a pipe, everything else goes to standard error."""

    def __init__(self, *, is_person: bool, has_color: bool) -> None:
        self.is_person = is_person
        self.has_color = has_color
        self.is_waiting = False
        self.last = "\n"
        self.thinks = False

    def paint(self, text: str, style: str) -> str:
        """A text in a style, where there are colours."""
        return f"{style}{text}{PLAIN}" if self.has_color and style and text else text

    def read(self) -> str | None:
        """Read what a person says, with readline's keys and its history of this conversation; None at the end."""
        prompt = (
            f"{BEGIN_UNSEEN}{BOLD}{END_UNSEEN}{PROMPT}{BEGIN_UNSEEN}{PLAIN}{END_UNSEEN}" if self.has_color else PROMPT
        )
        lines: list[str] = []
        while True:
            try:
                line = input("...> " if lines else prompt)
            except EOFError:
                print()
                return None
            except KeyboardInterrupt:
                print()
                lines.clear()
                continue
            if not line.endswith("\\"):
                return "\n".join([*lines, line]).strip()
            lines.append(line[:-1])

    def ask(self, question: str) -> bool:
        """Ask a person; everything but yes is no."""
        try:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except EOFError:
            print()
            return False

    def note(self, text: str) -> None:
        """Say something about the conversation."""
        print(self.paint(text, DIM), file=None if self.is_person else sys.stderr, flush=True)

    def complain(self, text: str) -> None:
        """Say what went wrong, on one line."""
        line = " ".join(text.split())
        print(self.paint(f"error: {line}", RED), file=None if self.is_person else sys.stderr, flush=True)

    def show_item(self, who: str, text: str) -> None:
        """Show something that was said before."""
        print(f"{self.paint(f'{who}>', BOLD)} {without_controls(text)}")

    def begin_answer(self) -> None:
        """Show that an answer is waited for."""
        self.last, self.thinks = "\n", False
        if self.is_person:
            self.is_waiting = True
            self._put(self.paint("…", DIM))

    def write(self, piece: Piece) -> None:
        """Show a piece of an answer; thoughts are for people only."""
        if piece.is_thought and not self.is_person:
            return
        self._clear_mark()
        if self.thinks and not piece.is_thought:
            self._put("\n" if self.last == "\n" else "\n\n")
        self.thinks = piece.is_thought
        text = without_controls(piece.text) if self.is_person else piece.text
        self._put(self.paint(text, DIM if piece.is_thought else ""))
        self.last = text[-1:] or self.last

    def end_answer(self, remark: str) -> None:
        """End an answer's last line; ``remark`` says why it is not whole."""
        was_waiting = self.is_waiting
        self._clear_mark()
        if not was_waiting and self.last != "\n":
            self._put("\n")
        if remark:
            self.note(f"({remark})")

    def _clear_mark(self) -> None:
        if self.is_waiting:
            self.is_waiting = False
            self._put(ERASE_LINE)

    def _put(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
