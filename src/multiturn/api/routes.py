"""Every route of the server."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from multiturn.api.admin.routes import AdminRoutes
from multiturn.api.chat.routes import ChatRoutes
from multiturn.api.health import HealthRoutes
from multiturn.api.native.routes import NativeRoutes
from multiturn.api.openapi import DocsRoutes
from multiturn.api.services import Services


def list_routes(services: Services) -> list[BaseRoute]:
    """What is asked where, the busiest first: the router looks from the top."""
    chat = ChatRoutes(services)
    return [
        *chat.below("/v1"),
        *chat.below("/api/publicLLM"),
        Route("/api/publicLLM", chat.complete, methods=["POST"]),
        *chat.below("/api/v1"),
        *NativeRoutes(services).below("/v1"),
        *AdminRoutes(services).below("/v1"),
        *HealthRoutes(services).routes(),
        *DocsRoutes().routes(),
    ]
