"""The paths of Powabase's API."""

from __future__ import annotations

from starlette.routing import BaseRoute

from multiturn.api.powabase.absent import list_absent
from multiturn.api.powabase.agent_routes import AgentRoutes
from multiturn.api.powabase.attached_routes import AttachedRoutes
from multiturn.api.powabase.handler_routes import HandlerRoutes
from multiturn.api.powabase.knowledge_routes import KnowledgeRoutes
from multiturn.api.powabase.run_routes import RunRoutes
from multiturn.api.powabase.session_routes import SessionRoutes
from multiturn.api.powabase.source_routes import SourceRoutes
from multiturn.api.services import Services


class PowabaseRoutes:
    """Everything that Powabase's clients ask for, turns first."""

    def __init__(self, services: Services) -> None:
        self.parts = (
            RunRoutes(services),
            SessionRoutes(services),
            AgentRoutes(services),
            AttachedRoutes(services),
            KnowledgeRoutes(services),
            SourceRoutes(services),
            HandlerRoutes(services),
        )

    def below(self, base: str) -> list[BaseRoute]:
        """The routes of the dialect under a base path."""
        return [*(route for part in self.parts for route in part.below(base)), *list_absent(base)]
