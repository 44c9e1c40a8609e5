"""What can be asked of the Model Context Protocol's path, described."""

from __future__ import annotations

from typing import Any

from multiturn.api.description import ANY, Body, Example, Operation, Parameter, Reply
from multiturn.api.envelopes import MCP
from multiturn.api.mcp.wire import VERSION_HEADER, VERSIONS, McpAnswerBody, McpEventBody, McpMessageBody
from multiturn.api.parameters import USER

TAG = "Model Context Protocol"
TAGS = {
    TAG: "This server as an MCP server (streamable HTTP): knowledge stores and sessions as tools for other models. "
    "docs/mcp.md says how clients are set up. Errors of the protocol are those of JSON-RPC; what a tool cannot do is "
    "its result, with `isError`."
}
VERSION = Parameter(
    name=VERSION_HEADER,
    place="header",
    schema={"type": "string", "enum": list(VERSIONS[:-1])},
    text="The revision that was agreed upon by `initialize`. With 2026-07-28 there is no handshake: each request says "
    "in `params._meta`, and in the headers `mcp-method` and `mcp-name`, what it needs.",
)
CALLED: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "list_sessions"}}
LISTED: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
EXAMPLES = (
    Example(name="call", title="A tool that is called", body=CALLED),
    Example(name="list", title="What tools there are", body=LISTED),
)
ANSWER: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "result": {
        "content": [{"type": "text", "text": "There are no such sessions."}],
        "structuredContent": {"sessions": [], "next": None},
        "isError": False,
    },
}
EVENTS = """event: message
data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1,"message":"Step 2."}}

event: message
data: {"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"Two [1]."}],"isError":false}}

"""

OPERATIONS = (
    Operation(
        name="hearMcp",
        method="post",
        paths=("/mcp",),
        tag=TAG,
        summary="Send a message of the Model Context Protocol",
        text="One message of JSON-RPC 2.0; the server keeps nothing between two. The tool `ask` is told as a stream to "
        "clients that accept `text/event-stream`, with progress where a `progressToken` asks for it.",
        parameters=(VERSION, USER),
        body=Body(shape=McpMessageBody, examples=EXAMPLES),
        replies=(
            Reply(text="The answer.", shape=McpAnswerBody, example=ANSWER, events=McpEventBody, events_example=EVENTS),
            Reply(text="It was a notification.", status=202, media=""),
        ),
        errors={
            **ANY,
            400: (
                *ANY[400],
                "invalid_json",
                "incomplete_body",
                "mcp_message_wrong",
                "mcp_version_unsupported",
                "mcp_header_mismatch",
            ),
            403: (*ANY[403], "origin_refused"),
            404: ("mcp_method_unknown",),
            413: ("request_too_large",),
        },
        envelope=MCP,
    ),
)
