"""An MCP server on pipes, written by hand, that does what it is told to, wrong things above all.

``python mcp_stumbling.py MODE [NOTES]``: the mode says what it lists, each call leaves a line in the file of notes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

SCHEMA = {"type": "object"}
NAMES = ("hang", "die", "big", "huge", "nonsense", "wrong", "refuse", "grow", "count", "sleep")


def tell(message: dict[str, Any]) -> None:
    """Write one message."""
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def say(text: str) -> dict[str, Any]:
    """A result that is a text."""
    return {"content": [{"type": "text", "text": text}]}


class Server:
    """Answers by hand."""

    def __init__(self, mode: str, notes: str | None) -> None:
        self.mode = mode
        self.notes = Path(notes) if notes else None
        self.tools = [{"name": name, "inputSchema": SCHEMA} for name in NAMES]

    def run(self) -> None:
        """Answer until the input ends."""
        if self.mode == "leaves":
            sys.exit("the key is wrong")
        for line in sys.stdin:
            message = json.loads(line)
            if self.mode != "mute" and "id" in message:
                self.answer(message["id"], message["method"], message.get("params", {}))

    def answer(self, number: int, method: str, params: dict[str, Any]) -> None:
        """Answer one request."""
        if method == "initialize":
            capabilities = {"tools": {"listChanged": True}}
            info = {"name": "stumbling", "version": "1"}
            version = params["protocolVersion"]
            tell(
                {"id": number, "result": {"protocolVersion": version, "capabilities": capabilities, "serverInfo": info}}
            )
        elif method == "tools/list":
            self.list_tools(number, params)
        elif method == "tools/call":
            self.note(params["name"])
            getattr(self, params["name"])(number, params.get("arguments", {}))
        else:
            tell({"id": number, "error": {"code": -32601, "message": "Method not found"}})

    def note(self, name: str) -> None:
        """Leave a line."""
        if self.notes:
            with self.notes.open("a") as notes:
                notes.write(f"{name} {os.getpid()}\n")

    def list_tools(self, number: int, params: dict[str, Any]) -> None:
        """What the mode says."""
        if self.mode == "many":
            self.tools = [{"name": f"tool{place}", "inputSchema": SCHEMA} for place in range(10_000)]
        if self.mode == "twice":
            self.tools = [{"name": "ask", "description": text, "inputSchema": SCHEMA} for text in ("one", "two")]
        if self.mode == "long":
            wide = {"type": "object", "properties": {f"field{place}": {"type": "string"} for place in range(5000)}}
            self.tools = [
                {"name": "wide", "inputSchema": wide},
                {"name": "wordy", "description": "w" * 10_000, "inputSchema": {"type": "object"}},
                {"name": "n" * 300, "inputSchema": SCHEMA},
            ]
        if self.mode == "garbled":
            tell({"id": number, "result": {"tools": "none"}})
        elif self.mode == "pages":
            page = int(params.get("cursor") or 0)
            tool = {"name": f"tool{page}", "inputSchema": SCHEMA}
            tell({"id": number, "result": {"tools": [tool], **({"nextCursor": str(page + 1)} if page < 2 else {})}})
        else:
            tell({"id": number, "result": {"tools": self.tools}})

    def hang(self, number: int, arguments: dict[str, Any]) -> None:
        """Never answer."""

    def die(self, number: int, arguments: dict[str, Any]) -> None:
        """End in the middle of a call."""
        os._exit(3)

    def sleep(self, number: int, arguments: dict[str, Any]) -> None:
        """Answer, and end a little later."""
        tell({"id": number, "result": say("good night")})
        time.sleep(0.05)
        os._exit(0)

    def big(self, number: int, arguments: dict[str, Any]) -> None:
        """More than is kept."""
        tell({"id": number, "result": say("é" * arguments["chars"])})

    def huge(self, number: int, arguments: dict[str, Any]) -> None:
        """100 MB in one line, which has no end."""
        for _ in range(100):
            sys.stdout.write("x" * 1_000_000)
        sys.stdout.flush()

    def nonsense(self, number: int, arguments: dict[str, Any]) -> None:
        """Lines that are no messages."""
        for _ in range(200):
            print("Segmentation fault (not really)", flush=True)

    def wrong(self, number: int, arguments: dict[str, Any]) -> None:
        """A message with a result that is none."""
        tell({"id": number, "result": {"content": "tram 28"}})

    def refuse(self, number: int, arguments: dict[str, Any]) -> None:
        """An error of the protocol."""
        tell({"id": number, "error": {"code": -32602, "message": "There is no tram 29."}})

    def grow(self, number: int, arguments: dict[str, Any]) -> None:
        """Have one tool more, and say so."""
        self.tools.append({"name": "more", "inputSchema": SCHEMA})
        tell({"method": "notifications/tools/list_changed"})
        tell({"id": number, "result": say("grown")})

    def count(self, number: int, arguments: dict[str, Any]) -> None:
        """Say who answers."""
        tell({"id": number, "result": say(str(os.getpid()))})


if __name__ == "__main__":
    Server(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None).run()
