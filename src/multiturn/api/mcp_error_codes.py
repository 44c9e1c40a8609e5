"""The error codes of the Model Context Protocol's path."""

from __future__ import annotations

from multiturn.api.error_code import ErrorCode

MCP_REFUSALS = (
    ErrorCode(
        "mcp_message_wrong",
        400,
        "The body is no message of JSON-RPC 2.0: a field of the envelope is wrong, or it is a batch.",
        "Correct what `param` names; send one message a request.",
    ),
    ErrorCode(
        "mcp_version_unsupported",
        400,
        "The revision of the protocol that a header or the request names is not spoken here.",
        "Use one of `data.supported`, or agree upon one by `initialize`.",
    ),
    ErrorCode(
        "mcp_header_mismatch",
        400,
        "A header that repeats what the body says (`mcp-method`, `mcp-name`, `mcp-protocol-version`) is missing, there "
        "twice, or says something else.",
        "Send the header that `param` names as the body has it.",
    ),
    ErrorCode(
        "mcp_method_unknown",
        404,
        "The server has no such method in this revision of the protocol.",
        "There are tools: `tools/list` and `tools/call`.",
    ),
    ErrorCode(
        "origin_refused",
        403,
        "The request comes from a web page whose origin may not call.",
        "Name the origin in `MULTITURN_CORS_ORIGINS`.",
    ),
)
