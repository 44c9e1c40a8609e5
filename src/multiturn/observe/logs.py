"""Logs: one JSON object a line, with the request's ids and never a message's text or a key."""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec

# What every line of a request's log carries.
log_context: ContextVar[dict[str, str]] = ContextVar("log_context")
# Loggers of the MCP client library and of what it calls with: they write URLs, and what tools answered.
TALKATIVE = ("mcp", "client", "httpx2")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the request's ids, and what the call gave as
    ``extra={"facts": …}``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **log_context.get({}),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def start_logging(level: str) -> None:
    """Write the logs of the server, and of the libraries it uses, to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    for library in TALKATIVE:
        logging.getLogger(library).setLevel(logging.CRITICAL)
