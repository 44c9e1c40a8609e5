"""A real MCP server, of the official package's server side: trams, with what tools can answer."""

from __future__ import annotations

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.utilities.types import Image

PIXEL = b"\x89PNG\r\n\x1a\n"


def make_server() -> MCPServer:
    """The server."""
    server = MCPServer("trams")

    @server.tool()
    def fare(line: int, zones: int = 1) -> str:
        """What a ride costs."""
        return f"Tram {line}: {zones * 3} euros"

    @server.tool()
    def stops(line: int) -> dict[str, list[str]]:
        """The stops of a line."""
        return {"stops": ["Estrela", "Graça"]}

    @server.tool()
    def fail() -> str:
        """Fail."""
        raise ValueError("the depot is closed")

    @server.tool()
    def picture() -> list[str | Image]:
        """A picture and a word."""
        return ["a tram", Image(data=PIXEL, format="png")]

    @server.tool()
    async def open_line(ctx: Context) -> str:
        """One tool more."""
        server.add_tool(lambda: "ding", name="ring", description="Ring the bell.")
        await ctx.notify_tools_changed()
        return "opened"

    return server


if __name__ == "__main__":
    make_server().run("stdio")
