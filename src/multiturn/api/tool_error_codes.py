"""The error codes of tools that are somewhere else. Most are read in a run, where they are told to the model."""

from __future__ import annotations

from multiturn.api.error_code import ErrorCode

TOOLS = (
    ErrorCode(
        "tool_source_refused",
        400,
        "A source of tools may not be used: its MCP server is not one that the settings name, its URL is none, its "
        "description is no OpenAPI, or the tool is not among those allowed.",
        "Do what the text says; the operator names MCP servers (`MULTITURN_MCP_SERVERS`).",
    ),
    ErrorCode(
        "too_many_tools",
        400,
        "A source has more tools than are offered to a model.",
        "Name those that are wanted in the source's `allowed`.",
    ),
    ErrorCode(
        "tool_failed",
        502,
        "The server of a tool broke off, cannot be reached or answered nonsense. The run goes on without its answer.",
        "The text has the reason. What may have run already is not called again.",
    ),
    ErrorCode(
        "tools_unavailable",
        503,
        "The server of a source cannot be reached or does not speak its protocol. A run goes on without its tools.",
        "The text has the reason; the operator finds more in the server's log.",
    ),
    ErrorCode(
        "tool_timeout",
        504,
        "A tool did not answer in time; it may have run. The run goes on without its answer.",
        "Raise the source's `timeout_s`, or ask the tool for less.",
    ),
)
