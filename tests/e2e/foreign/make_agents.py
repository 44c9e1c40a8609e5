"""Made agents.sqlite beside this file: run it where openai-agents is installed; the tests read the file it made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from agents import SQLiteSession

WALK: list[Any] = [
    {"role": "user", "content": "Which tram goes to Belem?"},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look it up."}]},
    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "find_tram", "arguments": '{"to": "Belem"}'},
    {"type": "function_call_output", "call_id": "call_1", "output": "15E"},
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": "The tram 15E.", "annotations": []}],
    },
]


async def main() -> None:
    """Keep two conversations."""
    path = Path(__file__).with_name("agents.sqlite")
    path.unlink(missing_ok=True)
    for name, items in (("belem", WALK), ("empty", []), ("hello", [{"role": "user", "content": "Hello"}])):
        session = SQLiteSession(name, path)
        await session.add_items(items)
        session.close()


if __name__ == "__main__":
    asyncio.run(main())
