"""The description of the API."""

from __future__ import annotations

from starlette.routing import Route


class DocsRoutes:
    """To be replaced."""

    def routes(self) -> list[Route]:
        """None yet."""
        return []
