"""What an MCP server says, in our words: its tools, and a result as a text for a model."""

from __future__ import annotations

from collections.abc import Iterator

import mcp_types
import msgspec

from multiturn.model.tool import ToolAnswer, ToolSpec
from multiturn.upstream.tool_limits import ToolLimits


def read_tools(tools: list[mcp_types.Tool], limits: ToolLimits) -> Iterator[ToolSpec]:
    """The tools of a page of a listing; one without a usable name cannot be called."""
    for tool in tools:
        if 0 < len(tool.name) <= limits.name_chars_max:
            description = tool.description or tool.title or ""
            yield limits.shorten(ToolSpec(name=tool.name, description=description, parameters=tool.input_schema))


def write_result(result: mcp_types.CallToolResult, limits: ToolLimits) -> ToolAnswer:
    """A result: its texts, and a word for each thing that is none. What is structured only is told as JSON."""
    parts = [write_part(part) for part in result.content]
    if not parts and result.structured_content is not None:
        parts = [msgspec.json.encode(result.structured_content).decode()]
    return limits.answer("\n".join(parts), is_error=bool(result.is_error))


def write_part(part: mcp_types.ContentBlock) -> str:
    """One part of a result."""
    match part:
        case mcp_types.TextContent():
            return part.text
        case mcp_types.EmbeddedResource(resource=mcp_types.TextResourceContents() as resource):
            return resource.text
        case mcp_types.EmbeddedResource():
            return f"[a file, not shown: {part.resource.uri}]"
        case mcp_types.ResourceLink():
            return f"[a link: {part.name}, {part.uri}]"
        case _:
            return f"[{part.type}, not shown: {part.mime_type}]"
