"""A person at a terminal: a command on a pseudo-terminal, typed at and read like the real thing."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress

EXPECT_S = 20.0
CTRL_C, CTRL_D = "\x03", "\x04"
# Makes its standard input the controlling terminal, so that Ctrl-C there is a signal, and becomes the command.
SIT_DOWN = (
    "import os, sys; os.login_tty(0); os.execv(sys.executable, [sys.executable, '-m', 'multiturn', *sys.argv[1:]])"
)


class Terminal:
    """What is typed goes to the command; what it writes can be waited for."""

    def __init__(self, keyboard: int, process: Process) -> None:
        self.keyboard = keyboard
        self.process = process
        self.unread = ""
        self.shown = ""
        self.news = asyncio.Event()

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.keyboard, text.encode())

    async def expect(self, pattern: str) -> str:
        """Wait until the screen shows something that matches, behind what was waited for before; all up to it."""
        try:
            async with asyncio.timeout(EXPECT_S):
                while not (found := re.search(pattern, self.unread)):
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            raise AssertionError(f"no {pattern!r} on the screen: {self.shown!r}") from None
        seen, self.unread = self.unread[: found.end()], self.unread[found.end() :]
        return seen

    def hear(self) -> None:
        """Take what the command wrote."""
        with suppress(OSError):  # The command has left: Linux says so by an error.
            text = os.read(self.keyboard, 65536).decode(errors="replace")
            self.unread += text
            self.shown += text
        self.news.set()


@asynccontextmanager
async def terminal(*words: str, environ: Mapping[str, str]) -> AsyncGenerator[Terminal]:
    """Run a command on a terminal of its own; it is killed if it has not left by the end of the block."""
    keyboard, screen = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SIT_DOWN, *words), stdin=screen, stdout=screen, stderr=screen, env=dict(environ)
    )
    os.close(screen)
    seat = Terminal(keyboard, process)
    loop = asyncio.get_running_loop()
    loop.add_reader(keyboard, seat.hear)
    try:
        yield seat
    finally:
        loop.remove_reader(keyboard)
        if process.returncode is None:
            process.kill()
        await process.wait()
        os.close(keyboard)
