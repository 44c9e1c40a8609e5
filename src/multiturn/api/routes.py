"""Every route of the server."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from multiturn.api.admin.routes import AdminRoutes
from multiturn.api.chat.routes import ChatRoutes
from multiturn.api.files.files import FileRoutes
from multiturn.api.files.store_files import StoreFileRoutes
from multiturn.api.files.vector_stores import VectorStoreRoutes
from multiturn.api.health import HealthRoutes
from multiturn.api.jockey.routes import JockeyRoutes
from multiturn.api.julep.routes import JulepRoutes
from multiturn.api.mcp.routes import McpRoutes
from multiturn.api.native.agents import AgentRoutes
from multiturn.api.native.assets import AssetRoutes
from multiturn.api.native.chat import ChatRoutes as NativeChatRoutes
from multiturn.api.native.contexts import ContextRoutes
from multiturn.api.native.documents import DocumentRoutes
from multiturn.api.native.media import MediaRoutes
from multiturn.api.native.routes import NativeRoutes
from multiturn.api.native.store_items import StoreItemRoutes
from multiturn.api.native.stores import StoreRoutes
from multiturn.api.native.tenant import TenantRoutes
from multiturn.api.native.transfer import TransferRoutes
from multiturn.api.native.usage import UsageRoutes
from multiturn.api.native.users import UserRoutes
from multiturn.api.openapi import DocsRoutes
from multiturn.api.powabase.routes import PowabaseRoutes
from multiturn.api.services import Services


def list_routes(services: Services) -> list[BaseRoute]:
    """What is asked where, the busiest first: the router looks from the top."""
    chat = ChatRoutes(services)
    return [
        *chat.below("/v1"),
        *chat.below("/api/publicLLM"),
        Route("/api/publicLLM", chat.complete, methods=["POST"]),
        *chat.below("/api/v1"),
        *NativeChatRoutes(services).below("/v1"),
        *TransferRoutes(services).below("/v1"),
        *NativeRoutes(services).below("/v1"),
        *ContextRoutes(services).below("/v1"),
        *DocumentRoutes(services).below("/v1"),
        *AssetRoutes(services).below("/v1"),
        *MediaRoutes(services).routes(),
        *StoreRoutes(services).below("/v1"),
        *StoreItemRoutes(services).below("/v1"),
        *FileRoutes(services).below("/v1"),
        *VectorStoreRoutes(services).below("/v1"),
        *StoreFileRoutes(services).below("/v1"),
        *AgentRoutes(services).below("/v1"),
        *UserRoutes(services).below("/v1"),
        *TenantRoutes(services).below("/v1"),
        *UsageRoutes(services).below("/v1"),
        *AdminRoutes(services).below("/v1"),
        *JockeyRoutes(services).below("/v1.3"),
        *JulepRoutes(services).below("/julep/api"),
        *PowabaseRoutes(services).below("/api"),
        *McpRoutes(services).routes(),
        *HealthRoutes(services).routes(),
        *DocsRoutes().routes(),
    ]
